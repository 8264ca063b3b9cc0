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

from ember_jit.ir.ops import Function, Op, Region, base

_CALLS = ("call",)


@dataclass(frozen=True, slots=True)
class AheadRegion:
    """One region that an issue program will walk.

    Attributes:
        number: its slice number.
        start: the user's statement in front of which it starts.
        ops: its ops.
        in_order: some of its calls may not start freely: its issue program keeps a ledger.
        pairs: pairs of call sites that may be in flight together (a site with itself: across iterations).
    """

    number: int
    start: ast.stmt
    ops: tuple[Op, ...]
    pairs: frozenset[tuple[int, int]]
    in_order: bool = False


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
            pairs = overlapping_pairs(tuple(run))
            if pairs and _width(run) >= threshold:
                found.append(AheadRegion(len(found), start, tuple(run), pairs))
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


def overlapping_pairs(ops: tuple[Op, ...]) -> frozenset[tuple[int, int]]:
    """Pairs of sites with no dependence of one on the other; `(s, s)` means different iterations."""
    calls: list[tuple[Op, tuple[Op, ...]]] = []
    _collect(ops, (), calls)
    reach = {op: _closure(ops, _names(op.defs), op) for op, _ in calls}
    pairs = set()
    for index, (first, loops) in enumerate(calls):
        if any(
            not _carried(loop, first, first) and not _controlled(loop, reach[first])
            for loop in loops
        ):
            pairs.add((first.site, first.site))
        for second, others in calls[index + 1 :]:
            common = [loop for loop in loops if loop in others]
            straight = not _names(second.uses) & reach[first] and not any(
                _controlled(loop, reach[first]) for loop in others
            )
            straight = straight and not _exclusive(ops, first, second)
            crossing = any(
                not _carried(loop, second, first)
                and not _controlled(loop, reach[second])
                and not _controlled(loop, reach[first])
                for loop in common
            )
            if straight or crossing:
                pairs.add((first.site, second.site))
    return frozenset((a, b) for a, b in pairs if a is not None and b is not None)


def _names(values: tuple[str, ...]) -> set[str]:
    return {base(value) for value in values}


def _collect(
    ops: tuple[Op, ...], loops: tuple[Op, ...], calls: list[tuple[Op, tuple[Op, ...]]]
) -> None:
    for op in ops:
        inner = (*loops, op) if op.kind in ("for", "while") else loops
        for region in op.regions:
            _collect(region.ops, inner, calls)
        if op.kind == "call":
            calls.append((op, loops))


def _closure(ops: tuple[Op, ...], start: set[str], source: Op | None = None) -> set[str]:
    """Names whose value may depend on one of `start`, within `ops`."""
    tainted = set(start)
    everything = [inner for op in ops for inner in op.walk() if inner is not source]
    changed = True
    while changed:
        changed = False
        for op in everything:
            reads = _names(op.uses)
            if op.kind == "comp":
                reads = reads.union(*[_names(inner.uses) for inner in op.walk()])
            if reads & tainted and op.kind not in ("if", "try", "while"):
                new = _names(op.defs) - tainted
                if new:
                    tainted |= new
                    changed = True
    return tainted


def _carried(loop: Op, source: Op, target: Op) -> bool:
    """Whether `target`'s arguments may depend on the result of `source` in an earlier iteration of `loop`."""
    body = tuple(op for region in loop.regions for op in region.ops)
    tainted = _closure(body, _names(source.defs), source)
    carried = _exposed(body) & tainted
    return bool(carried) and bool(_names(target.uses) & _closure(body, carried))


def _exposed(ops: tuple[Op, ...]) -> set[str]:
    """Names that `ops` may read before they define them."""
    exposed: set[str] = set()
    defined: set[str] = set()
    for op in ops:
        exposed |= _names(op.uses) - defined
        inner = [_exposed(region.ops) - defined for region in op.regions]
        exposed = exposed.union(*inner) - (
            _names(op.defs) - set().union(*inner) if op.kind == "for" else set()
        )
        if not op.regions:
            defined |= _names(op.defs)
        elif op.kind == "if":
            defined |= set.intersection(
                *[_names(tuple(v for o in region.ops for v in o.defs)) for region in op.regions]
            )
    return exposed


def _controlled(loop: Op, tainted: set[str]) -> bool:
    """Whether `loop` goes on only if a tainted result says so."""
    if (
        loop.kind == "while"
        and loop.value is not None
        and {n.id for n in ast.walk(loop.value) if isinstance(n, ast.Name)} & tainted
    ):
        return True
    if loop.kind == "for" and _names(loop.uses) & tainted:
        return True
    return any(
        inner.kind == "if"
        and _names(inner.uses) & tainted
        and any(each.kind in ("break", "return") for each in inner.walk())
        for inner in loop.walk()
    )


def _exclusive(ops: tuple[Op, ...], first: Op, second: Op) -> bool:
    """Whether the two stand in different arms of one branch, or one of them hangs on the other's result."""
    for op in ops:
        for inner in op.walk():
            if inner.kind != "if":
                continue
            arms = [
                any(each is first for o in region.ops for each in o.walk())
                for region in inner.regions
            ]
            other = [
                any(each is second for o in region.ops for each in o.walk())
                for region in inner.regions
            ]
            if any(arms) and any(other) and arms != other:
                return True
            if (
                any(other)
                and not any(arms)
                and _names(inner.uses) & _closure(ops, _names(first.defs), first)
            ):
                return True
    return False
