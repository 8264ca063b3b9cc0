"""A real run: its timeline, where its time went, and what would help."""

from __future__ import annotations

from pathlib import Path

from ember_jit.report.explanation import Explanation
from ember_jit.report.helping import place
from ember_jit.report.html.gantt import gantt
from ember_jit.report.html.parts import call_id, panel
from ember_jit.report.markup import Markup, element, join
from ember_jit.report.tasks import Task, duration
from ember_jit.report.timeline import Timeline


def run(made: Explanation, timeline: Timeline | None, error: str) -> list[Markup]:
    """The timeline of a run, where its time went, and what would help."""
    if timeline is None:
        return []
    known = {call.number: call_id(index, call) for index, call in enumerate(made.calls)}

    def named(task: Task) -> str | None:
        return known.get(task.site) if task.function == made.name else None

    rows = [
        element(
            "tr",
            {"class": share.kind.replace(" ", "-")},
            element(
                "td",
                None,
                element("i", {"style": f"--part:{share.share:.4f}"}),
                f"{share.share:.1%}",
            ),
            element("td", None, duration(share.seconds)),
            element(
                "td",
                None,
                element("code", None, share.name),
                f" × {share.count}" if share.count > 1 else "",
            ),
            element("td", None, f"{Path(share.file).name}:{share.line}" if share.file else ""),
        )
        for share in timeline.where[:24]
    ]
    heads = [element("th", {"scope": "col"}, each) for each in ("share", "time", "what", "where")]
    table = element(
        "table",
        {"class": "where-time"},
        element("caption", None, "Where the time went: the critical path of this run"),
        element("thead", None, element("tr", None, *heads)),
        element("tbody", None, *rows),
    )
    helps = [
        element(
            "li",
            None,
            element("b", None, f"saves at most {duration(each.seconds)}"),
            element("span", {"class": "where"}, f" {place(each)}"),
            element("p", None, each.text),
        )
        for each in timeline.help[:8]
    ]
    parts = [
        element("p", {"class": "bad"}, f"This run raised {error}")
        if error
        else element("p", {"class": "sum"}, str(timeline).splitlines()[0]),
        element("div", {"class": "scroll"}, gantt(timeline, named)),
        element(
            "div",
            {"class": "two"},
            table,
            element(
                "div",
                None,
                element("h3", None, "What would help"),
                element("ol", {"class": "helps"}, *helps)
                if helps
                else element("p", None, "Nothing that stands out."),
            ),
        ),
    ]
    return [panel("run", "A real run", body=join(parts))]
