"""What became of each call: issued ahead or kept in order, and which calls may be in flight together.

The issue programs are the truth about this: a call is issued ahead exactly if one of them says
`_w.call(KEY, ...)` or `_w.call_later(KEY, ...)`.  `_w.inline(...)` means that the walk goes past the
call, but cannot form its arguments; a site that appears nowhere lies behind the end of the walk.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from ember_jit.compiler.analysis.facts import PURE, QUERY, Effect
from ember_jit.compiler.analysis.notes import Notes
from ember_jit.compiler.codegen.issue import Issue
from ember_jit.compiler.passes.regions import AheadRegion
from ember_jit.ir.ops import Function
from ember_jit.ir.syntax import walk
from ember_jit.report.depend import (
    CONTROL,
    DATA,
    ORDER,
    Dependence,
    Edge,
    Node,
    dependence,
    exclusive,
    members,
)
from ember_jit.runtime.ledger import ANYTHING, conflict

_ISSUING = frozenset({"call", "call_later", "call_in_turn", "call_later_in_turn"})
AHEAD, LOST, UNREACHED, PARKED, OUTSIDE = "ahead", "lost", "unreached", "parked", "outside"


@dataclass(slots=True)
class Schedule:
    """The calls of a function as they are run.

    Attributes:
        function: the IR it was made from.
        graph: all dependences, order included.
        fate: call site -> "ahead" (issued ahead), "lost" (in a region, but its arguments cannot be
            formed early), "unreached" (behind the end of the walk), "parked" (its effect is unknown: the
            walk waits for it), or "outside" (in no region).
        region: call site -> number of its region.
        overlaps: pairs of sites that may be in flight together; a site with itself: its iterations.
        beside: the same by site: those that may be in flight beside it.
        serial: sites in a loop whose iterations wait for each other.
        formed: region -> variables that its issue program has a value for.
        filled: region -> containers that its issue program fills.
        within: loops -> what waits for what within one iteration of these (`Dependence.reach`).
    """

    function: Function
    graph: Dependence
    fate: dict[int, str] = field(default_factory=dict)
    region: dict[int, int] = field(default_factory=dict)
    overlaps: set[tuple[int, int]] = field(default_factory=set)
    beside: dict[int, set[int]] = field(default_factory=dict)
    serial: set[int] = field(default_factory=set)
    formed: dict[int, set[str]] = field(default_factory=dict)
    filled: dict[int, set[str]] = field(default_factory=dict)
    within: dict[frozenset[int], list[int]] = field(default_factory=dict)

    def partners(self, site: int) -> list[int]:
        """The sites that may be in flight beside `site`, itself among them if its iterations overlap."""
        return sorted(self.beside.get(site, ()))

    def critical_path(self) -> list[Node]:
        """The longest chain of calls that wait for each other.

        The iterations of a loop count once, and calls in `except` blocks not at all.
        """
        best: list[int] = []
        before: list[int | None] = []
        incoming: dict[int, list[int]] = {}
        for edge in self.graph.edges:
            if not edge.carried and edge.source < edge.target:
                incoming.setdefault(edge.target, []).append(edge.source)
        for node in self.graph.nodes:
            longest, previous = 0, None
            for source in incoming.get(node.number, ()):
                if best[source] > longest:
                    longest, previous = best[source], source
            best.append(longest + _counts(node))
            before.append(previous)
        if not best or not max(best):
            return []
        at: int | None = best.index(max(best))
        chain: list[Node] = []
        while at is not None:
            chain.append(self.graph.nodes[at])
            at = before[at]
        return [node for node in reversed(chain) if _counts(node)]


def _counts(node: Node) -> bool:
    return node.kind == "call" and not node.handler


def schedule(
    function: Function, regions: list[AheadRegion], issues: list[Issue], notes: Notes
) -> Schedule:
    """What becomes of the calls of `function`, whose issue programs are `issues`."""
    made = Schedule(function, dependence(function))
    issued: set[int] = set()
    for region, issue in zip(regions, issues, strict=True):
        text = _read(issue.text, tuple(issue.params))
        issued |= text.issued
        made.formed[region.number], made.filled[region.number] = text.formed, text.filled
        for op in region.ops:
            for inner in op.walk():
                if inner.site is not None:
                    made.region[inner.site] = region.number
    emitted = {site for issue in issues for site in issue.sites}
    for node in made.graph.nodes:
        if node.op.site is not None:
            made.fate[node.op.site] = _fate(node.op.site, made, notes, issued, emitted)
    inner_loops = {
        region.number: {
            each.loop for op in region.ops for each in op.walk() if each.loop is not None
        }
        for region in regions
    }
    _add_order(made)
    effects = {
        site.number: notes.calls[site.node].effect
        for site in function.sites
        if site.node in notes.calls
    }
    _find_overlaps(made, inner_loops, effects)
    return made


def stands_in_front(earlier: Effect | None, later: Effect | None) -> str:
    """Why a call with the effect `later` waits for one with `earlier`: "conflict", "raises", or ""."""
    if earlier is None or later is None:
        return ""
    if any(conflict(a, b) for a in claims_of(earlier) for b in claims_of(later)):
        return "conflict"
    return "" if later.name in (PURE, QUERY) or earlier.nothrow else "raises"


def claims_of(effect: Effect) -> tuple[tuple[str, str], ...]:
    """What a call does to which resources; what is inferred may read anything that a writer changes."""
    claims = effect.label.claims if effect.label is not None else ()
    return claims if effect.declared else (*claims, ("reads", ANYTHING))


@dataclass(frozen=True, slots=True)
class _Text:
    """What the text of an issue program says: sites that it issues, variables it has, containers it fills."""

    issued: set[int]
    formed: set[str]
    filled: set[str]


@lru_cache(maxsize=64)  # whoever explains also dumps, or asks again
def _read(program: str, params: tuple[str, ...]) -> _Text:
    found = _Text(set(), set(params), set())
    for node in walk(ast.parse(program)):
        if isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Store):
                found.formed.add(node.id)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            first, name = node.args[0], node.func.attr
            if name in ("mutate", "store") and isinstance(first, ast.Name):
                found.filled.add(first.id)
            elif name in _ISSUING and isinstance(node.func.value, ast.Name):
                key = first.elts[0] if isinstance(first, ast.Tuple) else first
                if node.func.value.id == "_w" and isinstance(key, ast.Constant):
                    found.issued.add(key.value)  # type: ignore[arg-type]
    return found


def _fate(
    site: int, made: Schedule, notes: Notes, issued: Iterable[int], emitted: Iterable[int]
) -> str:
    if site not in made.region:
        return OUTSIDE
    note = notes.calls.get(made.function.sites[site].node)
    label = note.effect.label if note is not None else None
    if note is not None and not note.effect.schedulable and label is None:
        return PARKED if site in emitted else UNREACHED
    if label is not None and label.thread_bound and site in emitted:
        return LOST
    if site in issued:
        return AHEAD
    return LOST if site in emitted else UNREACHED


def _add_order(made: Schedule) -> None:
    """What waits for what although no value and no branch says so.

    Behind a node that waits for all before it, at the top level, those need no edge of their own.
    """
    nodes = made.graph.nodes
    known = {(edge.source, edge.target) for edge in made.graph.edges if not edge.carried}
    blocks = [_blocks(made, node) for node in nodes]
    # the region within which a node waits for data alone; None: for everything
    region = [None if blocks[node.number] else _region_of(made, node) for node in nodes]
    for second in nodes:
        for number in range(second.number - 1, -1, -1):
            mine = region[second.number]
            if mine is not None and mine == _start_of(made, nodes[number], blocks[number]):
                continue
            first = nodes[number]
            if exclusive(first, second):
                continue
            if (number, second.number) not in known:
                made.graph.edges.append(Edge(number, second.number, ORDER))
            if region[number] is None and not first.arms:
                break
    looping = [node for node in nodes if node.loops]
    for index, second in enumerate(looping):
        for first in looping[: index + 1]:
            blocked = blocks[first.number] or blocks[second.number]
            if blocked and not exclusive(first, second) and set(first.loops) & set(second.loops):
                made.graph.edges.append(Edge(second.number, first.number, ORDER, (), True))


def _region_of(made: Schedule, node: Node) -> int | None:
    """The region of a call that is issued ahead; None for any other, which waits for all before it."""
    site = node.op.site
    if site is None or made.fate[site] != AHEAD:
        return None
    return made.region[site]


def _start_of(made: Schedule, node: Node, blocks: bool) -> int | None:
    """The region in which `node` holds nothing up; None: it holds up all behind it."""
    return None if blocks or node.op.site is None else made.region.get(node.op.site)


def _blocks(made: Schedule, node: Node) -> bool:
    """Whether nothing is in flight while `node` runs."""
    return node.kind == "barrier" or (
        node.op.site is not None and made.fate[node.op.site] == PARKED
    )


def _find_overlaps(
    made: Schedule, inner_loops: dict[int, set[int]], effects: dict[int, Effect]
) -> None:
    waits, ever = made.graph.reached_from(), made.graph.reach(carried=True)
    ahead: dict[int, list[Node]] = {}
    for node in made.graph.nodes:
        site = node.op.site
        if site is None:
            continue
        if node.loops and ever[node.number] >> node.number & 1:
            made.serial.add(site)
        if made.fate[site] == AHEAD:
            ahead.setdefault(made.region[site], []).append(node)
    for region, nodes in ahead.items():
        looping = sum(1 << node.number for node in nodes if node.loops)
        earlier_nodes = 0
        for second in nodes:
            apart = earlier_nodes & ~waits[second.number]
            earlier_nodes |= 1 << second.number
            # in different iterations of a loop, also those that it waits for, and itself
            maybe = apart | (earlier_nodes & looping if second.loops else 0)
            for number in members(maybe):
                first = made.graph.nodes[number]
                earlier, later = effects.get(_site(first)), effects.get(_site(second))
                beside = bool(apart >> number & 1) and not (
                    exclusive(first, second) or stands_in_front(earlier, later)
                )
                if beside or (
                    _across(made, first, second, inner_loops[region])
                    and not stands_in_front(later, earlier)
                ):
                    _overlap(made, _site(first), _site(second))


def _site(node: Node) -> int:
    assert node.op.site is not None
    return node.op.site


def _across(made: Schedule, first: Node, second: Node, loops: set[int]) -> bool:
    """Whether the two may be in flight together in different iterations of a loop in the region.

    Those of one loop, within the same iteration of the loops around it.
    """
    for depth, loop in enumerate(first.loops):
        if loop in second.loops and loop in loops:
            around = frozenset(first.loops[:depth])
            if around not in made.within:
                made.within[around] = made.graph.reach(carried=True, outside=around)
            if not made.within[around][second.number] >> first.number & 1:
                return True
    return False


def _overlap(made: Schedule, a: int, b: int) -> None:
    made.overlaps.add((a, b))
    made.beside.setdefault(a, set()).add(b)
    made.beside.setdefault(b, set()).add(a)


def waits_for(made: Schedule, site: int) -> list[Node]:
    """The calls that `site` waits for directly, for their values or to know whether it is made at all."""
    node = made.graph.of_site(site)
    if node is None:
        return []
    sources = {edge.source for edge in made.graph.needs(node) if not edge.carried}
    return [made.graph.nodes[number] for number in sorted(sources)]


def carried_by(made: Schedule, site: int) -> tuple[str, ...]:
    """The variables through which a call in a loop needs its own result of the round before, directly or not.

    Empty if it does not; by values alone, whatever the order of effects asks for.
    """
    node = made.graph.of_site(site)
    for first in made.graph.needs(node) if node is not None else ():
        stack, seen = [(first.source, first.carried)], set[tuple[int, bool]]()
        while stack and first.kind == DATA:
            at = stack.pop()
            number, carried = at
            if at in seen:
                continue
            seen.add(at)
            if carried and made.graph.nodes[number] is node:
                return first.names
            stack += [
                (edge.source, carried or edge.carried)
                for edge in made.graph.needs(made.graph.nodes[number])
                if edge.kind == DATA
            ]
    return ()


def decided_by(made: Schedule, site: int) -> list[Node]:
    """The calls whose results decide whether `site` is made."""
    node = made.graph.of_site(site)
    if node is None:
        return []
    found = {edge.source for edge in made.graph.needs(node) if edge.kind == CONTROL}
    return [made.graph.nodes[number] for number in sorted(found)]
