"""What a recording has: calls and runs with the times at which they began and ended, and what waited for what.

It is plain data made of the runtime's log (`runtime.events`).  Times are seconds from the beginning of the
recording, in whole nanoseconds: under `testing.fake_clock` they are exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import Self

from ember_jit.runtime import events


@dataclass(frozen=True, slots=True)
class Task:
    """One call of a compiled function.

    Attributes:
        number: its place among the tasks, which are in the order in which they started.
        name, file, line: its text in the source, and where that stands.
        function: qualified name of the function that it stands in.
        site: the number of its call site, as in `explain`.
        thread: the thread that made it.
        ready: when it could have started; for a call in order, when it did.
        started, ended: when it ran.
        retired: when the program took its outcome, or None.
        ahead: it was issued ahead; else the program made it itself, in its turn.
        raised: it ended with an exception.
        run: the number of the run that it belongs to, or None.
        cause: the number of the task whose end let it start; None if the program itself did.
    """

    number: int
    name: str
    function: str
    file: str
    line: int
    site: int | None
    thread: str
    ready: float
    started: float
    ended: float
    retired: float | None
    ahead: bool
    raised: bool
    run: int | None
    cause: int | None

    @property
    def seconds(self) -> float:
        """How long it ran."""
        return _whole(self.ended - self.started)

    @property
    def queued(self) -> float:
        """How long it was ready, and no worker free."""
        return _whole(self.started - self.ready)


@dataclass(frozen=True, slots=True)
class RunSpan:
    """One call of a compiled function that overlapped.

    Attributes:
        workers: calls that it might have in flight.
        task: the number of the task in which it was called, or None.
    """

    number: int
    name: str
    file: str
    line: int
    thread: str
    workers: int
    began: float
    ended: float
    task: int | None

    @property
    def seconds(self) -> float:
        """How long it took."""
        return _whole(self.ended - self.began)


@dataclass(frozen=True, slots=True)
class Wait:
    """The program, in run number `run`, stood still until task number `task` had ended."""

    run: int
    task: int | None
    began: float
    ended: float

    @property
    def seconds(self) -> float:
        """For how long."""
        return _whole(self.ended - self.began)


@dataclass(frozen=True)
class Record:
    """What happened while a program was recorded.

    Attributes:
        seconds: how long the recording was.
        thread: the thread that recorded.
        tasks, runs, waits: what was noted, in the order in which it began.
        epoch: the beginning, in seconds since 1970.
    """

    seconds: float
    thread: str
    tasks: tuple[Task, ...]
    runs: tuple[RunSpan, ...]
    waits: tuple[Wait, ...]
    epoch: float = 0.0

    @classmethod
    def of(cls, log: events.Log, thread: str, began: float, ended: float, epoch: float) -> Self:
        """What `log` has noted.

        Args:
            log: the log of a recording.
            thread: the name of the thread that recorded.
            began, ended: when the recording did, by `events.clock`.
            epoch: when it began, in seconds since 1970.
        """
        calls = [call for call in [*log.calls, *log.inline] if call.started]
        calls.sort(key=lambda call: call.started)
        runs = list(log.runs)
        ended = max([ended, *(call.ended for call in calls), *(run.ended for run in runs)])

        def at(moment: float) -> float:
            return _whole(max(moment, began) - began)

        numbers = {id(call): number for number, call in enumerate(calls)}
        run_numbers = {id(run): number for number, run in enumerate(runs)}
        tasks = tuple(
            Task(
                number=number,
                name=call.name,
                function=call.owner,
                file=call.run.file if call.run is not None else "",
                line=call.line,
                site=call.site if isinstance(call.site, int) else None,
                thread=call.thread,
                ready=at(call.issued),
                started=at(call.started),
                ended=at(call.ended or ended),
                retired=at(call.retired) if call.retired else None,
                ahead=call.ahead,
                raised=call.raised,
                run=run_numbers.get(id(call.run)),
                cause=numbers.get(id(call.cause)),
            )
            for number, call in enumerate(calls)
        )
        spans = tuple(
            RunSpan(
                number=number,
                name=run.name,
                file=run.file,
                line=run.line,
                thread=run.thread,
                workers=run.limit,
                began=at(run.began),
                ended=at(run.ended or ended),
                task=numbers.get(id(run.parent)),
            )
            for number, run in enumerate(runs)
        )
        waits = tuple(
            Wait(number, numbers.get(id(wait.call)), at(wait.began), at(wait.ended or ended))
            for number, run in enumerate(runs)
            for wait in list(run.waits)
        )
        return cls(at(ended), thread, tasks, spans, waits, epoch)

    @property
    def threads(self) -> dict[str, tuple[Task, ...]]:
        """The tasks by the thread that made them; the thread that recorded comes first."""
        found: dict[str, list[Task]] = {self.thread: []}
        for task in self.tasks:
            found.setdefault(task.thread, []).append(task)
        return {name: tuple(tasks) for name, tasks in found.items()}

    def depth(self, run: int | None) -> int:
        """How many runs there are around a run, by its number."""
        depth = 0
        while run is not None:
            task = self.runs[run].task
            run = self.tasks[task].run if task is not None else None
            depth += run is not None
        return depth

    @property
    def at_once(self) -> int:
        """The largest number of tasks that ran at the same moment, those that contain others aside."""
        outer = {run.task for run in self.runs}
        inner = [task for task in self.tasks if task.number not in outer]
        steps = [(task.started, 1) for task in inner] + [(task.ended, -1) for task in inner]
        # a call that takes no (virtual) time ends where it begins, and still ran
        return max(min(len(inner), 1), *accumulate(step for _, step in sorted(steps)), 0)

    @property
    def work(self) -> float:
        """Seconds that the tasks ran in all, those that contain others aside."""
        outer = {run.task for run in self.runs}
        return _whole(sum(task.seconds for task in self.tasks if task.number not in outer))


def duration(seconds: float) -> str:
    """A length of time for people, to three digits.

    Example:
        >>> duration(1.5), duration(0.3), duration(0.0125), duration(0.00004)
        ('1.50 s', '300 ms', '12.5 ms', '40.0 µs')
    """
    size, unit = next(
        ((size, unit) for size, unit in ((1.0, "s"), (1e-3, "ms")) if seconds >= 0.9995 * size),
        (1e-6, "µs"),
    )
    value = seconds / size
    return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f} {unit}"


def _whole(seconds: float) -> float:
    """Seconds in whole nanoseconds."""
    return round(seconds, 9)
