"""`record_schedule`: which calls of compiled code ran at the same time.

Recorded are the calls that were started ahead of their turn, with the moments at which they began and ended.
A call that the program made itself, in its turn, has nothing to show and is not among them.

    with record_schedule() as schedule:
        op(inputs=question)
    assert schedule.overlapped("self.search", "self.recall")
    print(schedule)

    3 calls, 2 at once
    self.search  |########    |   0.00 to  20.15 ms  ember-jit-1
    self.recall  |########    |   0.05 to  20.18 ms  ember-jit-2
    self.judge   |        ####|  20.30 to  30.41 ms  MainThread
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate

from ember_jit.runtime import events

_WIDTH = 32


@dataclass(frozen=True, slots=True)
class Schedule:
    """The calls of a block, by the time at which they ran; it grows while the block runs.

    A name stands for all calls whose site's text begins with it, as a whole word: `"self.search"` for
    `self.search(inputs=q)`.  A call that has not ended yet runs until now.
    """

    log: events.Log

    @property
    def calls(self) -> list[events.Call]:
        """The calls that have begun, in the order in which they did."""
        return sorted(
            (call for call in self.log.calls if call.started), key=lambda call: call.started
        )

    @property
    def order(self) -> list[str]:
        """The names of the calls, in the order in which they began."""
        return [call.name for call in self.calls]

    @property
    def at_once(self) -> int:
        """The largest number of calls that ran at the same moment."""
        steps = [(call.started, 1) for call in self.calls]
        steps += [(_end(call), -1) for call in self.calls]
        # a call that takes no (virtual) time ends where it begins, and still ran
        return max(min(len(self.calls), 1), *accumulate(step for _, step in sorted(steps)), 0)

    def named(self, name: str) -> list[events.Call]:
        """The calls whose site's text begins with `name`."""
        return [call for call in self.calls if re.match(rf"{re.escape(name)}(?!\w)", call.name)]

    def overlapped(self, first: str, second: str) -> bool:
        """Whether some call of `first` and another of `second` ran at the same moment."""
        return any(_together(a, b) for a in self.named(first) for b in self.named(second))

    def __str__(self) -> str:
        calls = self.calls
        if not calls:
            return "no call was started ahead of its turn"
        zero, end = calls[0].started, max(_end(call) for call in calls)
        column = max(len(call.name) for call in calls)
        lines = [f"{len(calls)} call{'s' * (len(calls) > 1)}, {self.at_once} at once"]
        for call in calls:
            times = [1000 * (moment - zero) for moment in (call.started, _end(call))]
            bar = _bar(call.started - zero, _end(call) - zero, end - zero)
            lines.append(
                f"{call.name:<{column}}  |{bar}|  {times[0]:7.2f} to {times[1]:7.2f} ms  {call.thread}"
            )
        return "\n".join(lines)


@contextmanager
def record_schedule() -> Iterator[Schedule]:
    """Record what compiled code overlaps, in all threads, while the block runs.

    Yields:
        The schedule, which grows while calls run.  Times are in seconds.
    """
    with events.record() as log:
        yield Schedule(log)


def _end(call: events.Call) -> float:
    return call.ended or events.clock()


def _together(a: events.Call, b: events.Call) -> bool:
    return a is not b and a.started < _end(b) and b.started < _end(a)


def _bar(start: float, end: float, whole: float) -> str:
    """A line of `_WIDTH` characters, marked from `start` to `end` of `whole`."""
    scale = _WIDTH / whole if whole else 0.0
    first = min(round(start * scale), _WIDTH - 1)
    length = max(round(end * scale) - first, 1)
    return (" " * first + "#" * length).ljust(_WIDTH)
