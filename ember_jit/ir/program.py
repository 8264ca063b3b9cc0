"""The kernel IR: one numeric region as a straight line of array operations, ready to become machine code.

A `Program` is SSA in topological order over an iteration space of `rows` x `columns` (a 1-d space is
1 x n).  It says nothing about shapes, so one compiled kernel serves them all.  Types are NumPy's
one-letter codes and nothing is converted implicitly: the front end decides promotion (NEP 50) and
writes `cast` nodes.  Every node has a *rank*:

- `"element"`: a value for each point of the space;
- `"row"`: one value for each row, broadcast along it where it meets an element;
- `"scalar"`: one value.

Invariants are checked by `verify`; `Program.key()` is stable text that names the program in caches.

Example (a row's share of its sum)::

    program strict (d contiguous)
      %0 = input 0           : d element
      %1 = sum %0            : d row
      %2 = true_divide %0 %1 : d element
      return %2
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

Layout = Literal["contiguous", "scalar", "strided", "row", "column"]
Rank = Literal["element", "row", "scalar"]
Numerics = Literal["strict", "fast"]

SIGNED: Final = "bhilq"
UNSIGNED: Final = "BHILQ"
INTEGERS: Final = SIGNED + UNSIGNED
FLOATS: Final = "fd"
BOOL: Final = "?"
DTYPES: Final = BOOL + INTEGERS + FLOATS
INDEX: Final = "l" if struct.calcsize("l") == 8 else "q"
"""The type of positions (`argmax`): NumPy's `intp`."""

RANK_OF_LAYOUT: Final[dict[Layout, Rank]] = {
    "contiguous": "element",  # rows x columns values, densely
    "strided": "element",  # at any two strides in bytes, zero and negative ones included
    "column": "element",  # one value for each column, dense, the same for every row
    "row": "row",  # one value for each row, dense
    "scalar": "scalar",  # one value
}

_HEIGHT: Final[dict[Rank, int]] = {"scalar": 0, "row": 1, "element": 2}


@dataclass(frozen=True, slots=True)
class Rule:
    """What a node of an operation must look like: how many arguments, of which types, giving what."""

    arity: int
    dtypes: str
    result: Literal["same", "bool", "index"] = "same"


_ANY = BOOL + INTEGERS + FLOATS
_NUMBER = INTEGERS + FLOATS
_BITS = BOOL + INTEGERS


def _rules(
    names: str, arity: int, dtypes: str, result: Literal["same", "bool", "index"] = "same"
) -> dict[str, Rule]:
    return {name: Rule(arity, dtypes, result) for name in names.split()}


ELEMENTWISE: Final[dict[str, Rule]] = {
    **_rules("add subtract multiply", 2, _NUMBER),
    **_rules("true_divide", 2, FLOATS),
    **_rules("floor_divide remainder", 2, _NUMBER),
    **_rules("fmod power", 2, _NUMBER),
    **_rules("maximum minimum fmax fmin", 2, _ANY),
    **_rules("negative absolute sign square reciprocal positive", 1, _NUMBER),
    **_rules("sqrt floor ceil trunc rint", 1, FLOATS),
    **_rules("less less_equal greater greater_equal equal not_equal", 2, _ANY, "bool"),
    **_rules("logical_and logical_or logical_xor", 2, _ANY, "bool"),
    **_rules("logical_not", 1, _ANY, "bool"),
    **_rules("isnan isinf isfinite signbit", 1, FLOATS, "bool"),
    **_rules("bitwise_and bitwise_or bitwise_xor", 2, _BITS),
    **_rules("invert", 1, _BITS),
    **_rules("left_shift right_shift", 2, INTEGERS),
    **_rules("exp exp2 expm1 log log2 log10 log1p sin cos tan tanh sinh cosh", 1, FLOATS),
    **_rules("arcsin arccos arctan cbrt erf sigmoid", 1, FLOATS),
    **_rules("arctan2 hypot logaddexp copysign", 2, FLOATS),
}
"""Operations on each element, by NumPy's name of the ufunc (`erf` and `sigmoid` have none)."""

REDUCTIONS: Final[dict[str, Rule]] = {
    **_rules("sum prod", 1, _NUMBER),
    **_rules("max min", 1, _ANY),
    **_rules("any all", 1, _ANY, "bool"),
    **_rules("argmax argmin", 1, _ANY, "index"),
}

_TRANSCENDENTAL: Final = (
    "exp exp2 expm1 log log2 log10 log1p sin cos tan tanh sinh cosh arcsin arccos arctan cbrt "
    "arctan2 hypot logaddexp power"
)
TRANSCENDENTAL: Final = frozenset(_TRANSCENDENTAL.split())
"""Operations on floats whose bits only NumPy's own inner loop gives: strict mode calls it."""

UNAPPROXIMATED: Final = frozenset({"cbrt", "logaddexp"})
"""Those of them for which fast mode calls the loop, too."""


@dataclass(frozen=True, slots=True)
class Operand:
    """An input array as the kernel sees it: its type, and how it lies in the iteration space."""

    dtype: str
    layout: Layout


@dataclass(frozen=True, slots=True)
class Node:
    """One operation.

    Attributes:
        op: a name of `ELEMENTWISE` or `REDUCTIONS`, or `"input"`, `"const"`, `"cast"`, `"where"`, or `"count"`:
            how many elements a row (rank `"row"`) or the whole space (rank `"scalar"`) has.
        args: the indexes of earlier nodes.
        dtype: the type of the result.
        value: the operand's index of an input, the number of a const (a float, int or bool that
            `dtype` holds exactly); for `sum`, None for NumPy's pairwise order over the whole
            axis, or the block that NumPy's buffered iterator feeds it (a reduction that casts).
        rank: see the module.
    """

    op: str
    args: tuple[int, ...]
    dtype: str
    value: bool | int | float | None = None
    rank: Rank = "element"


class InvalidProgram(AssertionError):
    """A front end or pass made a program that breaks an invariant: a bug in ember_jit."""


@dataclass(frozen=True)
class Program:
    """A numeric region.

    The kernel made of it is `i64 kernel(i8** operands, i64* shape, i64* strides)`.  `operands` are
    the inputs, then the outputs, then the address table of `loops()` if that is not empty; `shape`
    is (rows, columns); `strides` holds two strides in bytes (row, column) for each input and is
    read for `"strided"` ones alone.  Outputs are dense: rows x columns values, or rows, or one.
    The result is 0, or the `FLAGS` raised by the arithmetic: then the outputs hold garbage, and the
    caller runs the plain code, which gives the warnings or errors of `np.errstate`.

    Attributes:
        operands: the inputs.
        nodes: in topological order.
        outputs: the indexes of the nodes that are returned.
        numerics: `"strict"` (bit for bit as NumPy) or `"fast"` (at most 4 ULP a function,
            reductions in any order).
    """

    operands: tuple[Operand, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[int, ...]
    numerics: Numerics = "strict"

    def __str__(self) -> str:
        return print_program(self)

    def key(self) -> str:
        """Text that is equal for equal programs, in every process: the content for a cache's hash."""
        return self._key

    @cached_property
    def _key(self) -> str:
        parts = [self.numerics, ",".join(f"{o.dtype}{o.layout}" for o in self.operands)]
        for node in self.nodes:
            args = ".".join(map(str, node.args))
            parts.append(
                f"{node.op}({args}){node.dtype}{node.rank[0]}{_bits(node.value, node.dtype)}"
            )
        parts.append(",".join(map(str, self.outputs)))
        return ";".join(parts)

    def digest(self) -> str:
        """A short name made of `key()`: 16 hexadecimal digits."""
        return hashlib.blake2b(self.key().encode(), digest_size=8).hexdigest()

    def by_loop(self, node: Node) -> bool:
        """Whether the kernel has NumPy's inner loop compute the node."""
        calls = TRANSCENDENTAL if self.numerics == "strict" else UNAPPROXIMATED
        return node.op in calls and node.dtype in FLOATS

    def approximated(self, node: Node) -> bool:
        """Whether the node is one of fast mode's own functions."""
        return (
            self.numerics == "fast"
            and node.op in TRANSCENDENTAL
            and node.dtype in FLOATS
            and not self.by_loop(node)
        )

    def loops(self) -> tuple[tuple[str, str], ...]:
        """NumPy's inner loops that the kernel calls: (ufunc, type), in the order of the table.

        The table is an array of pairs of addresses: the loop in `PyUFuncObject.functions` for
        that type, and its entry of `data`.
        """
        return tuple({(n.op, n.dtype): None for n in self.nodes if self.by_loop(n)})


FLAGS: Final = {"invalid": 1, "divide": 4, "overflow": 8, "doubt": 256}
"""The bits of a kernel's result: those of the x86 status register, and doubt.

In doubt only NumPy's own loop knows what comes out: the sign of `max(0.0, -0.0)`, which of two
NaNs, an integer divided by zero, the maximum of nothing."""


def verify(program: Program) -> None:
    """Raise `InvalidProgram` unless every node follows its rule and uses only what came before it."""
    for operand in program.operands:
        if operand.dtype not in DTYPES or operand.layout not in RANK_OF_LAYOUT:
            raise InvalidProgram(f"no such operand: {operand}")
    for index, node in enumerate(program.nodes):
        complaint = _complaint(program, index, node)
        if complaint:
            raise InvalidProgram(f"%{index} = {node.op}: {complaint}\n{program}")
    if not program.outputs or any(not 0 <= o < len(program.nodes) for o in program.outputs):
        raise InvalidProgram(f"outputs {program.outputs} name no nodes\n{program}")
    if program.numerics not in ("strict", "fast"):
        raise InvalidProgram(f"no such numerics: {program.numerics!r}")


def _complaint(program: Program, index: int, node: Node) -> str | None:
    if len(node.dtype) != 1 or node.dtype not in DTYPES:
        return f"unknown type {node.dtype!r}"
    if any(not 0 <= arg < index for arg in node.args):
        return f"arguments {node.args} do not all come before it"
    args = [program.nodes[arg] for arg in node.args]
    if node.op in ("input", "const", "count"):
        return _leaf_complaint(program, node)
    if node.op in REDUCTIONS:
        rule = REDUCTIONS[node.op]
        if (
            node.rank not in _HEIGHT
            or len(args) != 1
            or _HEIGHT[args[0].rank] <= _HEIGHT[node.rank]
        ):
            return "a reduction takes one argument and lowers its rank"
    elif node.rank != highest(arg.rank for arg in args):
        return f"rank {node.rank} is not the highest of its arguments"
    elif node.op == "cast":
        return None if len(args) == 1 else "takes one argument"
    elif node.op == "where":
        types = [arg.dtype for arg in args]
        return None if types == [BOOL, node.dtype, node.dtype] else f"cannot take {types}"
    elif node.op in ELEMENTWISE:
        rule = ELEMENTWISE[node.op]
    else:
        return "unknown operation"
    types = [arg.dtype for arg in args]
    if len(types) != rule.arity or len(set(types)) != 1 or types[0] not in rule.dtypes:
        return f"cannot take {types}"
    wanted = {"same": types[0], "bool": BOOL, "index": INDEX}[rule.result]
    return None if node.dtype == wanted else f"gives {wanted!r}, not {node.dtype!r}"


def _leaf_complaint(program: Program, node: Node) -> str | None:
    if node.args:
        return "takes no arguments"
    if node.op == "input":
        if type(node.value) is not int or not 0 <= node.value < len(program.operands):
            return f"there is no operand {node.value}"
        operand = program.operands[node.value]
        same = operand.dtype == node.dtype and RANK_OF_LAYOUT[operand.layout] == node.rank
        return None if same else f"differs from {operand}"
    if node.op == "count":
        return (
            None if node.dtype == INDEX and node.rank != "element" else "counts rows or the space"
        )
    if node.rank != "scalar":
        return "a constant is a scalar"
    try:
        _bits(node.value, node.dtype)
    except (struct.error, TypeError, OverflowError):
        return f"{node.value!r} is no {node.dtype!r}"
    if node.dtype == BOOL and type(node.value) is not bool:
        return f"{node.value!r} is no bool"
    return None


def highest(ranks: Iterable[Rank]) -> Rank:
    """The rank of an operation on arguments of these ranks."""
    return max(ranks, key=_HEIGHT.__getitem__, default="scalar")


def _bits(value: bool | int | float | None, dtype: str) -> str:
    """A constant to the last bit: the payload of a NaN and the sign of a zero tell programs apart."""
    if value is None:
        return ""
    if isinstance(value, float):
        return ":" + struct.pack(">" + (dtype if dtype in FLOATS else "d"), value).hex()
    if dtype in INTEGERS and value is not True and value is not False:
        struct.pack("=" + dtype, value)
    return f":{value}"


def print_program(program: Program) -> str:
    """The program as text, a node a line, as in the example of the module."""
    operands = ", ".join(f"{o.dtype} {o.layout}" for o in program.operands)
    left = []
    for index, node in enumerate(program.nodes):
        words = [node.op, *(f"%{arg}" for arg in node.args)]
        if node.value is not None:
            words.append(repr(node.value))
        left.append(f"%{index} = {' '.join(words)}")
    width = max(map(len, left), default=0)
    lines = [f"program {program.numerics} ({operands})"]
    for text, node in zip(left, program.nodes, strict=True):
        lines.append(f"  {text:{width}} : {node.dtype} {node.rank}")
    lines.append("  return " + ", ".join(f"%{output}" for output in program.outputs))
    return "\n".join(lines)


class Builder:
    """Makes a `Program` node by node; equal nodes are made once.

    Example:
        >>> build = Builder("strict")
        >>> x = build.input("d", "contiguous")
        >>> print(build.program(build.op("true_divide", x, build.reduce("sum", x, "row"))))
        program strict (d contiguous)
          %0 = input 0           : d element
          %1 = sum %0            : d row
          %2 = true_divide %0 %1 : d element
          return %2
    """

    def __init__(self, numerics: Numerics = "strict") -> None:
        self._numerics: Numerics = numerics
        self._operands: list[Operand] = []
        self._nodes: list[Node] = []
        self._known: dict[tuple[object, ...], int] = {}

    def input(self, dtype: str, layout: Layout = "contiguous") -> int:
        """A new operand, and the node that reads it."""
        self._operands.append(Operand(dtype, layout))
        return self._add(Node("input", (), dtype, len(self._operands) - 1, RANK_OF_LAYOUT[layout]))

    def const(self, value: bool | int | float, dtype: str) -> int:
        return self._add(Node("const", (), dtype, value, "scalar"))

    def count(self, rank: Rank) -> int:
        """How many elements are reduced to one value of `rank`: those of a row, or all."""
        return self._add(Node("count", (), INDEX, None, rank))

    def cast(self, arg: int, dtype: str) -> int:
        """`arg` as `dtype`; itself where it already is."""
        node = self._nodes[arg]
        return (
            arg if node.dtype == dtype else self._add(Node("cast", (arg,), dtype, None, node.rank))
        )

    def where(self, condition: int, true: int, false: int) -> int:
        args = (condition, true, false)
        return self._add(Node("where", args, self.dtype(true), None, self._rank(args)))

    def op(self, name: str, *args: int) -> int:
        """An elementwise operation; the type of the result follows from its rule."""
        dtype = BOOL if ELEMENTWISE[name].result == "bool" else self.dtype(args[0])
        return self._add(Node(name, args, dtype, None, self._rank(args)))

    def reduce(self, name: str, arg: int, rank: Rank, block: int | None = None) -> int:
        """A reduction to `"row"` or `"scalar"`; `block` as in `Node.value`."""
        result = REDUCTIONS[name].result
        dtype = {"bool": BOOL, "index": INDEX}.get(result) or self.dtype(arg)
        return self._add(Node(name, (arg,), dtype, block, rank))

    def node(self, node: Node) -> int:
        """A node as it is."""
        return self._add(node)

    def dtype(self, node: int) -> str:
        return self._nodes[node].dtype

    def rank(self, node: int) -> Rank:
        return self._nodes[node].rank

    def program(self, *outputs: int) -> Program:
        """The verified program that returns these nodes."""
        program = Program(tuple(self._operands), tuple(self._nodes), outputs, self._numerics)
        verify(program)
        return program

    def _rank(self, args: tuple[int, ...]) -> Rank:
        return highest(self._nodes[arg].rank for arg in args)

    def _add(self, node: Node) -> int:
        known = (node.op, node.args, node.dtype, _bits(node.value, node.dtype), node.rank)
        if known not in self._known:
            self._known[known] = len(self._nodes)
            self._nodes.append(node)
        return self._known[known]
