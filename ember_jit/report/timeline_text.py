"""A timeline as text: the tasks as bars, where the time went, what would help."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ember_jit.drawing import short
from ember_jit.report.helping import Help, place
from ember_jit.report.steps import CALL, IN_ORDER, Share, Step
from ember_jit.report.tasks import Record, Task, duration

_BAR = 40
_NAME = 44
_MOST_TASKS = 60
_MOST_SHARES = 12


def timeline_text(
    made: Record, path: Sequence[Step], where: Sequence[Share], helps: Sequence[Help]
) -> str:
    """The timeline for a terminal."""
    lines = [_headline(made)]
    if made.tasks:
        lines += ["", *_tasks(made, path)]
    lines += ["", "where the time went (the critical path)"]
    lines += [
        f"  {share.share:6.1%}  {duration(share.seconds):>8}  {_what(share.kind, share.name):<{_NAME}}  "
        f"{Path(share.file).name + ':' + str(share.line) if share.file else ''}"
        + (f"  x {share.count}" if share.count > 1 else "")
        for share in where[:_MOST_SHARES]
    ]
    if len(where) > _MOST_SHARES:
        lines.append(f"  and {len(where) - _MOST_SHARES} more")
    lines += ["", "what would help"]
    lines += [
        f"  {number}. saves at most {duration(each.seconds)}, {place(each)}\n     {each.text}"
        for number, each in enumerate(helps, start=1)
    ] or ["  nothing that stands out"]
    return "\n".join(line.rstrip() for line in lines)


def _headline(made: Record) -> str:
    if not made.runs and not made.tasks:
        return f"{duration(made.seconds)}, and no compiled function overlapped anything: `explain(op)` says why"
    return (
        f"{duration(made.seconds)} for {_many(len(made.runs), 'run')} with {_many(len(made.tasks), 'call')}, "
        f"{made.at_once} at once; one after the other, the calls take {duration(made.work)}"
    )


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


def _what(kind: str, name: str) -> str:
    return short(f"{name}, in order" if kind == IN_ORDER else name, most=_NAME)


def _tasks(made: Record, path: Sequence[Step]) -> list[str]:
    shown = made.tasks[:_MOST_TASKS]
    critical = {step.task for step in path if step.kind in (CALL, IN_ORDER)}
    names = ["  " * made.depth(task.run) + task.name for task in shown]
    width = min(max(map(len, names)), _NAME)
    lines = ["calls (* on the critical path, . ready and waiting for a worker, - in order)"]
    for task, name in zip(shown, names, strict=True):
        mark = "*" if task.number in critical else " "
        lines.append(
            f"  {mark} {short(name, most=width):<{width}} |{_bar(task, made.seconds)}| "
            f"{duration(task.seconds):>8}  {task.thread}{'  raised' * task.raised}"
        )
    if len(made.tasks) > len(shown):
        lines.append(f"    and {len(made.tasks) - len(shown)} more")
    return lines


def _bar(task: Task, whole: float) -> str:
    scale = _BAR / whole if whole else 0.0
    ready, first = (min(int(each * scale + 0.5), _BAR - 1) for each in (task.ready, task.started))
    length = max(int(task.ended * scale + 0.5) - first, 1)
    filled = "#" if task.ahead else "-"
    return (" " * ready + "." * (first - ready) + filled * length)[:_BAR].ljust(_BAR)
