"""Which calls of a region may be in flight together: no dependence, no undecided control between them.

    a = self.p(inputs=x)       #0
    b = self.q(inputs=x)       #1        0-1: neither needs the other
    for y in ys:
        c = self.r(inputs=y)   #2        0-2, 1-2, and 2-2: of different iterations
    if a is None:
        return b                         what stands behind waits for #0

Sets of names are bits of an integer, and each closure over the region is computed once, so that the time
is that of the pairs themselves.  Names stand for all their versions: a dependence too many loses an overlap
that `explain` could show, and never makes one that is not there.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from ember_jit.ir.exits import has_exit
from ember_jit.ir.ops import Op, base
from ember_jit.ir.syntax import walk

_Step = tuple[Op, int, int]


def overlapping_pairs(ops: tuple[Op, ...]) -> frozenset[tuple[int, int]]:
    """Pairs of sites with no dependence of one on the other; `(s, s)` means different iterations."""
    return frozenset(_Flow(ops).pairs())


def can_overlap(ops: tuple[Op, ...]) -> bool:
    """Whether there is such a pair."""
    return next(_Flow(ops).pairs(), None) is not None


@dataclass(frozen=True, slots=True)
class _Call:
    """One call: the loops and the branches (with the arm) around it, and the names that it reads and defines."""

    op: Op
    site: int
    loops: tuple[Op, ...]
    arms: dict[Op, int]
    reads: int
    defs: int


class _Flow:
    """Names and dependences of one region."""

    def __init__(self, ops: tuple[Op, ...]) -> None:
        self._bits: dict[str, int] = {}
        self._of_value: dict[str, int] = {}
        self._calls: list[_Call] = []
        self._branches: dict[Op, int] = {}
        self._exits: list[tuple[int, int]] = []  # how many calls stand in front, and what decides
        self._control: dict[Op, int] = {}
        self._carry: dict[tuple[Op, Op], int] = {}
        self._steps_of: dict[Op, list[_Step]] = {}
        self._steps = self._collect(ops, (), {})
        self._reach: dict[Op, int] = {}

    def pairs(self) -> Iterator[tuple[int, int]]:
        """The pairs, one by one."""
        for index, first in enumerate(self._calls):
            reach = self._reached(first)
            if any(
                not self._carries(loop, first, first) and not self._control[loop] & reach
                for loop in first.loops
            ):
                yield first.site, first.site
            undecided = {branch for branch, test in self._branches.items() if test & reach}
            stop = min(
                (place for place, test in self._exits if place > index and test & reach),
                default=len(self._calls),
            )
            for place, second in enumerate(self._calls[index + 1 :], index + 1):
                straight = place < stop and self._straight(first, second, reach, undecided)
                if straight or self._crossing(first, second):
                    yield first.site, second.site

    def _straight(self, first: _Call, second: _Call, reach: int, undecided: set[Op]) -> bool:
        """Whether `second` may start before `first` has ended, within one iteration."""
        if second.reads & reach:
            return False
        if any(self._control[loop] & reach for loop in second.loops):
            return False
        for branch, arm in second.arms.items():
            other = first.arms.get(branch)
            if (other is None and branch in undecided) or (other is not None and other != arm):
                return False
        return True

    def _crossing(self, first: _Call, second: _Call) -> bool:
        """Whether `first` may start in the next iteration of a common loop before `second` has ended."""
        return any(
            not self._control[loop] & (self._reached(first) | self._reached(second))
            and not self._carries(loop, second, first)
            for loop in first.loops
            if loop in second.loops
        )

    # ------------------------------------------------------------------ dependences
    def _reached(self, call: _Call) -> int:
        """Names whose value may depend on the result of `call`."""
        found = self._reach.get(call.op)
        if found is None:
            found = self._reach[call.op] = _closure(self._steps, call.defs, call.op)
        return found

    def _carries(self, loop: Op, source: _Call, target: _Call) -> bool:
        """Whether `target`'s arguments may depend on the result of `source` in an earlier iteration of `loop`."""
        key = (loop, source.op)
        carried = self._carry.get(key)
        if carried is None:
            body = self._steps_of[loop]
            exposed = self._exposed(tuple(op for region in loop.regions for op in region.ops))
            start = exposed & _closure(body, source.defs, source.op)
            carried = self._carry[key] = _closure(body, start) if start else 0
        return bool(carried & target.reads)

    def _exposed(self, ops: tuple[Op, ...]) -> int:
        """Names that `ops` may read before they define them."""
        exposed = defined = 0
        for op in ops:
            exposed |= self._mask(op.uses) & ~defined
            inside = 0
            for region in op.regions:
                inside |= self._exposed(region.ops) & ~defined
            exposed |= inside
            if op.kind == "for":
                exposed &= ~(self._mask(op.defs) & ~inside)
            if not op.regions:
                defined |= self._mask(op.defs)
            elif op.kind == "if":
                arms = [
                    self._mask(tuple(value for inner in region.ops for value in inner.defs))
                    for region in op.regions
                ]
                sure = arms[0]
                for arm in arms[1:]:
                    sure &= arm
                defined |= sure
        return exposed

    # ------------------------------------------------------------------ one walk over the region
    def _collect(
        self, ops: tuple[Op, ...], loops: tuple[Op, ...], arms: dict[Op, int]
    ) -> list[_Step]:
        """What each op and all in it read and define; calls, branches and loops are noted on the way."""
        steps: list[_Step] = []
        for op in ops:
            inside: list[_Step] = []
            if op.kind == "assert" or (op.kind == "if" and has_exit(op)):
                self._exits.append((len(self._calls), self._mask(op.uses)))
            inner = (*loops, op) if op.kind in ("for", "while") else loops
            for arm, region in enumerate(op.regions):
                around = {**arms, op: arm} if op.kind == "if" else arms
                inside += self._collect(region.ops, inner, around)
            reads, defs = self._mask(op.uses), self._mask(op.defs)
            if op.kind == "call" and op.site is not None:
                self._calls.append(_Call(op, op.site, loops, arms, reads, defs))
            elif op.kind == "if":
                self._branches[op] = reads
            elif op.kind in ("for", "while"):
                self._control[op] = self._decides(op, reads)
                self._steps_of[op] = inside
            elif op.kind == "comp":
                for each in op.walk():
                    reads |= self._mask(each.uses)
            steps.append((op, reads, 0 if op.kind in ("if", "try", "while") else defs))
            steps += inside
        return steps

    def _decides(self, loop: Op, reads: int) -> int:
        """Names that say whether `loop` goes on."""
        control = reads if loop.kind == "for" else 0
        if loop.kind == "while" and loop.value is not None:
            for node in walk(loop.value):
                if isinstance(node, ast.Name):
                    control |= self._bit(node.id)
        for inner in loop.walk():
            if inner.kind == "if" and any(
                each.kind in ("break", "return") for each in inner.walk()
            ):
                control |= self._mask(inner.uses)
        return control

    def _bit(self, name: str) -> int:
        bit = self._bits.get(name)
        if bit is None:
            bit = self._bits[name] = 1 << len(self._bits)
        return bit

    def _mask(self, values: tuple[str, ...]) -> int:
        mask = 0
        for value in values:
            bit = self._of_value.get(value)
            if bit is None:
                bit = self._of_value[value] = self._bit(base(value))
            mask |= bit
        return mask


def _closure(steps: list[_Step], start: int, source: Op | None = None) -> int:
    """Names whose value may depend on one of `start`, by what `steps` read and define."""
    tainted = start
    while True:
        before = tainted
        for op, reads, defs in steps:
            if reads & tainted and op is not source:
                tainted |= defs
        if tainted == before:
            return tainted
