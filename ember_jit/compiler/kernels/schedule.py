"""Cuts a program into walks over memory: what is computed in which loop.

A reduction is a barrier: what needs its result is computed after all that it reduces.  Reductions
to a scalar cut the program into *phases*, each of which walks over the whole space; reductions to
a row value cut the work on one row into *passes*.  A value of element rank is computed again in
each pass that needs it, which costs arithmetic but no memory; but what one of NumPy's loops computes is
kept in the memory of an output that is written later, if there is one.

Example, softmax (one phase; three passes over each row)::

    pass 0: m = max(x)
    pass 1: keep e = exp(x - m) where the output will be
    pass 2: s = sum(e)
    pass 3: store e / s
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ember_jit.ir.program import FLOATS, REDUCTIONS, Program


@dataclass(frozen=True, slots=True)
class Pass:
    """One walk along a row (along everything, in a flat program).

    Attributes:
        level: how many reductions to row values come before it.
        reductions: the nodes that it reduces to.
        stores: what it writes, and where: (node, position in `Program.outputs`).
    """

    level: int
    reductions: tuple[int, ...]
    stores: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Phase:
    """One walk over the whole space.

    Attributes:
        passes: over each row, in order.
        scalars: nodes of scalar rank to compute before it.
        rows: nodes of row rank to compute for each row, with their level.
        row_stores: positions of the outputs of row rank that it writes.
    """

    passes: tuple[Pass, ...]
    scalars: tuple[int, ...]
    rows: tuple[tuple[int, int], ...]
    row_stores: tuple[int, ...]


class Schedule:
    """Phases and passes of a program.

    Attributes:
        flat: whether the space may be walked as one row, because nothing in the program tells rows
            apart.
        kept: nodes that are read again from the memory of an output, and the output's position.
        phases: in order; the last one may be empty and only compute scalars.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        nodes = program.nodes
        self.flat = all(node.rank != "row" for node in nodes) and all(
            operand.layout in ("contiguous", "scalar") for operand in program.operands
        )
        self._phase = [0] * len(nodes)
        self._level = [0] * len(nodes)
        for index, node in enumerate(nodes):
            phase = max((self._phase[arg] for arg in node.args), default=0)
            level = max((self._level[arg] for arg in node.args), default=0)
            if node.op in REDUCTIONS:
                phase += node.rank == "scalar"
                level = 0 if node.rank == "scalar" else level + 1
            self._phase[index] = phase
            self._level[index] = level
        count = 1 + max(self._phase[output] for output in program.outputs)
        wanted = self._needed(program.outputs, across=True)
        self.phases = tuple(self._form(phase, wanted) for phase in range(count))
        self.kept: dict[int, int] = {}
        self._keep_loops()
        if program.numerics == "fast":
            self._keep_approximations()

    def pairwise(self, node: int) -> bool:
        """Whether the reduction is a sum whose order of additions matters."""
        return self.program.numerics == "strict" and (
            self.program.nodes[node].op == "sum" and self.program.nodes[node].dtype in FLOATS
        )

    def by_loop(self, node: int) -> bool:
        """Whether the node is computed by NumPy's inner loop."""
        return self.program.by_loop(self.program.nodes[node])

    def targets(self, one: Pass) -> list[int]:
        """The nodes that a pass needs for each element."""
        return [node for node, _ in one.stores] + [
            self.program.nodes[index].args[0] for index in one.reductions
        ]

    def elements(self, targets: Iterable[int], given: Iterable[int] = ()) -> list[int]:
        """The nodes of element rank that one pass computes for `targets`, in order; not those `given`."""
        nodes = self.program.nodes
        wanted = [t for t in targets if nodes[t].rank == "element"]
        found = self._needed(wanted, across=False, given=given)
        return [index for index in found if nodes[index].rank == "element"]

    def depths(self, elements: list[int]) -> dict[int, int]:
        """For each of these nodes, the longest chain of NumPy's loops that leads to it."""
        depth: dict[int, int] = {}
        for index in elements:
            node = self.program.nodes[index]
            before = max((depth.get(arg, 0) for arg in node.args), default=0)
            depth[index] = before + self.by_loop(index)
        return depth

    def _needed(self, targets: Iterable[int], across: bool, given: Iterable[int] = ()) -> list[int]:
        """The targets and all they need, through reductions or (not `across`) up to them."""
        nodes = self.program.nodes
        seen: set[int] = set()
        todo = list(targets)
        while todo:
            index = todo.pop()
            if index in seen or index in given:
                continue
            seen.add(index)
            if across or nodes[index].rank == "element":
                todo.extend(nodes[index].args)
        return sorted(seen)

    def _keep_loops(self) -> None:
        """Have what a loop computes for several passes stored by a pass of its own, and read from then on."""
        order = [(p, at) for p, phase in enumerate(self.phases) for at in range(len(phase.passes))]
        passes = {(p, at): self.phases[p].passes[at] for p, at in order}
        users: dict[int, list[tuple[int, int]]] = {}
        for place in order:
            for index in self.elements(self.targets(passes[place])):
                if self.by_loop(index):
                    users.setdefault(index, []).append(place)
        before: dict[tuple[int, int], list[Pass]] = {}
        for node, places in users.items():
            position = self._room(node, places, passes) if len(places) > 1 else None
            if position is not None:
                self.kept[node] = position
                before.setdefault(places[0], []).append(
                    Pass(passes[places[0]].level, (), ((node, position),))
                )
                for place in places:  # an output of its own is written by then
                    stores = tuple(s for s in passes[place].stores if s != (node, position))
                    passes[place] = replace(passes[place], stores=stores)
        self.phases = tuple(
            replace(
                phase,
                passes=tuple(
                    one
                    for at in range(len(phase.passes))
                    for one in (*before.get((p, at), ()), passes[p, at])
                ),
            )
            for p, phase in enumerate(self.phases)
        )

    def _keep_approximations(self) -> None:
        """Have the pass that first needs a function of fast mode store it, for the others."""
        passes = {
            (p, at): one for p, f in enumerate(self.phases) for at, one in enumerate(f.passes)
        }
        since: dict[int, tuple[int, int]] = {}
        for node in reversed(range(len(self.program.nodes))):  # what is made of others first
            if not self.program.approximated(self.program.nodes[node]):
                continue
            places = []
            for place, one in passes.items():
                given = [kept for kept, first in since.items() if first < place]
                if node in self.elements(self.targets(one), given):
                    places.append(place)
            position = self._room(node, places, passes) if len(places) > 1 else None
            if position is not None:
                self.kept[node], since[node] = position, places[0]
                for place in places:  # an output of its own is written by then
                    stores = tuple(s for s in passes[place].stores if s != (node, position))
                    if place == places[0]:
                        stores = (*stores, (node, position))
                    passes[place] = replace(passes[place], stores=stores)
        self.phases = tuple(
            replace(f, passes=tuple(passes[p, at] for at in range(len(f.passes))))
            for p, f in enumerate(self.phases)
        )

    def _room(
        self, node: int, places: list[tuple[int, int]], passes: dict[tuple[int, int], Pass]
    ) -> int | None:
        """An output whose memory may hold `node` until its last use: written there or later, of its type."""
        nodes = self.program.nodes
        stored = [(place, out) for place, one in passes.items() for out in one.stores]
        for _, (output, position) in stored:
            if output == node:
                return None if position in self.kept.values() else position
        for place, (output, position) in stored:
            if (
                place >= places[-1]
                and nodes[output].dtype == nodes[node].dtype
                and not self.by_loop(output)  # a loop writes before the others have read
                and position not in self.kept.values()
            ):
                return position
        return None

    def _form(self, phase: int, wanted: list[int]) -> Phase:
        nodes, outputs = self.program.nodes, self.program.outputs
        here = [o for o, node in enumerate(outputs) if self._phase[node] == phase]
        element_stores = [o for o in here if nodes[outputs[o]].rank == "element"]
        row_stores = [o for o in here if nodes[outputs[o]].rank == "row"]
        to_scalar = [
            index
            for index in wanted
            if nodes[index].op in REDUCTIONS
            and nodes[index].rank == "scalar"
            and self._phase[index] == phase + 1
        ]
        targets = [outputs[o] for o in (*element_stores, *row_stores)]
        targets += [nodes[index].args[0] for index in to_scalar]
        # Everything of row rank that the targets need is computed (again) in this phase.
        needed = self._through_rows(targets)
        rows = [index for index in needed if nodes[index].rank == "row"]
        passes = []
        to_row = [index for index in rows if nodes[index].op in REDUCTIONS]
        for level in sorted({self._level[index] - 1 for index in to_row}):
            passes += self._split(level, [i for i in to_row if self._level[i] == level + 1])
        last = max((self._level[index] for index in rows), default=0)
        if to_scalar:
            passes += self._split(last, to_scalar)
        if element_stores:
            stores = tuple((outputs[position], position) for position in element_stores)
            spare = [p for p in passes if p.level == last and set(p.reductions) <= set(to_scalar)]
            if spare:  # the outputs are written on the way of the last reduction
                at = passes.index(spare[-1])
                passes[at] = Pass(last, passes[at].reductions, stores)
            else:
                passes.append(Pass(last, (), stores))
        scalars = [i for i in wanted if nodes[i].rank == "scalar" and self._phase[i] == phase]
        return Phase(
            tuple(passes),
            tuple(scalars),
            tuple((index, self._level[index]) for index in rows),
            tuple(row_stores),
        )

    def _through_rows(self, targets: Iterable[int]) -> list[int]:
        nodes = self.program.nodes
        seen: set[int] = set()
        todo = list(targets)
        while todo:
            index = todo.pop()
            if index not in seen and nodes[index].rank != "scalar":
                seen.add(index)
                todo.extend(nodes[index].args)
        return sorted(seen)

    def _split(self, level: int, reductions: list[int]) -> list[Pass]:
        """Sums in NumPy's order walk in blocks of their own; the rest share one walk."""
        ordered = tuple(index for index in reductions if self.pairwise(index))
        free = tuple(index for index in reductions if not self.pairwise(index))
        blocks = {self.program.nodes[index].value for index in ordered}
        passes = [Pass(level, free)] if free else []
        for block in sorted(blocks, key=str):
            same = tuple(i for i in ordered if self.program.nodes[i].value == block)
            passes.append(Pass(level, same))
        return passes
