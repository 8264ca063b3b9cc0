"""What became of each call: issued ahead or kept in order, and which calls may be in flight together.

The issue programs are the truth about this: a call is issued ahead exactly if one of them says
`_w.call(KEY, ...)` or `_w.call_later(KEY, ...)`.  `_w.inline(...)` means that the walk goes past the
call, but cannot form its arguments; a site that appears nowhere lies behind the end of the walk.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field

from ember_jit.compiler.analysis.facts import PURE, QUERY, Effect
from ember_jit.compiler.analysis.notes import Notes
from ember_jit.compiler.codegen.issue import Issue
from ember_jit.compiler.passes.regions import AheadRegion
from ember_jit.ir.ops import Function
from ember_jit.report.depend import (
    CONTROL,
    ORDER,
    Dependence,
    Edge,
    Node,
    dependence,
    exclusive,
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
        serial: sites in a loop whose iterations wait for each other.
        formed: region -> variables that its issue program has a value for.
        filled: region -> containers that its issue program fills.
    """

    function: Function
    graph: Dependence
    fate: dict[int, str] = field(default_factory=dict)
    region: dict[int, int] = field(default_factory=dict)
    overlaps: set[tuple[int, int]] = field(default_factory=set)
    serial: set[int] = field(default_factory=set)
    formed: dict[int, set[str]] = field(default_factory=dict)
    filled: dict[int, set[str]] = field(default_factory=dict)

    def partners(self, site: int) -> list[int]:
        """The sites that may be in flight beside `site`, itself among them if its iterations overlap."""
        found = {b for a, b in self.overlaps if a == site} | {
            a for a, b in self.overlaps if b == site
        }
        return sorted(found)

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
        issued |= issued_sites(issue)
        made.formed[region.number], made.filled[region.number] = _formed(issue)
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


def issued_sites(issue: Issue) -> set[int]:
    """The sites whose calls an issue program issues."""
    found: set[int] = set()
    for node in ast.walk(ast.parse(issue.text)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
            continue
        if node.func.attr not in _ISSUING or ast.unparse(node.func.value) != "_w":
            continue
        key = node.args[0].elts[0] if isinstance(node.args[0], ast.Tuple) else node.args[0]
        if isinstance(key, ast.Constant) and type(key.value) is int:
            found.add(key.value)
    return found


def _formed(issue: Issue) -> tuple[set[str], set[str]]:
    """The variables that an issue program has a value for, and the containers that it fills."""
    formed, filled = set(issue.params), set()
    for node in ast.walk(ast.parse(issue.text)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            formed.add(node.id)
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("mutate", "store")
            and isinstance(node.args[0], ast.Name)
        ):
            filled.add(node.args[0].id)
    return formed, filled


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
    """What waits for what although no value and no branch says so."""
    nodes = made.graph.nodes
    known = {(edge.source, edge.target) for edge in made.graph.edges if not edge.carried}

    def add(source: Node, target: Node, carried: bool) -> None:
        if carried or (source.number, target.number) not in known:
            made.graph.edges.append(Edge(source.number, target.number, ORDER, (), carried))

    for second in nodes:
        for first in nodes[: second.number]:
            if exclusive(first, second):
                continue
            if _joins(made, first, second):
                add(first, second, False)
            blocked = _blocks(made, first) or _blocks(made, second)
            if blocked and set(first.loops) & set(second.loops):
                add(second, first, True)
        if second.loops and _blocks(made, second):
            add(second, second, True)


def _joins(made: Schedule, first: Node, second: Node) -> bool:
    """Whether `second` starts only when `first`, which stands before it, has been delivered."""
    if _blocks(made, first) or _blocks(made, second):
        return True
    a, b = first.op.site, second.op.site
    assert a is not None
    assert b is not None
    if made.region.get(a) != made.region.get(b) or a not in made.region:
        return True
    return made.fate[b] != AHEAD


def _blocks(made: Schedule, node: Node) -> bool:
    """Whether nothing is in flight while `node` runs."""
    return node.kind == "barrier" or (
        node.op.site is not None and made.fate[node.op.site] == PARKED
    )


def _find_overlaps(
    made: Schedule, inner_loops: dict[int, set[int]], effects: dict[int, Effect]
) -> None:
    once, ever = made.graph.reach(carried=False), made.graph.reach(carried=True)
    for second in made.graph.nodes:
        for first in made.graph.nodes[: second.number + 1]:
            a, b = first.op.site, second.op.site
            if a is None or b is None:
                continue
            together = set(first.loops) & set(second.loops)
            if a == b and together and ever[first.number] >> first.number & 1:
                made.serial.add(a)
            if made.fate[a] != AHEAD or made.fate[b] != AHEAD or made.region[a] != made.region[b]:
                continue
            apart = (
                a != b
                and not exclusive(first, second)
                and not once[first.number] >> second.number & 1
                and not stands_in_front(effects.get(a), effects.get(b))
            )
            shared = together & inner_loops[made.region[a]]
            across = (
                bool(shared)
                and not ever[second.number] >> first.number & 1
                and not stands_in_front(effects.get(b), effects.get(a))
            )
            if apart or across:
                made.overlaps.add((a, b))


def waits_for(made: Schedule, site: int) -> list[Node]:
    """The calls that `site` waits for directly, for their values or to know whether it is made at all."""
    node = made.graph.of_site(site)
    if node is None:
        return []
    sources = {
        edge.source
        for edge in made.graph.edges
        if edge.target == node.number and edge.kind != ORDER and not edge.carried
    }
    return [made.graph.nodes[number] for number in sorted(sources)]


def decided_by(made: Schedule, site: int) -> list[Node]:
    """The calls whose results decide whether `site` is made."""
    node = made.graph.of_site(site)
    if node is None:
        return []
    found = {e.source for e in made.graph.edges if e.target == node.number and e.kind == CONTROL}
    return [made.graph.nodes[number] for number in sorted(found)]
