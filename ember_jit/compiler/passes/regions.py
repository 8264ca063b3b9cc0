"""Cutting a function into the regions that issue programs walk.

A region is a run of statements, in one block, without a barrier; it may hold whole loops, branches and
`try` statements.  It ends in front of a barrier (even in the middle of a statement), and the next one
starts with the statement after it.  Only regions in which two calls could be in flight at once are kept.

    a = self.p(...)        |
    b = self.q(...)        | region 0: p and q overlap
    self.count += 1        barrier
    c = self.p(...)        |
    d = self.q(...)        | region 1
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from functools import cached_property

from ember_jit.compiler.passes.pairs import can_overlap, overlapping_pairs
from ember_jit.ir.ops import Function, Op, Region


@dataclass(frozen=True)
class AheadRegion:
    """One region that an issue program will walk.

    Attributes:
        number: its slice number.
        start: the user's statement in front of which it starts.
        ops: its ops.
        in_order: some of its calls may not start freely: its issue program keeps a ledger.
    """

    number: int
    start: ast.stmt
    ops: tuple[Op, ...]
    in_order: bool = False

    @cached_property
    def pairs(self) -> frozenset[tuple[int, int]]:
        """Pairs of call sites that may be in flight together (a site with itself: across iterations).

        Compiling asks only whether there is one; reports ask which.
        """
        return overlapping_pairs(self.ops)


def find_regions(function: Function, threshold: int = 2) -> list[AheadRegion]:
    """The regions of `function` in which at least `threshold` calls can be in flight."""
    found: list[AheadRegion] = []
    _scan(function.body, found, threshold)
    labelled = {site.number for site in function.sites if site.label is not None}
    return [
        replace(each, in_order=any(op.site in labelled for o in each.ops for op in o.walk()))
        for each in found
    ]


def in_order(regions: list[AheadRegion]) -> list[AheadRegion]:
    """The same regions, where only so many calls may start in vain: each has to wait for its turn."""
    return [replace(region, in_order=True) for region in regions]


def _scan(region: Region, found: list[AheadRegion], threshold: int) -> None:
    run: list[Op] = []
    start: ast.stmt | None = None
    blocked: ast.stmt | None = None  # the rest of this statement comes after a barrier

    def close() -> None:
        nonlocal run, start
        if run and start is not None:
            ops = tuple(run)
            if _width(run) >= threshold and can_overlap(ops):
                found.append(AheadRegion(len(found), start, ops))
        run, start = [], None

    for op in region.ops:
        if op.stmt is not None and op.stmt is blocked:
            _descend(op, found, threshold)
            continue
        if has_barrier(op):
            close()
            blocked = op.stmt
            _descend(op, found, threshold)
            continue
        if start is None:
            start = op.stmt
        run.append(op)
    close()


def _descend(op: Op, found: list[AheadRegion], threshold: int) -> None:
    if op.kind == "comp":
        return
    for region in op.regions:
        if region.label not in ("test",) and all(inner.stmt is not op.stmt for inner in region.ops):
            _scan(region, found, threshold)


def has_barrier(op: Op) -> bool:
    """Whether issue programs cannot walk through `op`."""
    return any(inner.kind in ("barrier", "with") for inner in op.walk())


def _width(ops: list[Op]) -> int:
    """Calls that could be in flight: a loop counts as many."""
    total = 0
    for op in ops:
        inside = sum(inner.kind == "call" for inner in op.walk())
        total += inside * (1 << 20) if op.kind in ("for", "while", "comp") and inside else inside
    return total
