"""Lists that a loop makes itself: literals, repetitions, slices, comprehensions, `list(...)`."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence

from ember_jit.compiler.loops import arithmetic as rules
from ember_jit.compiler.loops.code import Value, is_number
from ember_jit.compiler.loops.containers import Containers
from ember_jit.compiler.loops.types import Retry, Type, Unfit, join


class LocalLists(Containers):
    """The code of expressions that make lists.

    Attributes:
        hint: the type of the variable that the expression is assigned to.
        direct: the expression that is a whole value: nothing else is pending while it is evaluated.
        quiet: how many expressions are around in which Python may not have its turn, as objects are in hand.
        made_foreign: lists that have been made, in which objects stand that came in.
        comprehended: what the items of comprehensions are, between attempts.
        rewritten: the comprehension that a `list(...)` is.
    """

    hint: Type | None = None
    direct: ast.expr | None = None
    quiet: int = 0

    def value(self, node: ast.expr, hint: Type | None = None) -> Value:
        """The value of an expression."""
        raise NotImplementedError

    def test(self, node: ast.expr, yes: str, no: str) -> None:
        """Go to one of two blocks by the truth of an expression."""
        raise NotImplementedError

    def each(
        self, node: ast.expr, target: Callable[[Value], None], body: Callable[[], None]
    ) -> None:
        """A loop over what `node` gives."""
        raise NotImplementedError

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
