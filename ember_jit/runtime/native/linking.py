"""Lays out the sections of some objects in one block of memory, and links them: a linker of 200 lines.

Code, read-only data and writable data each get whole pages, so that memory is never writable and
executable at once.  What is undefined in one object is looked for in the others, then in a table of
addresses.  A call whose target is out of reach goes through a stub.  `Layout.image(base, symbols)` is
a pure function of the address where the block will lie: it is tested for machines we do not run on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from ember_jit.runtime.native.elf import Object, ObjectError, Relocation, Section, Symbol
from ember_jit.runtime.native.relocations import (
    NOTHING,
    RULES,
    STUB_SIZE,
    OutOfReach,
    Rule,
    Via,
    stub,
)

CODE: Final = "code"
CONSTANT: Final = "constant"
DATA: Final = "data"


class Segment(NamedTuple):
    """Whole pages of one protection: `kind` is `CODE`, `CONSTANT` or `DATA`."""

    kind: str
    start: int
    size: int


@dataclass(slots=True)
class Layout:
    """Where everything lies, relative to the start of the block."""

    machine: int
    objects: Sequence[Object]
    segments: list[Segment]
    size: int
    homes: dict[tuple[int, int], int]  # (object, section) -> offset
    defined: dict[str, tuple[int, Symbol]]  # global name -> (object, symbol)
    stubs: dict[tuple[int, str, int], int] = field(default_factory=dict)
    slots: dict[tuple[int, str, int], int] = field(default_factory=dict)

    def undefined(self) -> list[str]:
        """The names that `image` wants addresses of."""
        return sorted(
            {
                name
                for number, each in enumerate(self.objects)
                for relocation in each.relocations
                if (name := self._outside(number, relocation.symbol)) is not None
            }
        )

    def address(self, name: str) -> int:
        """The offset of a global symbol in the block.

        Raises:
            ObjectError: no object defines it in a section.
        """
        if name not in self.defined:
            raise ObjectError(f"no object defines {name!r}")
        number, symbol = self.defined[name]
        assert symbol.section is not None
        return self.homes[number, symbol.section] + symbol.value

    def image(self, base: int, symbols: Mapping[str, int]) -> bytearray:
        """The bytes of the block when it starts at the address `base`.

        Raises:
            ObjectError: a name is not in `symbols`, or an address does not fit.
        """
        missing = [name for name in self.undefined() if name not in symbols]
        if missing:
            raise ObjectError(f"no address is known of {', '.join(missing)}")
        block = bytearray(self.size)
        for (number, section), home in self.homes.items():
            body = self.objects[number].sections[section].data
            block[home : home + len(body)] = body
        for number, each in enumerate(self.objects):
            for relocation in each.relocations:
                self._apply(block, base, number, relocation, symbols)
        return block

    def _apply(
        self,
        block: bytearray,
        base: int,
        number: int,
        relocation: Relocation,
        symbols: Mapping[str, int],
    ) -> None:
        rule = RULES[self.machine].get(relocation.kind)
        if rule is None:
            return  # one of NOTHING: `lay_out` has refused all others
        at = self.homes[number, relocation.section] + relocation.offset
        symbol = relocation.symbol
        target = self._target(base, number, symbol, symbols)
        if rule.via is Via.GOT:
            slot = self.slots[self._name(number, symbol)]
            block[slot : slot + 8] = target.to_bytes(8, "little")
            target = base + slot
        try:
            try:
                rule.write(block, at, target + relocation.addend, base + at)
            except OutOfReach:
                if rule.via is not Via.CALL:
                    raise
                place = self.stubs[self._name(number, symbol)]
                block[place : place + STUB_SIZE] = stub(self.machine, target)
                rule.write(block, at, base + place + relocation.addend, base + at)
        except OutOfReach as exc:
            raise ObjectError(f"{rule.name} to {symbol.name!r}: {exc}") from None

    def _target(self, base: int, number: int, symbol: Symbol, symbols: Mapping[str, int]) -> int:
        outside = self._outside(number, symbol)
        if outside is not None:
            target = symbols[outside]
            if not 0 <= target < 1 << 64:
                raise ObjectError(f"{outside!r}: {target:#x} is no address")
            return target
        if not symbol.defined:
            number, symbol = self.defined[symbol.name]
        assert symbol.section is not None  # `lay_out` has refused the others
        return base + self.homes[number, symbol.section] + symbol.value

    def _outside(self, number: int, symbol: Symbol) -> str | None:
        """The name of a symbol that no object defines."""
        if symbol.defined or symbol.name in self.defined:
            return None
        return symbol.name

    def _name(self, number: int, symbol: Symbol) -> tuple[int, str, int]:
        """What tells targets apart: local names are an object's own, and sections have none."""
        if symbol.local:
            return (number, symbol.name, (symbol.section or 0) << 48 | symbol.value)
        return (-1, symbol.name, 0)


def lay_out(objects: Sequence[Object], page: int) -> Layout:
    """Arrange all sections of `objects` in pages of `page` bytes.

    Raises:
        ObjectError: the objects are for different machines, define a name twice, or contain a
            relocation that is unknown or lies outside of its section.
    """
    if not objects:
        raise ObjectError("there is nothing to link")
    machine = objects[0].machine
    if any(each.machine != machine for each in objects):
        raise ObjectError("the objects are for different machines")
    layout = Layout(machine, objects, [], 0, {}, _definitions(objects))
    rules = [_rules(each) for each in objects]
    for kind in (CODE, CONSTANT, DATA):
        start = end = layout.size
        for number, each in enumerate(objects):
            for index, section in enumerate(each.sections):
                if _kind(section) == kind:
                    layout.homes[number, index] = _round(end, section.align)
                    end = layout.homes[number, index] + section.size
        if kind == CODE:
            end = _reserve(layout, rules, Via.CALL, layout.stubs, end, STUB_SIZE)
        if kind == CONSTANT:
            end = _reserve(layout, rules, Via.GOT, layout.slots, end, 8)
        if end > start:
            layout.segments.append(Segment(kind, start, _round(end, page) - start))
            layout.size = _round(end, page)
    if not layout.size:
        raise ObjectError("no section is to be loaded")
    return layout


def _definitions(objects: Sequence[Object]) -> dict[str, tuple[int, Symbol]]:
    found: dict[str, tuple[int, Symbol]] = {}
    for number, each in enumerate(objects):
        for symbol in each.symbols:
            if symbol.section is None or symbol.local or not symbol.name:
                continue
            if symbol.name in found and not symbol.weak and not found[symbol.name][1].weak:
                raise ObjectError(f"{symbol.name!r} is defined twice")
            if symbol.name not in found or found[symbol.name][1].weak:
                found[symbol.name] = (number, symbol)
    return found


def _rules(each: Object) -> list[tuple[Relocation, Rule]]:
    found = []
    for relocation in each.relocations:
        if relocation.kind in NOTHING[each.machine]:
            continue
        rule = RULES[each.machine].get(relocation.kind)
        if rule is None:
            raise ObjectError(f"relocation of the unknown kind {relocation.kind}")
        section = each.sections[relocation.section]
        if relocation.offset + rule.size > len(section.data):
            raise ObjectError(f"{rule.name} at {relocation.offset} is outside of {section.name}")
        symbol = relocation.symbol
        if symbol.defined and symbol.section is None:
            raise ObjectError(f"{rule.name} to {symbol.name!r}, which is not loaded")
        found.append((relocation, rule))
    return found


def _reserve(
    layout: Layout,
    rules: list[list[tuple[Relocation, Rule]]],
    via: Via,
    places: dict[tuple[int, str, int], int],
    end: int,
    size: int,
) -> int:
    """Give each target that is reached `via` something a place of `size` bytes after `end`."""
    end = _round(end, size)
    for number, found in enumerate(rules):
        for relocation, rule in found:
            name = layout._name(number, relocation.symbol)
            if rule.via is via and name not in places:
                places[name] = end
                end += size
    return end


def _kind(section: Section) -> str:
    if section.executable:
        return CODE
    return DATA if section.writable else CONSTANT


def _round(value: int, unit: int) -> int:
    return -(-value // unit) * unit
