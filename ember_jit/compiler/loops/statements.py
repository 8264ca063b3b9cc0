"""Statements, one method a node: variables, branches, loops, and the ways out of them.

A variable is a place on the stack, which LLVM turns into registers.  A variable that may be unbound has a
flag.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ember_jit.compiler.loops import arithmetic as rules
from ember_jit.compiler.loops.code import Value
from ember_jit.compiler.loops.iteration import Iteration, Slot
from ember_jit.compiler.loops.types import Retry, Type, Unfit, join, parts


@dataclass(frozen=True, slots=True)
class Assumed:
    """What is known of a function between attempts to write it.

    Attributes:
        types: of variables.
        foreign: variables that are local lists in which objects stand that came in.
        objects: variables that may be an object that came in.
        followed: those of them whose objects are kept, because they may be returned.
        comprehended: what the items of comprehensions are.
        rewritten: the comprehension that each `list(...)` is.
    """

    types: dict[str, Type]
    foreign: set[str]
    objects: set[str]
    followed: set[str]
    comprehended: dict[int, Type]
    rewritten: dict[int, ast.ListComp]


class Statements(Iteration):
    """The code of statements.

    Attributes:
        aliases: what variables of comprehensions are called here.
        breaks: where `break` and `continue` of the loops around go.
        results: the registers with finished results, and the blocks that they come from.
    """

    def __init__(self, assumed: Assumed, names: dict[str, Any]) -> None:
        super().__init__(assumed.types, assumed.foreign)
        self.names = names
        self.objects = assumed.objects
        self.followed = assumed.followed
        self.comprehended = assumed.comprehended
        self.rewritten = assumed.rewritten
        self.made_foreign = set()
        self.slots: dict[str, Slot] = {}
        self.aliases: dict[str, str] = {}  # variables of comprehensions
        self.sure: set[str] = set()
        self.breaks: list[tuple[str, str]] = []  # (break, continue) of the loops around
        self.pins: list[str] = []  # places of objects that are held besides variables
        self.results: list[tuple[str, str]] = []
        self.polls = 0

    # ------------------------------------------------------------------ variables
    def slot(self, name: str) -> Slot:
        """Where a variable of a known type is kept."""
        found = self.slots.get(name)
        if found is None:
            type_ = self.types[name]
            places = tuple(self.alloca(part) for part in parts(type_))
            obj = self.alloca("ptr") if name in self.followed else ""
            bound = self.alloca("i1")
            self.allocas += [f"  store i1 false, ptr {bound}, align 1"]
            if type_.kind in ("local", "list"):
                self.allocas.append(f"  store ptr null, ptr {places[0]}, align 8")
            if obj:
                self.allocas.append(f"  store ptr null, ptr {obj}, align 8")
            found = self.slots[name] = Slot(type_, places, obj, bound)
        return found

    def load(self, name: str) -> Value:
        name = self.aliases.get(name, name)
        if name not in self.types:
            raise Unfit(f"`{name}` is read before it is assigned", self.line)
        slot = self.slot(name)
        if name not in self.sure:
            self.need(self.let(f"load i1, ptr {slot.bound}, align 1"))
        regs = tuple(
            self.let(f"load {part}, ptr {place}, align 8")
            for part, place in zip(parts(slot.type), slot.places, strict=True)
        )
        home = (name, 0) if slot.type.kind == "local" else None
        if slot.type.kind in ("list", "str"):
            return Value(slot.type, regs, regs[0], home=home)
        obj, lost = "", frozenset([name] if name in self.objects else ())
        if slot.obj:
            obj, lost = self.let(f"load ptr, ptr {slot.obj}, align 8"), frozenset()
        return Value(slot.type, regs, obj, lost, home=home)

    def assign(self, name: str, value: Value) -> None:
        """Bind a variable."""
        value = rules.settled(self, value)
        self._check_tuple(value)
        known = self.types.get(name)
        wanted = value.type if known is None else join(known, value.type)
        if wanted != value.type and value.kind == "local" and value.home is not None:
            self.retype_variable(value.home, wanted)
        if known is None:
            self.types[name] = wanted
        elif wanted != known:
            self.types[name] = wanted
            raise Retry
        self._note_objects(name, value)
        slot = self.slot(name)
        packed = self.pack(value, wanted)
        if wanted.kind == "local":
            self.hold(packed)
            old = self.let(f"load ptr, ptr {slot.places[0]}, align 8")
            self.call("void", "loop_list_drop", "ptr %chain", f"ptr {old}")
        for part, place, reg in zip(parts(wanted), slot.places, packed.regs, strict=True):
            self.do(f"store {part} {reg}, ptr {place}, align 8")
        if slot.obj:
            self.do(f"store ptr {value.obj or 'null'}, ptr {slot.obj}, align 8")
        self.do(f"store i1 true, ptr {slot.bound}, align 1")
        self.sure.add(name)

    def _check_tuple(self, value: Value) -> None:
        if value.kind == "tuple":
            raise Unfit("a tuple that is kept in a variable", self.line)

    def _note_objects(self, name: str, value: Value) -> None:
        """Keep account of which variables may be objects that came in, or hold such."""
        if value.kind in ("list", "str"):
            return
        if value.kind == "local":
            ours = value.reg in self.made_foreign or (
                value.home is not None and value.home[0] in self.foreign
            )
            if ours and name not in self.foreign:
                self.foreign.add(name)
                raise Retry
            if (
                name in self.foreign
                and value.home is not None
                and value.home[0] not in self.foreign
            ):
                self.foreign.add(value.home[0])  # one list, two names
                raise Retry
            return
        if (value.obj or value.lost) and name not in self.objects:
            self.objects.add(name)
            raise Retry
        if name in self.followed:
            self.follow(value.lost)

    def follow(self, names: frozenset[str]) -> None:
        """Keep the objects that these variables are, from the next attempt on."""
        for name in names:
            if self.types[name].kind == "local" or name in self.aliases.values():
                raise Unfit("a number that may be an object which came in is returned", self.line)
        if names - self.followed:
            self.followed.update(names)
            raise Retry

    def bind(self, target: ast.expr, value: Value) -> None:
        """Assign a value to a target."""
        if isinstance(target, ast.Name):
            self.assign(target.id, value)
        elif isinstance(target, ast.Tuple):
            if value.kind != "tuple" or len(value.type.items) != len(target.elts):
                raise Unfit(f"a {value.type} unpacked to {len(target.elts)} variables", self.line)
            for each, item in zip(target.elts, value.members, strict=True):
                self.bind(each, item)
        elif isinstance(target, ast.Subscript) and not isinstance(target.slice, ast.Slice):
            owner, at = self.located(self.value(target.value), target.slice)
            self.store(owner, at, value)
        else:
            raise Unfit(f"an assignment to `{ast.unparse(target)}`", self.line)

    def bind_inner(self, target: ast.expr, value: Value) -> None:
        if isinstance(target, ast.Name):
            name = f"{target.id} of line {target.lineno}.{target.col_offset}"
            self.aliases[target.id] = name
            self.assign(name, value)
        elif (
            isinstance(target, ast.Tuple)
            and value.kind == "tuple"
            and len(value.type.items) == len(target.elts)
        ):
            for each, item in zip(target.elts, value.members, strict=True):
                self.bind_inner(each, item)
        else:
            raise Unfit("the variables of this comprehension", self.line)

    def _listcomp(self, node: ast.ListComp) -> Value:
        outer = dict(self.aliases)
        made = super()._listcomp(node)
        self.aliases = outer
        return made

    # ------------------------------------------------------------------ statements
    def block(self, body: Sequence[ast.stmt]) -> None:
        """A list of statements, up to the first that leaves."""
        for each in body:
            if self.dead:
                return
            self.line = each.lineno
            method: Callable[[Any], None] | None = getattr(
                self, f"_do_{type(each).__name__.lower()}", None
            )
            if method is None:
                raise Unfit(f"the statement `{type(each).__name__}`", each.lineno)
            method(each)
            self.line = each.lineno
            self.drop_temporaries()

    def _do_pass(self, node: ast.Pass) -> None:
        pass

    def _do_expr(self, node: ast.Expr) -> None:
        call = node.value
        if isinstance(call, ast.Constant):
            return
        if (
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Attribute)
            and call.func.attr == "append"
            and len(call.args) == 1
            and not call.keywords
        ):
            target = self.value(call.func.value)
            if target.kind != "local":
                raise Unfit(f"an append to a {target.type}", node.lineno)
            element = target.type.element
            self.append(target, self.value(call.args[0], element))
            return
        raise Unfit("an expression as a statement", node.lineno)

    def _do_assign(self, node: ast.Assign) -> None:
        hint = None
        if isinstance(node.targets[0], ast.Name):
            hint = self.types.get(node.targets[0].id)
        self.direct = node.value
        value = rules.settled(self, self.value(node.value, hint))
        for each in value.members:  # what a variable lets go of may be what another one takes
            if each.kind == "local":
                self.hold(each)
                self.temporaries.append(each.reg)
        for target in node.targets:
            self.bind(target, value)

    def _do_annassign(self, node: ast.AnnAssign) -> None:
        if node.value is None or not node.simple or not isinstance(node.target, ast.Name):
            raise Unfit("this annotation", node.lineno)
        self.bind(node.target, self.value(node.value, self.types.get(node.target.id)))

    def _do_augassign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            left = self.load(node.target.id)
            self._scalar(left)
            self.assign(node.target.id, rules.binary(self, node.op, left, self.value(node.value)))
        elif isinstance(node.target, ast.Subscript) and not isinstance(
            node.target.slice, ast.Slice
        ):
            owner, at = self.located(self.value(node.target.value), node.target.slice)
            left = self.item(owner, at)
            self._scalar(left)
            value = rules.settled(self, rules.binary(self, node.op, left, self.value(node.value)))
            self.store(owner, at, value)
        else:
            raise Unfit("an assignment in place to this", node.lineno)

    def _scalar(self, value: Value) -> None:
        if value.kind in ("local", "list", "array", "str"):
            raise Unfit(f"an assignment in place to a {value.type}", self.line)

    def _do_if(self, node: ast.If) -> None:
        yes, no, done = (self.name("b") for _ in range(3))
        self.test(node.test, yes, no)
        sure = set(self.sure)
        ends = []
        for label, body in ((yes, node.body), (no, node.orelse)):
            self.place(label)
            self.sure = set(sure)
            self.block(body)
            if not self.dead:
                ends.append(self.sure)
            self.jump(done)
        if ends:
            self.sure = set.intersection(*ends)
            self.place(done)

    def _do_while(self, node: ast.While) -> None:
        head, body, otherwise, done = (self.name("b") for _ in range(4))
        self.jump(head)
        self.place(head)
        self.conditional += 1
        self.test(node.test, body, otherwise)
        self.conditional -= 1
        sure = set(self.sure)
        self.place(body)
        broke = self._loop_body(node.body, done, head)
        self.line = node.lineno
        self._back(head)
        self._end(node.orelse, otherwise, done, sure, broke, never=_always(node.test))

    def _do_for(self, node: ast.For) -> None:
        sure = set(self.sure)
        done = self.name("b")
        state: dict[str, Any] = {}

        def body() -> None:
            again = self.name("b")
            state["broke"] = self._loop_body(node.body, done, again)
            self.line = node.lineno
            self.jump(again)
            self.place(again)

        keep = len(self.temporaries)
        self.each(node.iter, lambda value: self.bind(node.target, value), body)
        self.sure = set(sure)
        otherwise = self.name("b")
        self.jump(otherwise)
        made, self.temporaries = self.temporaries[keep:], self.temporaries[:keep]
        self._end(node.orelse, otherwise, done, sure, state["broke"])
        self.temporaries += made

    def _loop_body(self, body: Sequence[ast.stmt], done: str, again: str) -> bool:
        outer, self.temporaries = self.temporaries, []
        self.breaks.append((done, again))
        before = sum(line.endswith(f"label %{done}") for line in self.lines)
        self.block(body)
        self.breaks.pop()
        self.temporaries = outer
        return sum(line.endswith(f"label %{done}") for line in self.lines) > before

    def _end(
        self,
        orelse: Sequence[ast.stmt],
        otherwise: str,
        done: str,
        sure: set[str],
        broke: bool,
        never: bool = False,
    ) -> None:
        """The end of a loop: its `else`, and where it is left to."""
        self.place(otherwise)
        self.sure = set(sure)
        if never:
            self.do("unreachable")
            self.dead = True
        else:
            self.block(orelse)
        reached = not self.dead or broke
        self.jump(done)
        if reached:
            self.place(done)
            self.sure = set(sure)

    def _do_break(self, node: ast.Break) -> None:
        self.drop_temporaries()
        self.jump(self.breaks[-1][0])

    def _do_continue(self, node: ast.Continue) -> None:
        self.drop_temporaries()
        self.jump(self.breaks[-1][1])

    def _do_assert(self, node: ast.Assert) -> None:
        yes, no = self.name("b"), self.name("b")
        self.test(node.test, yes, no)
        self.place(no)
        self.jump(self.miss_label())
        self.place(yes)

    def _do_raise(self, node: ast.Raise) -> None:
        self.jump(self.miss_label())  # Python raises it


def _always(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and bool(node.value)
