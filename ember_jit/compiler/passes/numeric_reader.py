"""Reading expressions into the steps of a numeric region, or saying why not.

    np.where(x > 0, x * a, 0.0)   -->   %0 = input x    %1 = const 0      %2 = greater %0 %1
                                        %3 = input a    %4 = multiply %0 %3
                                        %5 = const 0.0  %6 = where %2 %4 %5

Sound because nothing that comes in runs code of the user's (`Input.kind`), but for leaves, which are
evaluated where they stand, before all operations and after nothing but variables.  What the operations do
depends on the values that come in: the run time decides whether they are arrays at all.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from ember_jit.compiler.passes.numeric_names import (
    BINARY,
    COMPARISON,
    METHODS,
    REDUCTIONS,
    UNARY,
    numeric_function,
)
from ember_jit.compiler.passes.numeric_scope import Scope
from ember_jit.ir.region import Input, Reduction, Step
from ember_jit.ir.syntax import walk
from ember_jit.kinds import is_a
from ember_jit.runtime.statics import MISSING

_NUMBERS = (bool, int, float)
_LEAVES = (ast.Call, ast.Attribute, ast.Subscript, ast.BinOp, ast.IfExp)
_UNMOVABLE = (ast.NamedExpr, ast.Yield, ast.YieldFrom, ast.Await, ast.Lambda)
#: how many of NumPy's passes over the data a reduction is
_WEIGHT = {"mean": 2, "var": 5, "std": 6, "norm": 3, "clip": 2}


class Boundary(Exception):
    """This expression is not part of a numeric region; the message is the reason."""


class Reader:
    """The steps of one region, as they are read in the order of evaluation."""

    def __init__(self, scope: Scope, bound: set[str], *, strict_names: bool) -> None:
        self.scope = scope
        self.bound = bound
        self.strict_names = strict_names  # every name must be surely bound: there is no way back
        self.inputs: list[Input] = []
        self.steps: list[Step] = []
        self.functions: list[tuple[ast.expr, Any]] = []
        self.defs: dict[str, int] = {}
        self.fresh: set[str] = set()
        self.weight = 0
        self.evidence = False  # something that only arrays have
        self._inputs: dict[str, int] = {}
        self._guarded: set[str] = set()

    def mark(self) -> tuple[Any, ...]:
        """Where this reader is, to come back to."""
        return (
            len(self.inputs), len(self.steps), len(self.functions), dict(self.defs), set(self.fresh),
            self.weight, self.evidence, dict(self._inputs), set(self._guarded),
        )  # fmt: skip

    def back(self, mark: tuple[Any, ...]) -> None:
        """Forget what was read since `mark`."""
        inputs, steps, functions, *rest = mark
        del self.inputs[inputs:], self.steps[steps:], self.functions[functions:]
        self.defs, self.fresh, self.weight, self.evidence, self._inputs, self._guarded = rest

    # ------------------------------------------------------------------ expressions
    def read(self, node: ast.expr) -> int:
        """The step that gives the value of `node`.

        Raises:
            Boundary: it is not numeric.
        """
        rule = _RULES.get(type(node))
        if rule is None:
            raise Boundary(f"{type(node).__name__.lower()} expressions are no array operations")
        mark = self.mark()
        try:
            return rule(self, node)
        except Boundary:
            self.back(mark)
            if not self._may_be_leaf(node):
                raise
            return self._input(node, "leaf", True)

    def _may_be_leaf(self, node: ast.expr) -> bool:
        if not isinstance(node, _LEAVES) or self.defs or self.weight:
            return False
        if any(step.op not in ("input", "const") for step in self.steps):
            return False
        if any(
            each.kind not in ("leaf", "name")
            or (isinstance(each.node, ast.Name) and each.node.id not in self.scope.variables)
            for each in self.inputs
        ):
            return False
        return not any(isinstance(inner, _UNMOVABLE) for inner in walk(node))

    def _step(self, op: str, args: tuple[int, ...], node: ast.expr, value: Any = None) -> int:
        self.steps.append(Step(op, args, value, node.lineno))
        return len(self.steps) - 1

    def _op(self, op: str, args: tuple[int, ...], node: ast.expr, value: Any = None) -> int:
        if all(self.steps[arg].op == "const" for arg in args):
            raise Boundary("it is arithmetic on constants alone")
        self.weight += _WEIGHT.get(op, 1)
        return self._step(op, args, node, value)

    def _input(self, node: ast.expr, kind: Any, safe: bool) -> int:
        key = "" if kind == "leaf" else ast.dump(node)
        found = self._inputs.get(key)
        if found is not None and key:
            return found
        if not safe and self.strict_names:
            raise Boundary(f"`{ast.unparse(node)}` may not be there")
        self.inputs.append(Input(node, kind, safe))
        index = self._step("input", (), node, len(self.inputs) - 1)
        if key:
            self._inputs[key] = index
        return index

    def _guard(self, node: ast.expr, live: Any) -> None:
        text = ast.unparse(node)
        if text not in self._guarded:
            self._guarded.add(text)
            self.functions.append((node, live))

    def _name(self, node: ast.Name) -> int:
        if node.id in self.defs:
            return self.defs[node.id]
        if node.id in self.scope.variables:
            return self._input(node, "name", node.id in self.bound)
        live = self.scope.live(node)
        if live is MISSING or callable(live):
            raise Boundary(f"`{node.id}` is no variable and no global value")
        return self._input(node, "name", False)

    def _constant(self, node: ast.Constant) -> int:
        if type(node.value) not in _NUMBERS:
            raise Boundary(f"{node.value!r} is no number")
        return self._step("const", (), node, node.value)

    def _binary(self, node: ast.BinOp) -> int:
        op = BINARY.get(type(node.op))
        if op is None:
            raise Boundary("`@` is left to BLAS")
        return self._op(op, (self.read(node.left), self.read(node.right)), node, "operator")

    def _unary(self, node: ast.UnaryOp) -> int:
        op = UNARY.get(type(node.op))
        if op is None:
            raise Boundary("`not` asks for the truth of a whole array")
        if isinstance(node.operand, ast.Constant) and op == "negative":
            number = node.operand.value
            if not isinstance(number, int | float) or isinstance(number, bool):
                raise Boundary("it is no number")
            return self._step("const", (), node, -number)
        return self._op(op, (self.read(node.operand),), node, "operator")

    def _compare(self, node: ast.Compare) -> int:
        op = COMPARISON.get(type(node.ops[0]))
        if op is None or len(node.ops) != 1:
            raise Boundary("only one comparison of two values is an array operation")
        return self._op(
            op, (self.read(node.left), self.read(node.comparators[0])), node, "operator"
        )

    def _attribute(self, node: ast.Attribute) -> int:
        live = self.scope.live(node)
        if live is not MISSING:
            if type(live) is not float:
                raise Boundary(f"`{ast.unparse(node)}` is no number")
            self._guard(node, live)
            return self._step("const", (), node, live)
        if self.scope.is_field(node):
            return self._input(node, "field", False)
        raise Boundary(f"reading `{ast.unparse(node)}` may run code")

    def _subscript(self, node: ast.Subscript) -> int:
        key = node.slice
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            if isinstance(node.value, ast.Name) and node.value.id in self.scope.variables - {
                *self.defs
            }:
                return self._input(node, "key", False)
            raise Boundary("it is an item of something that is no plain variable")
        index = _index(key)
        if isinstance(node.value, ast.Name) and node.value.id not in self.defs:
            if node.value.id not in self.scope.variables:
                raise Boundary("it is a view of a global")
            return self._input(node, "view", False)
        if not all(each in (None, ..., "all") for each in index):
            raise Boundary("a view of an intermediate array ends a region")
        return self._step("view", (self.read(node.value),), node, index)

    # ------------------------------------------------------------------ calls
    def _call(self, node: ast.Call) -> int:
        live = self.scope.live(node.func)
        if live is MISSING and isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
            return self._method(node, node.func)
        found = numeric_function(live)
        if found is None:
            raise Boundary(f"`{ast.unparse(node.func)}` is no function that can be fused")
        kind, name = found
        arity = {"elementwise": None, "where": 3}.get(kind)
        if any(isinstance(each, ast.Starred) for each in node.args):
            raise Boundary("its arguments are not written out")
        self._guard(node.func, live)
        self.evidence = self.evidence or live is not abs
        if kind == "reduction":
            if not node.args:
                raise Boundary("its array is not its first argument")
            arg = self.read(node.args[0])
            positional = node.args[1:]
            if name == "norm" and positional:
                raise Boundary("only `norm(x, axis=...)` is fused")
            return self._op(name, (arg,), node, _reduction(name, positional, node.keywords))
        if kind == "clip":
            if len(node.args) != 3 or node.keywords:
                raise Boundary("only `clip(x, low, high)` is fused")
            return self._clip(self.read(node.args[0]), node.args[1:], node)
        if node.keywords or (arity is not None and len(node.args) != arity):
            raise Boundary("it has arguments that a kernel does not know")
        if kind == "elementwise" and len(node.args) != getattr(live, "nin", 1):
            raise Boundary("it has arguments that a kernel does not know")
        return self._op(name, tuple(self.read(each) for each in node.args), node)

    def _method(self, node: ast.Call, func: ast.Attribute) -> int:
        arg = self.read(func.value)
        if self.steps[arg].op == "const":
            raise Boundary("a number has no such method")
        self.evidence = True
        if func.attr == "astype":
            return self._op("astype", (arg,), node, self._dtype(node))
        if func.attr == "clip":
            if len(node.args) != 2 or node.keywords:
                raise Boundary("only `clip(low, high)` is fused")
            return self._clip(arg, node.args, node)
        reduction = _reduction(func.attr, node.args, node.keywords)
        return self._op(REDUCTIONS[func.attr], (arg,), node, reduction)

    def _clip(self, arg: int, bounds: list[ast.expr], node: ast.Call) -> int:
        """NumPy's clip between two bounds; with one of them None it is `maximum` or `minimum`."""
        steps = [None if _is_none(each) else self.read(each) for each in bounds]
        low, high = steps
        if low is not None and high is not None:
            return self._op("clip", (arg, low, high), node)
        if low is None and high is None:
            raise Boundary("it clips nothing")
        name = "minimum" if low is None else "maximum"
        return self._op(name, (arg, *(each for each in steps if each is not None)), node)

    def _dtype(self, node: ast.Call) -> Any:
        if len(node.args) != 1 or node.keywords:
            raise Boundary("only `astype(type)` is fused")
        given = node.args[0]
        if isinstance(given, ast.Constant) and isinstance(given.value, str):
            return given.value
        live = self.scope.live(given)
        if not is_a(live, type):
            raise Boundary(f"`{ast.unparse(given)}` is no type")
        self._guard(given, live)
        return live


_RULES: dict[type[ast.expr], Callable[[Reader, Any], int]] = {
    ast.Name: Reader._name,
    ast.Constant: Reader._constant,
    ast.BinOp: Reader._binary,
    ast.UnaryOp: Reader._unary,
    ast.Compare: Reader._compare,
    ast.Attribute: Reader._attribute,
    ast.Subscript: Reader._subscript,
    ast.Call: Reader._call,
    ast.IfExp: lambda reader, node: _no_branch(),
}


def _no_branch() -> int:
    raise Boundary("a conditional expression takes one of two ways")


def _index(node: ast.expr) -> tuple[Any, ...]:
    """The constant index that `node` is: None, Ellipsis, "all" for `:`, or another constant."""
    parts = node.elts if isinstance(node, ast.Tuple) else [node]
    index: list[Any] = []
    for part in parts:
        if isinstance(part, ast.Slice):
            ends = (part.lower, part.upper, part.step)
            if not all(each is None or _is_integer(each) for each in ends):
                raise Boundary("its index is computed")
            index.append("all" if ends == (None, None, None) else "slice")
        elif isinstance(part, ast.Constant) and (part.value is None or part.value is ...):
            index.append(part.value)
        elif _is_integer(part):
            index.append("item")
        else:
            raise Boundary("its index is computed")
    if all(each == "item" for each in index):
        raise Boundary("it takes a single item")
    return tuple(index)


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_integer(node: ast.expr) -> bool:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        node = node.operand
    return isinstance(node, ast.Constant) and type(node.value) is int


def _reduction(name: str, args: list[ast.expr], keywords: list[ast.keyword]) -> Reduction:
    given = {each.arg: each.value for each in keywords}
    if len(args) > 1 or (args and "axis" in given):
        raise Boundary("its arguments are not axis, keepdims or ddof")
    if args:
        given["axis"] = args[0]
    known = {"axis", "keepdims", *(("ddof",) if name in ("var", "std") else ())}
    if not given.keys() <= known or None in given:
        raise Boundary("its arguments are not axis, keepdims or ddof")
    axis, keepdims, ddof = (_literal(given.get(each)) for each in ("axis", "keepdims", "ddof"))
    if type(axis) not in (int, type(None)) or type(keepdims) not in (bool, type(None)):
        raise Boundary("its axis is no constant")
    if type(ddof) not in (int, type(None)):
        raise Boundary("its ddof is no constant")
    return Reduction(axis, bool(keepdims), ddof or 0)


def _literal(node: ast.expr | None) -> Any:
    if node is None:
        return None
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise Boundary("its arguments are no constants") from None
