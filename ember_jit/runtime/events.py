"""The runtime's own log of what ran: who issued what, when and where it ran, and what the program waited for.

with events.record() as log:
    op(inputs=...)
log.overlapped("self.search", "self.recall")

A `Run` is one call of a compiled function that overlaps.  Its calls were either issued ahead (`Log.calls`) or
made in their turn by the program itself (`Log.inline`); what its thread waited for is in `Run.waits`.
Times are seconds of `clock`.  Nothing is noted, and next to nothing asked, while nobody records.

Invariants:
- A run that has begun before the recording is not in the log, and its calls have no `run`.
- `_here` is the stack of what a thread is at: a run that begins on it was called by the topmost call.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class Call:
    """One call of a compiled function.

    Attributes:
        name, line: the text of its site, and where it stands.
        key: its site; in loops a tuple of the site and the iteration numbers.
        issued: when it could start; of a call in order, when it did.
        started, ended: when it ran; 0.0 if it has not.
        retired: when the program took its outcome, or 0.0.
        thread: the name of the thread that made it.
        owner: qualified name of the function that it stands in.
        run: the run that it belongs to.
        cause: the call whose end let it start; None if the program itself did.
        ahead: it was issued ahead; else the program made it in its turn.
        raised: it ended with an exception.
    """

    name: str
    line: int
    key: object
    issued: float
    started: float = 0.0
    ended: float = 0.0
    retired: float = 0.0
    thread: str = ""
    owner: str = ""
    run: Run | None = field(default=None, repr=False)
    cause: Call | None = field(default=None, repr=False)
    ahead: bool = True
    raised: bool = False

    @property
    def site(self) -> object:
        """The number of its site."""
        return self.key[0] if isinstance(self.key, tuple) else self.key


@dataclass(slots=True)
class Wait:
    """The program stood still from `began` to `ended`, because it needed the outcome of `call`."""

    call: Call | None
    began: float
    ended: float


@dataclass(slots=True, eq=False)
class Run:
    """One call of a compiled function.

    Attributes:
        name, file, line: the function.
        limit: calls that it may have in flight.
        thread: the name of the thread that called it.
        began, ended: seconds; `ended` is 0.0 while it runs.
        parent: the call, of another run, in which it was called; or None.
        waits: what its thread waited for.
    """

    name: str
    limit: int
    thread: str
    began: float
    file: str = ""
    line: int = 0
    ended: float = 0.0
    parent: Call | None = field(default=None, repr=False)
    waits: list[Wait] = field(default_factory=list, repr=False)


@dataclass(slots=True)
class Log:
    """What was recorded: the calls that were issued ahead, in the order in which they were, and the rest.

    Attributes:
        inline: the calls that the program made itself, in its turn, inside a run.
        runs: the runs, in the order in which they began.
    """

    calls: list[Call] = field(default_factory=list)
    inline: list[Call] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)

    def named(self, name: str) -> list[Call]:
        """The calls whose site text starts with `name`."""
        return [call for call in self.calls if call.name.startswith(name)]

    def in_flight_together(self) -> int:
        """The largest number of calls that had been issued and had not yet ended at one moment."""
        moments = [(call.issued, 1) for call in self.calls] + [
            (call.ended, -1) for call in self.calls if call.ended
        ]
        most = now = 0
        for _, step in sorted(moments):
            now += step
            most = max(most, now)
        return most

    def overlapped(self, first: str, second: str) -> bool:
        """Whether some call of `first` and some call of `second` were in flight at the same moment."""
        return any(
            a is not b and a.issued <= (b.ended or b.issued) and b.issued <= (a.ended or a.issued)
            for a in self.named(first)
            for b in self.named(second)
        )


_active: list[Log] = []
_lock = threading.Lock()


class _Here(threading.local):
    """What this thread is at: the calls that it makes, one inside the other, innermost last."""

    def __init__(self) -> None:
        self.calls: list[Call] = []


_here = _Here()


@contextmanager
def record() -> Iterator[Log]:
    """Record every run of a compiled function, and its calls, in all threads, while the block runs."""
    log = Log()
    with _lock:
        _active.append(log)
    try:
        yield log
    finally:
        with _lock:
            _active[:] = [each for each in _active if each is not log]


def recording() -> bool:
    """Whether anyone records."""
    return bool(_active)


def note(call: Call) -> None:
    """Add one call to every active log."""
    for log in list(_active):
        (log.calls if call.ahead else log.inline).append(call)


def run_begins(name: str, limit: int) -> Run:
    """A run begins on this thread."""
    parent = _here.calls[-1] if _here.calls else None
    run = Run(name, limit, threading.current_thread().name, clock(), parent=parent)
    for log in list(_active):
        log.runs.append(run)
    return run


def call_begins(call: Call) -> None:
    """This thread makes `call`."""
    call.thread = threading.current_thread().name
    _here.calls.append(call)
    call.started = clock()


def call_ends(call: Call, raised: bool) -> None:
    """It is done; whatever it called without our hearing the end of it is over as well."""
    call.ended, call.raised = clock(), raised
    calls = _here.calls
    if call in calls:
        while calls.pop() is not call:
            pass


def made_in_turn(run: Run, call: Call) -> None:
    """The program makes `call` itself, on this thread; what it was at in this run may have been left."""
    _leave(run, call)
    call_begins(call)
    call.issued = call.started
    note(call)


def turn_is_over(run: Run, key: object) -> None:
    """The call `key` that the program made itself has returned."""
    for call in reversed(_here.calls):
        if call.run is run and call.key == key and not call.ahead:
            call_ends(call, False)
            return


def run_ends(run: Run) -> None:
    """The function has been left; calls that it was making were left by an exception."""
    _leave(run, None)
    run.ended = clock()


def _leave(run: Run, following: Call | None) -> None:
    """End what the program was making in `run`, unless `following` stands in its arguments."""
    while _here.calls:
        top = _here.calls[-1]
        if top.run is not run or top.ahead or (following is not None and _inside(following, top)):
            return
        call_ends(top, True)


def _inside(inner: Call, outer: Call) -> bool:
    """Whether `inner` stands in the expression of `outer`: sites are numbered from the inside out."""
    mine = inner.key if isinstance(inner.key, tuple) else (inner.key,)
    theirs = outer.key if isinstance(outer.key, tuple) else (outer.key,)
    return bool(mine[0] < theirs[0] and mine[1 : len(theirs)] == theirs[1:])


clock: Callable[[], float] = time.perf_counter
"""What events are timed by, in seconds; `testing.fake_clock` puts itself here while it is open."""
