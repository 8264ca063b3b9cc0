"""`profile()`: record what a block runs, and say where the time went.

    with profile() as p:
        answer(inputs=question)
    print(p.timeline)

Nothing runs differently while it is recorded; where nobody records, next to nothing is asked.
"""

from __future__ import annotations

import threading
import time
from contextlib import AbstractContextManager
from typing import Any

from ember_jit.report.timeline import Timeline
from ember_jit.runtime import events


class Profile:
    """A recording: a context manager, with what it has recorded in `timeline`.

    It sees every compiled function that runs while the block does, in all threads.
    """

    def __init__(self) -> None:
        self._recording: AbstractContextManager[events.Log] | None = None
        self._log = events.Log()
        self._thread = ""
        self._began = self._ended = self._epoch = 0.0
        self._made: Timeline | None = None

    def __enter__(self) -> Profile:
        """Begin; what was recorded before is forgotten."""
        if self._recording is not None:
            raise RuntimeError(
                "this profile is recording already; use another `ember_jit.profile()` for a block inside"
            )
        self._recording = events.record()
        self._log = self._recording.__enter__()
        self._thread = threading.current_thread().name
        self._made = None
        self._epoch, self._began = time.time(), events.clock()
        return self

    def __exit__(self, *failure: Any) -> None:
        """End; an exception of the block goes on."""
        self._ended = events.clock()
        recording, self._recording = self._recording, None
        if recording is not None:
            recording.__exit__(None, None, None)

    @property
    def timeline(self) -> Timeline:
        """What has been recorded; while the block runs, what has been so far."""
        if self._recording is not None:
            return self._timeline(events.clock())
        if self._made is None:
            self._made = self._timeline(self._ended)
        return self._made

    def _timeline(self, until: float) -> Timeline:
        return Timeline.of(self._log, self._thread, self._began, until, self._epoch)

    def __str__(self) -> str:
        return str(self.timeline)


def profile() -> Profile:
    """Record the compiled functions that run in a block: `with profile() as p`, then `p.timeline`.

    Example:
        >>> from ember_jit import Operator, query, structural_jit
        >>> from ember_jit.testing import fake_clock, fake_latency
        >>> @fake_latency(0.2)
        ... @query
        ... class Ask(Operator):
        ...     def forward(self, *, inputs):
        ...         return inputs
        >>> @structural_jit
        ... class Twice(Operator):
        ...     def __init__(self):
        ...         self.ask = Ask()
        ...     def forward(self, *, inputs):
        ...         one = self.ask(inputs=inputs)
        ...         return one, self.ask(inputs=inputs)
        >>> twice = Twice()
        >>> with fake_clock(), profile() as p:
        ...     twice(inputs="why?")
        ('why?', 'why?')
        >>> p.timeline.seconds, p.timeline.at_once, p.timeline.work
        (0.2, 2, 0.4)
    """
    return Profile()
