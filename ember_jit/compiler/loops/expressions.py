"""Expressions, one method a node: each gives the value, or raises `Unfit` with the reason."""

from __future__ import annotations

import ast
from typing import Any

from ember_jit.compiler.loops import arithmetic as rules
from ember_jit.compiler.loops.code import Value, float_text
from ember_jit.compiler.loops.containers import shape_of
from ember_jit.compiler.loops.local_lists import LocalLists
from ember_jit.compiler.loops.types import BOOL, CHAR, FLOAT, INT, NONE, Type, Unfit, kinds_of


class Expressions(LocalLists):
    """The code of expressions.

    Attributes:
        names: what the names that are no variables stand for: a function's name, or a constant.
    """

    names: dict[str, Any]

    def load(self, name: str) -> Value:
        """The value of a variable."""
        raise NotImplementedError

    # ------------------------------------------------------------------ by node
    def value(self, node: ast.expr, hint: Type | None = None) -> Value:
        """The value of an expression."""
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method is None:
            raise Unfit(f"`{type(node).__name__}`", getattr(node, "lineno", 0))
        outer, self.hint = self.hint, hint
        before, self.line = self.line, getattr(node, "lineno", self.line)
        try:
            found: Value = method(node)
        finally:
            self.hint, self.line = outer, before
        return found

    def _constant(self, node: ast.Constant) -> Value:
        return self.constant(node.value)

    def constant(self, value: Any) -> Value:
        """The value of a literal."""
        if value is None:
            return Value(NONE, ())
        if type(value) is bool:
            return Value(BOOL, ("true" if value else "false",), constant=value)
        if type(value) is int and -(1 << 63) <= value < 1 << 63:
            return Value(INT, (str(value),), constant=value)
        if type(value) is float:
            return Value(FLOAT, (float_text(value),), constant=value)
        if type(value) is str and len(value) == 1:
            return Value(CHAR, (str(ord(value)),))
        raise Unfit(f"the constant {value!r:.40}", self.line)

    def _name(self, node: ast.Name) -> Value:
        if node.id in self.names:
            return self._global(node.id)
        return self.load(node.id)

    def _global(self, path: str) -> Value:
        kind, live = self.names[path]
        if kind == "constant":
            return self.constant(live)
        raise Unfit(f"the function `{path}` as a value", self.line)

    def _binop(self, node: ast.BinOp) -> Value:
        if isinstance(node.op, ast.Mult) and isinstance(node.left, ast.List):
            return self._repeated(node.left, node.right)
        if isinstance(node.op, ast.Add) and isinstance(node.left, ast.List | ast.BinOp):
            found = self._joined_lists(node)
            if found is not None:
                return found
        left = self.value(node.left)
        return rules.binary(self, node.op, left, self.value(node.right))

    def _unaryop(self, node: ast.UnaryOp) -> Value:
        return rules.unary(self, node.op, self.value(node.operand))

    def _compare(self, node: ast.Compare) -> Value:
        left = self.value(node.left)
        if len(node.ops) == 1:
            return self._pair(node.ops[0], left, self.value(node.comparators[0]))
        ways: list[tuple[Value, str]] = []
        self.conditional += 1
        for op, each in zip(node.ops, node.comparators, strict=True):
            right = self.value(each)
            found = self._pair(op, left, right)
            if found.kind != "bool":
                raise Unfit("a chain of comparisons of NumPy's numbers", self.line)
            tail = self.name("b")
            ways.append((found, tail))
            if each is node.comparators[-1]:
                self.jump(tail)
                break
            go_on = self.name("b")
            self.branch(found.reg, go_on, tail)
            self.place(go_on)
            left = right
        self.conditional -= 1
        return self.merge(ways)

    def _pair(self, op: ast.cmpop, left: Value, right: Value) -> Value:
        strings = {left.kind, right.kind}
        if strings <= {"str", "char"} and "str" in strings and isinstance(op, ast.Eq | ast.NotEq):
            same = self._same_text(left, right)
            return Value(
                BOOL, (same if isinstance(op, ast.Eq) else self.let(f"xor i1 {same}, true"),)
            )
        return rules.compare(self, op, left, right)

    def _same_text(self, left: Value, right: Value) -> str:
        if left.kind == right.kind:
            args = [
                f"{t} {r}"
                for v in (left, right)
                for t, r in zip(("ptr", "i64", "i64"), v.regs[1:], strict=True)
            ]
            return self.call("i1", "loop_str_equal", *args)
        text, char = (left, right) if left.kind == "str" else (right, left)
        single = self.let(f"icmp eq i64 {text.regs[2]}, 1")
        look, other = self.name("b"), self.name("b")
        before, done = self.label, self.name("b")
        self.branch(single, look, done)
        self.place(look)
        first = self.item(text, "0")
        same = self.let(f"icmp eq i32 {first.reg}, {char.reg}")
        self.jump(other)
        self.place(other)
        self.jump(done)
        self.place(done)
        return self.let(f"phi i1 [ false, %{before} ], [ {same}, %{other} ]")

    def _boolop(self, node: ast.BoolOp) -> Value:
        ways: list[tuple[Value, str]] = []
        self.conditional += 1
        for each in node.values:
            found = self.value(each)
            if found.kind != "bool" and not kinds_of(found.type):
                raise Unfit(f"`and` or `or` of a {found.type}", self.line)
            found = rules.settled(self, found)
            tail = self.name("b")
            ways.append((found, tail))
            if each is node.values[-1]:
                self.jump(tail)
                break
            go_on = self.name("b")
            yes = rules.truth(self, found)
            self.branch(yes, *((go_on, tail) if isinstance(node.op, ast.And) else (tail, go_on)))
            self.place(go_on)
        self.conditional -= 1
        return self.merge(ways)

    def test(self, node: ast.expr, yes: str, no: str) -> None:
        """Go to one of two blocks by the truth of an expression."""
        if isinstance(node, ast.BoolOp):
            for each in node.values[:-1]:
                go_on = self.name("b")
                self.conditional += 1
                self.test(each, *((go_on, no) if isinstance(node.op, ast.And) else (yes, go_on)))
                self.conditional -= 1
                self.place(go_on)
            self.conditional += 1
            self.test(node.values[-1], yes, no)
            self.conditional -= 1
            return
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            self.test(node.operand, no, yes)
            return
        found = self.value(node)
        if found.kind in ("list", "local", "str"):
            reg = self.let(f"icmp ne i64 {self.length(found)}, 0")
        else:
            reg = rules.truth(self, found)
        self.branch(reg, yes, no)

    def _ifexp(self, node: ast.IfExp) -> Value:
        yes, no = self.name("b"), self.name("b")
        self.test(node.test, yes, no)
        ways = []
        self.conditional += 1
        for label, each in ((yes, node.body), (no, node.orelse)):
            self.place(label)
            found = rules.settled(self, self.value(each))
            tail = self.name("b")
            ways.append((found, tail))
            self.jump(tail)
        self.conditional -= 1
        return self.merge(ways)

    def _tuple(self, node: ast.Tuple) -> Value:
        values = [rules.settled(self, self.value(each)) for each in node.elts]
        return self.tuple_of(values)

    def _attribute(self, node: ast.Attribute) -> Value:
        path = ast.unparse(node)
        if path in self.names:
            return self._global(path)
        owner = self.value(node.value)
        if owner.kind == "array" and node.attr == "shape":
            return shape_of(self, owner)
        raise Unfit(f"the attribute `{node.attr}` of a {owner.type}", self.line)

    # ------------------------------------------------------------------ items
    def _subscript(self, node: ast.Subscript) -> Value:
        owner = self.value(node.value)
        if isinstance(node.slice, ast.Slice):
            return self._slice(owner, node.slice)
        if owner.kind == "tuple":
            return self._tuple_item(owner, node.slice)
        target, at = self.located(owner, node.slice)
        return self.item(target, at)

    def _tuple_item(self, owner: Value, index: ast.expr) -> Value:
        number = self.value(index).constant
        if type(number) is not int or not -len(owner.type.items) <= number < len(owner.type.items):
            raise Unfit("an index of a tuple that is no constant", self.line)
        return owner.members[number]

    def located(self, owner: Value, index: ast.expr) -> tuple[Value, str]:
        """The value, or row of it, and the index in that which `owner[index]` means."""
        if isinstance(index, ast.Tuple):
            if owner.kind != "array" or len(index.elts) != owner.type.ndim:
                raise Unfit(f"{len(index.elts)} indexes of a {owner.type}", self.line)
            *outer, last = [self.value(each) for each in index.elts]
            for each in outer:
                owner = self.item(owner, self.index(each, owner))
            return owner, self.index(last, owner)
        return owner, self.index(self.value(index), owner)
