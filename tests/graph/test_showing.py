"""A graph as text, Mermaid, DOT, HTML, and as JSON and back."""

from __future__ import annotations

import html.parser
import json
import math
import re
from typing import Any

import pytest

from ember_jit import Graph, autograph, execute
from ember_jit.errors import GraphError, UnboundNodeError
from tests.graph.ops import Ask, Plain, joined

op, ask = Plain(), Ask()


def sample() -> Graph:
    with autograph("sample") as graph:
        q = graph.input("q", default='a "quoted" <b>|{x}[y]')
        x = op(inputs={"q": q})
        y = ask(inputs=[x["hits"][0], (1, math.inf), {3: "three", "$ref": 1}, {1}])
        z = joined(x["got"], y, sep="`;&")
        w = op(inputs=x["hits"][z:2])
    return graph


def test_as_text() -> None:
    text = str(sample())
    lines = text.splitlines()
    assert lines[0] == "graph sample"
    assert lines[1] == "  critical path: x -> y -> z -> w"
    assert re.search(r"^  q +input, 'a \"quoted\"", text, re.M)
    assert re.search(r"^  x +line \d+ +Plain\(inputs=\{'q': q\}\)$", text, re.M)
    assert re.search(r"<- x \(x\['hits'\]\[0\]\)", text)
    assert "<- x (x['hits'][z:2]), z (z)" in text


def test_as_mermaid_and_dot() -> None:
    mermaid = sample().to_mermaid()
    assert mermaid.startswith("flowchart TD\n")
    assert re.findall(r"(\w+) -->\|", mermaid) == ["i0", "n0", "n0", "n1", "n0", "n2"]
    for line in mermaid.splitlines():
        assert line.count('"') % 2 == 0
        label = line.split('"')[1] if '"' in line else ""
        assert not set(label) & set("<>[]{}|`")
    dot = sample().to_dot()
    assert dot.startswith('digraph "sample" {')
    assert "n0 -> n2 [style=solid, label=\"x['got']\"];" in dot
    for line in dot.splitlines():
        assert len(re.findall(r'(?<!\\)"', line)) % 2 == 0


def test_an_order_edge_is_dotted() -> None:
    graph = Graph()
    graph.add_node("a", op, inputs=1)
    graph.add_node("b", op, inputs=2)
    graph.add_edge("a", "b")
    assert 'style=dotted, label="order"' in graph.to_dot()
    assert "<- a (order)" in str(graph)


class Checker(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.seen.append(tag)
        assert not {name for name, _ in attrs} & {"src", "href"}, "self-contained"
        if tag not in ("rect",):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag != "rect":
            assert self.open.pop() == tag


def test_as_html() -> None:
    text = sample()._repr_html_()
    checker = Checker()
    checker.feed(text)
    assert checker.open == []
    assert checker.seen.count("rect") == 5
    assert checker.seen.count("path") == 6
    assert "<b>" not in text
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")


def test_an_empty_graph_can_be_shown() -> None:
    graph = Graph()
    assert str(graph) == "graph graph\n"
    assert graph.to_mermaid() == "flowchart TD\n"
    assert graph._repr_html_().startswith("<svg")
    assert graph.critical_path == graph.order == graph.edges == ()
    assert execute(graph) == {}


@pytest.mark.parametrize("indent", [None, 2])
def test_json_and_back(indent: int | None) -> None:
    graph = sample()
    text = graph.to_json(indent)
    json.loads(text)
    again = Graph.from_json(text)
    assert again.to_json(indent) == text
    assert str(again) == str(graph)
    assert again.edges == graph.edges
    assert again.to_dot() == graph.to_dot()


def test_a_graph_from_json_must_be_bound_before_it_is_executed() -> None:
    with autograph() as graph:
        q = graph.input("q")
        x = op(inputs={"q": q, 1: (q, {2})})
        y = joined(x["got"]["q"], sep="/")
    expected = execute(graph, inputs={"q": "v"})
    text = graph.to_json()
    with pytest.raises(
        UnboundNodeError, match=r"'x' \(tests.graph.ops:Plain\), 'y'.*graph.bind.*EMB035"
    ):
        execute(Graph.from_json(text), inputs={"q": "v"})
    by_node = Graph.from_json(text, bind={"x": op, "y": joined})
    by_name = Graph.from_json(text).bind(
        {"tests.graph.ops:Plain": op, "tests.graph.ops:joined": joined}
    )
    assert execute(by_node, inputs={"q": "v"}) == execute(by_name, inputs={"q": "v"}) == expected
    assert Graph.from_json(text).bind(y=joined)["y"].callee is joined
    half = Graph.from_json(text, bind={"x": op})
    assert execute(half, inputs={"q": "v"}, output_nodes=["x"]) == {"x": expected["x"]}


def test_wired_nodes_and_order_edges_come_back() -> None:
    graph = Graph()
    for name in "ab":
        graph.add_node(name, op)
    graph.add_node("c", joined, "c")
    graph.add_edge("c", "a")
    graph.add_edge("a", "b")
    again = Graph.from_json(graph.to_json(), bind={"a": op, "b": op, "c": joined})
    assert again.order == graph.order == ("c", "a", "b")
    assert execute(again) == execute(graph)


def test_what_json_cannot_hold_is_said_when_it_is_executed() -> None:
    with autograph() as graph:
        x = op(inputs=[{"client": op}])
    again = Graph.from_json(graph.to_json(), bind={"x": op})
    assert again.to_json() == graph.to_json()
    with pytest.raises(
        UnboundNodeError, match=r"tests.graph.ops:Plain, an argument of 'x'.*graph.input"
    ):
        execute(again)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": "ember-jit graph 1"}', '{"format": 2}']
)
def test_other_json_is_refused(text: str) -> None:
    with pytest.raises(GraphError, match="EMB032"):
        Graph.from_json(text)


def test_a_damaged_graph_is_refused() -> None:
    content = json.loads(sample().to_json())
    content["nodes"][1]["args"] = [{"$ref": "nobody", "path": []}]
    with pytest.raises(GraphError):
        Graph.from_json(json.dumps(content))
    content = json.loads(sample().to_json())
    content["nodes"].append(content["nodes"][0])
    with pytest.raises(GraphError, match="already has a node"):
        Graph.from_json(json.dumps(content))
