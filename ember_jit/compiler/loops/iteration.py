"""What loops go over, how they go on, and how Python gets its turn in long ones.

Every loop counts its rounds down; at the end of the count Python gets a turn: signals are handled, other
threads run.  What the code holds of objects is kept alive for that long, and if something of it was let go of by
others meanwhile, the loop is left to Python.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass

from ember_jit.compiler.loops import arithmetic as rules
from ember_jit.compiler.loops.calls import Calls
from ember_jit.compiler.loops.code import Value
from ember_jit.compiler.loops.types import INT, Type, Unfit

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


class Iteration(Calls):
    """The code of going over something.

    Attributes:
        slots: where variables are kept.
        pins: places of objects that are held besides variables.
        polls: turns so far.
        sure: variables that are bound wherever control is now.
    """

    slots: dict[str, Slot]
    pins: list[str]
    polls: int
    sure: set[str]

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
