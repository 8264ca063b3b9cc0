"""Typing a numeric region for the values at hand: promotion as NumPy itself decides it, then kernel IR.

    y = x * 0.5 + b      x: float32 (n,), b: a Python float      %0 = input 0            : f element
                                                                %1 = const 0.5          : f scalar
                                                          -->   %2 = multiply %0 %1     : f element
                                                                %3 = input 1            : d scalar
                                                                %4 = cast %3            : f scalar
                                                                %5 = add %2 %4          : f element

Every result type comes from `ufunc.resolve_dtypes` or a reduction of NumPy's own.  Python numbers are weak (NEP
50): they take the type of what they meet, if they fit.  What strict mode cannot keep bit for bit is `Unfit`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ember_jit.compiler.passes.numeric_shapes import ONE, Axes, Shapes, Unfit
from ember_jit.ir.program import (
    BOOL,
    DTYPES,
    ELEMENTWISE,
    FLOATS,
    INDEX,
    INTEGERS,
    Builder,
    Layout,
    Numerics,
    Program,
    Rank,
)
from ember_jit.ir.region import NumericRegion, Reduction, Step

Kind = Literal["array", "numpy", "float", "int", "bool"]


@dataclass(frozen=True, slots=True)
class Seen:
    """What one input was, the values themselves left out.

    Attributes:
        kind: an exact array, a NumPy scalar, or an exact Python number.
        dtype: NumPy's code; of a Python number, "d", "l" or "?".
        shape: of an array.
        dense: it is C-contiguous.
        ordered: its strides, if not dense, fall from axis to axis.
    """

    kind: Kind
    dtype: str
    shape: tuple[int, ...] = ()
    dense: bool = True
    ordered: bool = True


@dataclass(frozen=True, slots=True)
class Typed:
    """A program and how it is entered.

    Attributes:
        program: the kernel IR.
        ndim: dimensions of the space.
        kinds: what each input is.
        input_ndims: dimensions of each input.
        keepdims: for each output, whether reduced axes stay.
        space: the axes of the space (`numeric_shapes`).
        input_axes: those of each input.
    """

    program: Program
    ndim: int
    kinds: tuple[Kind, ...]
    input_ndims: tuple[int, ...]
    keepdims: tuple[bool, ...]
    space: Axes
    input_axes: tuple[Axes, ...]


@dataclass(frozen=True, slots=True)
class _Value:
    """A step's value: a node (or a number of the source), its type and what Python would call it."""

    node: int
    dtype: str
    kind: Kind
    number: Any = None


_OPERATORS_ON_SCALARS = frozenset(
    [
        "add",
        "subtract",
        "multiply",
        "true_divide",
        "negative",
        "positive",
        "absolute",
        "less",
        "less_equal",
        "greater",
        "greater_equal",
        "equal",
        "not_equal",
    ]
)
_WEAK = {"float": float, "int": int}


def typed(
    region: NumericRegion, outputs: Sequence[int], seen: Sequence[Seen], numerics: Numerics
) -> Typed:
    """The region as a kernel for inputs like these.

    Raises:
        Unfit: it cannot be, or not with NumPy's very bits.
    """
    integers: dict[int, str] = {}
    for _ in range(len(seen) + 1):
        try:
            return _Typing(region, seen, numerics, integers).run(outputs)
        except _Demand:
            continue
    raise Unfit("a Python integer meets arrays of several types")


class _Demand(Exception):
    """A Python integer is wanted in another type than it was given: begin again with what is known now."""


class _Typing:
    def __init__(
        self,
        region: NumericRegion,
        seen: Sequence[Seen],
        numerics: Numerics,
        integers: dict[int, str],
    ) -> None:
        import numpy

        self.np = numpy
        self.region = region
        self.seen = seen
        self.shapes = Shapes(region, [each.shape for each in seen])
        self.build = Builder(numerics)
        self.fast = numerics == "fast"
        self.integers = integers  # the type in which each Python integer comes in
        self.demanded: set[int] = set()
        self.inputs = [self._input(index, each) for index, each in enumerate(seen)]
        self.values: list[_Value] = []

    def run(self, outputs: Sequence[int]) -> Typed:
        """Type every step, in order."""
        for index, step in enumerate(self.region.steps):
            rule = _RULES.get(step.op, _Typing._elementwise)
            self.values.append(rule(self, index, step))
        nodes = [self.values[each] for each in outputs]
        if any(each.kind in ("float", "int", "bool") for each in nodes):
            raise Unfit("a result is a Python number")
        keepdims = tuple(self._keepdims(each, self.values[each]) for each in outputs)
        return Typed(
            self.build.program(*(each.node for each in nodes)),
            len(self.shapes.space),
            tuple(each.kind for each in self.seen),
            tuple(len(each.shape) for each in self.seen),
            keepdims,
            self.shapes.space,
            tuple(self._axes_of(index) for index in range(len(self.seen))),
        )

    def _axes_of(self, index: int) -> Axes:
        """The axes of an input."""
        steps = zip(self.region.steps, self.shapes.axes, strict=True)
        return next(axes for step, axes in steps if step.op == "input" and step.value == index)

    # ------------------------------------------------------------------ what comes in
    def _input(self, index: int, seen: Seen) -> _Value:
        if seen.kind != "array":
            dtype = self.integers.get(index, seen.dtype) if seen.kind == "int" else seen.dtype
            if dtype not in DTYPES:
                raise Unfit(f"{dtype!r} is no type of kernels")
            return _Value(self.build.input(dtype, "scalar"), dtype, seen.kind, index)
        if seen.dtype not in DTYPES:
            raise Unfit(f"arrays of type {self.np.dtype(seen.dtype)}")
        if not seen.shape:
            raise Unfit("arrays of no dimension give scalars")
        node = self.build.input(seen.dtype, self._layout(index, seen))
        return _Value(node, seen.dtype, "array", index)

    def _layout(self, index: int, seen: Seen) -> Layout:
        axes = self._axes_of(index)
        space = self.shapes.space
        if axes == space:
            if seen.dense:
                return "contiguous"
            if len(space) <= 2 and seen.ordered:
                return "strided"
            raise Unfit("an array is not laid out row by row")
        if not seen.dense:
            raise Unfit("a broadcast array is not dense")
        if axes == (*space[:-1], ONE) and len(space) > 1:
            return "row"
        if axes == space[-1:] or axes == (ONE,) * (len(axes) - 1) + space[-1:]:
            return "column"
        raise Unfit("an array is broadcast along other axes than rows or columns")

    # ------------------------------------------------------------------ ranks and results
    def _rank(self, axes: Axes) -> Rank | None:
        """The rank that a value of these axes must have, or None if a kernel has no such values."""
        space = self.shapes.space
        if axes == space:
            return "element"
        if all(axis == ONE for axis in axes):
            return "scalar"
        if axes in (space[:-1], (*space[:-1], ONE)):
            return "row"
        return None

    def _keepdims(self, step: int, value: _Value) -> bool:
        axes, rank = self.shapes.axes[step], self.build.rank(value.node)
        if self._rank(axes) != rank:
            raise Unfit("a result has the shape of neither the whole, nor its rows, nor one value")
        if rank == "row":
            return len(axes) == len(self.shapes.space)
        if rank == "scalar" and axes and len(axes) != len(self.shapes.space):
            raise Unfit("a result has axes of length 1")
        return rank == "scalar" and bool(axes)

    # ------------------------------------------------------------------ steps
    def _leaf(self, index: int, step: Step) -> _Value:
        if step.op == "input":
            number: int = step.value
            return self.inputs[number]
        kind: Kind = type(step.value).__name__  # type: ignore[assignment]
        return _Value(-1, {"float": "d", "int": INDEX, "bool": BOOL}[kind], kind, step.value)

    def _view(self, index: int, step: Step) -> _Value:
        value = self.values[step.args[0]]
        if value.kind != "array":
            raise Unfit("a view of a scalar")
        if self.region.steps[step.args[0]].op == "input":
            raise Unfit("a view of an input")
        return value

    def _elementwise(self, index: int, step: Step) -> _Value:
        args = [self.values[arg] for arg in step.args]
        kind: Kind = "array" if any(each.kind == "array" for each in args) else "numpy"
        if kind == "numpy":
            weak = [each.kind for each in args if each.kind in ("float", "int", "bool")]
            if len(weak) == len(args) and (step.value is not None or {*weak} != {"float"}):
                return self._weak(step, args)
            if not all(each.dtype in FLOATS or each.kind in _WEAK for each in args):
                raise Unfit("arithmetic on integer scalars is checked for overflow")
            if step.value is not None and step.op not in _OPERATORS_ON_SCALARS:
                raise Unfit(f"`{step.op}` of scalars is not a ufunc's")
        if step.op == "power":
            args, step = self._power(args, step)
        ufunc = getattr(self.np, step.op)
        loop = self._loop(ufunc, args)
        nodes = [self._as(each, dtype) for each, dtype in zip(args, loop, strict=False)]
        if step.op not in ELEMENTWISE or loop[0] not in ELEMENTWISE[step.op].dtypes:
            raise Unfit(f"`{step.op}` of {self.np.dtype(loop[0])}")
        if len(set(loop[: len(args)])) > 1:
            raise Unfit(f"`{step.op}` of several types")
        node = self.build.op(step.op, *nodes)
        if self.build.dtype(node) != loop[-1]:
            raise Unfit(f"`{step.op}` gives {self.np.dtype(loop[-1])}")
        if step.value == "in place" and kind == "array":
            return self._in_place(index, step, args[0], node)
        return _Value(node, loop[-1], kind)

    def _in_place(self, index: int, step: Step, target: _Value, node: int) -> _Value:
        axes = self.shapes.axes
        if target.kind != "array" or axes[index] != axes[step.args[0]] or step.op == "power":
            raise Unfit("an assignment in place would change its target's shape or kind")
        if not self.np.can_cast(self.build.dtype(node), target.dtype, "same_kind"):
            raise Unfit("an assignment in place cannot be cast")
        return _Value(self._cast(node, target.dtype), target.dtype, "array")

    def _loop(self, ufunc: Any, args: list[_Value]) -> tuple[str, ...]:
        given = [_WEAK.get(each.kind) or self.np.dtype(each.dtype) for each in args]
        try:
            found = ufunc.resolve_dtypes((*given, *(None,) * ufunc.nout))
        except (TypeError, ValueError) as exc:
            raise Unfit(f"NumPy has no `{ufunc.__name__}` of these types") from exc
        return tuple(each.char for each in found)

    def _weak(self, step: Step, args: list[_Value]) -> _Value:
        """Python's own arithmetic on floats: `+`, `-` and `*` are those of float64."""
        kinds = {each.kind for each in args}
        if step.value is None or step.op not in ("add", "subtract", "multiply", "negative"):
            raise Unfit("it is arithmetic on Python numbers")
        if "float" not in kinds or any(each.kind == "int" and each.node >= 0 for each in args):
            raise Unfit("it is arithmetic on Python integers")
        return _Value(self.build.op(step.op, *(self._as(each, "d") for each in args)), "d", "float")

    def _power(self, args: list[_Value], step: Step) -> tuple[list[_Value], Step]:
        """`x ** 2` is a square, and so on, as in NumPy."""
        base, exponent = args
        number = exponent.number if exponent.node < 0 else None
        if base.kind == "array" and type(number) in (int, float) and number == 2:
            kinds = FLOATS + INTEGERS if type(number) is int else FLOATS
            if base.dtype in kinds:
                return [base], Step("square", step.args[:1], step.value, step.line)
        if step.value is not None and base.dtype in FLOATS and number in (-1, 0, 0.5, 1):
            fast = {0.5: "sqrt", -1: "reciprocal"}.get(number)
            if fast is None or base.kind != "array":
                raise Unfit("a power that NumPy takes a short way for")
            return [base], Step(fast, step.args[:1], step.value, step.line)
        if not all(each.dtype in FLOATS or each.kind in _WEAK for each in args):
            raise Unfit("powers of integers")
        return args, step

    def _where(self, index: int, step: Step) -> _Value:
        condition, *ways = (self.values[arg] for arg in step.args)
        if condition.dtype != BOOL or condition.kind != "array":
            raise Unfit("its condition is no array of bools")
        strong = [each.dtype for each in ways if each.kind not in _WEAK]
        weak = [_WEAK[each.kind](1) for each in ways if each.kind in _WEAK]
        dtype = self.np.result_type(*map(self.np.dtype, strong), *weak).char
        if dtype not in DTYPES:
            raise Unfit(f"`where` of {self.np.dtype(dtype)}")
        nodes = [self._as(each, dtype) for each in ways]
        return _Value(self.build.where(condition.node, *nodes), dtype, "array")

    def _clip(self, index: int, step: Step) -> _Value:
        """NumPy's clip by two numbers: a value that is neither below nor above stays, a zero of its sign and a NaN as well."""
        value, *bounds = (self.values[arg] for arg in step.args)
        if value.kind != "array" or value.dtype == BOOL:
            raise Unfit("`clip` of something that is no array of numbers")
        if any(each.node >= 0 or each.kind not in _WEAK for each in bounds):
            raise Unfit("bounds of `clip` that are not written as numbers")
        weak = [_WEAK[each.kind](1) for each in bounds]
        dtype = self.np.result_type(self.np.dtype(value.dtype), *weak).char
        if dtype not in DTYPES:
            raise Unfit(f"`clip` of {self.np.dtype(dtype)}")
        node, low, high = (self._as(each, dtype) for each in (value, *bounds))
        node = self.build.where(self.build.op("less", node, low), low, node)
        return _Value(
            self.build.where(self.build.op("greater", node, high), high, node), dtype, "array"
        )

    def _astype(self, index: int, step: Step) -> _Value:
        value = self.values[step.args[0]]
        try:
            dtype = self.np.dtype(step.value).char
        except TypeError as exc:
            raise Unfit(f"{step.value!r} is no type") from exc
        if value.kind != "array" or dtype not in DTYPES:
            raise Unfit("a cast of a scalar, or to a type that kernels do not have")
        # to its own type it is a copy, and so is an output of a kernel
        return _Value(self._cast(value.node, dtype), dtype, "array")

    # ------------------------------------------------------------------ reductions
    def _reduction(self, index: int, step: Step) -> _Value:
        value = self.values[step.args[0]]
        if value.kind != "array":
            raise Unfit("a reduction of a scalar")
        rank = self._reduced_rank(index, step)
        kind: Kind = "array" if self.shapes.axes[index] else "numpy"
        probe: Any = getattr(self.np.zeros(2, value.dtype), step.op)()
        node = value.node
        if step.op in ("sum", "prod"):
            node = self._cast(node, probe.dtype.char)
        return _Value(self.build.reduce(step.op, node, rank), probe.dtype.char, kind)

    def _reduced_rank(self, index: int, step: Step) -> Rank:
        arg, space = step.args[0], self.shapes.space
        axes = self.shapes.axes[arg]
        how: Reduction = step.value
        before = self.build.rank(self.values[arg].node)
        if before != self._rank(axes) or before == "scalar":
            raise Unfit("a reduction of something that is broadcast")
        source = self.region.steps[arg]
        if source.op == "input" and not self.seen[source.value].dense:
            raise Unfit("a reduction of an array that is not dense")
        axis = None if how.axis is None else how.axis % len(axes)
        if axis is None or len(axes) == 1:
            return "scalar"
        if before == "element" and axis == len(space) - 1:
            return "row"
        raise Unfit("a reduction over another axis than the last")

    def _mean(self, index: int, step: Step) -> _Value:
        """NumPy's `_mean`: the sum, divided in float64 by the count, in the type of the sum."""
        value, rank, kind = self._statistic(index, step)
        node = self._divided(self.build.reduce("sum", value.node, rank), self._count(step, rank))
        return _Value(node, value.dtype, kind)

    def _variance(self, index: int, step: Step) -> _Value:
        """NumPy's `_var` and `_std`: the mean, the squares of what differs from it, their mean, its root."""
        value, rank, kind = self._statistic(index, step)
        build = self.build
        count = self._count(step, rank)
        mean = self._divided(build.reduce("sum", value.node, rank), count)
        squares = build.op("square", build.op("subtract", value.node, mean))
        left = build.op(
            "maximum",
            build.op("subtract", count, build.const(step.value.ddof, INDEX)),
            build.const(0, INDEX),
        )
        node = self._divided(build.reduce("sum", squares, rank), left)
        if step.op == "std":
            node = build.op("sqrt", node)
        return _Value(node, value.dtype, kind)

    def _norm(self, index: int, step: Step) -> _Value:
        """NumPy's `linalg.norm` along an axis: the root of the sum of squares; of everything, a product by BLAS."""
        if step.value.axis is None and not self.fast:
            raise Unfit("`norm` of everything has BLAS's bits")
        value, rank, kind = self._statistic(index, step)
        squares = self.build.op("multiply", value.node, value.node)
        node = self.build.op("sqrt", self.build.reduce("sum", squares, rank))
        return _Value(node, value.dtype, kind)

    def _statistic(self, index: int, step: Step) -> tuple[_Value, Rank, Kind]:
        value = self.values[step.args[0]]
        if value.kind != "array" or value.dtype not in FLOATS:
            raise Unfit(f"`{step.op}` of something that is no array of floats")
        rank = self._reduced_rank(index, step)
        if self.build.rank(value.node) != "element":
            raise Unfit(f"`{step.op}` of one value a row")
        return value, rank, "array" if self.shapes.axes[index] else "numpy"

    def _count(self, step: Step, rank: Rank) -> int:
        return self.build.count(rank)

    def _divided(self, total: int, count: int) -> int:
        dtype = self.build.dtype(total)
        quotient = self.build.op("true_divide", self._cast(total, "d"), self._cast(count, "d"))
        return self._cast(quotient, dtype)

    # ------------------------------------------------------------------ casts
    def _as(self, value: _Value, dtype: str) -> int:
        """A node of this type for a value; a weak number has to fit."""
        if value.node < 0:
            return self.build.const(self._number(value.number, dtype), dtype)
        if value.kind == "int":
            return self._weak_integer(value, dtype)
        return self._cast(value.node, dtype)

    def _weak_integer(self, value: _Value, dtype: str) -> int:
        wanted = dtype if dtype in INTEGERS else INDEX
        if self.integers.get(value.number, INDEX) != wanted:
            if value.number in self.demanded:
                raise Unfit("a Python integer meets arrays of several types")
            self.integers[value.number] = wanted
            raise _Demand
        self.demanded.add(value.number)
        if wanted == dtype:
            return value.node
        return self._cast(self._cast(value.node, "d"), dtype)

    def _number(self, number: Any, dtype: str) -> Any:
        if dtype in FLOATS:
            made = float(self.np.dtype(dtype).type(number))
            if type(number) is int and made != number:
                raise Unfit(f"{number} is not exact as a float")
            if made in (float("inf"), float("-inf")) and made != number:
                raise Unfit(f"{number} is too large for {self.np.dtype(dtype)}")
            return made
        if dtype == BOOL:
            if type(number) is not bool:
                raise Unfit("a number as a bool")
            return number
        if dtype not in INTEGERS:
            raise Unfit(f"a number as {self.np.dtype(dtype)}")
        info = self.np.iinfo(dtype)
        if type(number) is float or not info.min <= number <= info.max:
            raise Unfit(f"{number} does not fit into {self.np.dtype(dtype)}")
        return int(number)

    def _cast(self, node: int, dtype: str) -> int:
        source = self.build.dtype(node)
        if source in FLOATS and dtype in INTEGERS:
            raise Unfit("a cast from floats to integers")
        return self.build.cast(node, dtype)


_RULES: dict[str, Callable[[_Typing, int, Step], _Value]] = {
    "input": _Typing._leaf,
    "const": _Typing._leaf,
    "view": _Typing._view,
    "where": _Typing._where,
    "astype": _Typing._astype,
    "mean": _Typing._mean,
    "var": _Typing._variance,
    "std": _Typing._variance,
    "norm": _Typing._norm,
    "clip": _Typing._clip,
    **dict.fromkeys(
        ["sum", "prod", "max", "min", "any", "all", "argmax", "argmin"], _Typing._reduction
    ),
}
