"""`Graph`: building by hand, looking, order, cycles, near misses."""

from __future__ import annotations

from typing import Any

import pytest

from ember_jit import Graph, autograph, execute
from ember_jit.errors import GraphError, RecordingError, UnknownNodeError
from tests.graph.ops import Plain, joined

op = Plain()


def chain() -> Graph:
    with autograph("chain") as graph:
        x = op(inputs={"query": "q"})
        y = op(inputs=x)
        side = op(inputs=[y["got"], x["hits"]])
        z = op(inputs=y)
    return graph


def test_what_a_recorded_graph_shows() -> None:
    graph = chain()
    assert graph.order == tuple(graph.nodes) == ("x", "y", "side", "z")
    assert graph.edges == (("x", "y"), ("y", "side"), ("x", "side"), ("y", "z"))
    assert [edge.label for edge in graph.edges] == ["x", "y['got']", "x['hits']", "y"]
    assert [(edge.source, edge.target) for edge in graph.edges] == list(graph.edges)
    assert graph.critical_path == ("x", "y", "side")
    assert graph.inputs == {}
    assert graph["x"].callee is op
    assert graph["x"].line > 0
    assert graph["x"].file == __file__
    assert graph["side"].needs == ["y", "x"]
    assert len(graph) == 4
    assert "y" in graph
    assert repr(graph) == "<chain of 4 nodes>"


def test_built_by_hand() -> None:
    graph = Graph()
    query = graph.input("query")
    limit = graph.input("limit", default=2)
    hits = graph.add_node("hits", op, inputs={"q": query, "k": limit})
    graph.add_node("answer", joined, hits["got"]["q"], query, sep="/")
    assert list(graph.inputs) == ["query", "limit"]
    assert graph.edges == (("hits", "answer"),)
    results = execute(graph, inputs={"query": "why"})
    assert results["answer"] == "why/why"
    assert results["hits"]["got"] == {"q": "why", "k": 2}


def test_wired_by_edges() -> None:
    graph = Graph()
    for name in ("start", "left", "right", "end"):
        graph.add_node(name, op)
    graph.add_node("len", len)
    graph.add_node("now", lambda: 3)
    for edge in [
        ("start", "left"),
        ("start", "right"),
        ("left", "end"),
        ("right", "end"),
        ("end", "len"),
        ("end", "now"),
    ]:
        graph.add_edge(*edge)
    results = execute(graph, inputs={"query": "q"})
    assert results["start"]["got"] == {"query": "q"}
    assert results["left"]["got"] is results["start"]
    assert results["end"]["got"] == {"left": results["left"], "right": results["right"]}
    assert results["len"] == 2
    assert results["now"] == 3
    assert execute(graph)["start"]["got"] == {}


def test_an_edge_between_calls_with_arguments_is_order() -> None:
    graph = Graph()
    graph.add_node("b", joined, "b")
    graph.add_node("a", joined, "a")
    graph.add_edge("a", "b")
    assert graph.topological_order() == ["a", "b"] == list(graph.order)
    assert list(execute(graph)) == ["a", "b"]
    assert graph.edges == (("a", "b"),)
    assert graph.edges[0].label == ""
    assert list(execute(graph, output_nodes=["a"])) == ["a"]


def test_the_order_is_that_of_adding_as_far_as_edges_allow() -> None:
    graph = Graph()
    for name in "abcdef":
        graph.add_node(name, joined, name)
    graph.add_edge("f", "b")
    assert graph.topological_order() == ["a", "c", "d", "e", "f", "b"]


def test_a_cycle_is_refused_and_shown() -> None:
    graph = Graph()
    for name in "abc":
        graph.add_node(name, op)
    graph.add_edge("a", "b")
    graph.add_edge("b", "c")
    with pytest.raises(GraphError, match=r"a -> b -> c -> a.*EMB032"):
        graph.add_edge("c", "a")
    with pytest.raises(GraphError, match="b -> b"):
        graph.add_edge("b", "b")
    assert graph.edges == (("a", "b"), ("b", "c")), "the graph is as it was"
    graph.add_node("d", op)
    graph.add_edge("d", "a")
    with pytest.raises(GraphError, match="d -> a -> b -> c -> d"):
        graph.add_edge("c", "d")


def test_unknown_names_name_the_near_misses() -> None:
    graph = chain()
    for wrong in (
        lambda: graph["sied"],
        lambda: graph.add_edge("sied", "x"),
        lambda: execute(graph, output_nodes=["sied"]),
        lambda: execute(graph)["sied"],
        lambda: graph.bind(sied=op),
    ):
        with pytest.raises(
            UnknownNodeError, match=r"'sied'.*did you mean 'side'\?.*EMB033"
        ) as caught:
            wrong()
        assert isinstance(caught.value, KeyError)
        assert str(caught.value).startswith(("<chain", "the results"))
    with pytest.raises(UnknownNodeError, match="there are 'x', 'y', 'side', 'z'"):
        graph["something else"]
    with pytest.raises(UnknownNodeError, match="there are none"):
        Graph()["x"]


def test_names_are_unique_and_text() -> None:
    graph = Graph()
    graph.add_node("a", op)
    graph.input("q")
    graph.input("q")
    for wrong in (
        lambda: graph.add_node("a", op),
        lambda: graph.add_node("q", op),
        lambda: graph.input("a"),
        lambda: graph.input("q", default=3),
        lambda: graph.add_node(op, "b"),
        lambda: graph.add_node("", op),
        lambda: graph.input(3),
        lambda: graph.add_node("b", 3),
        lambda: graph.bind(a=3),
    ):
        with pytest.raises(GraphError, match="EMB032"):
            wrong()
    assert list(graph.nodes) == ["a"]


def test_values_of_another_graph_are_refused() -> None:
    one, two = Graph(), Graph()
    ref = one.add_node("a", op)
    with pytest.raises(RecordingError, match="belongs to"):
        two.add_node("b", op, inputs={"k": [ref]})
    assert len(two) == 0


def test_nodes_and_inputs_cannot_be_changed_from_outside() -> None:
    graph: Any = chain()
    with pytest.raises(TypeError):
        graph.nodes["w"] = None
    with pytest.raises(TypeError):
        graph.inputs["w"] = None


def test_inputs_may_be_declared_while_recording() -> None:
    with autograph() as graph:
        q = graph.input("q")
        x = op(inputs={"q": q["text"]})
    assert execute(graph, inputs={"q": {"text": "why"}})["x"]["got"] == {"q": "why"}


def test_a_recorded_graph_may_be_added_to() -> None:
    graph = chain()
    graph.add_node("last", op)
    graph.add_edge("z", "last")
    assert execute(graph)["last"]["got"]["got"]["got"]["got"] == {"query": "q"}
