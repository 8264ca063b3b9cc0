"""A graph as a drawing (`ember_jit.drawing`), and as a picture for notebooks."""

from __future__ import annotations

from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING

from ember_jit.drawing import Arrow, Drawing, Shape, short
from ember_jit.graph.nodes import REQUIRED, Input
from ember_jit.graph.recorded import source_of, text_of

if TYPE_CHECKING:
    from ember_jit.graph.model import Graph

_WIDTH, _HEIGHT, _GAP_X, _GAP_Y, _MARGIN = 230, 44, 24, 46, 12
_STYLE = (
    "font-family:ui-monospace,monospace;font-size:11px;background:#fff;color:#1a1a1a;max-width:100%"
)


def drawing_of(graph: Graph) -> Drawing:
    """Inputs and nodes in program order; edges with what is used of a result, dotted where only the order counts."""
    keys = {name: f"i{number}" for number, name in enumerate(graph.inputs)}
    keys |= {name: f"n{number}" for number, name in enumerate(graph.nodes)}
    shapes = [
        Shape(
            keys[name],
            name,
            0,
            "input" if each.default is REQUIRED else f"input, {each.default!r} if not given",
            form="slanted",
        )
        for name, each in graph.inputs.items()
    ]
    arrows: list[Arrow] = []
    for name in graph.order:
        node = graph[name]
        shapes.append(Shape(keys[name], name, node.line, node.text, form="round"))
        used = {
            source_of(each).name: text_of(each)
            for each in node.recorded
            if type(source_of(each)) is Input
        }
        arrows += [Arrow(keys[each], keys[name], text) for each, text in used.items()]
    for edge in graph.edges:
        wired = graph[edge.target].wired
        style, label = ("solid", edge.label) if edge.label or wired else ("dotted", "order")
        arrows.append(Arrow(keys[edge.source], keys[edge.target], label, style))
    remarks = [graph.incomplete] if graph.incomplete else []
    if graph.recording:
        remarks.append("still being recorded")
    if len(graph):
        remarks.append(f"critical path: {' -> '.join(graph.critical_path)}")
    return Drawing(graph.name, tuple(shapes), tuple(arrows), tuple(remarks))


def to_html(graph: Graph) -> str:
    """One `<svg>`: each node under what it waits for, the critical path drawn bold."""
    drawing = drawing_of(graph)
    shapes = drawing.shapes()
    level = dict.fromkeys(shapes, 0)
    before: dict[str, list[str]] = {}
    for arrow in drawing.arrows:
        before.setdefault(arrow.target, []).append(arrow.source)
    for key in shapes:  # program order: what comes first has its level already
        level[key] = max((level[each] + 1 for each in before.get(key, ())), default=0)
    rows: dict[int, list[str]] = {}
    for key in shapes:
        rows.setdefault(level[key], []).append(key)
    place = {
        key: (_MARGIN + column * (_WIDTH + _GAP_X), _MARGIN + row * (_HEIGHT + _GAP_Y))
        for row, keys in rows.items()
        for column, key in enumerate(keys)
    }
    width = 2 * _MARGIN + max((len(keys) for keys in rows.values()), default=1) * (_WIDTH + _GAP_X)
    height = 2 * _MARGIN + max(len(rows), 1) * (_HEIGHT + _GAP_Y)
    keys_by_name = {shape.label: key for key, shape in shapes.items()}
    critical = {(keys_by_name[a], keys_by_name[b]) for a, b in pairwise(graph.critical_path)}
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" style="{_STYLE}">',
        f"<title>{escape(repr(graph))}</title>",
    ]
    lines += [_curve(place, arrow, critical) for arrow in drawing.arrows]
    lines += [_box(place[key], shape) for key, shape in shapes.items()]
    if graph.incomplete:
        lines.append(
            f'<text x="{_MARGIN}" y="{height - 6}" fill="#b00020">{escape(graph.incomplete)}</text>'
        )
    return "\n".join([*lines, "</svg>"])


def _curve(place: dict[str, tuple[int, int]], arrow: Arrow, critical: set[tuple[str, str]]) -> str:
    (x1, y1), (x2, y2) = place[arrow.source], place[arrow.target]
    x1, y1, x2 = x1 + _WIDTH // 2, y1 + _HEIGHT, x2 + _WIDTH // 2
    bend = (y2 - y1) // 2
    stroke = 2.4 if (arrow.source, arrow.target) in critical else 1
    dash = "" if arrow.style == "solid" else ' stroke-dasharray="3 3"'
    path = f"M{x1},{y1} C{x1},{y1 + bend} {x2},{y2 - bend} {x2},{y2}"
    return (
        f'<path d="{path}" fill="none" stroke="#555" stroke-width="{stroke}"{dash}>'
        f"<title>{escape(arrow.label)}</title></path>"
    )


def _box(at: tuple[int, int], shape: Shape) -> str:
    x, y = at
    fill = "#eef4ff" if shape.form == "round" else "#f4f4f4"
    text = shape.text if len(shape.text) <= 34 else f"{shape.text[:31]}..."
    return (
        f"<g><title>{escape(f'{shape.caption}: {short(shape.text)}')}</title>"
        f'<rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="8" fill="{fill}" stroke="#555"/>'
        f'<text x="{x + 8}" y="{y + 17}" font-weight="bold">{escape(shape.label)}</text>'
        f'<text x="{x + 8}" y="{y + 34}">{escape(text)}</text></g>'
    )
