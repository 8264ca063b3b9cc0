"""The dataflow graph: its nodes and edges in each of the three notations."""

from __future__ import annotations

import re
from typing import Any

import pytest

from ember_jit import Operator, query, structural_jit
from ember_jit.report.depend import ORDER, reduced
from ember_jit.report.graph import FORMATS, boxes, nodes_in, to_dot, to_mermaid, to_text
from ember_jit.report.schedule import Schedule
from ember_jit.report.survey import survey


@query
class Leaf(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return {"v": str(inputs), "ok": True}


class Holder(Operator):
    def __init__(self) -> None:
        self.a, self.b, self.c = Leaf(), Leaf(), Leaf()


@structural_jit
class Diamond(Holder):
    def forward(self, *, inputs: Any) -> Any:
        top = self.a(inputs=inputs)
        left = self.b(inputs=top["v"])
        right = self.c(inputs=top["v"])
        return self.a(inputs=[left["v"], right["v"]])


@structural_jit
class Nested(Holder):
    def forward(self, *, inputs: Any) -> Any:
        q = "start"
        for doc in inputs:
            for word in doc:
                self.a(inputs=word)
            q = self.b(inputs={'quoted "q"': q})["v"]
        self.last = q
        return self.c(inputs=q), self.a(inputs=q)


def graph_of(op: Any) -> Schedule:
    made = survey(op).schedule()
    assert made is not None
    return made


def test_a_diamond_as_text() -> None:
    lines = to_text(graph_of(Diamond())).splitlines()
    assert lines[0] == "graph Diamond.forward"
    assert [line.split("<-")[1].strip() for line in lines if "<-" in line] == [
        "#0 (top)",
        "#0 (top)",
        "#1 (left), #2 (right)",
    ]
    assert sum(line.endswith(" ahead") for line in lines) == 4


def test_a_diamond_as_mermaid() -> None:
    text = to_mermaid(graph_of(Diamond()))
    assert text.startswith("flowchart TD\n")
    edges = re.findall(r"(s\d) -->\|\"(\w+)\"\| (s\d)", text)
    assert edges == [
        ("s0", "top", "s1"),
        ("s0", "top", "s2"),
        ("s1", "left", "s3"),
        ("s2", "right", "s3"),
    ]


def test_a_diamond_as_dot() -> None:
    text = to_dot(graph_of(Diamond()))
    assert text.startswith('digraph "Diamond.forward" {')
    assert text.count("{") - text.count("}") == 0 or "inputs={" in text
    assert 's0 -> s1 [style=solid, label="top"];' in text


def test_loops_are_boxes_and_barriers_are_nodes() -> None:
    made = graph_of(Nested())
    text = to_text(made)
    assert (
        text.index("for doc in inputs")
        < text.index("for word in doc")
        < text.index("self.a(inputs=word)")
    )
    assert re.search(r"B\d+ +line \d+ +self\.last = q +barrier", text)
    assert "q, iteration before" in text
    mermaid, dot = to_mermaid(made), to_dot(made)
    assert mermaid.count("subgraph") == mermaid.count("end\n") == dot.count("subgraph") == 2
    assert "hexagon" in dot


@pytest.mark.parametrize("op", [Diamond, Nested])
@pytest.mark.parametrize("form", sorted(FORMATS))
def test_every_call_stands_in_the_graph_once_and_the_text_is_stable(op: Any, form: str) -> None:
    made = graph_of(op())
    text = FORMATS[form](made)
    assert text == FORMATS[form](graph_of(op()))
    assert [node.number for node in nodes_in(boxes(made))] == [
        node.number for node in made.graph.nodes
    ]


def test_text_of_the_user_cannot_break_the_notation() -> None:
    made = graph_of(Nested())
    for line in to_mermaid(made).splitlines():
        assert line.count('"') % 2 == 0
        label = line.split('"')[1] if '"' in line else ""
        assert not set(label) & set("<>[]{}|`")
    for line in to_dot(made).splitlines():
        assert len(re.findall(r'(?<!\\)"', line)) % 2 == 0


def test_order_edges_that_others_imply_are_not_drawn() -> None:
    made = graph_of(Nested())
    drawn = [edge for edge in reduced(made.graph) if edge.kind == ORDER]
    direct = {(edge.source, edge.target) for edge in made.graph.edges if not edge.carried}
    reach = made.graph.reach(carried=False)
    assert drawn
    for edge in drawn:
        between = {b for a, b in direct if a == edge.source} - {edge.target}
        assert not any(reach[middle] >> edge.target & 1 for middle in between)


def test_a_function_without_calls_has_an_empty_graph() -> None:
    def nothing(x: Any) -> Any:
        return [str(i) + repr(i) for i in x]

    made = survey(nothing).schedule()
    if made is not None:
        assert (
            to_text(made)
            == "graph test_a_function_without_calls_has_an_empty_graph.<locals>.nothing\n"
        )
