"""The dataflow graph of a compiled function, as a drawing: text, Mermaid, DOT.

Nodes are call sites and barriers; loops are boxes around them.  An edge says what waits for what:
because of a value (with the variable's name), because the one decides whether the other is made, or
because the two stay in order.  *Carried* edges wait for the iteration before.

    graph Answer.forward
      #0 line 8    self.search(inputs=inputs)                                 ahead
      #1 line 9    self.recall(inputs=inputs)                                 ahead
      #2 line 10   self.judge(inputs={'web': web['hits'], ...})               ahead
           <- #0 (web), #1 (notes)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ember_jit import drawing
from ember_jit.drawing import Arrow, Drawing, Group, Shape, short
from ember_jit.report.depend import CONTROL, DATA, Edge, Node, reduced
from ember_jit.report.schedule import AHEAD, Schedule

_STYLES = {DATA: "solid", CONTROL: "dashed"}


@dataclass(frozen=True, slots=True)
class Box:
    """A loop, or the function itself, and what stands directly in it: nodes and boxes in program order."""

    loop: int | None
    content: tuple[Node | Box, ...]


def boxes(made: Schedule) -> Box:
    """The nodes of the graph, nested in their loops."""
    return _box(made.graph.nodes, 0, None)


def _box(nodes: list[Node], depth: int, loop: int | None) -> Box:
    content: list[Node | Box] = []
    index = 0
    while index < len(nodes):
        node = nodes[index]
        if len(node.loops) <= depth:
            content.append(node)
            index += 1
            continue
        inner = node.loops[depth]
        end = index
        while (
            end < len(nodes) and len(nodes[end].loops) > depth and nodes[end].loops[depth] == inner
        ):
            end += 1
        content.append(_box(nodes[index:end], depth + 1, inner))
        index = end
    return Box(loop, tuple(content))


def drawing_of(made: Schedule) -> Drawing:
    """The graph as a drawing."""

    def content(box: Box) -> tuple[Shape | Group, ...]:
        return tuple(
            Group(f"loop{each.loop}", _loop_title(made, each), content(each))
            if isinstance(each, Box)
            else _shape(made, each)
            for each in box.content
        )

    nodes = made.graph.nodes
    arrows = tuple(
        Arrow(
            _name(nodes[edge.source]),
            _name(nodes[edge.target]),
            _edge_label(edge),
            _STYLES.get(edge.kind, "dotted"),
            edge.carried,
        )
        for edge in reduced(made.graph)
    )
    return Drawing(made.function.name, content(boxes(made)), arrows)


def to_text(made: Schedule) -> str:
    """The graph with one node a line, and what it waits for under it."""
    return drawing.to_text(drawing_of(made))


def to_mermaid(made: Schedule) -> str:
    """The graph in Mermaid's `flowchart` notation."""
    return drawing.to_mermaid(drawing_of(made))


def to_dot(made: Schedule) -> str:
    """The graph in Graphviz's DOT language."""
    return drawing.to_dot(drawing_of(made))


FORMATS: dict[str, Callable[[Schedule], str]] = {"txt": to_text, "mmd": to_mermaid, "dot": to_dot}


def nodes_in(box: Box) -> Iterator[Node]:
    """All nodes in a box and the boxes in it, in program order."""
    for each in box.content:
        if isinstance(each, Box):
            yield from nodes_in(each)
        else:
            yield each


def _shape(made: Schedule, node: Node) -> Shape:
    ahead = node.op.site is not None and made.fate.get(node.op.site) == AHEAD
    label = f"#{node.op.site}" if node.op.site is not None else f"B{node.number}"
    if node.kind == "barrier":
        state, form = "barrier", "hexagon"
    else:
        state, form = ("ahead", "round") if ahead else ("in order", "box")
    return Shape(_name(node), label, node.op.line, node.op.text, state, form)


def _name(node: Node) -> str:
    return f"s{node.op.site}" if node.op.site is not None else f"b{node.number}"


def _loop_title(made: Schedule, box: Box) -> str:
    assert box.loop is not None
    op = made.graph.loops[box.loop]
    return f"loop line {op.line}: {short(op.text)}"


def _edge_label(edge: Edge) -> str:
    what = (
        ", ".join(edge.names)
        if edge.kind == DATA
        else "decides"
        if edge.kind == CONTROL
        else "order"
    )
    if edge.carried:
        return f"{what}, iteration before".removeprefix(", ")
    return what
