"""One loop over consecutive elements: loads, the operations on them, stores and reductions.

The loop has two parts.  The main one takes several whole vectors a round.  The other takes one
vector a round, and when fewer elements than lanes are left it works on copies on the stack: the
inputs' last elements, filled up with repetitions of the last one, so that nothing out of bounds is
touched and no lane raises a flag that an element would not.  Long bodies have the second loop
alone, which halves the code to compile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ember_jit.compiler.kernels.elementwise import Context
from ember_jit.compiler.kernels.reductions import Live, Reducer
from ember_jit.compiler.kernels.text import MEMORY, Text, size
from ember_jit.ir.program import FLAGS

Compute = Callable[[dict[int, str]], dict[int, str]]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value of each element lies: the first one's address, and a run-time stride or None
    (dense)."""

    pointer: str
    dtype: str
    stride: str | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """What a loop does.

    Attributes:
        sources: by node.
        stores: (node, type, address of the first element).
        reducers: with the node that each reduces.
        compute: writes the operations on one vector of elements: sources' values in, all values out.
        weight: about how many instructions that is.
        brief: without the main part.
    """

    context: Context
    sources: dict[int, Source]
    stores: Sequence[tuple[int, str, str]]
    reducers: Sequence[tuple[Reducer, int]]
    compute: Compute
    weight: int
    status: str
    brief: bool = False

    @property
    def text(self) -> Text:
        return self.context.text

    def emit(self, count: str, states: list[list[str]], first: str = "0") -> list[list[str]]:
        """Write the loop over `count` elements, the first of which is number `first` of its row."""
        unroll = 0 if self.brief else 4 if self.weight <= 8 else 2 if self.weight <= 20 else 0
        begin = "0"
        if unroll:
            step = unroll * self.text.lanes
            whole = self.text.let(f"sdiv i64 {count}, {step}")
            begin = self.text.let(f"mul i64 {whole}, {step}")
            states = self._main(begin, step, states, first)
        return self._rest(begin, count, states, first)

    def _flat(self, states: list[list[str]]) -> list[tuple[str, str]]:
        return [
            (kind, value)
            for (reducer, _), state in zip(self.reducers, states, strict=True)
            for kind, value in zip(reducer.kinds(), state, strict=True)
        ]

    def _nested(self, values: list[str]) -> list[list[str]]:
        left = iter(values)
        return [[next(left) for _ in reducer.kinds()] for reducer, _ in self.reducers]

    def _main(self, stop: str, step: int, states: list[list[str]], first: str) -> list[list[str]]:
        text, lanes = self.text, self.text.lanes
        copies = step // lanes
        # One set of states for each vector of a round, where a reducer can merge them at the end.
        sets = [states] + [
            [r.first() if r.copies else [] for r, _ in self.reducers] for _ in range(copies - 1)
        ]
        shapes = [
            (at, which)
            for at in range(copies)
            for which, (r, _) in enumerate(self.reducers)
            if at == 0 or r.copies
        ]
        carried = [
            pair
            for at, which in shapes
            for pair in zip(self.reducers[which][0].kinds(), sets[at][which], strict=True)
        ]

        def unpack(values: list[str]) -> list[list[list[str]]]:
            left = iter(values)
            found: list[list[list[str]]] = [[[] for _ in self.reducers] for _ in range(copies)]
            for at, which in shapes:
                found[at][which] = [next(left) for _ in self.reducers[which][0].kinds()]
            return found

        def body(index: str, values: list[str]) -> list[str]:
            now = unpack(values)
            for at in range(copies):
                here = text.let(f"add i64 {index}, {at * lanes}") if at else index
                loaded = {node: self._load(source, here) for node, source in self.sources.items()}
                found = self._values(loaded)
                for node, dtype, pointer in self.stores:
                    text.store(dtype, found[node], text.offset(pointer, here, size(dtype)))
                for which, (reducer, node) in enumerate(self.reducers):
                    own = at if reducer.copies else 0
                    place = self._position(reducer, first, here)
                    now[own][which] = reducer.step(now[own][which], found[node], Live(place))
            return [value for at, which in shapes for value in now[at][which]]

        done = unpack(text.loop("0", stop, step, carried, body))
        merged = done[0]
        for later in done[1:]:
            merged = [
                r.merge(a, b) if r.copies else a
                for (r, _), a, b in zip(self.reducers, merged, later, strict=True)
            ]
        return merged

    def _position(self, reducer: Reducer, first: str, index: str) -> str:
        if first == "0" or reducer.node.op not in ("argmax", "argmin"):
            return index
        return self.text.let(f"add i64 {first}, {index}")

    def _load(self, source: Source, index: str) -> str:
        text = self.text
        if source.stride is None:
            return text.load(source.dtype, text.offset(source.pointer, index, size(source.dtype)))
        kind = MEMORY[source.dtype]
        vector = f"<{text.lanes} x {kind}>"
        value = "poison"
        start = text.bump(source.pointer, text.let(f"mul i64 {index}, {source.stride}"))
        for lane in range(text.lanes):
            one = text.let(f"load {kind}, ptr {start}, align 1")
            value = text.let(f"insertelement {vector} {value}, {kind} {one}, i64 {lane}")
            if lane + 1 < text.lanes:
                start = text.bump(start, source.stride)
        if source.dtype == "?":
            return text.let(f"icmp ne {vector} {value}, zeroinitializer")
        return value

    def _values(self, loaded: dict[int, str]) -> dict[int, str]:
        """The operations, and the report of what they found doubtful."""
        found = self.compute(loaded)
        report_alerts(self.context, self.status)
        return found

    def _rest(self, begin: str, count: str, states: list[list[str]], first: str) -> list[list[str]]:
        text, lanes = self.text, self.text.lanes
        scattered = any(source.stride is not None for source in self.sources.values())
        buffers = {n: text.slot(MEMORY[s.dtype], lanes) for n, s in self.sources.items()}
        drains = [text.slot(MEMORY[dtype], lanes) for _, dtype, _ in self.stores]

        def body(index: str, values: list[str]) -> list[str]:
            left = text.let(f"sub i64 {count}, {index}")
            full = text.let(f"icmp sge i64 {left}, {lanes}")
            direct = "false" if scattered else full
            straight, copied, joined = (text.fresh(s) for s in ("direct", "copy", "join"))
            text.branch(direct, straight, copied)
            text.place(straight)
            near = {
                node: text.offset(source.pointer, index, size(source.dtype))
                for node, source in self.sources.items()
            }
            targets = [text.offset(p, index, size(dtype)) for _, dtype, p in self.stores]
            text.goto(joined)
            text.place(copied)
            self._copy_in(index, left, buffers)
            end = text.block
            text.goto(joined)
            text.place(joined)
            pointers = {
                node: text.let(
                    f"phi ptr [ {near[node]}, %{straight} ], [ {buffers[node]}, %{end} ]"
                )
                for node in self.sources
            }
            outs = [
                text.let(f"phi ptr [ {target}, %{straight} ], [ {drain}, %{end} ]")
                for target, drain in zip(targets, drains, strict=True)
            ]
            loaded = {n: text.load(s.dtype, pointers[n]) for n, s in self.sources.items()}
            found = self._values(loaded)
            for (node, dtype, _), out in zip(self.stores, outs, strict=True):
                text.store(dtype, found[node], out)
            after = self._reduce(index, first, left, full, found, values)
            if self.stores:
                self._copy_out(index, left, direct, targets, drains)
            return after

        return self._nested(text.loop(begin, count, lanes, self._flat(states), body))

    def _reduce(
        self,
        index: str,
        first: str,
        left: str,
        full: str,
        found: dict[int, str],
        values: list[str],
    ) -> list[str]:
        if not self.reducers:
            return []
        text = self.text
        limit = text.broadcast(left, "i64")
        numbers = ", ".join(f"i64 {lane}" for lane in range(text.lanes))
        mask = text.let(f"icmp slt <{text.lanes} x i64> <{numbers}>, {limit}")
        after: list[str] = []
        for (reducer, node), state in zip(self.reducers, self._nested(values), strict=True):
            place = self._position(reducer, first, index)
            after += reducer.step(state, found[node], Live(place, mask, full))
        return after

    def _copy_in(self, index: str, left: str, buffers: dict[int, str]) -> None:
        text = self.text
        last = text.let(f"sub i64 {left}, 1")

        def one(lane: str, none: list[str]) -> list[str]:
            inside = text.let(f"icmp slt i64 {lane}, {last}")
            near = text.let(f"select i1 {inside}, i64 {lane}, i64 {last}")
            at = text.let(f"add i64 {index}, {near}")
            for node, source in self.sources.items():
                kind = MEMORY[source.dtype]
                if source.stride is None:
                    place = text.offset(source.pointer, at, size(source.dtype))
                else:
                    place = text.bump(source.pointer, text.let(f"mul i64 {at}, {source.stride}"))
                value = text.let(f"load {kind}, ptr {place}, align 1")
                target = text.offset(buffers[node], lane, size(source.dtype))
                text.do(f"store {kind} {value}, ptr {target}, align 1")
            return none

        text.loop("0", str(text.lanes), 1, [], one)

    def _copy_out(
        self, index: str, left: str, direct: str, targets: list[str], drains: list[str]
    ) -> None:
        """Write what the stack holds of the outputs (nothing, where whole vectors went out)."""
        text, lanes = self.text, self.text.lanes
        few = text.let(f"icmp slt i64 {left}, {lanes}")
        some = text.let(f"select i1 {few}, i64 {left}, i64 {lanes}")
        stop = text.let(f"select i1 {direct}, i64 0, i64 {some}")

        def one(lane: str, none: list[str]) -> list[str]:
            for (_, dtype, pointer), drain in zip(self.stores, drains, strict=True):
                kind = MEMORY[dtype]
                place = text.offset(drain, lane, size(dtype))
                value = text.let(f"load {kind}, ptr {place}, align 1")
                at = text.let(f"add i64 {index}, {lane}")
                target = text.offset(pointer, at, size(dtype))
                text.do(f"store {kind} {value}, ptr {target}, align 1")
            return none

        text.loop("0", stop, 1, [], one)


def report_alerts(context: Context, status: str) -> None:
    """Note in `status` that the plain code must run, if any alert is set."""
    if not context.alerts:
        return
    text = context.text
    mask = context.alerts[0]
    for other in context.alerts[1:]:
        mask = text.let(f"or {text.vector('?')} {mask}, {other}")
    context.alerts.clear()
    doubt = text.let(f"select i1 {text.bits(mask)}, i64 {FLAGS['doubt']}, i64 0")
    before = text.let(f"load i64, ptr {status}")
    text.do(f"store i64 {text.let(f'or i64 {before}, {doubt}')}, ptr {status}")
