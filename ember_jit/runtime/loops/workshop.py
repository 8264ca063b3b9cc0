"""The thread on which loops are compiled, while their callers run the plain code.

One thread, made when there is work and gone when there is none.  It is a daemon; at exit the job at hand is
waited for, since the interpreter must not be torn down under a compiler, and the others are dropped.  A fork
waits for the job at hand too; the child begins with nothing to do.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections import deque
from collections.abc import Callable

Job = Callable[[], None]

_lock = threading.Lock()  # the queue and the thread
_work = threading.Lock()  # held while a job runs
_jobs: deque[Job] = deque()
_thread: threading.Thread | None = None
_closed = False


def submit(job: Job) -> bool:
    """Have `job` run some time; False where there can be no thread."""
    global _thread
    with _lock:
        if _closed:
            return False
        _jobs.append(job)
        if _thread is None:
            _thread = threading.Thread(target=_run, name="ember-jit-compiler", daemon=True)
            try:
                _thread.start()
            except RuntimeError:  # no more threads, or the interpreter is shutting down
                _thread = None
                _jobs.clear()
                return False
    return True


def wait(timeout: float = 60.0) -> bool:
    """Wait until there is nothing to do; False if that took too long."""
    thread = _thread
    if thread is not None and thread is not threading.current_thread():
        thread.join(timeout)
        return not thread.is_alive()
    return True


def _run() -> None:
    global _thread
    while True:
        with _lock:
            if not _jobs or _closed:
                _thread = None
                return
            job = _jobs.popleft()
        with _work:
            job()


def _close() -> None:
    global _closed
    with _lock:
        _closed = True
        _jobs.clear()
    wait()


def _before_fork() -> None:
    _work.acquire()
    _lock.acquire()


def _after_fork() -> None:
    _lock.release()
    _work.release()


def _in_child() -> None:
    global _thread
    _jobs.clear()
    _thread = None
    _after_fork()


atexit.register(_close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_in_child)
