"""Layered drawing of a graph: each node below those that it waits for, neighbours close to each other.

    layers    the longest chain that leads to a node; wide layers become several rows
    order     within a row, by the middle of the neighbours (barycentre), down and up a few times
    places    as close to the middle of the neighbours as the others of the row allow

After Sugiyama, Tagawa and Toda, "Methods for visual understanding of hierarchical system structures" (1981); the
places of a row solve a least-squares problem with fixed distances, by pooling neighbours that collide.  An edge
over several rows bends around nodes through a point in each.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

WIDTH, HEIGHT = 196.0, 48.0
GAP_X, GAP_Y = 26.0, 52.0
_MOST_IN_ROW = 12
_SWEEPS = 4
_MOST_BENDS = 2500  # points of long edges; beyond that they are drawn straight
_BEND_WIDTH = 16.0

Point = tuple[float, float]


@dataclass(slots=True)
class Layout:
    """Where things are.

    Attributes:
        layers: node -> the length of the longest chain that leads to it.
        rows: node -> its row; a wide layer has several.
        places: node -> the middle of its box.
        routes: edge -> the points through which it goes, ends included.
        width, height: of all together.
    """

    layers: dict[str, int] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    places: dict[str, Point] = field(default_factory=dict)
    routes: dict[tuple[str, str], list[Point]] = field(default_factory=dict)
    width: float = WIDTH
    height: float = HEIGHT


def lay_out(nodes: Sequence[str], edges: Iterable[tuple[str, str]]) -> Layout:
    """Place the nodes of a graph without cycles.

    Args:
        nodes: in an order in which every edge leads forward.
        edges: (source, target); what leads backward is ignored.
    """
    made = Layout()
    if not nodes:
        return made
    number = {node: index for index, node in enumerate(nodes)}
    known = [
        (a, b)
        for a, b in dict.fromkeys(edges)
        if a in number and b in number and number[a] < number[b]
    ]
    made.layers = _layers(nodes, known)
    made.rows = _rows(made.layers)
    rows, chains = _with_bends(nodes, known, made.rows)
    up: dict[str, list[str]] = {}
    down: dict[str, list[str]] = {}
    for chain in chains.values():
        for a, b in itertools.pairwise(chain):
            down.setdefault(a, []).append(b)
            up.setdefault(b, []).append(a)
    x = _order_and_place(rows, up, down)
    left = min(x[node] - WIDTH / 2 for node in nodes)
    for index, row in enumerate(rows):
        for each in row:
            middle = (x[each] - left, index * (HEIGHT + GAP_Y) + HEIGHT / 2)
            made.places[each] = middle
    for edge, chain in chains.items():
        made.routes[edge] = _route([made.places[each] for each in chain])
    made.width = max(made.places[node][0] for node in nodes) + WIDTH / 2
    made.height = max(made.places[node][1] for node in nodes) + HEIGHT / 2
    made.places = {node: made.places[node] for node in nodes}
    return made


def curve(route: list[Point]) -> str:
    """The path of an edge in SVG: a smooth line through points that go down."""
    (x, y), *rest = route
    parts = [f"M{x:.0f} {y:.0f}"]
    for next_x, next_y in rest:
        bend = (next_y - y) * 0.5
        parts.append(
            f"C{x:.0f} {y + bend:.0f} {next_x:.0f} {next_y - bend:.0f} {next_x:.0f} {next_y:.0f}"
        )
        x, y = next_x, next_y
    return "".join(parts)


def _layers(nodes: Sequence[str], edges: list[tuple[str, str]]) -> dict[str, int]:
    before: dict[str, list[str]] = {}
    for a, b in edges:
        before.setdefault(b, []).append(a)
    layer: dict[str, int] = {}
    for node in nodes:
        layer[node] = 1 + max((layer[each] for each in before.get(node, ())), default=-1)
    return layer


def _rows(layers: dict[str, int]) -> dict[str, int]:
    """The row of each node: wide layers are cut."""
    members: list[list[str]] = [[] for _ in range(max(layers.values()) + 1)]
    for node, layer in layers.items():
        members[layer].append(node)
    rows: dict[str, int] = {}
    at = 0
    for layer_nodes in members:
        parts = -(-len(layer_nodes) // _MOST_IN_ROW)
        size = -(-len(layer_nodes) // parts)
        for index, node in enumerate(layer_nodes):
            rows[node] = at + index // size
        at += parts
    return rows


def _with_bends(
    nodes: Sequence[str], edges: list[tuple[str, str]], row_of: dict[str, int]
) -> tuple[list[list[str]], dict[tuple[str, str], list[str]]]:
    """The rows with a point for each edge that passes, and each edge as a chain from row to row."""
    rows: list[list[str]] = [[] for _ in range(max(row_of.values()) + 1)]
    for node in nodes:
        rows[row_of[node]].append(node)
    left = _MOST_BENDS
    chains: dict[tuple[str, str], list[str]] = {}
    for a, b in sorted(edges, key=lambda edge: row_of[edge[1]] - row_of[edge[0]]):
        between = range(row_of[a] + 1, row_of[b])
        chain = [a]
        if len(between) <= left:
            left -= len(between)
            for row in between:
                bend = f"\0{a}\0{b}\0{row}"
                rows[row].append(bend)
                chain.append(bend)
        chains[a, b] = [*chain, b]
    return rows, chains


def _order_and_place(
    rows: list[list[str]], up: dict[str, list[str]], down: dict[str, list[str]]
) -> dict[str, float]:
    x: dict[str, float] = {}
    for row in rows:
        _pack(row, {each: index * WIDTH for index, each in enumerate(row)}, x)
    for sweep in range(_SWEEPS):
        for neighbours, order in ((up, rows), (down, rows[::-1])):
            for row in order:
                wish = {each: _middle(neighbours.get(each, ()), x, x[each]) for each in row}
                if sweep < _SWEEPS - 1:
                    row.sort(key=wish.__getitem__)
                _pack(row, wish, x)
    for row in rows:  # last, what lies above and below counts the same
        both = {each: _middle([*up.get(each, ()), *down.get(each, ())], x, x[each]) for each in row}
        _pack(row, both, x)
    return x


def _middle(neighbours: Sequence[str], x: dict[str, float], otherwise: float) -> float:
    known = [x[each] for each in neighbours if each in x]
    return sum(known) / len(known) if known else otherwise


def _pack(row: list[str], wish: dict[str, float], x: dict[str, float]) -> None:
    """Place a row in its order, as near to `wish` as the widths allow: neighbours that collide move together."""
    offsets = [0.0]
    for a, b in itertools.pairwise(row):
        offsets.append(offsets[-1] + (_width(a) + _width(b)) / 2 + GAP_X)
    pools: list[
        tuple[float, int]
    ] = []  # where the first of a pool would like to be, and how many it holds
    for each, offset in zip(row, offsets, strict=True):
        mean, count = wish[each] - offset, 1
        while pools and pools[-1][0] > mean:
            other, size = pools.pop()
            mean, count = (mean * count + other * size) / (count + size), count + size
        pools.append((mean, count))
    starts = [mean for mean, count in pools for _ in range(count)]
    for each, offset, start in zip(row, offsets, starts, strict=True):
        x[each] = start + offset


def _width(node: str) -> float:
    return _BEND_WIDTH if node.startswith("\0") else WIDTH


def _route(middles: list[Point]) -> list[Point]:
    """From the lower side of the first box to the upper side of the last, through the points between."""
    (first_x, first_y), *between, (last_x, last_y) = middles
    return [(first_x, first_y + HEIGHT / 2), *between, (last_x, last_y - HEIGHT / 2)]
