"""The dataflow graph of a compiled function: as text, as Mermaid, as DOT.

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

from ember_jit.report.depend import CONTROL, DATA, Edge, Node, reduced
from ember_jit.report.schedule import AHEAD, Schedule

_LONGEST = 60
_SPECIAL = frozenset('#"<>[]{}|`;&')


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


def to_text(made: Schedule) -> str:
    """The graph with one node a line, and what it waits for under it."""
    lines = [f"graph {made.function.name}"]
    incoming: dict[int, list[Edge]] = {}
    for edge in reduced(made.graph):
        incoming.setdefault(edge.target, []).append(edge)

    def write(box: Box, depth: int) -> None:
        for each in box.content:
            pad = "  " * depth
            if isinstance(each, Box):
                lines.append(f"{pad}{_loop_title(made, each)}")
                write(each, depth + 1)
                continue
            what = _state(made, each)
            lines.append(
                f"{pad}{_label(each):<4} line {each.op.line:<5} {_short(each.op.text):<{_LONGEST}} {what}".rstrip()
            )
            waits = [
                f"{_label(made.graph.nodes[e.source])}{_because(e)}"
                for e in incoming.get(each.number, ())
            ]
            if waits:
                lines.append(f"{pad}       <- {', '.join(waits)}")

    write(boxes(made), 1)
    return "\n".join(lines) + "\n"


def to_mermaid(made: Schedule) -> str:
    """The graph in Mermaid's `flowchart` notation."""
    lines = ["flowchart TD"]

    def write(box: Box, depth: int) -> None:
        pad = "  " * depth
        for each in box.content:
            if isinstance(each, Box):
                lines.append(
                    f'{pad}subgraph loop{each.loop}["{_mermaid(_loop_title(made, each))}"]'
                )
                write(each, depth + 1)
                lines.append(f"{pad}end")
            else:
                opening, closing = (
                    ("{{", "}}")
                    if each.kind == "barrier"
                    else ("([", "])")
                    if _is_ahead(made, each)
                    else ("[", "]")
                )
                text = f"{_label(each)} line {each.op.line}: {_short(each.op.text)}"
                lines.append(f'{pad}{_name(each)}{opening}"{_mermaid(text)}"{closing}')

    write(boxes(made), 1)
    for edge in reduced(made.graph):
        arrow = "-->" if edge.kind == DATA else "-.->"
        label = f'|"{_mermaid(_edge_label(edge))}"|' if _edge_label(edge) else ""
        lines.append(f"  {_end(made, edge.source)} {arrow}{label} {_end(made, edge.target)}")
    return "\n".join(lines) + "\n"


def to_dot(made: Schedule) -> str:
    """The graph in Graphviz's DOT language."""
    lines = [
        f'digraph "{_dot(made.function.name)}" {{',
        "  node [fontname=monospace, fontsize=10];",
    ]

    def write(box: Box, depth: int) -> None:
        pad = "  " * depth
        for each in box.content:
            if isinstance(each, Box):
                lines.append(f"{pad}subgraph cluster_loop{each.loop} {{")
                lines.append(f'{pad}  label="{_dot(_loop_title(made, each))}"; style=dashed;')
                write(each, depth + 1)
                lines.append(f"{pad}}}")
            else:
                shape = (
                    "hexagon"
                    if each.kind == "barrier"
                    else "ellipse"
                    if _is_ahead(made, each)
                    else "box"
                )
                text = f"{_label(each)} line {each.op.line}\\n{_dot(_short(each.op.text))}"
                lines.append(f'{pad}{_name(each)} [label="{text}", shape={shape}];')

    write(boxes(made), 1)
    for edge in reduced(made.graph):
        style = "solid" if edge.kind == DATA else "dashed" if edge.kind == CONTROL else "dotted"
        constraint = ", constraint=false" if edge.carried else ""
        label = _dot(_edge_label(edge))
        lines.append(
            f'  {_end(made, edge.source)} -> {_end(made, edge.target)} [style={style}, label="{label}"{constraint}];'
        )
    return "\n".join([*lines, "}"]) + "\n"


FORMATS: dict[str, Callable[[Schedule], str]] = {"txt": to_text, "mmd": to_mermaid, "dot": to_dot}


def nodes_in(box: Box) -> Iterator[Node]:
    """All nodes in a box and the boxes in it, in program order."""
    for each in box.content:
        if isinstance(each, Box):
            yield from nodes_in(each)
        else:
            yield each


def _label(node: Node) -> str:
    return f"#{node.op.site}" if node.op.site is not None else f"B{node.number}"


def _name(node: Node) -> str:
    return f"s{node.op.site}" if node.op.site is not None else f"b{node.number}"


def _end(made: Schedule, number: int) -> str:
    return _name(made.graph.nodes[number])


def _is_ahead(made: Schedule, node: Node) -> bool:
    return node.op.site is not None and made.fate.get(node.op.site) == AHEAD


def _state(made: Schedule, node: Node) -> str:
    if node.kind == "barrier":
        return "barrier"
    return "ahead" if _is_ahead(made, node) else "in order"


def _loop_title(made: Schedule, box: Box) -> str:
    assert box.loop is not None
    op = made.graph.loops[box.loop]
    return f"loop line {op.line}: {_short(op.text)}"


def _because(edge: Edge) -> str:
    label = _edge_label(edge)
    return f" ({label})" if label else ""


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


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def _mermaid(text: str) -> str:
    return "".join(f"#{ord(each)};" if each in _SPECIAL else each for each in text)


def _dot(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
