"""`write_report(op, path)`: everything that is known of one operator, as one page to look at.

The page is a single file without a reference to anything outside: style, script and pictures are in it.  It
can be read without its script, which adds selecting, filtering, zooming and the choice of colours.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from ember_jit.report.bench import bench
from ember_jit.report.explain import explanation_of
from ember_jit.report.explanation import Explanation
from ember_jit.report.html import listing, rest, run, sections
from ember_jit.report.html.graph import Picture, arrowheads
from ember_jit.report.html.linked import programs, source_lines
from ember_jit.report.html.sections import Speed
from ember_jit.report.markup import Markup, element, json_island
from ember_jit.report.profile import profile
from ember_jit.report.survey import Survey, survey
from ember_jit.report.timeline import Timeline

NO_INPUTS: Any = object()
"""Stands for inputs that were not given; `None` is an input."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What running the operator has shown.

    Attributes:
        speed: eager against compiled, in turns.
        timeline: one more compiled run.
        error: what that run raised, or empty.
    """

    speed: Speed
    timeline: Timeline
    error: str = ""


def write_report(target: Any, path: str | Path, inputs: Any = NO_INPUTS, repeat: int = 3) -> Path:
    """Write a page about `target`.

    Args:
        target: as for `explain`.
        path: the HTML file.
        inputs: if given, the operator runs with a copy of them: `repeat` times eager and compiled, in turns,
            and once more for the timeline.  Without them nothing of the user's runs.
        repeat: timed runs of each kind.

    Returns:
        The path.

    Raises:
        NotAnOperatorError: `target` is neither an operator nor a function.
        OSError: the file cannot be written.
    """
    measured = measure(target, inputs, repeat) if inputs is not NO_INPUTS else None
    path = Path(path)
    path.write_text(page(survey(target), measured), encoding="utf-8")
    return path


def measure(target: Any, inputs: Any, repeat: int) -> Measured:
    """Run `target` with copies of `inputs`, plain and compiled, and record one run."""
    timed = bench(target, inputs, repeat=repeat)
    speed = Speed(
        eager=timed.samples["eager"].median,
        compiled=timed.samples["compiled"].median,
        critical=timed.critical,
        repeat=timed.repeat,
        identical=timed.identical,
        repeatable=timed.repeatable,
    )
    own, error = copy.deepcopy(inputs), ""
    with profile() as p:
        try:
            target(inputs=own)
        except Exception as exc:  # noqa: BLE001 - an operator that raises has a timeline all the same
            error = f"{type(exc).__name__}: {exc}"
    return Measured(speed, p.timeline, error)


def page(found: Survey, measured: Measured | None = None) -> str:
    """The page about what was surveyed, as HTML."""
    made = explanation_of(found)
    timeline = measured.timeline if measured is not None else None
    main = element(
        "main",
        None,
        element(
            "div",
            {"class": "column"},
            *_graph(found, made),
            *sections.calls(made),
            *listing.code(made, source_lines(found), programs(found)),
            *run.run(made, timeline, measured.error if measured is not None else ""),
            *rest.rest(made),
        ),
        sections.details(),
    )
    body = element(
        "body",
        None,
        element("a", {"class": "skip", "href": "#calls"}, "Skip to the calls"),
        arrowheads(),
        sections.header(made, measured.speed if measured is not None else None),
        sections.filters(made),
        main,
        sections.footer(),
        json_island("data", sections.data(made)),
        element("script", None, _asset("page.js")),
    )
    head = element(
        "head",
        None,
        element("meta", {"charset": "utf-8"}),
        element("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        element("meta", {"name": "color-scheme", "content": "light dark"}),
        element("link", {"rel": "icon", "href": "data:,"}),
        element("title", None, f"{made.name} · ember_jit"),
        element("style", None, _asset("page.css")),
    )
    return f"<!doctype html>\n{element('html', {'lang': 'en'}, head, body)}\n"


def _asset(name: str) -> Markup:
    """A file of ours, as it is."""
    return Markup(files("ember_jit.report.html").joinpath(name).read_text(encoding="utf-8"))


def _graph(found: Survey, made: Explanation) -> list[Markup]:
    schedule = found.schedule()
    if schedule is None or not schedule.graph.nodes:
        return []
    calls = {call.number: call for call in made.calls if call.number is not None}
    picture = Picture(schedule, calls)
    whole, height = picture.whole()
    return [sections.graph(whole, picture.folded(), len(schedule.graph.nodes), height)]
