"""Which values an issue program may not make by itself: those whose identity can be told.

    d = inputs.get("docs", [])        # evaluated ahead and again at its point: two lists
    r = self.op(inputs=d)             # `r is d` must stay true (DESIGN 2.1)

A value is *fresh* if evaluating its expression twice could give two objects that can be told apart.
Strings and numbers do not count.  When in doubt, a value is fresh.
"""

from __future__ import annotations

import ast

from ember_jit.ir.ops import Op, base

_SCALAR_CALLS = frozenset(
    {
        "len",
        "str",
        "int",
        "float",
        "bool",
        "repr",
        "abs",
        "round",
        "strip",
        "lower",
        "upper",
        "join",
        "format",
        "startswith",
    }
)
_WRAPPERS = frozenset(
    {
        "reversed",
        "sorted",
        "list",
        "tuple",
        "set",
        "iter",
        "values",
        "keys",
        "copy",
    }
)
_PAIRING = frozenset({"enumerate", "zip", "items"})
_STRINGS = frozenset({"range", "split", "splitlines", "rsplit"})


_SCALARS = (ast.Constant, ast.JoinedStr, ast.Compare, ast.UnaryOp, ast.Lambda)

SHARED, NEW = "shared", "new"
Shape = str | tuple["Shape", ...]


class Freshness:
    """Answers for the expressions of one region.

    Args:
        ops: all ops of the region.
        mutated: containers that it changes; each program has its own.

    Attributes:
        temps: temporaries that hold fresh values.
    """

    def __init__(self, ops: list[Op], mutated: set[str]) -> None:
        self.temps: set[str] = {base(op.defs[0]) for op in ops if op.kind == "comp"}
        self._mutated = mutated
        self._holders: set[str] = set()
        changed = True
        while changed:
            before = len(self._holders)
            self._holders |= {
                name for op in ops for name in _defined(op) & mutated if self._puts_fresh(op)
            }
            changed = len(self._holders) > before

    def _puts_fresh(self, op: Op) -> bool:
        if op.value is None or op.kind not in ("glue", "mutate"):
            return False
        if op.kind == "glue" or (
            op.target is not None and not isinstance(op.target, ast.Subscript)
        ):
            return self.elements(op.value)
        operands = op.value.args if isinstance(op.value, ast.Call) else [op.value]
        return any(self.value(each) or self.elements(each) for each in operands)

    def value(self, node: ast.expr) -> bool:
        """Whether `node` may be a new object each time."""
        if isinstance(node, ast.Name):
            return node.id in self.temps
        if isinstance(node, ast.Constant | ast.JoinedStr | ast.Compare | ast.UnaryOp):
            return False
        if isinstance(node, ast.Attribute):
            return self.value(node.value)
        if isinstance(node, ast.Subscript):
            return isinstance(node.slice, ast.Slice) or self.elements(node.value)
        if isinstance(node, ast.BinOp):
            return not (_scalar(node.left, node.op) or _scalar(node.right, node.op))
        if isinstance(node, ast.BoolOp):
            return any(self.value(each) for each in node.values)
        if isinstance(node, ast.IfExp):
            return self.value(node.body) or self.value(node.orelse)
        if isinstance(node, ast.Call):
            name = _name(node)
            if name == "get" and isinstance(node.func, ast.Attribute):
                return self.elements(node.func.value) or any(
                    self.value(each) for each in node.args[1:]
                )
            return name not in _SCALAR_CALLS
        return True

    def copied(self, node: ast.expr | None) -> bool:
        """Whether the value of `node` may be, or hold, a container that each program has a copy of.

        What reads its elements, or makes another container of them, does not: `sorted(xs)`, `xs[0]`, `[*xs]`.
        """
        if node is None or not self._mutated or isinstance(node, _SCALARS):
            return False
        if isinstance(node, ast.Name):
            return node.id in self._mutated
        if isinstance(node, ast.Attribute | ast.Subscript | ast.Starred):
            return not isinstance(node.value, ast.Name) and self.copied(node.value)
        if isinstance(node, ast.NamedExpr):
            return self.copied(node.value)
        if isinstance(node, ast.Call):
            return self._passes_copies_on(node)
        if isinstance(node, ast.BinOp):
            sides = [each for each in (node.left, node.right) if not isinstance(each, ast.Name)]
            return any(self.copied(each) for each in sides)
        if isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp):
            return self.copied(node.elt) or self._iterates_copies(node.generators)
        if isinstance(node, ast.DictComp):
            return self.copied(node.value) or self._iterates_copies(node.generators)
        parts = [each for each in ast.iter_child_nodes(node) if isinstance(each, ast.expr)]
        return any(self.copied(each) for each in parts)

    def _iterates_copies(self, generators: list[ast.comprehension]) -> bool:
        return any(
            not isinstance(each.iter, ast.Name) and self.copied(each.iter) for each in generators
        )

    def _passes_copies_on(self, node: ast.Call) -> bool:
        name = _name(node)
        if name in _SCALAR_CALLS:
            return False
        one = name in _WRAPPERS | _PAIRING | {"sum", "min", "max", "dict"} and len(node.args) == 1
        whole = name in _PAIRING  # `zip(xs, ys)` reads elements of all
        given = [*node.args, *[keyword.value for keyword in node.keywords]]
        if isinstance(node.func, ast.Attribute) and not isinstance(node.func.value, ast.Name):
            given.append(node.func.value)
        return any(
            self.copied(each) and not ((one or whole) and isinstance(each, ast.Name))
            for each in given
        )

    def shape(self, node: ast.expr) -> Shape:
        """What a loop over `node` gets: `SHARED`, `NEW`, or a tuple made anew, with the shapes of its parts."""
        if isinstance(node, ast.Call) and not any(isinstance(a, ast.Starred) for a in node.args):
            name, args = _name(node), node.args
            if name == "enumerate" and args:
                return (SHARED, self.shape(args[0]))
            if name == "zip":
                return tuple([self.shape(arg) for arg in args])
            if name == "items" and isinstance(node.func, ast.Attribute):
                return (SHARED, NEW if self.elements(node.func.value) else SHARED)
            if name in ("list", "tuple", "reversed", "iter", "sorted") and args:
                return self.shape(args[0])
        return NEW if self.elements(node) else SHARED

    def elements(self, node: ast.expr) -> bool:
        """Whether the elements of `node` may be new objects each time."""
        if isinstance(node, ast.Name):
            return node.id in self.temps or node.id in self._holders
        if isinstance(node, ast.Constant | ast.JoinedStr | ast.Attribute):
            return False
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            return any(
                self.elements(e.value) if isinstance(e, ast.Starred) else self.value(e)
                for e in node.elts
            )
        if isinstance(node, ast.Dict):
            return any(
                self.elements(v) if k is None else self.value(v)
                for k, v in zip(node.keys, node.values, strict=True)
            )
        if isinstance(node, ast.Subscript):
            return self.elements(node.value)
        if isinstance(node, ast.BinOp):
            return self.elements(node.left) or self.elements(node.right)
        if isinstance(node, ast.BoolOp):
            return any(self.elements(each) for each in node.values)
        if isinstance(node, ast.IfExp):
            return self.elements(node.body) or self.elements(node.orelse)
        if isinstance(node, ast.Call):
            name = _name(node)
            inner = [
                *node.args,
                *([node.func.value] if isinstance(node.func, ast.Attribute) else []),
            ]
            if name in _PAIRING:
                return True  # tuples
            if name in _WRAPPERS or name == "get":
                return any(self.elements(each) for each in inner)
            return name not in _STRINGS
        return True


def _defined(op: Op) -> set[str]:
    return {base(value) for value in op.defs}


def _name(node: ast.Call) -> str:
    func = node.func
    return (
        func.id
        if isinstance(func, ast.Name)
        else func.attr
        if isinstance(func, ast.Attribute)
        else ""
    )


def _scalar(node: ast.expr, operator: ast.operator) -> bool:
    """Whether an operand says that the result is a string or a number (`x * 2` may be a list)."""
    if isinstance(node, ast.JoinedStr):
        return True
    return isinstance(node, ast.Constant) and not (
        isinstance(operator, ast.Mult) and type(node.value) in (int, bool)
    )
