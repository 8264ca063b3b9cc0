"""A timeline in Chrome's trace format: threads as tracks, calls as slices, causes as arrows.

Format: "Trace Event Format", JSON object form.  `ph` is X for a slice, M for a name, s and f for the ends of an
arrow; times are microseconds.  Perfetto (ui.perfetto.dev) and chrome://tracing open it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from ember_jit.report.steps import Step
from ember_jit.report.tasks import Record, RunSpan, Task, Wait

_PROCESS = 1


def chrome_json(made: Record, path: Iterable[Step]) -> str:
    """The timeline as JSON."""
    found: dict[str, Any] = {
        "traceEvents": [
            *_names(made),
            *_slices(made, {step.task for step in path}),
            *_arrows(made),
        ],
        "displayTimeUnit": "ms",
        "otherData": {"producer": "ember_jit", "began": made.epoch},
    }
    return json.dumps(found, separators=(",", ":"))


def _tracks(made: Record) -> dict[str, int]:
    """Thread name -> number; the thread that recorded is the first."""
    names = [made.thread, *(run.thread for run in made.runs), *(task.thread for task in made.tasks)]
    return {name: number for number, name in enumerate(dict.fromkeys(names), start=1)}


def _names(made: Record) -> list[dict[str, Any]]:
    def named(what: str, thread: int, value: dict[str, Any]) -> dict[str, Any]:
        return {"ph": "M", "name": what, "pid": _PROCESS, "tid": thread, "args": value}

    found = [named("process_name", 0, {"name": "ember_jit"})]
    for name, number in _tracks(made).items():
        found.append(named("thread_name", number, {"name": name}))
        found.append(named("thread_sort_index", number, {"sort_index": number}))
    return found


def _slices(made: Record, path: set[int | None]) -> list[dict[str, Any]]:
    """Slices on one track must nest, so outer ones come first where two begin together."""
    tracks = _tracks(made)
    found: list[tuple[float, int, float, dict[str, Any]]] = []

    def add(depth: int, thread: str, began: float, ended: float, event: dict[str, Any]) -> None:
        length = {"ts": _micro(began), "dur": _micro(ended - began)}
        found.append(
            (
                began,
                depth,
                ended,
                {"ph": "X", "pid": _PROCESS, "tid": tracks[thread], **length, **event},
            )
        )

    for run in made.runs:
        add(2 * made.depth(run.number), run.thread, run.began, run.ended, _run(run))
    for task in made.tasks:
        depth = 2 * made.depth(task.run) + 1
        add(depth, task.thread, task.started, task.ended, _task(task, task.number in path))
    for wait in made.waits:
        run = made.runs[wait.run]
        add(2 * made.depth(run.number) + 1, run.thread, wait.began, wait.ended, _wait(made, wait))
    return [event for *_, event in sorted(found, key=lambda each: (each[0], each[1], -each[2]))]


def _run(run: RunSpan) -> dict[str, Any]:
    args = {"file": run.file, "line": run.line, "workers": run.workers}
    return {"name": run.name, "cat": "run", "args": args}


def _task(task: Task, critical: bool) -> dict[str, Any]:
    args = {
        "function": task.function,
        "file": task.file,
        "line": task.line,
        "ahead": task.ahead,
        "queued_us": _micro(task.queued),
        "critical": critical,
        "raised": task.raised,
    }
    category = "call" if task.ahead else "call in order"
    return {"name": task.name, "cat": category, "args": args}


def _wait(made: Record, wait: Wait) -> dict[str, Any]:
    what = made.tasks[wait.task].name if wait.task is not None else "a value"
    return {"name": f"waits for {what}", "cat": "wait", "args": {}}


def _arrows(made: Record) -> list[dict[str, Any]]:
    """From the end of each task to what its end let start."""
    tracks = _tracks(made)
    found: list[dict[str, Any]] = []
    for task in made.tasks:
        if task.cause is None:
            continue
        cause = made.tasks[task.cause]
        both = {"name": "lets start", "cat": "cause", "pid": _PROCESS, "id": task.number}
        # an arrow is tied to the slice that holds its point of time: the last moment of the one that ends
        last = max(_micro(cause.started), _micro(cause.ended) - 0.001)
        found.append({"ph": "s", "tid": tracks[cause.thread], "ts": last, **both})
        found.append(
            {"ph": "f", "bp": "e", "tid": tracks[task.thread], "ts": _micro(task.started), **both}
        )
    return found


def _micro(seconds: float) -> float:
    return round(seconds * 1e6, 3)
