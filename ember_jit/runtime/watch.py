"""The watch: a thread that looks once a millisecond whether runs of brisk calls have stalled.

Calls that have always been short are left to the caller's thread.  If one of them blocks after all, the
others must start as if nothing had been assumed: the watch sees that no call has finished since it last
looked, and starts everything that waits.  It sleeps for good while there is nothing to watch.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from typing import Any

TICK = 0.001


class Watch(threading.Thread):
    """The thread; one a process."""

    def __init__(self) -> None:
        super().__init__(name="ember-jit-watch", daemon=True)
        self.lock = threading.Lock()
        self.bell = threading.Event()
        self.runs: dict[int, tuple[weakref.ref[Any], int]] = {}

    def add(self, run: Any) -> None:
        with self.lock:
            self.runs[id(run)] = (weakref.ref(run), run.progress)
        if not self.bell.is_set():
            self.bell.set()

    def has_nothing_to_start(self) -> bool:
        """Whether no run has calls left that would be started if nothing moved."""
        with self.lock:
            runs = [reference() for reference, _ in self.runs.values()]
        return all(run is None or run.unleashed or not run._queue for run in runs)

    def run(self) -> None:
        while True:
            self.bell.wait()
            time.sleep(TICK)
            self.look()

    def look(self) -> None:
        """Look at every run once."""
        with self.lock:
            watched = list(self.runs.items())
        for key, (reference, progress) in watched:
            live = reference()
            seen = live.stalled(progress) if live is not None else -1
            del live
            with self.lock:
                # a run that is over may have left its id to one that has been added meanwhile
                if self.runs.get(key, (None, 0))[0] is reference:
                    if seen < 0:
                        del self.runs[key]
                    else:
                        self.runs[key] = (reference, seen)
                if not self.runs:
                    self.bell.clear()


_watch: Watch | None = None
_making = threading.Lock()


def watch(run: Any) -> None:
    """Have `run.stalled(progress)` called once a millisecond until it says -1."""
    global _watch
    with _making:
        if _watch is None or not _watch.is_alive():
            _watch = Watch()
            _watch.start()
    _watch.add(run)


def _forget() -> None:
    global _watch
    _watch = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
