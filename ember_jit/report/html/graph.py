"""The dataflow graph as SVG: calls and barriers in rows, what waits for what, the critical path, the regions.

There are two pictures: every call, and calls that are alike folded into stacks, which is what a reader can take in
of hundreds.  Alike are calls equally far down, of the same receiver, with the same fate.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from ember_jit.drawing import short
from ember_jit.report.depend import CONTROL, DATA, Edge, Node, reduced
from ember_jit.report.explanation import Call
from ember_jit.report.layout import HEIGHT, WIDTH, Layout, Point, curve, lay_out
from ember_jit.report.markup import Markup, element
from ember_jit.report.schedule import AHEAD, Schedule

FOLD_FROM = 40  # calls from which the folded picture is shown first
_MARGIN = 28.0
_LABEL = 23


@dataclass(frozen=True, slots=True)
class _Box:
    """A node of the picture: one call or barrier, or a stack of calls that are alike."""

    key: str
    nodes: tuple[Node, ...]

    @property
    def first(self) -> Node:
        return self.nodes[0]


def node_id(node: Node) -> str:
    """The name of a node in the page: `s3` is call site 3, `b4` a barrier."""
    return f"s{node.op.site}" if node.op.site is not None else f"b{node.number}"


class Picture:
    """The drawing of one schedule."""

    def __init__(self, made: Schedule, calls: dict[int, Call]) -> None:
        self.made = made
        self.calls = calls
        self.path = [node_id(node) for node in made.critical_path()]
        self.edges = [edge for edge in reduced(made.graph) if not edge.carried]

    def whole(self) -> tuple[Markup, float]:
        """Every call for itself, and how high that is in pixels."""
        boxes = [_Box(node_id(node), (node,)) for node in self.made.graph.nodes]
        return self._draw("graph-whole", boxes)

    def folded(self) -> Markup | None:
        """Alike calls as stacks; None if there are none."""
        plain = lay_out(
            [node_id(node) for node in self.made.graph.nodes],
            [self._ends(edge) for edge in self.edges],
        )
        stacks: dict[tuple[object, ...], list[Node]] = {}
        for node in self.made.graph.nodes:
            stacks.setdefault(self._alike(node, plain.layers[node_id(node)]), []).append(node)
        if all(len(stack) == 1 for stack in stacks.values()):
            return None
        boxes = [_Box(node_id(stack[0]), tuple(stack)) for stack in stacks.values()]
        boxes.sort(key=lambda box: (plain.layers[box.key], box.first.number))
        return self._draw("graph-folded", boxes)[0]

    # ------------------------------------------------------------------ the parts
    def _ends(self, edge: Edge) -> tuple[str, str]:
        nodes = self.made.graph.nodes
        return node_id(nodes[edge.source]), node_id(nodes[edge.target])

    def _alike(self, node: Node, layer: int) -> tuple[object, ...]:
        site = node.op.site
        if site is None:
            return ("barrier", node.number)
        call = self.calls.get(site)
        return (
            layer,
            _callee(node),
            self.made.fate.get(site),
            call.effect if call else "",
            node.loops,
        )

    def _draw(self, name: str, boxes: list[_Box]) -> tuple[Markup, float]:
        home = {node_id(node): box.key for box in boxes for node in box.nodes}
        kinds: dict[tuple[str, str], set[str]] = {}
        for edge in self.edges:
            a, b = (home[end] for end in self._ends(edge))
            if a != b:
                kinds.setdefault((a, b), set()).add(edge.kind)
        placed = lay_out([box.key for box in boxes], kinds)
        path = [home[each] for each in self.path]
        hot = set(itertools.pairwise(path))
        width, height = placed.width + 2 * _MARGIN, placed.height + 2 * _MARGIN
        inner = [
            *self._bands(boxes, placed),
            *(
                self._edge(edge, route, kinds[edge], edge in hot)
                for edge, route in placed.routes.items()
            ),
            *(self._box(box, placed.places[box.key], box.key in path) for box in boxes),
        ]
        attributes = {
            "id": name,
            "class": "graph",
            "viewBox": f"{-_MARGIN} {-_MARGIN} {width:.0f} {height:.0f}",
            "data-box": f"{-_MARGIN} {-_MARGIN} {width:.0f} {height:.0f}",
            "role": "group",
            "aria-label": "dataflow graph: arrow keys go from call to call, Enter shows one",
        }
        return element("svg", attributes, *inner), height

    def _bands(self, boxes: list[_Box], placed: Layout) -> list[Markup]:
        """A background for each region, where nothing else lies in its rows."""
        rows: dict[int, set[int]] = {}
        others: set[int] = set()
        for box in boxes:
            site = box.first.op.site
            row = placed.rows[box.key]
            if site is not None and self.made.fate.get(site) == AHEAD:
                rows.setdefault(self.made.region[site], set()).add(row)
            else:
                others.add(row)
        if len(rows) < 2 and not others:
            return []
        found = []
        for region, mine in rows.items():
            first, last = min(mine), max(mine)
            taken = others.union(*(each for number, each in rows.items() if number != region))
            if taken & set(range(first, last + 1)):
                continue
            top, bottom = _row_top(placed, first) - 16, _row_top(placed, last) + HEIGHT + 16
            frame = {
                "x": -16,
                "y": top,
                "width": placed.width + 32,
                "height": bottom - top,
                "rx": 14,
            }
            label = element("text", {"x": -4, "y": top + 14}, f"region {region}")
            found.append(element("g", {"class": "band"}, element("rect", frame), label))
        return found

    def _edge(
        self, edge: tuple[str, str], route: list[Point], kinds: set[str], hot: bool
    ) -> Markup:
        kind = DATA if DATA in kinds else CONTROL if CONTROL in kinds else "order"
        marker = "hot" if hot else "plain"
        return element(
            "path",
            {
                "class": f"edge {kind}{' critical' * hot}",
                "d": curve(route),
                "data-from": edge[0],
                "data-to": edge[1],
                "marker-end": f"url(#arrow-{marker})",
            },
        )

    def _box(self, box: _Box, at: Point, critical: bool) -> Markup:
        node = box.first
        fate = _fate(self.made, node)
        call = self.calls.get(node.op.site) if node.op.site is not None else None
        many = len(box.nodes)
        x, y = at[0] - WIDTH / 2, at[1] - HEIGHT / 2
        title = _callee(node) if node.kind == "call" else node.op.text
        lines = _lines([each.op.line for each in box.nodes])
        what = call.effect if call is not None else "barrier"
        under = " · ".join([lines, what, *(["loop"] if node.loops else [])])
        attributes = {
            "class": f"node {fate}{' critical' * critical}{' stack' * (many > 1)}",
            "data-id": " ".join(node_id(each) for each in box.nodes),
            "data-key": box.key,
            "transform": f"translate({x:.1f} {y:.1f})",
            "role": "button",
            "tabindex": "-1",
            "aria-label": f"{title}, {lines}, {what}, {_SPOKEN[fate]}"
            + ", on the critical path" * critical
            + f", {many} calls" * (many > 1),
        }
        size = {"width": WIDTH, "height": HEIGHT, "rx": 9}
        parts = [
            *([element("rect", {**size, "class": "under", "x": 5, "y": 5})] if many > 1 else []),
            element("rect", {**size, "class": "box"}),
            element(
                "rect",
                {"class": "mark", "x": 0, "y": 9, "width": 4, "height": HEIGHT - 18, "rx": 2},
            ),
            element("text", {"class": "title", "x": 15, "y": 21}, short(title, _LABEL)),
            element("text", {"class": "sub", "x": 15, "y": 37}, short(under, 30)),
            element("title", None, node.op.text),
        ]
        if many > 1:
            parts.append(element("text", {"class": "count", "x": WIDTH - 12, "y": 21}, f"× {many}"))
        return element("g", attributes, *parts)


_SPOKEN = {
    "ahead": "starts ahead of its turn",
    "inorder": "stays in order",
    "barrier": "everything outstanding is joined first",
}


def _fate(made: Schedule, node: Node) -> str:
    if node.kind == "barrier":
        return "barrier"
    return (
        "ahead" if node.op.site is not None and made.fate.get(node.op.site) == AHEAD else "inorder"
    )


def _callee(node: Node) -> str:
    return node.op.text.partition("(")[0] or node.op.text


def _lines(lines: list[int]) -> str:
    first, last = min(lines), max(lines)
    return f"line {first}" if first == last else f"lines {first}–{last}"


def _row_top(placed: Layout, row: int) -> float:
    return next(placed.places[key][1] for key, at in placed.rows.items() if at == row) - HEIGHT / 2


def arrowheads() -> Markup:
    """What the pictures' arrows end in, once for the page."""
    size = {"viewBox": "0 0 8 8", "refX": 7, "refY": 4, "markerWidth": 7, "markerHeight": 7}
    head = element("path", {"d": "M0 0.8 L7 4 L0 7.2 Z"})
    markers = [
        element("marker", {"id": f"arrow-{kind}", "orient": "auto", **size}, head)
        for kind in ("plain", "hot")
    ]
    hidden = {"class": "arrowheads", "width": 0, "height": 0, "aria-hidden": "true"}
    return element("svg", hidden, element("defs", None, *markers))
