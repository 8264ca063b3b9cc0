"""From an expression of the user's to the same expression in guarded operations.

    {"q": a["t"] + "!"}      -->      {"q": _e.binary("+", _e.item(a, "t"), "!")}

Every operation of the result refuses anything but plain builtin values (`runtime.guarded`), so it can
be evaluated early without running user code.  What has no guarded form raises `CannotGuard`; the value
is then lost to the issue program.
"""

from __future__ import annotations

import ast
from typing import Any

from ember_jit.compiler.analysis.body import BodyAnalysis
from ember_jit.compiler.analysis.values import Known, Method
from ember_jit.compiler.source import mangled

_BINARY = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
    ast.LShift: "<<",
    ast.RShift: ">>",
    ast.BitAnd: "&",
    ast.BitOr: "|",
    ast.BitXor: "^",
}
_UNARY = {ast.USub: "-", ast.UAdd: "+", ast.Invert: "~"}
_COMPARE = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Is: "is",
    ast.IsNot: "is not",
    ast.In: "in",
    ast.NotIn: "not in",
}


class CannotGuard(Exception):
    """The expression has no guarded form."""


class Guard:
    """Translates the expressions of one function."""

    def __init__(self, facts: BodyAnalysis, class_name: str | None) -> None:
        self.facts = facts
        self.class_name = class_name
        self._fresh = 0

    def expr(self, node: ast.expr) -> ast.expr:
        """The guarded form of `node`."""
        method = getattr(self, "_" + type(node).__name__, None)
        if method is None:
            raise CannotGuard(type(node).__name__)
        result: ast.expr = method(node)
        return result

    def test(self, node: ast.expr) -> ast.expr:
        """The guarded truth value of `node`."""
        return _op("truth", self.expr(node))

    def _Constant(self, node: ast.Constant) -> ast.expr:
        return node

    def _Name(self, node: ast.Name) -> ast.expr:
        return ast.Name(node.id, ast.Load())

    def _Attribute(self, node: ast.Attribute) -> ast.expr:
        return _op("attr", self.expr(node.value), ast.Constant(self.mangled(node.attr)))

    def mangled(self, name: str) -> str:
        """A private name as the compiler spells it in the class of this function."""
        return mangled(name, self.class_name)

    def _Subscript(self, node: ast.Subscript) -> ast.expr:
        return _op("item", self.expr(node.value), self.expr(node.slice))

    def _Slice(self, node: ast.Slice) -> ast.expr:
        parts = [
            self.expr(part) if part is not None else ast.Constant(None)
            for part in (node.lower, node.upper, node.step)
        ]
        return _op("cut", *parts)

    def _BinOp(self, node: ast.BinOp) -> ast.expr:
        symbol = _BINARY.get(type(node.op))
        if symbol is None:
            raise CannotGuard("matrix product")
        return _op("binary", ast.Constant(symbol), self.expr(node.left), self.expr(node.right))

    def _UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        if isinstance(node.op, ast.Not):
            return _op("negate", self.expr(node.operand))
        return _op("unary", ast.Constant(_UNARY[type(node.op)]), self.expr(node.operand))

    def _Compare(self, node: ast.Compare) -> ast.expr:
        operands = [self.expr(each) for each in (node.left, *node.comparators)]
        parts: list[ast.expr] = []
        for index, operator in enumerate(node.ops):
            parts.append(
                _op(
                    "compare",
                    ast.Constant(_COMPARE[type(operator)]),
                    operands[index],
                    operands[index + 1],
                )
            )
        return parts[0] if len(parts) == 1 else ast.BoolOp(ast.And(), parts)

    def _BoolOp(self, node: ast.BoolOp) -> ast.expr:
        *first, last = [self.expr(each) for each in node.values]
        return ast.BoolOp(node.op, [*[_op("decided", each) for each in first], last])

    def _IfExp(self, node: ast.IfExp) -> ast.expr:
        return ast.IfExp(self.test(node.test), self.expr(node.body), self.expr(node.orelse))

    def _JoinedStr(self, node: ast.JoinedStr) -> ast.expr:
        parts = [self.expr(value) for value in node.values]
        return ast.Call(
            ast.Attribute(ast.Constant(""), "join", ast.Load()), [ast.Tuple(parts, ast.Load())], []
        )

    def _FormattedValue(self, node: ast.FormattedValue) -> ast.expr:
        spec = self.expr(node.format_spec) if node.format_spec is not None else ast.Constant("")
        return _op("formatted", self.expr(node.value), ast.Constant(node.conversion), spec)

    def _elements(self, nodes: list[ast.expr], wrap: str | None = None) -> list[ast.expr]:
        out: list[ast.expr] = []
        for node in nodes:
            if isinstance(node, ast.Starred):
                out.append(ast.Starred(_op("spread", self.expr(node.value)), ast.Load()))
            else:
                out.append(_op(wrap, self.expr(node)) if wrap else self.expr(node))
        return out

    def _List(self, node: ast.List) -> ast.expr:
        return ast.List(self._elements(node.elts), ast.Load())

    def _Tuple(self, node: ast.Tuple) -> ast.expr:
        return ast.Tuple(self._elements(node.elts), ast.Load())

    def _Set(self, node: ast.Set) -> ast.expr:
        return ast.Set(self._elements(node.elts, "key"))

    def _Dict(self, node: ast.Dict) -> ast.expr:
        keys: list[ast.expr | None] = []
        values: list[ast.expr] = []
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                keys.append(None)
                values.append(_op("mapping", self.expr(value)))
            else:
                keys.append(key if isinstance(key, ast.Constant) else _op("key", self.expr(key)))
                values.append(self.expr(value))
        return ast.Dict(keys, values)

    def _Lambda(self, node: ast.Lambda) -> ast.expr:
        args = node.args
        if args.defaults or args.kw_defaults or args.vararg or args.kwarg or args.kwonlyargs:
            raise CannotGuard("a lambda with defaults")
        return _op("guarded", ast.Lambda(args, self.expr(node.body)))

    def _comprehension(self, node: Any) -> tuple[Any, ...]:
        generators = []
        for generator in node.generators:
            target = generator.target
            if isinstance(target, ast.Name):
                generators.append(
                    ast.comprehension(
                        target,
                        _op("walk", self.expr(generator.iter)),
                        [self.test(c) for c in generator.ifs],
                        0,
                    )
                )
                continue
            if not isinstance(target, ast.Tuple) or not all(
                isinstance(each, ast.Name) for each in target.elts
            ):
                raise CannotGuard("a nested comprehension target")
            self._fresh += 1
            item = f"_u{self._fresh}"
            generators.append(
                ast.comprehension(
                    ast.Name(item, ast.Store()), _op("walk", self.expr(generator.iter)), [], 0
                )
            )
            once = ast.Tuple([_op("spread", ast.Name(item, ast.Load()))], ast.Load())
            generators.append(
                ast.comprehension(target, once, [self.test(c) for c in generator.ifs], 0)
            )
        return (generators,)

    def _ListComp(self, node: ast.ListComp | ast.GeneratorExp) -> ast.expr:
        (generators,) = self._comprehension(node)
        return ast.ListComp(self.expr(node.elt), generators)

    def _SetComp(self, node: ast.SetComp) -> ast.expr:
        (generators,) = self._comprehension(node)
        return ast.SetComp(_op("key", self.expr(node.elt)), generators)

    def _DictComp(self, node: ast.DictComp) -> ast.expr:
        (generators,) = self._comprehension(node)
        return ast.DictComp(_op("key", self.expr(node.key)), self.expr(node.value), generators)

    def arguments(self, node: ast.Call) -> tuple[list[ast.expr], list[ast.keyword]]:
        """The guarded arguments of a call."""
        args = []
        for arg in node.args:
            inner = self._ListComp(arg) if isinstance(arg, ast.GeneratorExp) else None
            args.extend([inner] if inner is not None else self._elements([arg]))
        keywords = [
            ast.keyword(None, _op("mapping", self.expr(k.value)))
            if k.arg is None
            else ast.keyword(k.arg, self.expr(k.value))
            for k in node.keywords
        ]
        return args, keywords

    def callee(self, func: ast.expr) -> ast.expr:
        """The guarded form of a callee."""
        return self.expr(func)

    def _Call(self, node: ast.Call) -> ast.expr:
        fact = self.facts.calls.get(getattr(node, "_ember_origin", node))
        if fact is None or fact.role != "glue":
            raise CannotGuard("a call")
        args, keywords = self.arguments(node)
        callee = fact.callee
        on_value = not isinstance(callee, Known | Method) or (
            isinstance(callee, Method) and type(callee.function).__name__ == "method_descriptor"
        )
        if on_value:
            if not isinstance(node.func, ast.Attribute):
                raise CannotGuard("a call of a value")
            return _op(
                "method",
                self.expr(node.func.value),
                ast.Constant(node.func.attr),
                *args,
                keywords=keywords,
            )
        return _op("call", self.expr(node.func), *args, keywords=keywords)


def _op(name: str | None, *args: ast.expr, keywords: list[ast.keyword] | None = None) -> ast.expr:
    func = ast.Attribute(ast.Name("_e", ast.Load()), name or "", ast.Load())
    return ast.Call(func, list(args), keywords or [])
