"""The source and the generated programs, side by side."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ember_jit.report.explanation import Explanation
from ember_jit.report.html.linked import Line, Program
from ember_jit.report.html.parts import panel, state
from ember_jit.report.markup import Markup, element

_WORDS = re.compile(
    r"(?P<comment>\#.*$)|(?P<string>[rbfRBF]{0,2}(?:\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'))"
    r"|(?P<keyword>\b(?:and|as|assert|async|await|break|class|continue|def|del|elif|else|except|finally|for|from"
    r"|global|if|import|in|is|lambda|nonlocal|not|or|pass|raise|return|try|while|with|yield|None|True|False)\b)"
)

_MOST_COLOURED = 800  # lines; of more, elements for colours would make the page slow to open


def code(
    made: Explanation, source: tuple[Line, ...], generated: tuple[Program, ...]
) -> list[Markup]:
    """The source and the generated programs, side by side."""
    if not source:
        return []
    states: dict[int | None, str] = {}
    for call in made.calls:  # what stays in order is what a reader looks for
        if states.get(call.line) != "inorder":
            states[call.line] = state(call)
    left = element(
        "div", {"class": "pane"}, element("h3", None, "source"), _listing("source", source, states)
    )
    if not generated:
        return [panel("code", "Source", body=element("div", {"class": "panes one"}, left))]
    tabs = [
        element(
            "button",
            {
                "type": "button",
                "role": "tab",
                "id": f"tab-{each.name}",
                "aria-controls": f"program-{each.name}",
                "aria-selected": str(index == 0).lower(),
                "tabindex": "0" if index == 0 else "-1",
            },
            f"{each.name}.py",
        )
        for index, each in enumerate(generated)
    ]
    shown = [
        element(
            "div",
            {
                "role": "tabpanel",
                "id": f"program-{each.name}",
                "aria-labelledby": f"tab-{each.name}",
                "hidden": index > 0,
            },
            _listing(each.name, each.lines, {}),
            element("p", {"class": "says"}, each.says),
        )
        for index, each in enumerate(generated)
    ]
    tablist = element("div", {"role": "tablist", "aria-label": "generated programs"}, *tabs)
    right = element("div", {"class": "pane"}, tablist, *shown)
    return [
        panel(
            "code",
            "Source and generated code",
            body=element("div", {"class": "panes"}, left, right),
        )
    ]


def _listing(name: str, lines: Iterable[Line], states: dict[int | None, str]) -> Markup:
    """The lines of a program; `states` says of source lines what became of the calls in them."""
    lines = list(lines)
    coloured = len(lines) <= _MOST_COLOURED
    rows = [
        element(
            "span",
            {
                "class": f"ln {states.get(line.source, '')}".rstrip(),
                "data-n": line.number,
                "data-line": line.source,
                "tabindex": "-1" if line.source is not None and name == "source" else None,
            },
            *(_coloured(line.text) if coloured else [line.text or " "]),
        )
        for line in lines
    ]
    return element("pre", {"class": "code", "id": f"code-{name}"}, *rows)


def _coloured(text: str) -> list[object]:
    parts: list[object] = []
    at = 0
    for match in _WORDS.finditer(text):
        if match.start() > at:
            parts.append(text[at : match.start()])
        parts.append(element("span", {"class": f"c-{match.lastgroup}"}, match.group()))
        at = match.end()
    return [*parts, text[at:] or ("" if parts else " ")]
