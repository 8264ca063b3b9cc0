"""Drawings of graphs: one form for all that has nodes and edges, written as text, as Mermaid, as DOT.

Whoever has a graph to show (a compiled function's dataflow, a recorded graph) makes a `Drawing` of it.
Shapes stand in groups (loops) or outside; an arrow leads from what comes first to what waits.

    graph Answer.forward
      #0 line 8    self.search(inputs=inputs)                                 ahead
      #1 line 9    self.recall(inputs=inputs)                                 ahead
      #2 line 10   self.judge(inputs={'web': web['hits'], ...})               ahead
           <- #0 (web), #1 (notes)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

LONGEST = 60
_SPECIAL = frozenset('#"<>[]{}|`;&')
_MERMAID_FORMS = {
    "box": ("[", "]"),
    "round": ("([", "])"),
    "hexagon": ("{{", "}}"),
    "slanted": ("[/", "/]"),
}
_DOT_SHAPES = {"box": "box", "round": "ellipse", "hexagon": "hexagon", "slanted": "parallelogram"}


@dataclass(frozen=True, slots=True)
class Shape:
    """One node.

    Attributes:
        key: its name in the notation: letters and digits.
        label: its name for the reader.
        line: where it stands in the source, or 0.
        text: what it does.
        state: a remark at the end of its line of text.
        form: "box", "round", "hexagon" or "slanted".
    """

    key: str
    label: str
    line: int
    text: str
    state: str = ""
    form: str = "box"

    @property
    def caption(self) -> str:
        """Label and place."""
        return f"{self.label} line {self.line}" if self.line else self.label


@dataclass(frozen=True, slots=True)
class Group:
    """Shapes and groups that belong together, in order."""

    key: str
    title: str
    content: tuple[Shape | Group, ...]


@dataclass(frozen=True, slots=True)
class Arrow:
    """Shape `target` waits for shape `source` (keys).  `style`: "solid", "dashed" or "dotted"; `carried`: from the iteration before."""

    source: str
    target: str
    label: str = ""
    style: str = "solid"
    carried: bool = False


@dataclass(frozen=True, slots=True)
class Drawing:
    """A graph, ready to be written down.  `remarks` stand under its title in text."""

    name: str
    content: tuple[Shape | Group, ...]
    arrows: tuple[Arrow, ...]
    remarks: tuple[str, ...] = ()

    def shapes(self) -> dict[str, Shape]:
        """All shapes by key, in order."""
        found: dict[str, Shape] = {}

        def walk(content: tuple[Shape | Group, ...]) -> None:
            for each in content:
                if isinstance(each, Group):
                    walk(each.content)
                else:
                    found[each.key] = each

        walk(self.content)
        return found


def to_text(drawing: Drawing) -> str:
    """One shape a line, and what it waits for under it."""
    lines = [f"graph {drawing.name}", *(f"  {remark}" for remark in drawing.remarks)]
    shapes = drawing.shapes()
    width = max([4, *(len(shape.label) for shape in shapes.values())])
    incoming: dict[str, list[str]] = {}
    for arrow in drawing.arrows:
        because = f" ({arrow.label})" if arrow.label else ""
        incoming.setdefault(arrow.target, []).append(f"{shapes[arrow.source].label}{because}")

    def write(content: tuple[Shape | Group, ...], depth: int) -> None:
        pad = "  " * depth
        for each in content:
            if isinstance(each, Group):
                lines.append(f"{pad}{each.title}")
                write(each.content, depth + 1)
                continue
            place = f"line {each.line:<5}" if each.line else " " * 10
            text = f"{pad}{each.label:<{width}} {place} {short(each.text):<{LONGEST}} {each.state}"
            lines.append(text.rstrip())
            if each.key in incoming:
                lines.append(f"{pad}{'':{width}}   <- {', '.join(incoming[each.key])}")

    write(drawing.content, 1)
    return "\n".join(lines) + "\n"


def to_mermaid(drawing: Drawing) -> str:
    """Mermaid's `flowchart` notation."""
    lines = ["flowchart TD"]

    def write(content: tuple[Shape | Group, ...], depth: int) -> None:
        pad = "  " * depth
        for each in content:
            if isinstance(each, Group):
                lines.append(f'{pad}subgraph {each.key}["{_mermaid(each.title)}"]')
                write(each.content, depth + 1)
                lines.append(f"{pad}end")
            else:
                opening, closing = _MERMAID_FORMS[each.form]
                text = f"{each.caption}: {short(each.text)}"
                lines.append(f'{pad}{each.key}{opening}"{_mermaid(text)}"{closing}')

    write(drawing.content, 1)
    for arrow in drawing.arrows:
        line = "-->" if arrow.style == "solid" else "-.->"
        label = f'|"{_mermaid(arrow.label)}"|' if arrow.label else ""
        lines.append(f"  {arrow.source} {line}{label} {arrow.target}")
    return "\n".join(lines) + "\n"


def to_dot(drawing: Drawing) -> str:
    """Graphviz's DOT language."""
    lines = [
        f'digraph "{_dot(drawing.name)}" {{',
        "  node [fontname=monospace, fontsize=10];",
    ]

    def write(content: tuple[Shape | Group, ...], depth: int) -> None:
        pad = "  " * depth
        for each in content:
            if isinstance(each, Group):
                lines.append(f"{pad}subgraph cluster_{each.key} {{")
                lines.append(f'{pad}  label="{_dot(each.title)}"; style=dashed;')
                write(each.content, depth + 1)
                lines.append(f"{pad}}}")
            else:
                text = f"{_dot(each.caption)}\\n{_dot(short(each.text))}"
                lines.append(f'{pad}{each.key} [label="{text}", shape={_DOT_SHAPES[each.form]}];')

    write(drawing.content, 1)
    for arrow in drawing.arrows:
        constraint = ", constraint=false" if arrow.carried else ""
        lines.append(
            f'  {arrow.source} -> {arrow.target} [style={arrow.style}, label="{_dot(arrow.label)}"{constraint}];'
        )
    return "\n".join([*lines, "}"]) + "\n"


FORMATS: dict[str, Callable[[Drawing], str]] = {"txt": to_text, "mmd": to_mermaid, "dot": to_dot}


def short(text: str, most: int = LONGEST) -> str:
    """`text`, cut where it would be too long (for a node)."""
    return text if len(text) <= most else text[: most - 3] + "..."


def _mermaid(text: str) -> str:
    return "".join(f"#{ord(each)};" if each in _SPECIAL else each for each in text)


def _dot(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
