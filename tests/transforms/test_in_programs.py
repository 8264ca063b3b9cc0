"""Mapped functions as calls of operators and nodes of graphs: one call each, with the effects of what they map."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ember_jit import (
    DeviceMesh,
    Operator,
    PartitionSpec,
    autograph,
    disable_structural_jit,
    execute,
    explain,
    mesh_sharded,
    pmap,
    query,
    structural_jit,
    vmap,
)
from ember_jit.compiler.analysis.infer import Inference
from ember_jit.errors import NotAnOperatorError
from ember_jit.transforms.mapped import Mapped

MESH = DeviceMesh([0, 1])
SPEC = PartitionSpec(0)
TRANSFORMS = {
    "vmap": vmap,
    "pmap": lambda fn: pmap(fn, backend="threads"),
    "mesh_sharded": lambda fn: mesh_sharded(fn, MESH, SPEC),
}
SEEN: list[Any] = []


@pytest.fixture(params=list(TRANSFORMS))
def mapping(request: pytest.FixtureRequest) -> Any:
    return TRANSFORMS[request.param]


@query
class Ask(Operator):
    """Calls `act`; what it answers is `inputs`."""

    def __init__(self, act: Any = lambda: None) -> None:
        self.act = act

    def forward(self, *, inputs: Any) -> Any:
        self.act()
        return inputs


def double(item: Any) -> Any:
    return {"twice": 2 * item["x"]}


def note(item: Any) -> Any:
    SEEN.append(item["x"])
    return {"seen": item["x"]}


# ---------------------------------------------------------------------- effects
def test_a_mapped_function_has_the_effects_of_what_it_maps(mapping: Any) -> None:
    asked, computed, noted = mapping(Ask()), mapping(double), mapping(note)
    for each in (asked, computed, noted):
        first = Inference().effect(each)
        assert first.kind == "unknown", "its first call is made before any other of it"
        each(inputs={"x": [1, 2]})
    assert Inference().effect(asked).kind == "query"
    assert Inference().effect(computed).kind == "pure"
    assert Inference().effect(noted).kind == "unknown"
    assert not any(Inference().effect(each).nothrow for each in (asked, computed))
    assert not Inference().effect(asked).declared, "it looks into its arguments"


def test_many_that_map_something_else_tell_nothing_of_the_next(mapping: Any) -> None:
    inference = Inference()
    for _ in range(20):
        assert inference.met(mapping(note)).kind == "unknown"
        assert inference.met(mapping(double)).later is not None
    mapped = mapping(double)
    mapped(inputs={"x": [1]})
    assert inference.met(mapped).kind == "pure"


def test_what_it_maps_is_looked_at_again_when_it_is_replaced() -> None:
    mapped, inference = vmap(Ask()), Inference()
    mapped(inputs={"x": [1]})
    assert inference.effect(mapped).kind == "query"
    mapped.fn = note
    assert inference.effect(mapped).kind == "unknown"


def test_nobody_reads_the_code_of_transforms(mapping: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    analyse = Inference._analyse

    def watched(self: Inference, function: Any, *rest: Any) -> Any:
        read.append(function.__module__)
        return analyse(self, function, *rest)

    monkeypatch.setattr(Inference, "_analyse", watched)
    Inference().effect(mapping(double))
    assert set(read) == {__name__}


def test_a_subclass_with_a_call_of_its_own_is_no_mapped_function() -> None:
    class Louder(Mapped):
        def __call__(self, *args: Any, inputs: Any = None) -> Any:
            SEEN.append(inputs)
            return inputs

    louder = Louder("loud", double)
    louder.settled = True
    assert Inference().effect(louder).kind == "unknown"


# ---------------------------------------------------------------------- in operators
@pytest.mark.parametrize("strategy", ["auto", "parallel"])
def test_it_overlaps_with_other_calls_from_its_first_call_on(mapping: Any, strategy: str) -> None:
    together = threading.Barrier(3, timeout=30)

    @structural_jit(execution_strategy=strategy)
    class Both(Operator):
        def __init__(self) -> None:
            self.ask = Ask(lambda: together.wait())
            self.batch, self.other = mapping(self.ask), mapping(self.ask)

        def forward(self, *, inputs: Any) -> Any:
            a = self.batch(inputs={"x": [inputs]})
            b = self.ask(inputs=inputs)
            c = self.other(inputs={"x": [inputs]})
            return a, b, c

    op = Both()
    for _ in range(2):
        assert op(inputs=1) == ({"x": [1]}, 1, {"x": [1]})


def test_until_its_first_call_others_of_it_wait(mapping: Any) -> None:
    """What an empty batch gives is told by the first batch that is not: so the order of calls can be seen."""
    started, going = threading.Event(), threading.Event()

    @query
    def rename(item: Any) -> Any:
        started.set()
        assert going.wait(30)
        return {"y": item["x"]}

    @query
    class Release(Operator):
        def forward(self, *, inputs: Any) -> Any:
            assert started.wait(30)
            going.set()
            return inputs

    @structural_jit(execution_strategy="parallel")
    class Twice(Operator):
        def __init__(self) -> None:
            self.release, self.batch = Release(), mapping(rename)

        def forward(self, *, inputs: Any) -> Any:
            a = self.batch(inputs={"x": [inputs]})  # runs ahead, and waits for the next line
            b = self.release(inputs=inputs)
            c = self.batch(inputs={"x": []})
            return a, b, c

    assert Twice()(inputs=1) == ({"y": [1]}, 1, {"y": []})


@query
def renamed(item: Any) -> Any:
    return {"y": item["x"]}


@structural_jit(execution_strategy="parallel")
class Many(Operator):
    def __init__(self) -> None:
        self.batches = [vmap(renamed), pmap(vmap(renamed)), mesh_sharded(renamed, MESH, SPEC)]

    def forward(self, *, inputs: Any) -> Any:
        out = []
        for which, values in inputs:
            out.append(self.batches[which](inputs={"x": values}))
        return out


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 2), st.lists(st.integers(), max_size=2)), max_size=8))
def test_calls_in_any_order_give_what_the_plain_program_gives(calls: list[Any]) -> None:
    compiled, plain = Many(), Many()
    for _ in range(2):
        with disable_structural_jit():
            expected = plain(inputs=calls)
        assert compiled(inputs=calls) == expected


def test_unknown_effects_stay_in_order(mapping: Any) -> None:
    SEEN.clear()

    @structural_jit(execution_strategy="parallel")
    class Noting(Operator):
        def __init__(self) -> None:
            self.ask, self.batch = Ask(lambda: SEEN.append("ask")), mapping(note)

        def forward(self, *, inputs: Any) -> Any:
            self.batch(inputs={"x": [1]})
            self.ask(inputs=1)
            self.batch(inputs={"x": [2]})
            self.ask(inputs=1)

    Noting()(inputs=1)
    assert SEEN == [1, "ask", 2, "ask"]


# ---------------------------------------------------------------------- in graphs
def test_a_call_is_one_node_and_none_of_its_items_is_made(mapping: Any) -> None:
    SEEN.clear()
    batch, add = mapping(note), mapping(lambda x: x + 1)
    with autograph() as graph:
        first = batch(inputs={"x": [1, 2]})
        second = add([1, 2])
        batch(inputs={"x": first["seen"]})
    assert SEEN == []
    assert graph.order[:2] == ("first", "second")
    assert len(graph) == 3
    assert str(graph[graph.order[2]].text).startswith(batch.__name__)
    assert "None" not in str(graph), "what was not given is not shown"
    results = execute(graph)
    assert results["first"] == {"seen": [1, 2]}
    assert results["second"] == [2, 3]
    del first, second
    assert SEEN == [1, 2, 1, 2]
    assert batch(inputs={"x": [3]}) == {"seen": [3]}, "outside, calls are made again"


def test_a_node_without_a_target_is_named_after_the_transform(mapping: Any) -> None:
    with autograph() as graph:
        mapping(double)(inputs={"x": [1]})
        mapping(double)(inputs={"x": [2]})
    name = mapping(double).__name__.partition("(")[0]
    assert graph.order == (name, f"{name}_2")


def test_nodes_overlap_in_the_first_execution(mapping: Any) -> None:
    together = threading.Barrier(2, timeout=30)
    ask = Ask(lambda: together.wait())
    batch = mapping(ask)
    with autograph() as graph:
        a = batch(inputs={"x": [1]})
        b = ask(inputs=2)
    assert execute(graph) == {"a": {"x": [1]}, "b": 2}
    del a, b


def test_the_failing_item_and_the_node_are_named() -> None:
    batch = vmap(lambda item: {"y": 1 / item["x"]})
    with autograph() as graph:
        bad = batch(inputs={"x": [1, 0]})
    with pytest.raises(ZeroDivisionError) as caught:
        execute(graph)
    assert "in item 1" in caught.value.__notes__
    assert any("in node 'bad'" in each for each in caught.value.__notes__)
    del bad


# ---------------------------------------------------------------------- explained
def test_explain_says_what_is_mapped_and_how(mapping: Any) -> None:
    text = str(explain(mapping(double)))
    assert text.startswith(f"{mapping(double).__name__}: calls double for each item")
    assert "pure: inferred from the source of double" in text
    assert "ember_jit/transforms" not in text, "not our own source"


@pytest.mark.parametrize(
    ("fn", "says"),
    [
        (Ask(), "items overlap (query: declared `query`)"),
        (double, "items run in a plain loop if the first takes less than a millisecond"),
        (note, "items run in order, one after the other"),
        (note, "let note return the value instead of storing it"),
        (len, "calls len for each item"),
        (vmap(Ask()), "vmap(Ask): calls Ask for each item"),
    ],
)
def test_explain_says_whether_items_overlap(fn: Any, says: str) -> None:
    assert says in str(explain(vmap(fn)))


def test_explain_stops_at_what_an_operator_holds(mapping: Any) -> None:
    @structural_jit
    class Holder(Operator):
        def __init__(self) -> None:
            self.ask, self.batch, self.noting = Ask(), mapping(Ask()), mapping(note)

        def forward(self, *, inputs: Any) -> Any:
            a = self.ask(inputs=inputs)
            b = self.batch(inputs={"x": [inputs]})
            return a, b, self.noting(inputs={"x": [inputs]})

    made = explain(Holder())
    assert [call.ahead for call in made.calls] == [True, True, False]
    assert made.calls[0].overlaps == (1,)
    assert "calls Ask for each item: declared `query`" in made.calls[1].evidence
    assert "let note return the value instead of storing it" in made.calls[2].fix
    assert [part.operator.partition("(")[2] for part in made.parts] == ["", "Ask)", "note)"]
    assert "ember_jit/transforms" not in str(made), "not our own source"


def test_a_mapped_function_cannot_be_dumped() -> None:
    from ember_jit import compile_report

    with pytest.raises(NotAnOperatorError, match="runs no code of yours but what it maps"):
        compile_report(vmap(double))


def test_explain_of_a_graph() -> None:
    ask, batch, noting = Ask(), vmap(Ask()), vmap(note)
    with autograph("answers") as graph:
        a = ask(inputs={"x": 1})
        b = batch(inputs={"x": [1]})
        c = ask(inputs=b)
        noting(inputs={"x": [1]})
        e = ask(inputs=a)
    made = explain(graph)
    assert made.name == "answers"
    assert made.kind == made.status == "graph"
    assert [call.ahead for call in made.calls] == [True, True, True, False, True]
    assert [call.overlaps for call in made.calls] == [(1, 2), (0,), (0,), (), ()]
    assert [call.waits_for for call in made.calls] == [(), (), (1,), (), (0,)]
    assert "let note return the value" in made.calls[3].fix
    assert [step.number for step in made.critical_path] == [1, 2, 3, 4]
    assert "4 may start ahead, 3 of them beside others" in str(made)
    assert made.to_dict()["pairs"] == 2
    assert "none overlap" in str(explain(type(graph)()))
    del c, e


def test_explain_of_a_graph_that_was_read_from_json() -> None:
    with autograph() as graph:
        Ask()(inputs=1)
    made = explain(type(graph).from_json(graph.to_json()))
    assert made.calls[0].why == "nothing is bound to it"
    assert "graph.bind" in made.calls[0].fix
