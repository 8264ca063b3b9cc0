"""A timeline as SVG: threads as lanes, calls as bars, the critical path along the bottom."""

from __future__ import annotations

import math
from collections.abc import Callable

from ember_jit.drawing import short
from ember_jit.report.markup import Markup, element
from ember_jit.report.steps import CALL, IN_ORDER, KINDS, Step
from ember_jit.report.tasks import RunSpan, Task, duration
from ember_jit.report.timeline import Timeline

_WIDTH = 1000.0
_LEFT = 128.0
_BAR, _LANE = 20.0, 26.0
_CHARACTER = 6.4
_MOST_TASKS = 4000

Named = Callable[[Task], str | None]


def gantt(made: Timeline, named: Named) -> Markup:
    """The timeline as a picture.

    Args:
        named: the name that a task's call site has in the page, or None.
    """
    scale = (_WIDTH - _LEFT - 8) / (made.seconds or 1.0)
    rows = _rows(made)
    height = 30 + len(rows) * _LANE + 44
    parts = _axis(made, scale, height)
    critical = {step.task for step in made.critical_path if step.kind in (CALL, IN_ORDER)}
    for number, (label, runs, tasks) in enumerate(rows):
        y = 30 + number * _LANE
        parts.append(
            element("text", {"class": "lane", "x": _LEFT - 10, "y": y + 14}, short(label, 18))
        )
        parts += [_run(run, y, scale) for run in runs]
        parts += [_task(task, y, scale, task.number in critical, named(task)) for task in tasks]
    y = 30 + len(rows) * _LANE + 8
    parts.append(element("text", {"class": "lane", "x": _LEFT - 10, "y": y + 14}, "critical path"))
    parts += [_step(made, step, y, scale) for step in made.critical_path[:_MOST_TASKS]]
    attributes = {
        "class": "gantt",
        "viewBox": f"0 0 {_WIDTH:.0f} {height:.0f}",
        "role": "group",
        "aria-label": f"timeline of {duration(made.seconds)}: arrow keys go from call to call",
    }
    return element("svg", attributes, *parts)


_Row = tuple[str, list[RunSpan], list[Task]]


def _rows(made: Timeline) -> list[_Row]:
    """The lanes: one for each thread and, where calls hold others, each depth of it."""
    found: dict[tuple[str, int], _Row] = {}
    order = {name: number for number, name in enumerate(made.threads)}
    for run in made.runs:
        depth = made.depth(run.number)
        if depth == 0:
            found.setdefault((run.thread, 0), (run.thread, [], []))[1].append(run)
    for task in made.tasks[:_MOST_TASKS]:
        depth = made.depth(task.run) if task.run is not None else 0
        label = task.thread if depth == 0 else f"{task.thread} ({depth + 1})"
        found.setdefault((task.thread, depth), (label, [], []))[2].append(task)
    return [
        found[key] for key in sorted(found, key=lambda key: (order.get(key[0], len(order)), key[1]))
    ]


def _axis(made: Timeline, scale: float, height: float) -> list[Markup]:
    parts = []
    size = _round_step(made.seconds / 5)
    for step in range(int(made.seconds / size + 1e-9) + 1 if size else 1):
        seconds = step * size
        x = _LEFT + seconds * scale
        parts.append(
            element("line", {"class": "tick", "x1": x, "x2": x, "y1": 20, "y2": height - 30})
        )
        last = seconds > 0.97 * made.seconds
        place = {"x": x, "y": 13, "text-anchor": "end" if last else "middle"}
        parts.append(element("text", {"class": "time", **place}, _moment(seconds)))
    return parts


def _round_step(least: float) -> float:
    """The next larger of 1, 2, 5, 10, ... in some decimal place; 0.0 if nothing took any time."""
    if least <= 0:
        return 0.0
    size = 10.0 ** math.floor(math.log10(least))
    return next(size * factor for factor in (1, 2, 5, 10) if size * factor >= least * 0.999)


def _moment(seconds: float) -> str:
    """A time on the axis: without zeros that say nothing."""
    figure, unit = duration(seconds).split()
    return f"{float(figure):g} {unit}" if seconds else "0"


def _bar(began: float, ended: float, y: float, scale: float) -> dict[str, object]:
    x = _LEFT + began * scale
    return {
        "x": f"{x:.2f}",
        "y": y,
        "width": f"{max((ended - began) * scale - 0.8, 1.2):.2f}",
        "height": _BAR,
        "rx": 4,
    }


def _run(run: RunSpan, y: float, scale: float) -> Markup:
    bar = {**_bar(run.began, run.ended, y - 2, scale), "height": _BAR + 4, "class": "run"}
    return element("rect", bar, element("title", None, f"{run.name}: {duration(run.seconds)}"))


def _task(task: Task, y: float, scale: float, critical: bool, name: str | None) -> Markup:
    bar = _bar(task.started, task.ended, y, scale)
    parts = []
    if task.queued > 0:
        queued = {**_bar(task.ready, task.started, y + _BAR / 2 - 1, scale), "height": 2, "rx": 1}
        parts.append(element("rect", {**queued, "class": "queued"}))
    parts.append(element("rect", {**bar, "class": "bar"}))
    room = (task.ended - task.started) * scale - 12
    if room > 5 * _CHARACTER:
        label = short(task.name, max(int(room / _CHARACTER), 4))
        at = {"x": _LEFT + task.started * scale + 6, "y": y + 14, "class": "name"}
        parts.append(element("text", at, label))
    spoken = (
        f"{task.name}, line {task.line}: {duration(task.seconds)} from {duration(task.started)} on {task.thread}"
        + (f", waited {duration(task.queued)} for a worker" if task.queued > 0 else "")
        + (", in order" if not task.ahead else "")
        + (", raised" if task.raised else "")
        + (", on the critical path" if critical else "")
    )
    parts.append(element("title", None, spoken))
    attributes = {
        "class": f"task {'ahead' if task.ahead else 'inorder'}{' critical' * critical}{' raised' * task.raised}",
        "data-id": name,
        "role": "button",
        "tabindex": "-1",
        "aria-label": spoken,
    }
    return element("g", attributes, *parts)


def _step(made: Timeline, step: Step, y: float, scale: float) -> Markup:
    what = made.tasks[step.task].name if step.task is not None else KINDS[step.kind]
    bar = {**_bar(step.began, step.ended, y, scale), "height": 12, "rx": 3}
    return element(
        "rect",
        {**bar, "class": f"step {step.kind.replace(' ', '-')}"},
        element("title", None, f"{step.kind}: {what}, {duration(step.seconds)}"),
    )
