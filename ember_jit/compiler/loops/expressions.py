"""Expressions, one method a node: each gives the value, or raises `Unfit` with the reason."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ember_jit.compiler.loops import arithmetic as rules
from ember_jit.compiler.loops.code import Value, float_text, is_number
from ember_jit.compiler.loops.containers import Containers, shape_of
from ember_jit.compiler.loops.functions import ITERATORS, LIBM, LOGARITHMS, ROUNDING
from ember_jit.compiler.loops.types import (
    BOOL,
    CHAR,
    FLOAT,
    INT,
    NONE,
    Retry,
    Type,
    Unfit,
    join,
    kinds_of,
)


class Expressions(Containers):
    """The code of expressions.

    Attributes:
        names: what the names that are no variables stand for: a function's name, or a constant.
        hint: the type of the variable that the expression is assigned to.
        direct: the expression that is a whole value: nothing else is pending while it is evaluated.
        quiet: how many expressions are around in which Python may not have its turn, as objects are in hand.
    """

    names: dict[str, Any]
    direct: ast.expr | None = None
    quiet: int = 0
    hint: Type | None = None

    def load(self, name: str) -> Value:
        """The value of a variable."""
        raise NotImplementedError

    def each(
        self, node: ast.expr, target: Callable[[Value], None], body: Callable[[], None]
    ) -> None:
        """A loop over what `node` gives."""
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

    def _slice(self, owner: Value, part: ast.Slice) -> Value:
        if owner.kind not in ("list", "local") or part.step is not None:
            raise Unfit(f"this slice of a {owner.type}", self.line)
        length = self.length(owner)
        bounds = []
        for each, default in ((part.lower, "0"), (part.upper, length)):
            bounds.append(default if each is None else self._bound(self.value(each), length))
        copied = self._copy_type(owner)
        made = self.new_list(copied, self._room(*bounds))
        self._fill(made, bounds, lambda at: self.item(owner, at))
        return made

    def _bound(self, value: Value, length: str) -> str:
        reg = self.whole(value).reg
        moved = self.let(f"add i64 {reg}, {length}")
        negative = self.let(f"icmp slt i64 {reg}, 0")
        reg = self.let(f"select i1 {negative}, i64 {moved}, i64 {reg}")
        reg = self.call("i64", "llvm.smax.i64", f"i64 {reg}", "i64 0")
        return self.call("i64", "llvm.smin.i64", f"i64 {reg}", f"i64 {length}")

    def _room(self, lower: str, upper: str) -> str:
        return self.let(f"sub i64 {upper}, {lower}")

    def _copy_type(self, owner: Value) -> Type:
        element = owner.type.element
        if element is not None and element.kind in ("list", "str"):
            raise Unfit(f"a copy of a {owner.type}", self.line)
        made = Type("local", element)
        return made if self.hint is None or self.hint.kind != "local" else join(made, self.hint)

    def _fill(self, made: Value, bounds: Sequence[str], item: Callable[[str], Value]) -> None:
        """Append items while an index runs from one bound to the other."""
        counter = self.alloca("i64")
        self.do(f"store i64 {bounds[0]}, ptr {counter}, align 8")
        head, body, done = (self.name("b") for _ in range(3))
        self.jump(head)
        self.place(head)
        at = self.let(f"load i64, ptr {counter}, align 8")
        self.branch(self.let(f"icmp slt i64 {at}, {bounds[1]}"), body, done)
        self.place(body)
        self.put(made, item(at))
        self.do(f"store i64 {self.let(f'add i64 {at}, 1')}, ptr {counter}, align 8")
        self.jump(head)
        self.place(done)

    def put(self, made: Value, value: Value) -> None:
        """Append to a list that is being made."""
        value = rules.settled(self, value)
        inner = value.kind == "local" and (
            value.reg in self.made_foreign or (value.home and value.home[0] in self.foreign)
        )
        if value.obj or value.lost or inner:
            self.made_foreign.add(made.reg)  # objects that came in stand in it
        element = made.type.element
        wanted = value.type if element is None else join(element, value.type)
        if wanted != element:
            raise Unfit("the items of a list that is being made are not of one type", self.line)
        if wanted.kind == "local":
            self.hold(value)
        place = self.call("ptr", "loop_list_grow", f"ptr {made.reg}")
        self.need(self.let(f"icmp ne ptr {place}, null"))
        self.write(wanted, place, value)

    made_foreign: set[str]

    # ------------------------------------------------------------------ lists
    def _list(self, node: ast.List) -> Value:
        values = [rules.settled(self, self.value(each)) for each in node.elts]
        return self._listed(values)

    def _listed(self, values: list[Value]) -> Value:
        element = self.hint.element if self.hint is not None and self.hint.kind == "local" else None
        for each in values:
            element = each.type if element is None else join(element, each.type)
        made = self.new_list(Type("local", element), str(len(values)))
        for each in values:
            self.put(made, self.pack(each, element) if element is not None else each)
        return made

    def _repeated(self, node: ast.List, times: ast.expr) -> Value:
        if len(node.elts) != 1:
            raise Unfit("a list of several items, repeated", self.line)
        value = rules.settled(self, self.value(node.elts[0]))
        if not is_number(value):
            raise Unfit(f"a {value.type}, repeated", self.line)
        count = self.value(times)
        if count.kind not in ("int", "bool"):
            raise Unfit(f"a list times a {count.type}", self.line)
        room = self.call("i64", "llvm.smax.i64", f"i64 {rules.as_int(self, count)}", "i64 0")
        hint = self.hint.element if self.hint is not None and self.hint.kind == "local" else None
        element = value.type if hint is None else join(value.type, hint)
        made = self.new_list(Type("local", element), room)
        packed = self.pack(value, element)
        self._fill(made, ("0", room), lambda at: packed)
        return made

    def _joined_lists(self, node: ast.BinOp) -> Value | None:
        """`[a] + [b] * n`: one new list; None if the operands are no lists."""
        hint = self.hint
        operands = [node.left, node.right]
        if not all(
            isinstance(each, ast.List | ast.ListComp | ast.BinOp | ast.Name | ast.Subscript)
            for each in operands
        ):
            return None
        if not any(isinstance(each, ast.List) or _repeats(each) for each in operands):
            return None
        values = [self.value(each, hint) for each in operands]
        if any(each.kind != "local" for each in values):
            raise Unfit("`+` of this and a list", self.line)
        wanted = join(values[0].type, values[1].type)
        if hint is not None and hint.kind == "local":
            wanted = join(wanted, hint)
        made = self.new_list(wanted, "4")
        for each in values:
            if each.type.element is not None:
                self._fill(made, ("0", self.length(each)), self._packed_item(each, wanted))
        return made

    def _packed_item(self, value: Value, wanted: Type) -> Callable[[str], Value]:
        assert wanted.element is not None
        element = wanted.element
        return lambda at: self.pack(self.item(value, at), element)

    def _listcomp(self, node: ast.ListComp) -> Value:
        if len(node.generators) != 1:
            raise Unfit("a comprehension with several `for`", self.line)
        hint = self.hint if self.hint is not None and self.hint.kind == "local" else None
        kept = self.comprehended.get(id(node))
        self.quiet += node is not self.direct
        element = hint.element if hint is not None else None
        if kept is not None:
            element = kept if element is None else join(kept, element)
        made = self.new_list(Type("local", element), "4")
        self.conditional += 1
        inner = hint.element if hint is not None else None
        self._comprehend(node.generators[0], lambda: self._comprehended_item(node, made, inner))
        self.conditional -= 1
        self.quiet -= node is not self.direct
        return made

    comprehended: dict[int, Type]

    def _comprehended_item(self, node: ast.ListComp, made: Value, hint: Type | None) -> None:
        self.conditional -= 1  # made and given back in each round
        keep = len(self.temporaries)
        outer, self.direct = self.direct, node.elt
        value = rules.settled(self, self.value(node.elt, hint))
        self.direct = outer
        self.conditional += 1
        known = made.type.element
        wanted = value.type if known is None else join(known, value.type)
        if wanted != known:
            self.learned(node, wanted)
        self.put(made, self.pack(value, wanted))
        self.drop_temporaries(keep)

    def learned(self, node: ast.ListComp, element: Type) -> None:
        """The items of a comprehension are of this type: from the next attempt on."""
        if self.comprehended.get(id(node)) == element:
            raise Unfit("the items of a comprehension are not of one type", self.line)
        self.comprehended[id(node)] = element
        raise Retry

    def _comprehend(self, generator: ast.comprehension, item: Callable[[], None]) -> None:
        if generator.is_async:
            raise Unfit("an asynchronous comprehension", self.line)

        def body() -> None:
            skip = self.name("b")
            for test in generator.ifs:
                go_on = self.name("b")
                self.test(test, go_on, skip)
                self.place(go_on)
            item()
            self.jump(skip)
            self.place(skip)

        self.each(generator.iter, lambda value: self.bind_inner(generator.target, value), body)

    def bind_inner(self, target: ast.expr, value: Value) -> None:
        """Bind the variable of a comprehension, which is its own."""
        raise NotImplementedError

    # ------------------------------------------------------------------ calls
    def _call(self, node: ast.Call) -> Value:
        path = ast.unparse(node.func)
        if path not in self.names or self.names[path][0] != "function":
            raise Unfit(f"a call of `{path}`", self.line)
        name = self.names[path][1]
        if node.keywords or any(isinstance(each, ast.Starred) for each in node.args):
            raise Unfit(f"keywords or a star in a call of `{path}`", self.line)
        if name in ITERATORS:
            raise Unfit(f"`{name}` as a value", self.line)
        if name == "list":
            return self._list_of(node)
        args = node.args
        if name == "sum" and len(args) == 1:
            return self._sum(args[0])
        if name in ("min", "max") and len(args) == 1:
            return self._extreme_of(args[0], name)
        values = [self.value(each) for each in args]
        if name in ("min", "max"):
            op = ast.Lt() if name == "min" else ast.Gt()
            return rules.extreme(self, [rules.settled(self, each) for each in values], op)
        if len(values) != 1:
            raise Unfit(f"`{name}` with {len(values)} arguments", self.line)
        return self._one(name, values[0])

    def _one(self, name: str, value: Value) -> Value:
        if name == "len":
            return Value(INT, (self.length(value),))
        if name == "ord" and value.kind == "char":
            return Value(INT, (self.let(f"zext i32 {value.reg} to i64"),))
        if name == "bool":
            return Value(BOOL, (rules.truth(self, value),))
        if not is_number(value):
            raise Unfit(f"`{name}` of a {value.type}", self.line)
        value = rules.settled(self, value)
        if name == "abs":
            return rules.absolute(self, value)
        return self.spread([value], lambda v: self._of_number(name, v))

    def _of_number(self, name: str, value: Value) -> Value:
        if name == "float":
            if value.kind == "float":
                return replace(value, constant=None)
            return Value(FLOAT, (rules.as_float(self, value),))
        if name == "int":
            if value.kind == "int":
                return replace(value, constant=None)
            if value.kind in ("bool", "npi"):
                return Value(INT, (rules.as_int(self, value),))
            return self._whole("trunc", value.reg)
        if not name.startswith("math."):
            raise Unfit(f"`{name}` of a {value.type}", self.line)
        return self._math(name.removeprefix("math."), value)

    def _math(self, name: str, value: Value) -> Value:
        if name in ROUNDING:
            if value.kind == "npi":
                raise Unfit(f"`math.{name}` of NumPy's ints", self.line)
            if value.kind in ("int", "bool"):
                return value if value.kind == "int" else Value(INT, (rules.as_int(self, value),))
            return self._whole(name, value.reg)
        x = rules.as_float(self, value)
        if name == "fabs":
            return Value(FLOAT, (self.call("double", "llvm.fabs.f64", f"double {x}"),))
        if name == "sqrt":
            self.need(self.let(f"fcmp oge double {x}, 0.0"))
            return Value(FLOAT, (self.call("double", "llvm.sqrt.f64", f"double {x}"),))
        if name in LOGARITHMS:
            self.need(self.let(f"fcmp ogt double {x}, 0.0"))
        elif name not in LIBM:
            raise Unfit(f"`math.{name}`", self.line)
        made = self.call("double", f"libm_{name}", f"double {x}")
        size = self.call("double", "llvm.fabs.f64", f"double {made}")
        self.need(self.let(f"fcmp olt double {size}, 0x7FF0000000000000"))
        return Value(FLOAT, (made,))

    def _whole(self, name: str, x: str) -> Value:
        """A float rounded to an int of 64 bits."""
        rounded = self.call("double", f"llvm.{name}.f64", f"double {x}")
        above = self.let(f"fcmp oge double {rounded}, {float_text(-(2.0**63))}")
        below = self.let(f"fcmp olt double {rounded}, {float_text(2.0**63)}")
        self.need(self.let(f"and i1 {above}, {below}"))
        return Value(INT, (self.let(f"fptosi double {rounded} to i64"),))

    def _list_of(self, node: ast.Call) -> Value:
        if len(node.args) != 1:
            raise Unfit("`list` without an argument", self.line)
        made = self.rewritten.get(id(node))
        if made is None:
            target = ast.copy_location(ast.Name("_item", ast.Store()), node)
            item = ast.copy_location(ast.Name("_item", ast.Load()), node)
            items = ast.comprehension(target, node.args[0], [], 0)
            made = self.rewritten[id(node)] = ast.copy_location(ast.ListComp(item, [items]), node)
        if self.direct is node:
            self.direct = made
        return self.value(made, self.hint)

    rewritten: dict[int, ast.ListComp]

    # ------------------------------------------------------------------ reductions
    def _sum(self, node: ast.expr) -> Value:
        items = self._reduced(node, "sum")
        kinds = kinds_of(items.type.element) if items.type.element is not None else frozenset()
        if items.type.element is None:
            return Value(INT, ("0",), constant=0)
        if not kinds or kinds & {"npf", "npi"}:
            raise Unfit(f"`sum` of a {items.type}", self.line)
        if "float" in kinds and (kinds != {"float"} or sys.version_info >= (3, 12)):
            raise Unfit("`sum` of floats, which this Python adds with a correction", self.line)
        total = Value(INT, ("0",))
        floating = kinds == {"float"}
        if floating:
            empty = self.let(f"icmp eq i64 {self.length(items)}, 0")
            self.need(self.let(f"xor i1 {empty}, true"))  # the int 0
            total = Value(FLOAT, ("0.0",))
        place = self.alloca("double" if floating else "i64")
        kind = "double" if floating else "i64"
        self.do(f"store {kind} {total.reg}, ptr {place}, align 8")

        def step(at: str) -> None:
            item = self.item(items, at)
            so_far = self.let(f"load {kind}, ptr {place}, align 8")
            sum_ = rules.binary(self, ast.Add(), Value(total.type, (so_far,)), item)
            self.do(f"store {kind} {sum_.reg}, ptr {place}, align 8")

        self._walk(self.length(items), "0", step)
        return Value(total.type, (self.let(f"load {kind}, ptr {place}, align 8"),))

    def _extreme_of(self, node: ast.expr, name: str) -> Value:
        items = self._reduced(node, name)
        element = items.type.element
        if element is None or element.kind not in ("int", "float"):
            raise Unfit(f"`{name}` of a {items.type}", self.line)
        length = self.length(items)
        self.need(self.let(f"icmp ne i64 {length}, 0"))
        place = self.alloca("i64")
        self.do(f"store i64 0, ptr {place}, align 8")
        op = ast.Lt() if name == "min" else ast.Gt()

        def step(at: str) -> None:
            best = self.item(items, self.let(f"load i64, ptr {place}, align 8"))
            beats = rules.compare(self, op, self.item(items, at), best).reg
            old = self.let(f"load i64, ptr {place}, align 8")
            self.do(
                f"store i64 {self.let(f'select i1 {beats}, i64 {at}, i64 {old}')}, ptr {place}, align 8"
            )

        self._walk(length, "1", step)
        return self.item(items, self.let(f"load i64, ptr {place}, align 8"))

    def _reduced(self, node: ast.expr, name: str) -> Value:
        items = self.value(node)
        if items.kind not in ("list", "local"):
            raise Unfit(f"`{name}` of a {items.type}", self.line)
        return items

    def _walk(self, length: str, start: str, step: Callable[[str], None]) -> None:
        """Do `step` for each index below `length`."""
        counter = self.alloca("i64")
        self.do(f"store i64 {start}, ptr {counter}, align 8")
        head, body, done = (self.name("b") for _ in range(3))
        self.jump(head)
        self.place(head)
        at = self.let(f"load i64, ptr {counter}, align 8")
        self.branch(self.let(f"icmp slt i64 {at}, {length}"), body, done)
        self.place(body)
        step(at)
        self.do(f"store i64 {self.let(f'add i64 {at}, 1')}, ptr {counter}, align 8")
        self.jump(head)
        self.place(done)


def _repeats(node: ast.expr) -> bool:
    return isinstance(node, ast.BinOp) and (
        isinstance(node.left, ast.List) or _repeats(node.left) or _repeats(node.right)
    )
