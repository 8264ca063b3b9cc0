"""Writes the function of one kernel: rows, passes over them, tiles, and NumPy's own loops.

See `schedule` for the order of walks, `span` for the innermost loop, `pairwise` for sums.
"""

from __future__ import annotations

from collections.abc import Iterable

from ember_jit.compiler.kernels.machine import Machine
from ember_jit.compiler.kernels.operations import TILE, Operations
from ember_jit.compiler.kernels.pairwise import pairwise_sums
from ember_jit.compiler.kernels.reductions import Pairwise, Reducer, reducer
from ember_jit.compiler.kernels.schedule import Pass, Phase, Schedule
from ember_jit.compiler.kernels.span import Source, Span, report_alerts
from ember_jit.compiler.kernels.text import MEMORY, VALUE, size
from ember_jit.compiler.kernels.weights import WEIGHTS
from ember_jit.ir.program import FLAGS, REDUCTIONS, Program

DOUBT = FLAGS["doubt"]


class Kernel(Operations):
    """The body of a kernel under construction.

    Args:
        pitched: make the variant for strided operands whose columns are dense.
        brief: every loop takes one vector a round, which halves the code to compile.
    """

    def __init__(
        self,
        program: Program,
        schedule: Schedule,
        machine: Machine,
        declarations: dict[str, str],
        pitched: bool,
        brief: bool = False,
    ) -> None:
        super().__init__(program, schedule, machine, declarations)
        self.pitched = pitched
        self.brief = brief
        self.kept: dict[int, int] = {}  # so far
        self.row_pointers: list[str] = []

    def function(self, name: str) -> str:
        """The text of the function."""
        text = self.text
        text.do(f"store i64 0, ptr {self.status}")
        rows = text.let("load i64, ptr %shape")
        columns = text.let(f"load i64, ptr {text.offset('%shape', '1', 8)}")
        self.pointers = [self._operand(k) for k in range(self._operand_count())]
        if self.schedule.flat:
            columns = text.let(f"mul i64 {rows}, {columns}")
            rows = "1"
        self.rows, self.columns = rows, columns
        self._guard_shape()
        for phase in self.schedule.phases:
            self._phase(phase)
        for position, output in enumerate(self.program.outputs):
            if self.nodes[output].rank == "scalar":
                pointer = self.pointers[len(self.program.operands) + position]
                text.store_lane(self.nodes[output].dtype, self._value(output), pointer)
        result = text.let(f"load i64, ptr {self.status}")
        text.do(f"ret i64 {result}")
        return text.function(f"internal i64 @{name}(ptr %operands, ptr %shape, ptr %strides) #0")

    def _guard_shape(self) -> None:
        """Leave to NumPy: extrema of nothing (an error), and sums whose order crosses rows."""
        text, checks = self.text, []
        used = [(i, node) for i, node in enumerate(self.nodes) if node.op in REDUCTIONS]
        if any(node.op in ("max", "min", "argmax", "argmin") for _, node in used):
            checks.append(text.let(f"icmp eq i64 {self.columns}, 0"))
            checks.append(text.let(f"icmp eq i64 {self.rows}, 0"))
        if not self.schedule.flat and any(
            node.rank == "scalar" and self.schedule.pairwise(i) for i, node in used
        ):
            checks.append(text.let(f"icmp ne i64 {self.rows}, 1"))
        for check in checks:
            text.when(check, lambda: text.do(f"store i64 {DOUBT}, ptr {self.status}"))
        if checks:
            doubt = text.let(f"load i64, ptr {self.status}")
            stop, go = text.fresh("stop"), text.fresh("go")
            text.branch(text.let(f"icmp ne i64 {doubt}, 0"), stop, go)
            text.place(stop)
            text.do(f"ret i64 {DOUBT}")
            text.place(go)

    # Phases and rows.

    def _phase(self, phase: Phase) -> None:
        text = self.text
        for index in phase.scalars:
            if index not in self.values:
                self.values[index] = self._single(index)
        to_scalar = [
            i for p in phase.passes for i in p.reductions if self.nodes[i].rank == "scalar"
        ]
        carried = [i for i in to_scalar if not self.schedule.pairwise(i)]
        reducers = {i: self._reducer(i) for i in carried}
        slots = {i: text.slot(VALUE[self.nodes[i].dtype]) for i in to_scalar if i not in reducers}
        states = {i: reducers[i].first() for i in carried}

        def row(number: str, values: list[str]) -> list[str]:
            left = iter(values)
            now = {i: [next(left) for _ in reducers[i].kinds()] for i in carried}
            self._row(number, phase, reducers, now, slots)
            return [value for i in carried for value in now[i]]

        flat = [pair for i in carried for pair in zip(reducers[i].kinds(), states[i], strict=True)]
        if not phase.passes and not phase.row_stores:
            after = [value for _, value in flat]
        elif self.schedule.flat:
            after = row("0", [value for _, value in flat])
        else:
            after = text.loop("0", self.rows, 1, flat, row)
        left = iter(after)
        for i in carried:
            result = reducers[i].result([next(left) for _ in reducers[i].kinds()])
            self._reduced(i, result)
        for i, slot in slots.items():
            self._reduced(i, text.let(f"load {VALUE[self.nodes[i].dtype]}, ptr {slot}"))

    def _reduced(self, index: int, result: str) -> None:
        self.values[index] = self.text.broadcast(result, VALUE[self.nodes[index].dtype])
        self._watch(index, (self.values[index],))
        report_alerts(self.c, self.status)

    def _row(
        self,
        number: str,
        phase: Phase,
        reducers: dict[int, Reducer],
        states: dict[int, list[str]],
        slots: dict[int, str],
    ) -> None:
        text = self.text
        self.number = number
        self.row_pointers = [self._row_pointer(k, number) for k in range(self._operand_count())]
        outer = dict(self.values)
        level = -1
        for one in (*phase.passes, None):
            until = one.level if one else max((level for _, level in phase.rows), default=0)
            while level < until:
                level += 1
                for index, at in phase.rows:
                    if at == level and index not in self.values:
                        self.values[index] = self._single(index)
            if one is None:
                break
            self._pass(one, reducers, states, slots)
            self.kept |= {n: o for n, o in one.stores if self.schedule.kept.get(n) == o}
        for position in phase.row_stores:
            output = self.program.outputs[position]
            pointer = self.row_pointers[len(self.program.operands) + position]
            text.store_lane(self.nodes[output].dtype, self._value(output), pointer)
        self.values = outer

    def _row_pointer(self, k: int, number: str) -> str:
        """Where row `number` of an operand or output begins."""
        if self.schedule.flat:
            return self.pointers[k]
        inputs, text = len(self.program.operands), self.text
        if k < inputs:
            operand = self.program.operands[k]
            layout, dtype = operand.layout, operand.dtype
        else:
            node = self.nodes[self.program.outputs[k - inputs]]
            dtype = node.dtype
            layout = {"element": "contiguous", "row": "row", "scalar": "scalar"}[node.rank]  # type: ignore[assignment]
        if layout in ("scalar", "column"):
            return self.pointers[k]
        if layout == "row":
            return text.offset(self.pointers[k], number, size(dtype))
        if layout == "contiguous":
            before = text.let(f"mul i64 {number}, {self.columns}")
            return text.offset(self.pointers[k], before, size(dtype))
        stride = text.let(f"load i64, ptr {text.offset('%strides', str(2 * k), 8)}")
        return text.bump(self.pointers[k], text.let(f"mul i64 {number}, {stride}"))

    # Single values: of row and scalar rank.

    def _single(self, index: int) -> str:
        node, text = self.nodes[index], self.text
        if node.op == "input":
            assert isinstance(node.value, int)
            here = self.row_pointers if node.rank == "row" else self.pointers
            value = text.load_scalar(node.dtype, here[node.value])
            self._watch(index, (value,))
            report_alerts(self.c, self.status)
            return value
        if node.op == "count":
            whole = self.columns
            if node.rank == "scalar" and not self.schedule.flat:
                whole = text.let(f"mul i64 {self.rows}, {self.columns}")
            return text.broadcast(whole, VALUE[node.dtype])
        if self.schedule.by_loop(index):
            return self._single_by_loop(index)
        value = self._apply(index, {})
        report_alerts(self.c, self.status)
        return value

    def _single_by_loop(self, index: int) -> str:
        node, text = self.nodes[index], self.text
        places = [text.slot(MEMORY[node.dtype]) for _ in (*node.args, index)]
        for arg, place in zip(node.args, places, strict=False):
            text.store_lane(node.dtype, self._value(arg), place)
        self._call_loop(index, [(place, size(node.dtype)) for place in places], "1")
        return text.load_scalar(node.dtype, places[-1])

    # Passes over a row.

    def _reducer(self, index: int) -> Reducer:
        return reducer(self.c, self.program, self.nodes[index], self.schedule.pairwise(index))

    def _pass(
        self,
        one: Pass,
        outer: dict[int, Reducer],
        states: dict[int, list[str]],
        slots: dict[int, str],
    ) -> None:
        text = self.text
        if one.reductions and self.schedule.pairwise(one.reductions[0]):
            block = self.nodes[one.reductions[0]].value
            leaves = [self._reducer(i) for i in one.reductions]
            assert all(isinstance(leaf, Pairwise) for leaf in leaves)

            def walk(begin: str, count: str) -> list[list[str]]:
                found = list(zip(leaves, one.reductions, strict=True))
                return self._walk(one, begin, count, found, [r.first() for r in leaves])

            results = pairwise_sums(text, leaves, walk, self.columns, block)  # type: ignore[arg-type]
            for i, result in zip(one.reductions, results, strict=True):
                if i in slots:
                    text.do(f"store {VALUE[self.nodes[i].dtype]} {result}, ptr {slots[i]}")
                else:
                    self._reduced(i, result)
            return
        own = {i: outer.get(i) or self._reducer(i) for i in one.reductions}
        before = [states[i] if i in states else own[i].first() for i in one.reductions]
        after = self._tiles(one, [(own[i], i) for i in one.reductions], before)
        for i, state in zip(one.reductions, after, strict=True):
            if i in states:
                states[i] = state
            else:
                self._reduced(i, own[i].result(state))

    def _tiles(
        self, one: Pass, reducers: list[tuple[Reducer, int]], states: list[list[str]]
    ) -> list[list[str]]:
        """Walk along the row, in tiles if NumPy's loops take part."""
        elements = self.schedule.elements(self.schedule.targets(one), self.kept)
        if not any(self.schedule.by_loop(index) for index in elements):
            return self._walk(one, "0", self.columns, reducers, states)
        text = self.text
        kinds = [r.kinds() for r, _ in reducers]

        def nest(values: Iterable[str]) -> list[list[str]]:
            left = iter(values)
            return [[next(left) for _ in kind] for kind in kinds]

        def tile(begin: str, values: list[str]) -> list[str]:
            left = text.let(f"sub i64 {self.columns}, {begin}")
            short = text.let(f"icmp slt i64 {left}, {TILE}")
            count = text.let(f"select i1 {short}, i64 {left}, i64 {TILE}")
            after = self._walk(one, begin, count, reducers, nest(values))
            return [value for state in after for value in state]

        flat = [
            pair
            for kind, state in zip(kinds, states, strict=True)
            for pair in zip(kind, state, strict=True)
        ]
        return nest(text.loop("0", self.columns, TILE, flat, tile))

    def _walk(
        self,
        one: Pass,
        begin: str,
        count: str,
        reducers: list[tuple[Reducer, int]],
        states: list[list[str]],
    ) -> list[list[str]]:
        """`count` elements of the row from `begin` on: up to `TILE` where loops take part."""
        elements = self.schedule.elements(self.schedule.targets(one), self.kept)
        depths = self.schedule.depths(elements)
        outs: dict[int, str] = {}  # the output, or the tile's buffer, that holds a node's values
        stores = []
        for node, position in one.stores:
            pointer = self._output(node, position, begin)
            stores.append((node, self.nodes[node].dtype, pointer))
            outs.setdefault(node, pointer)
        leaves = {
            node: Source(self._output(node, position, begin), self.nodes[node].dtype)
            for node, position in self.kept.items()
        }
        for depth in range(1, 1 + max(depths.values(), default=0)):
            called = [i for i in elements if depths[i] == depth and self.schedule.by_loop(i)]
            self._call_loops(called, begin, count, leaves, outs)
        stores = [s for s in stores if not (s[0] in leaves and leaves[s[0]].pointer == s[2])]
        if not stores and not reducers:
            return states
        span = self._span(
            [s[0] for s in stores] + [self.nodes[i].args[0] for _, i in reducers],
            stores,
            [(r, self.nodes[i].args[0]) for r, i in reducers],
            begin,
            leaves,
        )
        return span.emit(count, states, begin)

    def _output(self, node: int, position: int, begin: str) -> str:
        return self._at(len(self.program.operands) + position, self.nodes[node].dtype, begin)

    def _at(self, k: int, dtype: str, begin: str) -> str:
        pointer = self.row_pointers[k]
        return pointer if begin == "0" else self.text.offset(pointer, begin, size(dtype))

    def _span(
        self,
        targets: list[int],
        stores: list[tuple[int, str, str]],
        reducers: list[tuple[Reducer, int]],
        begin: str,
        leaves: dict[int, Source],
    ) -> Span:
        sources: dict[int, Source] = {}
        order: list[int] = []
        todo, seen = list(targets), set()
        while todo:
            index = todo.pop()
            if index in seen or self.nodes[index].rank != "element":
                continue
            seen.add(index)
            if index in leaves:
                sources[index] = leaves[index]
            elif self.nodes[index].op == "input":
                sources[index] = self._input(index, begin)
            else:
                order.append(index)
                todo.extend(self.nodes[index].args)
        order.sort()

        def compute(loaded: dict[int, str]) -> dict[int, str]:
            known = dict(loaded)
            for index in order:
                known[index] = self._apply(index, known)
            for target in targets:
                if target not in known:
                    known[target] = self._value(target)
            return known

        operations = sum(WEIGHTS.get(self.nodes[index].op, 1) for index in order)
        weight = operations + len(sources) + len(reducers)
        sources = dict(sorted(sources.items()))
        return Span(self.c, sources, stores, reducers, compute, weight, self.status, self.brief)

    def _input(self, index: int, begin: str) -> Source:
        node, text = self.nodes[index], self.text
        assert isinstance(node.value, int)
        if self.program.operands[node.value].layout == "strided" and not self.pitched:
            place = text.offset("%strides", str(2 * node.value + 1), 8)
            stride = text.let(f"load i64, ptr {place}")
            pointer = self.row_pointers[node.value]
            if begin != "0":
                pointer = text.bump(pointer, text.let(f"mul i64 {begin}, {stride}"))
            return Source(pointer, node.dtype, stride)
        return Source(self._at(node.value, node.dtype, begin), node.dtype)

    # NumPy's own loops.

    def _call_loops(
        self,
        called: list[int],
        begin: str,
        count: str,
        leaves: dict[int, Source],
        outs: dict[int, str],
    ) -> None:
        """Compute these nodes on a tile; their values become `leaves`."""
        text = self.text
        places: dict[int, tuple[str, int]] = {}
        fill: list[tuple[int, str, str]] = []
        for arg in dict.fromkeys(arg for index in called for arg in self.nodes[index].args):
            node = self.nodes[arg]
            if node.rank != "element":
                slot = text.slot(MEMORY[node.dtype])
                text.store_lane(node.dtype, self._value(arg), slot)
                places[arg] = (slot, 0)
            elif arg in leaves:
                places[arg] = (leaves[arg].pointer, size(node.dtype))
            elif node.op == "input" and (source := self._input(arg, begin)).stride is None:
                places[arg] = (source.pointer, size(node.dtype))
            else:
                buffer = text.slot(MEMORY[node.dtype], TILE)
                fill.append((arg, node.dtype, buffer))
                places[arg] = (buffer, size(node.dtype))
        if fill:
            self._span([arg for arg, _, _ in fill], fill, [], begin, leaves).emit(count, [])
        for index in called:
            dtype = self.nodes[index].dtype
            out = outs.get(index) or text.slot(MEMORY[dtype], TILE)
            operands = [places[arg] for arg in self.nodes[index].args]
            self._call_loop(index, [*operands, (out, size(dtype))], count)
            leaves[index] = Source(out, dtype)
