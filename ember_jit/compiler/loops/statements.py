"""Statements, one method a node: variables, branches, loops, and the ways out of them.

A variable is a place on the stack, which LLVM turns into registers.  A variable that may be unbound has a
flag.  Every loop counts its rounds down; at the end of the count Python gets a turn (`poll`): signals are
handled, other threads run.  What the loop holds of objects is kept alive for that long, and if something of it
was let go by others meanwhile, the loop is left to Python.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ember_jit.compiler.loops import arithmetic as rules
from ember_jit.compiler.loops.code import Value
from ember_jit.compiler.loops.expressions import Expressions
from ember_jit.compiler.loops.types import INT, Retry, Type, Unfit, join, parts

ROUNDS = 1 << 20
"""Rounds of loops between two turns of Python: some milliseconds."""

_POLL = "  ; poll "


@dataclass(slots=True)
class Slot:
    """Where a variable is kept.

    Attributes:
        places: one for each of the parts of its type.
        obj: where the object is kept that it may be; empty if nobody asks.
        bound: the flag, once it may be unbound.
    """

    type: Type
    places: tuple[str, ...]
    obj: str
    bound: str


@dataclass(frozen=True, slots=True)
class Assumed:
    """What is known of a function between attempts to write it.

    Attributes:
        types: of variables.
        foreign: variables that are local lists in which objects stand that came in.
        objects: variables that may be an object that came in.
        followed: those of them whose objects are kept, because they may be returned.
        comprehended: what the items of comprehensions are.
    """

    types: dict[str, Type]
    foreign: set[str]
    objects: set[str]
    followed: set[str]
    comprehended: dict[int, Type]
    rewritten: dict[int, ast.ListComp]


class Statements(Expressions):
    """The code of statements.

    Attributes:
        sure: variables that are bound wherever control is now.
        done: where to go with a finished result.
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

    def retype_variable(self, home: tuple[str, int], wanted: Type) -> None:
        """Have the variable that a list was read from be of the type that it needs elsewhere."""
        name, depth = home
        for _ in range(depth):
            wanted = Type("local", wanted)
        made = join(self.types[name], wanted)
        if made != self.types[name]:
            self.types[name] = made
            raise Retry

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

    # ------------------------------------------------------------------ iteration
    def _back(self, head: str) -> None:
        """The way back to the head of a loop."""
        if self.dead or self.quiet:
            self.jump(head)
            return
        left = self.let("load i64, ptr %rounds, align 8")
        less = self.let(f"sub i64 {left}, 1")
        self.do(f"store i64 {less}, ptr %rounds, align 8")
        turn, go_on = self.name("b"), self.name("b")
        spent = self.let(f"icmp slt i64 {less}, 0")
        self.do(f"br i1 {spent}, label %{turn}, label %{go_on}, !prof !1")
        self.place(turn)
        self.polls += 1
        self.lines.append(f"{_POLL}{self.polls} {go_on} {self.miss_label()}")
        self.place(go_on)
        self.jump(head)

    def each(
        self, node: ast.expr, target: Callable[[Value], None], body: Callable[[], None]
    ) -> None:
        item, more, advance = self._iterator(node)
        head, round_, done = (self.name("b") for _ in range(3))
        sure = set(self.sure)
        self.jump(head)
        self.place(head)
        self.branch(more(), round_, done)
        self.place(round_)
        target(item())
        advance()
        body()
        self._back(head)
        self.place(done)
        self.sure = sure

    def _iterator(
        self, node: ast.expr
    ) -> tuple[Callable[[], Value], Callable[[], str], Callable[[], None]]:
        """What gives the next value, says whether there is one, and goes on."""
        name = ""
        if isinstance(node, ast.Call):
            kind, name = self.names.get(ast.unparse(node.func), ("", ""))
            name = name if kind == "function" and not node.keywords else ""
        if isinstance(node, ast.Call) and any(isinstance(each, ast.Starred) for each in node.args):
            raise Unfit("a star in a call", self.line)
        if name == "range":
            assert isinstance(node, ast.Call)
            return self._range([self.value(each) for each in node.args])
        if name == "enumerate":
            assert isinstance(node, ast.Call)
            return self._enumerate(node)
        if name == "zip":
            assert isinstance(node, ast.Call)
            return self._zip(node)
        return self._over(self.value(node))

    def _over(
        self, items: Value
    ) -> tuple[Callable[[], Value], Callable[[], str], Callable[[], None]]:
        if items.kind not in ("list", "local", "str", "array"):
            raise Unfit(f"a loop over a {items.type}", self.line)
        counter = self.alloca("i64")
        self.do(f"store i64 0, ptr {counter}, align 8")
        if items.kind == "list":
            pin = self.alloca("ptr")
            self.allocas.append(f"  store ptr null, ptr {pin}, align 8")
            self.do(f"store ptr {items.reg}, ptr {pin}, align 8")
            self.pins.append(pin)
        if items.kind == "local":  # held while it is walked over, whatever becomes of its variable
            self.hold(items)
            self.temporaries.append(items.reg)

        def item() -> Value:
            return self.item(items, self.let(f"load i64, ptr {counter}, align 8"))

        def more() -> str:  # the length is read in each round, as a list may grow
            at = self.let(f"load i64, ptr {counter}, align 8")
            return self.let(f"icmp slt i64 {at}, {self.length(items)}")

        def advance() -> None:
            at = self.let(f"load i64, ptr {counter}, align 8")
            self.do(f"store i64 {self.let(f'add i64 {at}, 1')}, ptr {counter}, align 8")

        return item, more, advance

    def _range(
        self, args: list[Value]
    ) -> tuple[Callable[[], Value], Callable[[], str], Callable[[], None]]:
        if not 1 <= len(args) <= 3:
            raise Unfit(f"a range of {len(args)} arguments", self.line)
        args = [self.whole(each) for each in args]
        regs = [each.reg for each in args]
        start, stop = ("0", regs[0]) if len(regs) == 1 else (regs[0], regs[1])
        step = args[2].constant if len(args) == 3 else 1
        at, left = self.alloca("i64"), self.alloca("i64")
        self.do(f"store i64 {start}, ptr {at}, align 8")
        if step == 1:

            def more() -> str:
                return self.let(f"icmp slt i64 {self.let(f'load i64, ptr {at}, align 8')}, {stop}")
        else:
            by = regs[2]
            if not isinstance(step, int) or step == 0:
                self.need(self.let(f"icmp ne i64 {by}, 0"))
                self.need(self.let(f"icmp ne i64 {by}, {-(1 << 63)}"))
            self.do(f"store i64 {self._range_length(start, stop, by)}, ptr {left}, align 8")

            def more() -> str:
                return self.let(f"icmp ne i64 {self.let(f'load i64, ptr {left}, align 8')}, 0")

        def item() -> Value:
            return Value(INT, (self.let(f"load i64, ptr {at}, align 8"),))

        def advance() -> None:
            now = self.let(f"load i64, ptr {at}, align 8")
            following = f"add nsw i64 {now}, 1" if step == 1 else f"add i64 {now}, {regs[2]}"
            self.do(f"store i64 {self.let(following)}, ptr {at}, align 8")
            if step != 1:
                rest = self.let(f"load i64, ptr {left}, align 8")
                self.do(f"store i64 {self.let(f'sub i64 {rest}, 1')}, ptr {left}, align 8")

        return item, more, advance

    def _range_length(self, start: str, stop: str, step: str) -> str:
        """How many values a range has, as an unsigned number."""
        up = self.let(f"icmp sgt i64 {step}, 0")
        low = self.let(f"select i1 {up}, i64 {start}, i64 {stop}")
        high = self.let(f"select i1 {up}, i64 {stop}, i64 {start}")
        some = self.let(f"icmp slt i64 {low}, {high}")
        opposite = self.let(f"sub i64 0, {step}")
        size = self.let(f"select i1 {up}, i64 {step}, i64 {opposite}")
        gap = self.let(f"sub i64 {self.let(f'sub i64 {high}, {low}')}, 1")
        count = self.let(f"add i64 {self.let(f'udiv i64 {gap}, {size}')}, 1")
        return self.let(f"select i1 {some}, i64 {count}, i64 0")

    def _enumerate(
        self, node: ast.Call
    ) -> tuple[Callable[[], Value], Callable[[], str], Callable[[], None]]:
        if not 1 <= len(node.args) <= 2:
            raise Unfit("`enumerate` of this", self.line)
        item, more, advance = self._iterator(node.args[0])
        first = self.value(node.args[1]) if len(node.args) == 2 else Value(INT, ("0",))
        if first.kind != "int":
            raise Unfit("`enumerate` from this", self.line)
        count = self.alloca("i64")
        self.do(f"store i64 {first.reg}, ptr {count}, align 8")

        def pair() -> Value:
            number = Value(INT, (self.let(f"load i64, ptr {count}, align 8"),))
            return self.tuple_of([number, item()])

        def both() -> None:
            now = self.let(f"load i64, ptr {count}, align 8")
            self.do(f"store i64 {rules.overflowing(self, 'sadd', now, '1')}, ptr {count}, align 8")
            advance()

        return pair, more, both

    def _zip(
        self, node: ast.Call
    ) -> tuple[Callable[[], Value], Callable[[], str], Callable[[], None]]:
        if not node.args:
            raise Unfit("`zip` of nothing", self.line)
        them = [self._iterator(each) for each in node.args]

        def more() -> str:
            found = them[0][1]()
            for _, each, _ in them[1:]:
                found = self.let(f"and i1 {found}, {each()}")
            return found

        def advance() -> None:
            for _, _, each in them:
                each()

        return (lambda: self.tuple_of([item() for item, _, _ in them])), more, advance

    # ------------------------------------------------------------------ Python's turn
    def poll_lines(self) -> list[str]:
        """The lines so far, with Python's turns written out."""
        holders = [
            slot.places[0] for slot in self.slots.values() if slot.type.kind in ("list", "str")
        ]
        holders += [slot.obj for slot in self.slots.values() if slot.obj]
        holders += self.pins
        found: list[str] = []
        for line in self.lines:
            if line.startswith(_POLL):
                number, go_on, miss = line.removeprefix(_POLL).split()
                found += self._poll(number, go_on, miss, holders)
            else:
                found.append(line)
        return found

    def _poll(self, number: str, go_on: str, miss: str, holders: list[str]) -> list[str]:
        out = []
        for k, place in enumerate(holders):
            out += [f"  %p{number}_{k} = load ptr, ptr {place}, align 8"]
            out += [f"  call void @Py_IncRef(ptr %p{number}_{k})"]
        out += [f"  %p{number} = call ptr @PyObject_CallNoArgs(ptr @turn)"]
        gone = "false"
        for k, _ in enumerate(holders):
            out += [
                f"  %g{number}_{k} = call i1 @loop_release(ptr %p{number}_{k})",
                f"  %h{number}_{k} = or i1 {gone}, %g{number}_{k}",
            ]
            gone = f"%h{number}_{k}"
        return [
            *out,
            f"  %f{number} = icmp eq ptr %p{number}, null",
            f"  br i1 %f{number}, label %failed, label %q{number}",
            f"q{number}:",
            f"  call void @Py_DecRef(ptr %p{number})",
            f"  store i64 {ROUNDS}, ptr %rounds, align 8",
            f"  br i1 {gone}, label %{miss}, label %{go_on}",
        ]


def _always(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and bool(node.value)
