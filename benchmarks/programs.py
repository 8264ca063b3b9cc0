"""The operators that are measured, each in plain sequential Python, and the same programs as graphs by hand.

`structural_jit` replaces `forward` in the class it decorates, so a program that is timed both plain and
compiled must exist twice from one source: `make_…(decorate)` defines the class anew at each call.

    plain    = make_fan_out(undecorated)(leaves, join)
    compiled = make_fan_out(structural_jit)(leaves, join)
    graph    = fan_out_graph(leaves, join, seconds=0.02)

Leaves are small integer arithmetic whose result shows which leaf made it from what, behind a sleep (`query`)
or behind nothing (`pure`). Nothing here writes to its inputs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.by_hand import Graph, Node
from benchmarks.harness import Call
from ember_jit import Operator, pure, query

Decorator = Callable[[Any], Any]


def undecorated(cls: Any) -> Any:
    """The decorator of plain programs: none."""
    return cls


# Leaves


@query
class Sleeper(Operator):
    """Waits as an LLM call does, then adds its offset."""

    def __init__(self, seconds: float, offset: int) -> None:
        self.seconds = seconds
        self.offset = offset

    def forward(self, *, inputs: Any) -> Any:
        time.sleep(self.seconds)
        return {"v": inputs["v"] * 3 % 1_000_003 + self.offset}


@pure
class Step(Operator):
    """A `Sleeper` that does not wait."""

    def __init__(self, offset: int) -> None:
        self.offset = offset

    def forward(self, *, inputs: Any) -> Any:
        return {"v": inputs["v"] * 3 % 1_000_003 + self.offset}


@query
class MixSleeper(Operator):
    """Waits, then combines everything the layer before it answered."""

    def __init__(self, seconds: float, offset: int) -> None:
        self.seconds = seconds
        self.offset = offset

    def forward(self, *, inputs: Any) -> Any:
        time.sleep(self.seconds)
        return {"v": sum([x["v"] for x in inputs]) % 1_000_003 + self.offset}


@pure
class MixStep(Operator):
    """A `MixSleeper` that does not wait."""

    def __init__(self, offset: int) -> None:
        self.offset = offset

    def forward(self, *, inputs: Any) -> Any:
        return {"v": sum([x["v"] for x in inputs]) % 1_000_003 + self.offset}


@pure
class Join(Operator):
    """Gathers the values of a list of results."""

    def forward(self, *, inputs: Any) -> Any:
        return {"vs": [x["v"] for x in inputs["xs"]]}


@pure
class AddOne(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return {"v": inputs["v"] + 1}


@pure
class Double(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return {"v": inputs["v"] * 2}


@pure
class SubtractThree(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return {"v": inputs["v"] - 3}


@pure
class Negate(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return {"v": -inputs["v"]}


@pure
class AddSeven(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return {"v": inputs["v"] + 7}


@pure
class Triple(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return {"v": inputs["v"] * 3}


# Programs


def make_fan_out(decorate: Decorator) -> Any:
    """Independent leaves over one input, then a join."""

    @decorate
    class FanOut(Operator):
        def __init__(self, leaves: Sequence[Call], join: Call) -> None:
            self.leaves = list(leaves)
            self.join = join

        def forward(self, *, inputs: Any) -> Any:
            parts = [leaf(inputs=inputs) for leaf in self.leaves]
            return self.join(inputs={"xs": parts})

    return FanOut


def fan_out_graph(leaves: Sequence[Call], join: Call, seconds: float) -> Graph:
    """`FanOut` by hand."""
    nodes = [Node(leaf, lambda inputs, results: inputs, seconds=seconds) for leaf in leaves]
    width = len(nodes)
    nodes.append(
        Node(join, lambda inputs, results: {"xs": results[:width]}, after=tuple(range(width)))
    )
    return Graph(nodes)


def make_map_loop(decorate: Decorator) -> Any:
    """One operator over the items of a list, as most people write it: a loop that appends."""

    @decorate
    class MapLoop(Operator):
        def __init__(self, leaf: Call, join: Call) -> None:
            self.leaf = leaf
            self.join = join

        def forward(self, *, inputs: Any) -> Any:
            parts = []
            for item in inputs["items"]:
                part = self.leaf(inputs={"v": item})
                parts.append(part)
            return self.join(inputs={"xs": parts})

    return MapLoop


def map_loop_graph(leaf: Call, join: Call, items: Sequence[int], seconds: float) -> Graph:
    """`MapLoop` by hand, for one list of items."""
    nodes = [Node(leaf, _given({"v": item}), seconds=seconds) for item in items]
    width = len(nodes)
    nodes.append(
        Node(join, lambda inputs, results: {"xs": results[:width]}, after=tuple(range(width)))
    )
    return Graph(nodes)


def _given(value: Any) -> Callable[[Any, Sequence[Any]], Any]:
    return lambda inputs, results: value


def make_diamond(decorate: Decorator) -> Any:
    """Layers of leaves, each leaf needing the whole layer before it, then a join."""

    @decorate
    class Diamond(Operator):
        def __init__(self, layers: Sequence[Sequence[Call]], join: Call) -> None:
            self.layers = [list(layer) for layer in layers]
            self.join = join

        def forward(self, *, inputs: Any) -> Any:
            xs = [inputs]
            for layer in self.layers:
                xs = [op(inputs=xs) for op in layer]
            return self.join(inputs={"xs": xs})

    return Diamond


def diamond_graph(layers: Sequence[Sequence[Call]], join: Call, seconds: float) -> Graph:
    """`Diamond` by hand."""
    nodes: list[Node] = []
    before: tuple[int, ...] = ()
    for layer in layers:
        first = len(nodes)
        build = _results_of(before) if before else lambda inputs, results: [inputs]
        nodes.extend(Node(op, build, after=before, seconds=seconds) for op in layer)
        before = tuple(range(first, len(nodes)))
    last = _results_of(before)
    nodes.append(Node(join, lambda inputs, results: {"xs": last(inputs, results)}, after=before))
    return Graph(nodes)


def _results_of(indices: tuple[int, ...]) -> Callable[[Any, Sequence[Any]], list[Any]]:
    return lambda inputs, results: [results[i] for i in indices]


def make_skewed_chains(decorate: Decorator) -> Any:
    """Two chains of ten steps, slow where the other is fast: layers would cost half of the gain."""

    @decorate
    class SkewedChains(Operator):
        def __init__(self, a: Sequence[Call], b: Sequence[Call], join: Call) -> None:
            self.a0 = a[0]
            self.a1 = a[1]
            self.a2 = a[2]
            self.a3 = a[3]
            self.a4 = a[4]
            self.a5 = a[5]
            self.a6 = a[6]
            self.a7 = a[7]
            self.a8 = a[8]
            self.a9 = a[9]
            self.b0 = b[0]
            self.b1 = b[1]
            self.b2 = b[2]
            self.b3 = b[3]
            self.b4 = b[4]
            self.b5 = b[5]
            self.b6 = b[6]
            self.b7 = b[7]
            self.b8 = b[8]
            self.b9 = b[9]
            self.join = join

        def forward(self, *, inputs: Any) -> Any:
            a = inputs
            b = inputs
            a = self.a0(inputs=a)
            b = self.b0(inputs=b)
            a = self.a1(inputs=a)
            b = self.b1(inputs=b)
            a = self.a2(inputs=a)
            b = self.b2(inputs=b)
            a = self.a3(inputs=a)
            b = self.b3(inputs=b)
            a = self.a4(inputs=a)
            b = self.b4(inputs=b)
            a = self.a5(inputs=a)
            b = self.b5(inputs=b)
            a = self.a6(inputs=a)
            b = self.b6(inputs=b)
            a = self.a7(inputs=a)
            b = self.b7(inputs=b)
            a = self.a8(inputs=a)
            b = self.b8(inputs=b)
            a = self.a9(inputs=a)
            b = self.b9(inputs=b)
            return self.join(inputs={"xs": [a, b]})

    return SkewedChains


def make_chains(decorate: Decorator) -> Any:
    """Independent chains, then a join."""

    @decorate
    class Chains(Operator):
        def __init__(self, chains: Sequence[Sequence[Call]], join: Call) -> None:
            self.chains = [list(chain) for chain in chains]
            self.join = join

        def forward(self, *, inputs: Any) -> Any:
            ends = []
            for chain in self.chains:
                x = inputs
                for op in chain:
                    x = op(inputs=x)
                ends.append(x)
            return self.join(inputs={"xs": ends})

    return Chains


def chains_graph(
    chains: Sequence[Sequence[Call]], join: Call, seconds: Sequence[Sequence[float]]
) -> Graph:
    """`Chains` and `SkewedChains` by hand."""
    nodes: list[Node] = []
    ends: list[int] = []
    for chain, waits in zip(chains, seconds, strict=True):
        for step, (op, wait) in enumerate(zip(chain, waits, strict=True)):
            if step == 0:
                nodes.append(Node(op, lambda inputs, results: inputs, seconds=wait))
            else:
                before = len(nodes) - 1
                nodes.append(Node(op, _result_of(before), after=(before,), seconds=wait))
        ends.append(len(nodes) - 1)
    gather = _results_of(tuple(ends))
    nodes.append(
        Node(join, lambda inputs, results: {"xs": gather(inputs, results)}, after=tuple(ends))
    )
    return Graph(nodes)


def _result_of(index: int) -> Callable[[Any, Sequence[Any]], Any]:
    return lambda inputs, results: results[index]


def make_pipeline(decorate: Decorator) -> Any:
    """Six trivial operators in a row: nothing to overlap, only frames to save."""

    @decorate
    class Pipeline(Operator):
        def __init__(self) -> None:
            self.add_one = AddOne()
            self.double = Double()
            self.subtract_three = SubtractThree()
            self.negate = Negate()
            self.add_seven = AddSeven()
            self.triple = Triple()

        def forward(self, *, inputs: Any) -> Any:
            x = self.add_one(inputs=inputs)
            x = self.double(inputs=x)
            x = self.subtract_three(inputs=x)
            x = self.negate(inputs=x)
            x = self.add_seven(inputs=x)
            return self.triple(inputs=x)

    return Pipeline


def pipeline_by_hand(*, inputs: Any) -> Any:
    """`Pipeline` inlined by hand: the operators' frames are gone, their dicts are kept."""
    x = {"v": inputs["v"] + 1}
    x = {"v": x["v"] * 2}
    x = {"v": x["v"] - 3}
    x = {"v": -x["v"]}
    x = {"v": x["v"] + 7}
    return {"v": x["v"] * 3}
