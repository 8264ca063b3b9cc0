"""The top of the page, the filters, the frame of the graph, the calls, and what the script knows of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ember_jit.report.explanation import Call, Explanation
from ember_jit.report.html.graph import FOLD_FROM
from ember_jit.report.html.parts import STATES, call_id, panel, state, word
from ember_jit.report.markup import Markup, element, join
from ember_jit.report.tasks import duration
from ember_jit.report.text import nearby


@dataclass(frozen=True, slots=True)
class Speed:
    """Eager against compiled: medians in seconds.

    Attributes:
        critical: the critical path, or None if no call was issued ahead.
        repeat: timed runs of each kind.
        identical: every compiled run gave what the first plain run gave.
        repeatable: every plain run did.
    """

    eager: float
    compiled: float
    critical: float | None
    repeat: int
    identical: bool
    repeatable: bool


# ---------------------------------------------------------------------- the top
def header(made: Explanation, timed: Speed | None) -> Markup:
    """The name, the outcome in a line, and the figures."""
    return element(
        "header",
        {"class": "top"},
        element(
            "div",
            {"class": "title"},
            element("span", {"class": "brand"}, _flame(), "ember_jit"),
            element("h1", None, made.name),
            element("span", {"class": f"chip status-{word(made.status)}"}, made.status),
            element(
                "button",
                {
                    "id": "theme",
                    "type": "button",
                    "class": "quiet",
                    "aria-label": "colours: automatic",
                },
                "Auto",
            ),
        ),
        element("p", {"class": "where"}, f"{nearby(made.file)}:{made.line}"),
        element("p", {"class": "headline"}, made.headline),
        element("div", {"class": "tiles"}, *_tiles(made, timed)),
    )


def _flame() -> Markup:
    path = "M8 1c.6 2.6 4.5 4.2 4.5 8.2A4.5 4.5 0 0 1 8 14a4.5 4.5 0 0 1-4.5-4.6C3.5 7 5 6.2 5.6 4.6 6.6 5.4 7 6.4 7 7.4 8 6 8.6 3.6 8 1Z"
    shape = element("path", {"d": path})
    return element("svg", {"viewBox": "0 0 16 16", "aria-hidden": "true"}, shape)


def _tiles(made: Explanation, timed: Speed | None) -> list[Markup]:
    sites = [call for call in made.calls if not call.helper]
    ahead = sum(call.ahead for call in sites)
    tiles = []
    if timed is not None:
        tiles.append(_speed(timed))
    tiles += [
        _tile(f"{ahead} / {len(sites)}", "calls start early", _meter(ahead, len(sites))),
        _tile(str(made.pairs), f"pair{'s' * (made.pairs != 1)} may overlap"),
        _tile(f"{len(made.critical_path)} / {len(sites)}", "on the critical path"),
    ]
    if made.barriers:
        many = len(made.barriers)
        tiles.append(_tile(str(many), f"barrier{'s' * (many > 1)}"))
    if made.runs.compile_ms:
        tiles.append(_tile(duration(made.runs.compile_ms / 1e3), "to compile, once"))
    return tiles


def _speed(timed: Speed) -> Markup:
    faster = timed.eager / timed.compiled if timed.compiled else 1.0
    longest = max(timed.eager, timed.compiled) or 1.0
    rows = [("eager", timed.eager), ("compiled", timed.compiled)]
    if timed.critical is not None:
        rows.append(("critical path", timed.critical))
    bars = [
        element(
            "div",
            {"class": f"versus {word(name)}"},
            element("span", None, name),
            element("i", {"style": f"--part:{min(seconds / longest, 1):.4f}"}),
            element("b", None, duration(seconds)),
        )
        for name, seconds in rows
    ]
    answer = "identical answers" if timed.identical else "the answers differ"
    if not timed.identical and not timed.repeatable:
        answer = "the plain runs differ among themselves"
    note = f"{answer}, medians of {timed.repeat}" if timed.repeat > 1 else answer
    return element(
        "div",
        {"class": "tile speed"},
        element("strong", None, f"{faster:.3g}×"),
        element("span", None, "as fast as eager" if faster >= 1 else "the speed of eager"),
        element("div", {"class": "bars"}, *bars),
        element("small", {"class": "" if timed.identical else "bad"}, note),
    )


def _tile(figure: str, what: str, extra: Markup | None = None) -> Markup:
    parts = [element("strong", None, figure), element("span", None, what)]
    return element("div", {"class": "tile"}, *parts, *([extra] if extra is not None else []))


def _meter(part: int, whole: int) -> Markup:
    filled = element("i", {"style": f"--part:{part / whole if whole else 0:.4f}"})
    return element("div", {"class": "meter", "aria-hidden": "true"}, filled)


def filters(made: Explanation) -> Markup:
    """What is shown: by text, by what became of a call, by effect."""
    states = dict.fromkeys(state(call) for call in made.calls)
    effects = dict.fromkeys(call.effect for call in made.calls)
    choices = [_choice("state", "all", "All", True)]
    choices += [_choice("state", each, STATES[each].capitalize(), False) for each in states]
    kinds = [
        element(
            "button",
            {"type": "button", "class": "pill", "data-effect": each, "aria-pressed": "true"},
            element("i", {"class": f"dot effect-{word(each)}"}),
            each,
        )
        for each in effects
    ]
    search = {
        "type": "search",
        "id": "search",
        "placeholder": "Find calls  ( / )",
        "aria-label": "find calls by text, line or reason",
        "autocomplete": "off",
        "spellcheck": "false",
    }
    return element(
        "div",
        {"class": "filters", "role": "toolbar", "aria-label": "filters"},
        element("input", search),
        element(
            "div",
            {"class": "segments", "role": "radiogroup", "aria-label": "what became of calls"},
            *choices,
        ),
        element("div", {"class": "pills", "role": "group", "aria-label": "effects"}, *kinds),
        element("output", {"id": "shown", "aria-live": "polite"}, f"{len(made.calls)} calls"),
    )


def _choice(name: str, value: str, label: str, on: bool) -> Markup:
    attributes = {"type": "radio", "name": name, "value": value, "checked": on}
    return element("label", None, element("input", attributes), element("span", None, label))


# ---------------------------------------------------------------------- the graph
def graph(whole: Markup, folded: Markup | None, nodes: int, height: float) -> Markup:
    """The pictures in a frame that can be zoomed and moved; one of that `height` (pixels) shows all."""
    fold = folded is not None and nodes >= FOLD_FROM
    buttons = [
        _button("zoom-out", "−", "smaller"),
        _button("zoom-in", "+", "larger"),
        _button("zoom-fit", "Fit", "show all"),
    ]
    if folded is not None:
        attributes = {"id": "fold", "type": "button", "aria-pressed": str(fold).lower()}
        buttons.insert(0, element("button", attributes, "Fold alike"))
    legend = [
        element("span", {"class": f"key {name}"}, element("i"), label)
        for name, label in (
            ("ahead", "overlapped"),
            ("inorder", "in order"),
            ("barrier", "barrier"),
            ("path", "critical path"),
        )
    ]
    pictures = [element("div", {"id": "view-whole", "hidden": fold}, whole)]
    if folded is not None:
        pictures.append(element("div", {"id": "view-folded", "hidden": not fold}, folded))
    return panel(
        "graph",
        "Dataflow",
        element("div", {"class": "legend"}, *legend),
        element("div", {"class": "tools", "role": "group", "aria-label": "the graph"}, *buttons),
        body=element(
            "div", {"class": "viewport", "style": f"--tall:{height + 60:.0f}px"}, *pictures
        ),
    )


def _button(name: str, label: str, spoken: str) -> Markup:
    return element(
        "button", {"id": name, "type": "button", "aria-label": spoken, "title": spoken}, label
    )


# ---------------------------------------------------------------------- the calls
def calls(made: Explanation) -> list[Markup]:
    """The list of calls."""
    if not made.calls:
        return []
    path = {step.number for step in made.critical_path}
    rows = [
        _row(call_id(index, call), call, call.number in path)
        for index, call in enumerate(made.calls)
    ]
    listed = element("ul", {"class": "calls", "id": "list"}, *rows)
    empty = element(
        "p", {"class": "empty", "id": "none", "hidden": True}, "No call matches the filters."
    )
    return [panel("calls", "Calls", body=join([listed, empty]))]


def _row(name: str, call: Call, critical: bool) -> Markup:
    marks = [element("span", {"class": "mark hot"}, "critical")] if critical else []
    button = element(
        "button",
        {"type": "button", "data-id": name, "class": state(call), "tabindex": "-1"},
        element("span", {"class": "line"}, str(call.line)),
        element("code", None, call.text),
        *marks,
        element("span", {"class": f"mark effect-{word(call.effect)}"}, call.effect),
        element("span", {"class": f"mark state-{state(call)}"}, STATES[state(call)]),
        *([element("small", None, call.why)] if call.why else []),
    )
    return element("li", None, button)


def details() -> Markup:
    """Where the page's script shows the selected call."""
    hint = element(
        "p",
        {"class": "hint"},
        "Select a call in the graph, the list or the source: what it may do and how that is known, what it "
        "overlaps, what it waits for, and what would free it.",
    )
    keys = element(
        "dl",
        {"class": "keys"},
        *(
            each
            for key, what in (
                ("Tab", "from part to part"),
                ("↑ ↓ ← →", "from call to call"),
                ("Enter", "select"),
                ("/", "search"),
                ("+ − 0", "zoom the graph"),
                ("Esc", "nothing selected"),
            )
            for each in (element("dt", None, element("kbd", None, key)), element("dd", None, what))
        ),
    )
    inner = element("div", {"id": "details", "aria-live": "polite"}, hint, keys)
    return element("aside", {"class": "panel side", "aria-label": "the selected call"}, inner)


def footer() -> Markup:
    """The last line."""
    return element(
        "footer", None, "Made by ember_jit. This page is one file and asks nothing of the network."
    )


def data(made: Explanation) -> dict[str, Any]:
    """What the page's script shows of each call."""
    names = {
        call.number: call_id(index, call)
        for index, call in enumerate(made.calls)
        if call.number is not None
    }
    path: dict[int | None, str] = {step.number: step.loop for step in made.critical_path}
    return {
        "calls": [
            {
                "id": call_id(index, call),
                "number": call.number,
                "file": Path(call.file).name,
                "line": call.line,
                "text": call.text,
                "receiver": call.receiver,
                "effect": call.effect,
                "evidence": call.evidence,
                "state": state(call),
                "region": call.region,
                "overlaps": [names[each] for each in call.overlaps if each in names],
                "waits": [names[each] for each in call.waits_for if each in names],
                "critical": path.get(call.number),
                "why": call.why,
                "place": nearby(call.place),
                "fix": call.fix,
            }
            for index, call in enumerate(made.calls)
        ]
    }
