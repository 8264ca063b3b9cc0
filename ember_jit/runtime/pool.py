"""The process-wide pool of worker threads.

Why not `ThreadPoolExecutor`: its shared queue costs 20-49 us a task, it joins its threads at exit (a
detached call that hangs would hang the interpreter), and a waiter cannot take back a task.  Here a
task is handed directly to an idle worker (last in, first out: the warmest one), threads are reused
by every run, are daemons, and end with the interpreter.  The pool holds no policy: a run decides how
many of its calls may be in flight.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

from ember_jit.config import config

Job = Callable[[], Any]
IDLE_SECONDS = 30.0


class _Worker(threading.Thread):
    """A thread that sleeps on its own lock until it is handed a job."""

    def __init__(self, pool: Pool, job: Job, number: int) -> None:
        super().__init__(name=f"ember-jit-{number}", daemon=True)
        self.pool = pool
        self.job: Job | None = job
        self.bell = threading.Lock()
        self.bell.acquire()

    def run(self) -> None:
        try:
            while (job := self.job) is not None:
                self.job = None
                job()
                del job
                if not self.pool.rest(self):
                    return
        except BaseException:  # an internal error: this thread ends, and another may take its place
            self.pool.lost()
            raise


class Pool:
    """Worker threads, grown on demand up to a cap, reused for ever after, let go when idle."""

    def __init__(self, cap: int) -> None:
        self._cap = cap
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._count = 0
        self._made = 0
        self.handed = 0  # jobs so far

    def submit(self, job: Job) -> bool:
        """Run `job` on a thread; False if every thread is taken (nothing has happened then)."""
        with self._lock:
            self.handed += 1
            if self._idle:
                worker = self._idle.pop()
                worker.job = job
                worker.bell.release()
                return True
            if self._count >= self._cap:
                return False
            self._count += 1
            self._made += 1
            worker = _Worker(self, job, self._made)
        try:
            worker.start()
        except (
            RuntimeError
        ):  # the system gives no more threads, or the interpreter is shutting down
            with self._lock:
                self._count -= 1
            return False
        return True

    def rest(self, worker: _Worker) -> bool:
        """Put `worker` to sleep; True once it has a new job, False when it should end."""
        self._idle.append(worker)
        if worker.bell.acquire(timeout=IDLE_SECONDS):
            return True
        with self._lock:
            if worker in self._idle:
                self._idle.remove(worker)
                self._count -= 1
                return False
        worker.bell.acquire()  # handed a job in the moment between
        return True

    def lost(self) -> None:
        """A thread ended with an error."""
        with self._lock:
            self._count -= 1

    def is_idle(self, worker: object) -> bool:
        """Whether `worker`, one of the threads, has nothing to do."""
        return worker in self._idle

    @property
    def has_idle(self) -> bool:
        """Whether a thread is there that has nothing to do."""
        return bool(self._idle)

    @staticmethod
    def is_worker(thread: threading.Thread) -> bool:
        """Whether `thread` is a worker of a pool."""
        return isinstance(thread, _Worker)

    @property
    def busy(self) -> int:
        """Threads that are at work now."""
        return self._count - len(self._idle)

    @property
    def threads(self) -> int:
        """Threads that exist now."""
        return self._count


_pool: Pool | None = None


def shared_pool() -> Pool:
    """The pool of this process; made at first use, made anew in a forked child."""
    global _pool
    if _pool is None:
        _pool = Pool(config().thread_cap)
    return _pool


def _forget_pool() -> None:
    global _pool
    _pool = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)
