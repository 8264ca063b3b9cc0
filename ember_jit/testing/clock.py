"""`fake_clock`: virtual time, so that tests of overlap need not wait.

    with fake_clock() as clock:        # leaves call `clock.sleep(seconds)`, or have a `fake_latency`
        op(inputs=question)
    assert clock.now == 0.3            # the critical path of the run

Time goes on only when every thread that takes part is asleep on the clock or waits for another, and then to
the moment at which the next sleeper wakes: a run takes as long as its critical path, exactly and every time,
in a few real milliseconds.  What the runtime notes (`record_schedule`, `profile`) is in virtual time as well.

Who takes part: the thread that opened the clock, every thread that was started since, and the workers of
the compiled code.  That a thread waits is read off its topmost frame (`testing.waiting`).  A thread that
neither sleeps nor waits for `guard` real seconds ends the sleep of all others with an error.

Invariants:
- Times are whole nanoseconds inside: 0.1 and 0.2 seconds are 0.3 seconds.
- `_sleepers` changes under `_lock`; only the clock's own thread lets time go on.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Mapping
from types import FrameType
from typing import Any

from ember_jit.errors import ClockStalledError
from ember_jit.runtime import events
from ember_jit.testing.waiting import is_ours, place, register, waits_for

TICK = 0.0002  # real seconds between two looks at the threads
_open: list[FakeClock] = []


class FakeClock:
    """A clock whose time goes on by itself when nothing else can happen; a context manager.

    Args:
        guard: real seconds after which a clock that cannot go on says so.
    """

    def __init__(self, guard: float = 5.0) -> None:
        self._guard = guard
        self._now = 0
        self._lock = threading.Lock()
        self._sleepers: list[_Sleeper] = []
        self._ticking: threading.Thread | None = None
        self._bystanders: set[int | None] = set()
        self._real = events.clock  # what events are timed by while this clock is not open
        self._origin = 0.0

    @property
    def now(self) -> float:
        """Virtual seconds since the clock was opened first."""
        return self._now / 1e9

    def sleep(self, seconds: float) -> None:
        """Sleep for so many virtual seconds.

        Raises:
            ValueError: `seconds` is negative.
            ClockStalledError: the clock is not open, or a thread that takes part keeps it from going on.
        """
        if seconds < 0:
            raise ValueError(f"cannot sleep for {seconds} seconds")
        with self._lock:
            if self._ticking is None:
                raise ClockStalledError(
                    "clock.sleep() while the clock is not open; sleep inside `with clock:`"
                )
            sleeper = _Sleeper(self._now + round(seconds * 1e9))
            self._sleepers.append(sleeper)
        try:
            sleeper.rest()
        finally:
            with self._lock:
                if sleeper in self._sleepers:  # interrupted
                    self._sleepers.remove(sleeper)
        if sleeper.trouble:
            raise ClockStalledError(sleeper.trouble)

    def __enter__(self) -> FakeClock:
        """Open the clock: threads may sleep on it, and `fake_latency` does."""
        if self._ticking is not None:
            raise ClockStalledError("the clock is open already")
        others = (each for each in threading.enumerate() if not is_ours(each))
        self._bystanders = {each.ident for each in others} - {threading.get_ident()}
        self._ticking = threading.Thread(target=self._tick, name="ember-jit-clock", daemon=True)
        _open.append(self)
        self._real, self._origin = events.clock, events.clock() - self.now
        events.clock = self._moment
        self._ticking.start()
        return self

    def __exit__(self, *failure: Any) -> None:
        """Close the clock; whoever still sleeps on it (a call that was abandoned) wakes up."""
        ticking, self._ticking = self._ticking, None
        _open.remove(self)
        events.clock = self._real
        if ticking is not None:
            ticking.join()

    def _moment(self) -> float:
        """For the runtime's log: virtual time, counted on from the real time at which the clock was opened."""
        return self._origin + self.now

    # ------------------------------------------------------------------ the clock's own thread
    def _tick(self) -> None:
        try:
            self._keep_going()
        finally:  # closed; or a bug of ours, which must not leave anybody asleep
            trouble = "" if self._ticking is None else "the clock's own thread has failed"
            with self._lock:
                self._ticking = None
                self._wake(self._sleepers, trouble)

    def _keep_going(self) -> None:
        before: dict[int, Any] | None = None
        moved = time.monotonic()
        while self._ticking is not None:
            now = self._standstill()
            if now is not None and now == before and self._go_on():
                now, moved = None, time.monotonic()
            elif time.monotonic() - moved > self._guard:
                self._complain()
                moved = time.monotonic()
            before = now
            time.sleep(TICK)

    def _standstill(self) -> dict[int, Any] | None:
        """What each thread that takes part waits for, or None if one of them runs.

        Nothing happens between two equal answers: what a thread waits for is never the same twice.
        """
        found = {}
        frames = sys._current_frames()
        for ident, frame in self._taking_part(frames):
            waits = waits_for(frame, frames)
            if waits is None:
                return None
            found[ident] = waits
        return found

    def _taking_part(self, frames: dict[int, FrameType]) -> list[tuple[int, FrameType]]:
        """The threads of `frames` that take part: neither this one nor those that were there before."""
        frames.pop(threading.get_ident())
        self._bystanders.intersection_update(
            frames
        )  # the name of a thread that has ended is given again
        return [each for each in frames.items() if each[0] not in self._bystanders]

    def _go_on(self) -> bool:
        """Let time go on to where the next sleeper wakes; False if nobody sleeps."""
        with self._lock:
            if not self._sleepers:
                return False
            self._now = min(sleeper.until for sleeper in self._sleepers)
            self._wake([sleeper for sleeper in self._sleepers if sleeper.until <= self._now])
        return True

    def _wake(self, sleepers: list[_Sleeper], trouble: str = "") -> None:
        for sleeper in list(sleepers):
            self._sleepers.remove(sleeper)
            sleeper.trouble = trouble
            sleeper.woken = True
            sleeper.bell.release()

    def _complain(self) -> None:
        """Nothing has moved for long: tell the sleepers; if there are none, say so on stderr."""
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        busy: list[str] = []
        idle: list[str] = []
        frames = sys._current_frames()
        for ident, frame in self._taking_part(frames):
            line = f"{names.get(ident, ident)} at {place(frame)}"
            (idle if waits_for(frame, frames) is not None else busy).append(line)
        with self._lock:
            if self._sleepers:
                text = (
                    f"virtual time stands still at {self.now} s: for {self._guard} real seconds this has "
                    f"neither slept on the clock nor ended: {'; '.join(busy) or 'nothing'}. "
                    "Let it sleep on the clock, or give fake_clock(guard=...) more time."
                )
                self._wake(self._sleepers, text)
            elif not busy:
                text = f"nothing sleeps on the clock, and every thread waits: {'; '.join(idle)}"
                print(f"fake_clock: {text}", file=sys.__stderr__)


class _Sleeper:
    """One thread that sleeps on the clock."""

    __slots__ = ("bell", "trouble", "until", "woken")

    def __init__(self, until: int) -> None:
        self.until = until
        self.trouble = ""
        self.woken = False
        self.bell = threading.Lock()
        self.bell.acquire()

    def rest(self) -> None:
        self.bell.acquire()


def _asleep(frame: FrameType, frames: Mapping[int, FrameType]) -> Any:
    sleeper = frame.f_locals["self"]
    return None if sleeper.woken else sleeper


register(_Sleeper.rest, _asleep)


def fake_clock(guard: float = 5.0) -> FakeClock:
    """A clock for a test: `with fake_clock() as clock`.

    It may be made earlier, given to leaves, and opened later: `with clock:`.

    Args:
        guard: real seconds after which a clock that cannot go on says so instead of hanging.
    """
    return FakeClock(guard)


def open_clock() -> FakeClock | None:
    """The clock that was opened last, and is open."""
    return _open[-1] if _open else None
