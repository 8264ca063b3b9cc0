"""The critical path of a timeline: what the time was spent on, from the beginning to the end.

    program   |own|------- waits for a -------|own|-- waits for c --|
    thread 1      |===== b =====|
    thread 2      |=========== a ============|   |======= c =======|
    path      |own|=========== a ============|own|======= c =======|

It is found backwards.  Where the program's thread was busy, that is the step: a call in order, or its own
code.  Where it waited for a call, the step is that call, before that what the call had to wait for: a free
worker, or the call whose end let it start, or the program.  So the steps follow each other without a gap, and
their lengths add up to the whole.  A call in which another compiled function ran is followed inside.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ember_jit.report.tasks import Record, RunSpan, Task, Wait

CALL, IN_ORDER, OWN, QUEUE, OVERHEAD, OUTSIDE = (
    "call",
    "in order",
    "own code",
    "queue",
    "overhead",
    "outside",
)
KINDS = {
    CALL: "calls that were issued ahead",
    IN_ORDER: "calls in order",
    OWN: "the program's own code between calls",
    QUEUE: "waiting for a free worker",
    OVERHEAD: "hand-over between threads",
    OUTSIDE: "outside compiled functions",
}


@dataclass(frozen=True, slots=True)
class Step:
    """A stretch of the critical path.

    Attributes:
        kind: one of the keys of `KINDS`.
        task: the number of the call that ran, or waited for a worker; or None.
        run: the number of the run that it belongs to, or None.
        after, before: of own code: the lines of the calls between which it lies, as far as there are any.
    """

    kind: str
    began: float
    ended: float
    task: int | None = None
    run: int | None = None
    after: int | None = None
    before: int | None = None

    @property
    def seconds(self) -> float:
        """Its length."""
        return round(self.ended - self.began, 9)


@dataclass(frozen=True, slots=True)
class Share:
    """What one call site, or one kind of step, has of the critical path.

    Attributes:
        kind: as in `Step`.
        name, file, line: the call site; of own code, the function.
        seconds: its part of the path.
        share: the same as a part of the whole, 0 to 1.
        count: steps.
    """

    kind: str
    name: str
    file: str
    line: int
    seconds: float
    share: float
    count: int


@dataclass(frozen=True, slots=True)
class _Stretch:
    """What the thread of a run was at: a call that it made, or a wait."""

    began: float
    ended: float
    task: Task | None
    wait: bool


def critical_path(record: Record) -> tuple[Step, ...]:
    """What the time was spent on, in order."""
    walk = _Walk(record)
    steps: list[Step] = []
    at = 0.0
    for run in walk.roots():
        if run.began > at:
            steps.append(Step(OUTSIDE, at, run.began))
        steps += walk.of_run(run)
        at = run.ended
    if record.seconds > at:
        steps.append(Step(OUTSIDE, at, record.seconds))
    return tuple(step for step in steps if step.seconds > 0)


class _Walk:
    """The walk over the runs of a record."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.inside: dict[int, list[RunSpan]] = {}
        self.tasks: dict[int, list[Task]] = {}
        self.waits: dict[int, list[Wait]] = {}
        for run in record.runs:
            if run.task is not None:
                self.inside.setdefault(run.task, []).append(run)
        for task in record.tasks:
            if task.run is not None:
                self.tasks.setdefault(task.run, []).append(task)
        for wait in record.waits:
            self.waits.setdefault(wait.run, []).append(wait)
        self._ends = {
            run: sorted(tasks, key=lambda task: task.ended) for run, tasks in self.tasks.items()
        }

    def roots(self) -> list[RunSpan]:
        """The outermost runs of one thread: of the one that recorded, if it has any; else of the busiest."""
        found: dict[str, list[RunSpan]] = {}
        for run in self.record.runs:
            mine = found.setdefault(run.thread, [])
            if run.task is None and not (mine and run.began < mine[-1].ended):
                mine.append(run)
        if found.get(self.record.thread):
            return found[self.record.thread]
        return max(found.values(), key=lambda runs: sum(run.seconds for run in runs), default=[])

    def of_run(self, run: RunSpan) -> list[Step]:
        """The path through one run, in order."""
        steps: list[Step] = []
        stretches = self._stretches(run)
        at, before = run.ended, None
        while stretches and at > run.began:
            stretch = stretches.pop()
            if stretch.began >= at:
                continue  # the path has gone past it, on another thread
            ended = min(stretch.ended, at)
            task = stretch.task
            if stretch.wait and (task is None or not stretch.began < task.ended <= ended):
                task = self._last_ended(run, stretch.began, ended)
            line = task.line if task is not None else None
            if ended < at:
                steps.append(Step(OWN, ended, at, run=run.number, after=line, before=before))
            at = ended
            if task is None:
                steps.append(Step(OVERHEAD, stretch.began, at, run=run.number))
                at = stretch.began
            elif stretch.wait:
                at = self._waited(steps, task, run, at)
            elif task.ahead and task.ended == at and self._is_full(run, task.started):
                at = self._waited(steps, task, run, at)  # it was made here for want of a worker
            else:
                steps.extend(self._through(task, stretch.began, at))
                at = stretch.began
            before = line
        if at > run.began:
            steps.append(Step(OWN, run.began, at, run=run.number, before=before))
        steps.reverse()
        return steps

    def _stretches(self, run: RunSpan) -> list[_Stretch]:
        """What the thread of `run` was at, one after the other.

        A call in order is noted from where its arguments are worked out: what was waited for meanwhile, and
        what was called, comes before it.
        """
        mine = [task for task in self.tasks.get(run.number, ()) if task.thread == run.thread]
        tasks = self.record.tasks
        found = [_Stretch(task.started, task.ended, task, False) for task in mine]
        for wait in self.waits.get(run.number, ()):
            awaited = tasks[wait.task] if wait.task is not None else None
            found.append(_Stretch(wait.began, wait.ended, awaited, True))
        found = [each for each in found if each.ended > each.began]
        found.sort(key=lambda each: (each.ended, -each.began))
        apart: list[_Stretch] = []
        for each in found:
            inner = apart[-1].ended if apart else run.began
            began = max(each.began, inner)
            apart.append(_Stretch(min(began, each.ended), each.ended, each.task, each.wait))
        return [each for each in apart if each.ended > each.began]

    def _waited(self, steps: list[Step], task: Task, run: RunSpan, at: float) -> float:
        """The way to a wait for `task` that ended at `at`; hands back where it comes to the program's thread again."""
        while True:
            if task.ended < at:
                steps.append(Step(OVERHEAD, task.ended, at, task.number, run.number))
            steps.extend(self._through(task, task.started, task.ended))
            if task.ready < task.started:
                kind = QUEUE if self._is_full(run, task.started) else OVERHEAD
                steps.append(Step(kind, task.ready, task.started, task.number, run.number))
            at = task.ready
            cause = self.record.tasks[task.cause] if task.cause is not None else None
            if cause is None or not cause.ended <= at or cause.number == task.number:
                return at
            task = cause

    def _last_ended(self, run: RunSpan, after: float, at: float) -> Task | None:
        """The task of `run` that ended last in a stretch of time."""
        ends = self._ends.get(run.number, [])
        index = bisect_right(ends, at, key=lambda task: task.ended) - 1
        return ends[index] if index >= 0 and ends[index].ended > after else None

    def _is_full(self, run: RunSpan, at: float) -> bool:
        """Whether as many calls of `run` as may be in flight were running right before `at`."""
        began = bisect_left(self.tasks[run.number], at, key=lambda task: task.started)
        ended = bisect_left(self._ends[run.number], at, key=lambda task: task.ended)
        return began - ended >= run.workers

    def _through(self, task: Task, began: float, ended: float) -> Iterator[Step]:
        """The steps of a task, last first, with those of the runs inside it."""
        kind = CALL if task.ahead else IN_ORDER
        for run in reversed(self.inside.get(task.number, ())):
            if run.ended > ended or run.began < began:
                continue
            if run.ended < ended:
                yield Step(kind, run.ended, ended, task.number, task.run)
            yield from reversed(self.of_run(run))
            ended = run.began
        if ended > began:
            yield Step(kind, began, ended, task.number, task.run)


def shares(record: Record, path: Iterable[Step]) -> tuple[Share, ...]:
    """The critical path by call site, the largest share first."""
    totals: dict[tuple[str, str, str, int], list[float]] = {}
    for step in path:
        totals.setdefault((step.kind, *_place(record, step)), []).append(step.seconds)
    whole = record.seconds or 1.0
    made = [
        Share(*key, round(sum(parts), 9), sum(parts) / whole, len(parts))
        for key, parts in totals.items()
    ]
    return tuple(sorted(made, key=lambda share: -share.seconds))


def _place(record: Record, step: Step) -> tuple[str, str, int]:
    if step.kind in (CALL, IN_ORDER) and step.task is not None:
        task = record.tasks[step.task]
        return task.name, task.file, task.line
    if step.run is None:
        return KINDS[step.kind], "", 0
    run = record.runs[step.run]
    if step.kind == OWN:
        return f"{run.name}: own code", run.file, run.line
    return f"{run.name}: {KINDS[step.kind]}", run.file, run.line
