"""What would make a program faster, read off the critical path of a timeline.

A call in order           a label, or the change that `explain` names
a call that queued        more workers
a call that was waited    a faster leaf
for

The gain is an upper bound: what is not on the path takes its place at some point.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ember_jit.report.explain import explanation_of
from ember_jit.report.explanation import Call, Explanation
from ember_jit.report.steps import CALL, IN_ORDER, OWN, QUEUE, Step, shares
from ember_jit.report.survey import settled
from ember_jit.report.tasks import Record, duration
from ember_jit.runtime.dispatch import unit_at

WORKERS, LABEL, LEAF = "workers", "label", "leaf"
WORTH_SAYING = 0.01  # of the whole
WORTH_SPEEDING_UP = 0.1
_MOST_LEAVES = 3


@dataclass(frozen=True, slots=True)
class Help:
    """One thing that would help.

    Attributes:
        kind: "workers", "label" or "leaf".
        text: what to do, and why.
        seconds: what it would save at most.
        file, line: where.
    """

    kind: str
    text: str
    seconds: float
    file: str
    line: int


def what_would_help(record: Record, path: Sequence[Step]) -> tuple[Help, ...]:
    """What would make it faster, the most worthwhile first."""
    least = WORTH_SAYING * record.seconds
    found = [*_labels(record, path), *_workers(record, path), *_leaves(record, path)]
    worth = [each for each in found if each.seconds >= least and each.seconds > 0]
    return tuple(sorted(worth, key=lambda each: -each.seconds))


# ---------------------------------------------------------------------- more workers
def _workers(record: Record, path: Sequence[Step]) -> Iterator[Help]:
    queued: dict[tuple[str, str, int, int], list[float]] = {}
    for step in path:
        if step.kind == QUEUE and step.run is not None:
            run = record.runs[step.run]
            queued.setdefault((run.name, run.file, run.line, run.workers), []).append(step.seconds)
    for (name, file, line, workers), times in queued.items():
        seconds = sum(times)
        text = (
            f"more workers for {name}: calls were ready and waited {duration(seconds)} for one of the "
            f"{workers} that may be in flight; try `max_workers={2 * workers}`"
        )
        yield Help(WORKERS, text, round(seconds, 9), file, line)


# ---------------------------------------------------------------------- calls in order
def _labels(record: Record, path: Sequence[Step]) -> Iterator[Help]:
    explained = lru_cache(maxsize=None)(_explanation)
    totals: dict[tuple[str, int, str], float] = {}
    texts: dict[tuple[str, int, str], str] = {}
    for step in path:
        if step.kind == IN_ORDER:
            found = _in_order(record, step, explained)
        elif step.kind == OWN and step.seconds >= WORTH_SAYING * record.seconds:
            found = _own_code(record, step, explained)
        else:
            continue
        if found is not None:
            key, text = found
            totals[key] = totals.get(key, 0.0) + step.seconds
            texts[key] = text
    for key, seconds in totals.items():
        yield Help(LABEL, texts[key], round(seconds, 9), key[0], key[1])


Explained = Callable[[str, int], Explanation | None]


def _explanation(file: str, line: int) -> Explanation | None:
    """What `explain` says of the function that is defined at a place, if it is decorated."""
    found = unit_at(file, line)
    if found is None:
        return None
    function, unit = found
    return explanation_of(settled(unit, function))


def _in_order(
    record: Record, step: Step, explained: Explained
) -> tuple[tuple[str, int, str], str] | None:
    assert step.task is not None
    task = record.tasks[step.task]
    run = record.runs[task.run] if task.run is not None else None
    made = explained(run.file, run.line) if run is not None else None
    call = next((each for each in made.calls if each.number == task.site), None) if made else None
    key = (task.file, task.line, task.name)
    if call is None:
        return key, f"`{task.name}` stayed in order"
    if call.ahead:
        return key, (
            f"`{task.name}` may be issued ahead, but was made in its turn: the program was there first, its "
            "receiver is not the one that was compiled, or its arguments hold more than plain values"
        )
    return key, _advice(call)


def _own_code(
    record: Record, step: Step, explained: Explained
) -> tuple[tuple[str, int, str], str] | None:
    """Calls outside every region leave no trace in the log: what stands between its neighbours is named."""
    assert step.run is not None
    run = record.runs[step.run]
    made = explained(run.file, run.line)
    if made is None:
        return None
    lines = sorted(line for line in (step.after, step.before) if line is not None)
    calls = [
        call
        for call in made.calls
        if not call.ahead
        and not call.helper
        and (step.after is None or call.line >= lines[0])
        and (step.before is None or call.line <= lines[-1])
    ]
    if not calls:
        return None
    first, *rest = calls
    more = f" (and {len(rest)} more in order beside it)" if rest else ""
    return (first.file, first.line, first.text), _advice(first) + more


def _advice(call: Call) -> str:
    place = f" ({call.place})" if call.place else ""
    why = f": {call.why}{place}" if call.why else ""
    fix = f"; {call.fix}" if call.fix else ""
    return f"`{call.text}` stays in order{why}{fix}"


# ---------------------------------------------------------------------- faster leaves
def _leaves(record: Record, path: Sequence[Step]) -> Iterator[Help]:
    slow = [
        share
        for share in shares(record, path)
        if share.kind == CALL and share.share >= WORTH_SPEEDING_UP
    ]
    for share in slow[:_MOST_LEAVES]:
        text = f"a faster `{share.name}`: it is what the program waited for during {share.share:.0%} of the time"
        yield Help(LEAF, text, share.seconds, share.file, share.line)


def place(help_: Help) -> str:
    """`file.py:12`, or nothing."""
    return f"{Path(help_.file).name}:{help_.line}" if help_.file else ""
