"""Which calls of a function wait for which: the dependence graph that reports are drawn from.

    a = self.p(inputs=x)            0 -> 1   data, through `a`
    b = self.q(inputs=a)            1 -> 2   control: a return hangs on `b`
    if b: return None
    c = self.r(inputs=x)

It is found by one walk over the IR with the calls that each variable may hold the result of; loop bodies
are walked twice, so that what one iteration hands to the next shows up as a *carried* edge.  Glue and
helpers are not nodes: dependences run through them.  `order` adds what follows from barriers, from calls
of unknown effect, and from regions, which start in program order.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ember_jit.ir.ops import EXITS, Function, Op, Region, base

DATA, CONTROL, ORDER = "data", "control", "order"

_Origin = tuple[int, int | None]  # a node, and the loop whose earlier iteration it stands for
_Origins = frozenset[_Origin]
_NONE: _Origins = frozenset()


@dataclass(frozen=True, slots=True)
class Node:
    """A call or a barrier.

    Attributes:
        number: its place in program order.
        kind: "call" or "barrier".
        op: the op it stands for.
        loops: numbers of the loops around it, outermost first.
        arms: the branches around it: number of the branch, which arm.
        handler: it stands in an `except` block.
    """

    number: int
    kind: str
    op: Op
    loops: tuple[int, ...]
    arms: tuple[tuple[int, int], ...]
    handler: bool = False


@dataclass(frozen=True, slots=True)
class Edge:
    """`target` waits for `source`, because of `names` if it is a data dependence.

    Attributes:
        carried: it is the source of an earlier iteration that the target waits for.
        loops: of which loops; empty where that is not known.
    """

    source: int
    target: int
    kind: str
    names: tuple[str, ...] = ()
    carried: bool = False
    loops: frozenset[int] = frozenset()


@dataclass(slots=True)
class Dependence:
    """The calls and barriers of a function in program order, and what they wait for."""

    nodes: list[Node] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    loops: dict[int, Op] = field(default_factory=dict)
    _sites: dict[int, Node] = field(default_factory=dict)
    _needs: dict[int, list[Edge]] = field(default_factory=dict)

    def of_site(self, site: int) -> Node | None:
        """The node of a call site, or None if it is not in the IR."""
        if not self._sites:
            self._sites = {node.op.site: node for node in self.nodes if node.op.site is not None}
        return self._sites.get(site)

    def needs(self, node: Node) -> list[Edge]:
        """The data and control edges to `node`."""
        if not self._needs:
            for edge in self.edges:
                if edge.kind != ORDER:
                    self._needs.setdefault(edge.target, []).append(edge)
        return self._needs.get(node.number, [])

    def reach(self, carried: bool, outside: frozenset[int] = frozenset()) -> list[int]:
        """For each node, the set (as bits) of the nodes that wait for it, through any number of steps.

        Args:
            carried: also from one iteration of a loop to a later one.
            outside: but not of these loops: what is asked for holds within one of their iterations.
        """
        next_to: list[set[int]] = [set() for _ in self.nodes]
        for edge in self.edges:
            if not edge.carried or (carried and not (edge.loops and edge.loops <= outside)):
                next_to[edge.source].add(edge.target)
        return _closure(next_to, list(reversed(range(len(self.nodes)))))

    def reached_from(self) -> list[int]:
        """For each node, the set (as bits) of the nodes that it waits for in the same iteration."""
        next_to: list[set[int]] = [set() for _ in self.nodes]
        for edge in self.edges:
            if not edge.carried:
                next_to[edge.target].add(edge.source)
        return _closure(next_to, list(range(len(self.nodes))))


def _closure(next_to: list[set[int]], order: list[int]) -> list[int]:
    """What can be reached from each node in any number of steps; `order` is one in which few rounds are needed."""
    bits = [0] * len(next_to)
    changed = True
    while changed:
        changed = False
        for number in order:
            total = bits[number]
            for other in next_to[number]:
                total |= 1 << other | bits[other]
            if total != bits[number]:
                bits[number], changed = total, True
    return bits


def members(bits: int) -> Iterator[int]:
    """The numbers of the bits that are set."""
    while bits:
        low = bits & -bits
        yield low.bit_length() - 1
        bits ^= low


def exclusive(a: Node, b: Node) -> bool:
    """Whether the two stand in different arms of one branch."""
    if not a.arms or not b.arms:
        return False
    mine = dict(a.arms)
    return any(branch in mine and mine[branch] != arm for branch, arm in b.arms)


def dependence(function: Function) -> Dependence:
    """The data and control dependences of a lowered function."""
    walk = _Walk()
    walk.region(function.body)
    made = Dependence(walk.nodes, [], walk.loops)
    for (source, target, kind, carried), names in walk.edges.items():
        shown = tuple(sorted(name for name in names if not name.startswith("_t")))
        loops = walk.carriers.get((source, target, kind), ()) if carried else ()
        made.edges.append(Edge(source, target, kind, shown, carried, frozenset(loops)))
    made.edges.sort(key=lambda edge: (edge.target, edge.source, edge.kind, edge.carried))
    return made


class _Walk:
    """The walk: what each variable may hold, and what has decided that control comes here."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.edges: dict[tuple[int, int, str, bool], set[str]] = {}
        self.carriers: dict[tuple[int, int, str], set[int]] = {}
        self.loops: dict[int, Op] = {}
        self.held: dict[str, _Origins] = {}
        self.control: _Origins = _NONE  # the branches around this op
        self.leaving: _Origins = _NONE  # an earlier return or raise hangs on these
        self.breaking: _Origins = _NONE  # ... a break of the loop at hand
        self.skipping: _Origins = _NONE  # ... a continue, in this iteration
        self.inside: list[int] = []
        self.arms: list[tuple[int, int]] = []
        self.emitted: list[_Origins] = []
        self.handling = 0
        self._known: dict[int, Node] = {}
        self._branches: dict[int, int] = {}

    # ------------------------------------------------------------------ plumbing
    def region(self, region: Region) -> None:
        """Walk a region."""
        for op in region.ops:
            handler = _HANDLERS.get(op.kind, _Walk._plain)
            handler(self, op)

    def _decided(self) -> _Origins:
        return self.control | self.leaving | self.breaking | self.skipping

    def _uses(self, op: Op) -> _Origins:
        found = _NONE
        for name in {base(use) for use in op.uses}:
            found |= self.held.get(name, _NONE)
        return found

    def _node(self, op: Op, kind: str) -> Node:
        node = self._known.get(id(op))
        if node is None:
            node = Node(
                len(self.nodes), kind, op, tuple(self.inside), tuple(self.arms), bool(self.handling)
            )
            self._known[id(op)] = node
            self.nodes.append(node)
        for name in {base(use) for use in op.uses}:
            self._link(node, self.held.get(name, _NONE), DATA, name)
        self._link(node, self._decided(), CONTROL, "")
        return node

    def _link(self, node: Node, origins: _Origins, kind: str, name: str) -> None:
        for source, loop in origins:
            carried = loop is not None and loop in node.loops
            if source == node.number and not carried:
                continue
            names = self.edges.setdefault((source, node.number, kind, carried), set())
            if name:
                names.add(name)
            if carried and loop is not None:
                self.carriers.setdefault((source, node.number, kind), set()).add(loop)

    def _assign(self, op: Op, origins: _Origins) -> None:
        for value in op.defs:
            self.held[base(value)] = origins

    # ------------------------------------------------------------------ ops
    def _plain(self, op: Op) -> None:
        self._assign(op, self._uses(op))

    def _call(self, op: Op) -> None:
        self._assign(op, frozenset({(self._node(op, "call").number, None)}))

    def _barrier(self, op: Op) -> None:
        node = self._node(op, "barrier")
        self._assign(op, frozenset({(node.number, None)}))
        for region in op.regions:
            self.region(region)

    def _mutate(self, op: Op) -> None:
        name = base(op.defs[0])
        self.held[name] = self.held.get(name, _NONE) | self._uses(op) | self.control

    def _emit(self, op: Op) -> None:
        if self.emitted:
            self.emitted[-1] |= self._uses(op) | self.control

    def _exit(self, op: Op) -> None:
        """What follows is reached only if control did not come here."""
        if op.kind == "break":
            self.breaking |= self.control
        elif op.kind == "continue":
            self.skipping |= self.control
        else:
            self.leaving |= self.control

    def _assert(self, op: Op) -> None:
        self.leaving |= self._uses(op)

    def _if(self, op: Op) -> None:
        test = self._uses(op)
        branch = self._branches.setdefault(id(op), len(self._branches))
        outer, before = self.control, dict(self.held)
        self.control = outer | test
        ends: list[dict[str, _Origins]] = []
        for number, region in enumerate(op.regions):
            self.held = dict(before)
            self.arms.append((branch, number))
            self.region(region)
            self.arms.pop()
            ends.append(self.held)
        self.control = outer
        staying = [
            end
            for end, region in zip(ends, op.regions, strict=True)
            if not (region.ops and region.ops[-1].kind in EXITS)
        ]
        self.held = _merge(staying or [before])
        for value in op.defs:
            self.held[base(value)] = self.held.get(base(value), _NONE) | test

    def _loop(self, op: Op) -> None:
        assert op.loop is not None
        self.loops[op.loop] = op
        outer_control, outer_break, outer_skip = self.control, self.breaking, self.skipping
        self.breaking = _NONE
        before = dict(self.held)
        self.inside.append(op.loop)
        for again in (False, True):
            if again:
                self._age(op.loop)
            self.skipping = _NONE
            self._header(op)
            self.region(op.regions[0])
        self.inside.pop()
        self._rejuvenate(op.loop)
        self.leaving |= self.breaking  # the walk must know that the loop is over
        self.control, self.breaking, self.skipping = outer_control, outer_break, outer_skip
        self.held = _merge([before, self.held])
        self.region(op.regions[1])

    def _header(self, op: Op) -> None:
        """The test of a `while`, or the element of a `for`."""
        if op.kind == "while":
            if len(op.regions) > 2:
                self.region(op.regions[2])
            decided = _NONE
            if op.value is not None:
                for name in {n.id for n in ast.walk(op.value) if isinstance(n, ast.Name)}:
                    decided |= self.held.get(name, _NONE)
            self.breaking |= decided
            return
        elements = self._uses(op)
        self.control |= elements
        if op.target is not None:
            for node in ast.walk(op.target):
                if isinstance(node, ast.Name):
                    self.held[node.id] = elements

    def _comp(self, op: Op) -> None:
        before = dict(self.held)
        control = self.control
        self.emitted.append(self._uses(op))
        self.region(op.regions[0])
        self.held, self.control = before, control
        self._assign(op, self.emitted.pop())

    def _try(self, op: Op) -> None:
        body, *handlers, orelse, final = op.regions
        before, first = dict(self.held), len(self.nodes)
        self.region(body)
        after_body = dict(self.held)
        raising = frozenset((node.number, None) for node in self.nodes[first:])
        outer, ends = self.control, []
        for handler in handlers:
            self.held = _merge([before, after_body])
            self.control = outer | raising
            self.handling += 1
            self.region(handler)
            self.handling -= 1
            ends.append(self.held)
        self.control, self.held = outer, after_body
        self.region(orelse)
        self.held = _merge([self.held, *ends])
        self.region(final)

    # ------------------------------------------------------------------ iterations
    def _age(self, loop: int) -> None:
        """What this loop's body has produced so far now comes from an earlier iteration."""

        def aged(origins: _Origins) -> _Origins:
            return frozenset(
                (source, loop if tag is None and loop in self.nodes[source].loops else tag)
                for source, tag in origins
            )

        self._map(aged)

    def _rejuvenate(self, loop: int) -> None:
        def plain(origins: _Origins) -> _Origins:
            return frozenset((source, None if tag == loop else tag) for source, tag in origins)

        self._map(plain)

    def _map(self, change: Callable[[_Origins], _Origins]) -> None:
        self.held = {name: change(origins) for name, origins in self.held.items()}
        self.control, self.leaving = change(self.control), change(self.leaving)
        self.breaking, self.skipping = change(self.breaking), change(self.skipping)


_HANDLERS = {
    "call": _Walk._call,
    "barrier": _Walk._barrier,
    "with": _Walk._barrier,
    "mutate": _Walk._mutate,
    "emit": _Walk._emit,
    "assert": _Walk._assert,
    "if": _Walk._if,
    "for": _Walk._loop,
    "while": _Walk._loop,
    "comp": _Walk._comp,
    "try": _Walk._try,
    **dict.fromkeys(("return", "raise", "break", "continue"), _Walk._exit),
}


def _merge(states: list[dict[str, _Origins]]) -> dict[str, _Origins]:
    merged: dict[str, _Origins] = {}
    for state in states:
        for name, origins in state.items():
            merged[name] = merged.get(name, _NONE) | origins
    return merged


def reduced(made: Dependence) -> list[Edge]:
    """The edges without those order edges that others imply: what is worth drawing."""
    strong = [0] * len(made.nodes)
    for edge in made.edges:
        if not edge.carried:
            strong[edge.source] |= 1 << edge.target
    reach = made.reach(carried=False)
    kept = []
    for edge in made.edges:
        if edge.kind == ORDER:
            if edge.carried:
                continue
            between = strong[edge.source] & ~(1 << edge.target)
            if any(reach[middle] >> edge.target & 1 for middle in members(between)):
                continue
        kept.append(edge)
    return kept
