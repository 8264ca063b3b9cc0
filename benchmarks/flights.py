"""When the calls of compiled functions were under way: those that were issued ahead, and those that were not.

The event log of the runtime has the calls that were issued.  What the retire program makes itself, at its own
point, is seen here by standing in front of what it asks of its run: `has` (it has come to a call), `take` (it has
the outcome) and `done` (it has made the call).

    with watching() as flights:
        op(inputs=...)
    flights.met("Answer.forward", 0, 1)      # were calls of sites 0 and 1 under way at the same moment?
"""

from __future__ import annotations

import contextlib
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ember_jit.runtime import events
from ember_jit.runtime.run import Run

Flight = tuple[float, float]  # from issued, or begun, to ended; in seconds


@dataclass(slots=True)
class _Passing:
    """One run: the call instances that its program has come to, and when it was last at any of them."""

    counts: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    begun: dict[int, float] = field(default_factory=dict)
    last: float = 0.0


class Flights:
    """What was seen while the block ran, by function and call site."""

    def __init__(self) -> None:
        self.issued: dict[str, dict[int, list[Flight]]] = {}
        self.inline: dict[str, dict[int, list[Flight]]] = {}
        self.issued_ahead = 0
        self._runs: dict[str, dict[int, _Passing]] = defaultdict(dict)
        self._alive: list[Run] = []  # so that no two have the same id

    def _of(self, run: Run) -> _Passing:
        found = self._runs[run.plan.name].get(id(run))
        if found is None:
            found = self._runs[run.plan.name][id(run)] = _Passing()
            self._alive.append(run)
        return found

    def came_to(self, run: Run, site: int, outcome: bool) -> None:
        """The program of `run` is at a call; `outcome`: it was issued ahead."""
        passing = self._of(run)
        passing.counts[site] += 1
        for inner in run.plan.groups.get(site, ()) if outcome else ():
            passing.counts[inner] += 2  # its calls are taken with it, however many
        passing.last = time.perf_counter()
        if not outcome:
            passing.begun[site] = passing.last

    def left(self, run: Run, site: int | None) -> None:
        """It has the outcome of a call; of `site`, if it made that call itself."""
        passing = self._of(run)
        now = time.perf_counter()
        if site in passing.begun:
            # its arguments may hold other calls: it is made when the last of them is there
            start = max(passing.begun.pop(site), passing.last)
            self.inline.setdefault(run.plan.name, {}).setdefault(site, []).append((start, now))
        passing.last = now

    def read(self, log: events.Log) -> None:
        """Add what was issued ahead."""
        self.issued_ahead += len(log.calls)
        for call in log.calls:
            site = call.key[0] if isinstance(call.key, tuple) else call.key
            end = call.ended or call.retired
            if isinstance(site, int) and end:
                of_owner = self.issued.setdefault(call.owner, {})
                of_owner.setdefault(site, []).append((call.issued, end))

    def both_made(self, owner: str, first: int, second: int) -> bool:
        """Whether some run came to both calls; to two instances of one, if they are the same."""
        return any(
            run.counts[first] > 1 if first == second else run.counts[first] and run.counts[second]
            for run in self._runs.get(owner, {}).values()
        )

    def met(self, owner: str, first: int, second: int) -> bool:
        """Whether calls of both were under way at one moment, at least one of them issued ahead."""
        issued, inline = self.issued.get(owner, {}), self.inline.get(owner, {})
        if first == second:
            mine = issued.get(first, [])
            return met(mine, []) or _crossed(mine, inline.get(first, []))
        return any(
            _crossed(one, other)
            for one, other in (
                (issued.get(first, []), issued.get(second, [])),
                (issued.get(first, []), inline.get(second, [])),
                (inline.get(first, []), issued.get(second, [])),
            )
        )


def _crossed(first: list[Flight], second: list[Flight]) -> bool:
    return bool(first and second) and met(first, second)


def met(first: list[Flight], second: list[Flight]) -> bool:
    """Whether a flight of `first` and one of `second` were in the air at the same moment.

    With `second` empty: whether two of `first` were.
    """
    latest = [0.0, 0.0]  # when the last of each kind so far has come down
    flights = [(start, end, 0) for start, end in first] + [(start, end, 1) for start, end in second]
    for start, end, kind in sorted(flights):
        if start < latest[1 - kind if second else 0]:
            return True
        latest[kind] = max(latest[kind], end)
    return False


@contextlib.contextmanager
def watching() -> Iterator[Flights]:
    """Watch every run of a compiled function, in all threads, while the block runs."""
    flights = Flights()
    has, take, done = Run.has, Run.take, Run.done

    def watched_has(self: Run, site: int) -> bool:
        outcome = has(self, site)
        flights.came_to(self, site, outcome)
        return outcome

    def watched_take(self: Run, site: int) -> Any:
        flights.left(self, None)
        return take(self, site)

    def watched_done(self: Run, site: int, value: Any) -> Any:
        flights.left(self, site)
        return done(self, site, value)

    Run.has, Run.take, Run.done = watched_has, watched_take, watched_done  # type: ignore[method-assign]
    try:
        with events.record() as log:
            yield flights
        flights.read(log)
    finally:
        Run.has, Run.take, Run.done = has, take, done  # type: ignore[method-assign]
