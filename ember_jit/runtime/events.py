"""The runtime's own log of what overlapped: who issued what, when, and where it ran.

with events.record() as log:
    op(inputs=...)
log.overlapped("self.search", "self.recall")
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class Call:
    """One call that was issued ahead: its site, and when it was issued, started, ended and retired (seconds)."""

    name: str
    line: int
    key: object
    issued: float
    started: float = 0.0
    ended: float = 0.0
    retired: float = 0.0
    thread: str = ""
    owner: str = ""


@dataclass(slots=True)
class Log:
    """The calls of the runs that were recorded, in the order in which they were issued."""

    calls: list[Call] = field(default_factory=list)

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


@contextmanager
def record() -> Iterator[Log]:
    """Record every call that compiled functions issue ahead, in all threads, while the block runs."""
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
    """Add one issued call to every active log."""
    for log in list(_active):
        log.calls.append(call)


clock = time.perf_counter
