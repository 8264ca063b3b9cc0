"""Writes the text of the one LLVM function that a loop becomes: registers, blocks, ways out, merges.

Every condition under which Python would do something else than the straight machine instruction (an
integer that overflows, an index out of range, a division by zero, an object of another type) leaves for
`miss`.  Nothing that can be seen has happened by then, or it is taken back there; the plain statements run.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ember_jit.compiler.loops.types import TAGS, Type, Unfit, join, kinds_of, parts


@dataclass(frozen=True, slots=True)
class Value:
    """A value in registers.

    Attributes:
        type: its type.
        regs: a register (or constant) for each of `parts(type)`.
        obj: where it may be an object that came in: the register of that object, null if it is fresh.
        lost: variables whose objects it may be, although they are not followed yet.
        loose: arithmetic on NumPy numbers whose result has not been checked for being finite.
        home: the variable, and the depth in it, that a local list was read from.
        constant: what it is, where the source says it.
        members: of a tuple, what was put into it.
    """

    type: Type
    regs: tuple[str, ...]
    obj: str = ""
    lost: frozenset[str] = frozenset()
    loose: bool = False
    home: tuple[str, int] | None = None
    constant: int | float | bool | None = None
    members: tuple[Value, ...] = ()

    @property
    def reg(self) -> str:
        return self.regs[0]

    @property
    def kind(self) -> str:
        return self.type.kind


def float_text(value: float) -> str:
    """A double as LLVM writes it: its bits."""
    return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"


class Code:
    """One function under construction.

    Attributes:
        dead: control does not come here.
        line: the source line that is being written.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.allocas: list[str] = []
        self.declared: dict[str, str] = {}
        self.misses: dict[int, str] = {}
        self.label = "start"
        self.dead = False
        self.line = 0
        self._count = 0

    # ------------------------------------------------------------------ instructions
    def name(self, stem: str = "r") -> str:
        """A name that no other has."""
        self._count += 1
        return f"{stem}{self._count}"

    def let(self, text: str) -> str:
        """An instruction with a result."""
        reg = f"%{self.name()}"
        self.lines.append(f"  {reg} = {text}")
        return reg

    def do(self, text: str) -> None:
        """An instruction without."""
        self.lines.append(f"  {text}")

    def alloca(self, kind: str) -> str:
        """A place on the stack."""
        reg = f"%{self.name('s')}"
        self.allocas.append(f"  {reg} = alloca {kind}, align 8")
        return reg

    def declare(self, result: str, name: str, args: str) -> None:
        """A function that the code calls."""
        self.declared[name] = f"declare {result} @{name}({args}) nounwind"

    def call(self, result: str, name: str, *args: str) -> str:
        """Call a function; each argument is a type and a register."""
        types = ", ".join(each.rsplit(" ", 1)[0] for each in args)
        if not name.startswith("loop_"):
            self.declare(result, name, types)
        text = f"call {result} @{name}({', '.join(args)})"
        if result == "void":
            self.do(text)
            return ""
        return self.let(text)

    # ------------------------------------------------------------------ blocks
    def place(self, label: str) -> None:
        """Begin the block `label`."""
        self.lines.append(f"{label}:")
        self.label = label
        self.dead = False

    def jump(self, label: str) -> None:
        """Go to `label`, if control comes here at all."""
        if not self.dead:
            self.do(f"br label %{label}")
        self.dead = True

    def branch(self, condition: str, then: str, otherwise: str) -> None:
        """Go to one of two blocks."""
        self.do(f"br i1 {condition}, label %{then}, label %{otherwise}")
        self.dead = True

    def miss_label(self) -> str:
        """Where to go from this line when Python has to do it."""
        return self.misses.setdefault(self.line, f"miss_{self.line}")

    def need(self, condition: str) -> None:
        """Give up unless `condition` holds."""
        if condition == "true":
            return
        go_on = self.name("b")
        self.do(f"br i1 {condition}, label %{go_on}, label %{self.miss_label()}, !prof !0")
        self.place(go_on)

    def give_up(self) -> None:
        """Leave it to Python whenever control comes here."""
        self.jump(self.miss_label())
        self.place(self.name("b"))

    # ------------------------------------------------------------------ unions
    def pack(self, value: Value, wanted: Type) -> Value:
        """`value` as a member of the wider type."""
        if value.type == wanted:
            return value
        if wanted.kind != "union":
            if wanted.kind == value.kind == "local" and value.type.element is None:
                return replace(value, type=wanted)
            raise Unfit(f"{value.type} does not become {wanted}", self.line)
        if value.kind == "union":
            return replace(value, type=wanted)
        reg = value.reg
        if value.kind in ("float", "npf"):
            reg = self.let(f"bitcast double {reg} to i64")
        elif value.kind == "bool":
            reg = self.let(f"zext i1 {reg} to i64")
        return replace(value, type=wanted, regs=(str(TAGS[value.kind]), reg), constant=None)

    def unpacked(self, value: Value, kind: str) -> Value:
        """The value of a union whose tag says `kind`."""
        reg = value.regs[1]
        if kind in ("float", "npf"):
            reg = self.let(f"bitcast i64 {reg} to double")
        elif kind == "bool":
            reg = self.let(f"trunc i64 {reg} to i1")
        return replace(value, type=Type(kind), regs=(reg,))

    def spread(self, values: Sequence[Value], function: Callable[..., Value]) -> Value:
        """Do `function` for each combination of kinds that the unions among `values` may have."""
        for index, value in enumerate(values):
            if value.kind != "union":
                continue
            results: list[tuple[Value, str]] = []
            kinds = sorted(value.type.kinds)
            reasons: list[Unfit] = []
            for kind in kinds:
                here, following = self.name("b"), self.name("b")
                last = kind == kinds[-1]
                if not last:
                    tagged = self.let(f"icmp eq i64 {value.regs[0]}, {TAGS[kind]}")
                    self.branch(tagged, here, following)
                    self.place(here)
                one = [*values[:index], self.unpacked(value, kind), *values[index + 1 :]]
                written = len(self.lines), self.label
                try:
                    found = self.spread(one, function)
                except Unfit as reason:  # of this kind alone: whenever it comes up, it is Python's
                    reasons.append(reason)
                    del self.lines[written[0] :]
                    self.label, self.dead = written[1], False
                    self.jump(self.miss_label())
                else:
                    tail = self.name("b")
                    results.append((found, tail))
                    self.jump(tail)
                if not last:
                    self.place(following)
            if not results:
                raise reasons[0]
            return self.merge(results)
        return function(*values)

    def merge(self, results: list[tuple[Value, str]]) -> Value:
        """One value out of several ways: each has ended with a jump to its label, which is placed here."""
        wanted = results[0][0].type
        for value, _ in results[1:]:
            wanted = join(wanted, value.type)
        if wanted.kind in ("tuple", "array", "local", "str", "list"):
            raise Unfit(f"a {wanted} that is one of several", self.line)
        done = self.name("b")
        packed: list[tuple[Value, str]] = []
        for value, tail in results:
            self.place(tail)
            packed.append((self.pack(value, wanted), self.label))
            self.jump(done)
        self.place(done)
        regs = tuple(
            self.let(f"phi {part} {self._sources([(v.regs[k], at) for v, at in packed])}")
            for k, part in enumerate(parts(wanted))
        )
        obj = ""
        if any(value.obj for value, _ in packed):
            obj = self.let(f"phi ptr {self._sources([(v.obj or 'null', at) for v, at in packed])}")
        lost = frozenset().union(*(value.lost for value, _ in packed))
        loose = any(value.loose for value, _ in packed)
        return Value(wanted, regs, obj, lost, loose)

    def _sources(self, pairs: list[tuple[str, str]]) -> str:
        return ", ".join(f"[ {reg}, %{label} ]" for reg, label in pairs)

    # ------------------------------------------------------------------ tuples
    def tuple_of(self, items: Sequence[Value]) -> Value:
        """Several values as one; they are never an object before they are returned."""
        return Value(
            Type("tuple", items=tuple(each.type for each in items)),
            tuple(reg for each in items for reg in each.regs),
            members=tuple(items),
        )


def is_number(value: Value) -> bool:
    """Whether it is a number, of one kind or of several."""
    return bool(kinds_of(value.type))
