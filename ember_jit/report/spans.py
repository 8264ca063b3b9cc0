"""A timeline as OpenTelemetry spans: one for each run and each call.

    Answer.forward                    a run
      self.search(inputs=q)           its calls, whatever thread made them
      self.inner(inputs=q)
        Inner.forward                 a run inside a call
          ...

The spans are made when the recording is over, with the times that were noted; the span that is current then is
the parent of the outermost ones.  Threads need no context handed to them for that: who called whom is in the log.
"""

from __future__ import annotations

from typing import Any

from ember_jit.errors import MissingExtraError
from ember_jit.report.tasks import Record, RunSpan, Task


def emit(made: Record, tracer: Any = None) -> int:
    """Emit the spans of a timeline.

    Args:
        tracer: an OpenTelemetry tracer; by custom that of the global provider.

    Returns:
        The number of spans.

    Raises:
        MissingExtraError: `opentelemetry-api` is not installed.
    """
    try:
        from opentelemetry import context, trace
    except ImportError as exc:
        raise MissingExtraError(
            "to_opentelemetry() needs opentelemetry-api, which is not installed: "
            'pip install "ember-jit[otel]"'
        ) from exc
    if tracer is None:
        tracer = trace.get_tracer("ember_jit")
    start = context.get_current()
    inside: dict[int | None, list[RunSpan]] = {}
    for run in made.runs:
        inside.setdefault(run.task, []).append(run)
    calls: dict[int | None, list[Task]] = {}
    for task in made.tasks:
        calls.setdefault(task.run, []).append(task)

    def moment(seconds: float) -> int:
        return round(made.epoch * 1e9) + round(seconds * 1e9)

    def span(name: str, began: float, parent: Any, attributes: dict[str, Any]) -> tuple[Any, Any]:
        made_span = tracer.start_span(
            name, context=parent, start_time=moment(began), attributes=attributes
        )
        return made_span, trace.set_span_in_context(made_span, parent)

    def of_run(run: RunSpan, parent: Any) -> None:
        own, within = span(run.name, run.began, parent, _of_run(run))
        for task in calls.get(run.number, ()):
            of_task(task, within)
        own.end(end_time=moment(run.ended))

    def of_task(task: Task, parent: Any) -> None:
        own, within = span(task.name, task.started, parent, _of_task(task))
        if task.raised:
            own.set_status(trace.StatusCode.ERROR)
        for run in inside.get(task.number, ()):
            of_run(run, within)
        own.end(end_time=moment(task.ended))

    for run in inside.get(None, ()):
        of_run(run, start)
    for task in calls.get(None, ()):
        of_task(task, start)
    return len(made.runs) + len(made.tasks)


def _of_run(run: RunSpan) -> dict[str, Any]:
    return {**_code(run.name, run.file, run.line), **_thread(run.thread)}


def _of_task(task: Task) -> dict[str, Any]:
    return {
        **_code(task.function, task.file, task.line),
        **_thread(task.thread),
        "ember_jit.ahead": task.ahead,
        "ember_jit.queued_ms": task.queued * 1e3,
    }


def _code(function: str, file: str, line: int) -> dict[str, Any]:
    """OpenTelemetry's names for a place in the source."""
    return {"code.function.name": function, "code.file.path": file, "code.line.number": line}


def _thread(name: str) -> dict[str, Any]:
    return {"thread.name": name}
