"""One thread for what the compiler does while the plain code runs: machine code for numeric regions.

    job = background.submit(work)     # at the call that wants it; that call runs its plain statements
    job.done                          # at a later call: take the result, or run plain again

What is wanted soon goes before what only makes it better (`later`).  The thread is there while there is work.  A process that ends waits for the job at hand (LLVM must not run into the
destructors of its library) and drops the rest; a fork waits for it too, so that a child holds no lock of LLVM's or of
an import, and is made by a process without this thread.  Children do what is left to do themselves.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ember_jit.config import config


class Job:
    """Work that is done once.

    Attributes:
        done: whether it has ended.
        error: what it raised, or None.
    """

    __slots__ = ("_work", "done", "error")

    def __init__(self, work: Callable[[], None]) -> None:
        self._work: Callable[[], None] | None = work
        self.done = False
        self.error: Exception | None = None

    def perform(self) -> None:
        """Do it."""
        work, self._work = self._work, None
        assert work is not None
        try:
            work()
        except Exception as exc:  # noqa: BLE001 - whoever takes the result raises it
            self.error = exc
        finally:
            self.done = True


# Reentrant: a signal handler or a finaliser may call compiled code in the midst of it.
_lock = threading.RLock()
_queue: deque[Job] = deque()
_later: deque[Job] = deque()
_worker: threading.Thread | None = None
_held = False  # no job may begin: the process ends, or is being forked
_registered = False
_at_once = 0  # blocks of `at_once`


def is_on() -> bool:
    """Whether work is done in the background (`EMBER_JIT_BACKGROUND`), rather than by who wants it."""
    return config().background and not _at_once


@contextmanager
def at_once() -> Iterator[None]:
    """While the block runs, in all threads, work is done by who wants it."""
    global _at_once
    with _lock:
        _at_once += 1
    try:
        yield
    finally:
        with _lock:
            _at_once -= 1


def submit(work: Callable[[], None], later: bool = False) -> Job:
    """Have `work` done soon, or when there is nothing else to do."""
    job = Job(work)
    with _lock:
        (_later if later else _queue).append(job)
        tend()
    return job


def tend() -> None:
    """Start the thread, if there is work and none is there (a child of a fork has none)."""
    global _worker, _registered
    with _lock:
        if _worker is not None or _held or not (_queue or _later):
            return
        if not _registered:
            _registered = True
            atexit.register(_hold)
        thread = threading.Thread(target=_run, name="ember-jit-compiler", daemon=True)
        _worker = thread
        try:
            thread.start()
        except (
            RuntimeError
        ):  # no more threads, or the interpreter is shutting down: plain code runs on
            _worker = None


def wait() -> None:
    """Come back when no work is left: for tests and measurements."""
    while True:
        tend()
        thread = _worker
        if thread is None:
            return
        thread.join()


def _run() -> None:
    global _worker
    while True:
        with _lock:
            if _held or not (_queue or _later):
                _worker = None
                return
            job = (_queue or _later).popleft()
        job.perform()


def _hold() -> None:
    """Let no further job begin, and wait for the one at hand."""
    global _held
    _held = True
    thread = _worker
    if thread is not None and thread is not threading.current_thread():
        thread.join()


def _before_fork() -> None:
    _hold()
    _lock.acquire()


def _after_fork() -> None:
    global _held
    _held = False
    _lock.release()
    tend()


def _in_child() -> None:
    global _held, _worker
    _held, _worker = False, None
    _lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_in_child)
