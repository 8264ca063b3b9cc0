"""Working: the calls of a run, made on pool threads or by the caller's thread while it waits.

Invariants:
- A call is made by whoever turns its cell from READY to RUNNING, under the run's `lock`: exactly once.
- A waiter may claim a READY call and run it itself, so a bounded pool cannot deadlock.
- No call is started beyond `limit` in flight, but for the one that the caller's thread waits for; what no
  thread takes stays in the queue.
- Calls that have always been brisk are left to the caller's thread, and the watch sees to it that they
  start all the same if one of them takes long (`stalled`).
- No frame here names an exception once its call is settled: it would keep the user's objects alive.
"""

from __future__ import annotations

import threading
from time import perf_counter, thread_time

from ember_jit.config import config
from ember_jit.runtime import events
from ember_jit.runtime.cells import OK, PENDING, RAISED, READY, RUNNING, Cell
from ember_jit.runtime.outcomes import is_interruption, make_quietly, user_part
from ember_jit.runtime.pool import shared_pool
from ember_jit.runtime.settling import SettlingRun
from ember_jit.runtime.watch import watch

BRISK_SECONDS = 50e-6  # a call this short is not worth waking a thread for
BRISK_CALLS = 64  # such calls in a row before they are taken to be all like that


class WorkingRun(SettlingRun):
    """The threads of a run: what may start, who makes it, and how long it took."""

    __slots__ = ("closed", "limit", "progress", "running", "unleashed", "watched")

    limit: int  # calls that may be in flight
    running: int  # calls that are
    closed: bool  # the function has been left
    progress: int  # calls that have ended
    unleashed: bool  # a call took long, or all stood still: calls are brisk no more
    watched: bool  # the watch looks at this run

    # ------------------------------------------------------------------ what may start (lock held)
    def _collect(self) -> list[Cell]:
        """Take from the queue what may start now.

        While calls have been brisk (tens of microseconds), a thread would cost more than it saves: they
        are left to the caller's thread, and the watch starts the rest if one of them takes long after all.
        """
        jobs: list[Cell] = []
        if self.plan.brisk >= BRISK_CALLS and not self.unleashed:
            if self._queue and not self.watched:
                self.watched = True
                watch(self)
            return jobs
        while self._queue and self.running < self.limit:
            cell = self._queue.popleft()
            if cell.state == READY:
                self.running += 1
                jobs.append(cell)
        return jobs

    def _next_queued(self) -> Cell | None:
        while self._queue:
            cell = self._queue.popleft()
            if cell.state == READY:
                return cell
        return None

    def _resume_paused(self) -> list[Cell]:
        walks, self.paused = self.paused, []
        for walk in walks:
            self._pump(walk, None)
        return self._collect()

    def measured(self, seconds: float, cpu: float) -> None:
        """One issued call took so many seconds, and kept a core busy for so many (lock held)."""
        del cpu
        self.progress += 1
        if seconds < BRISK_SECONDS:
            self.plan.brisk += 1
        elif seconds > 4 * BRISK_SECONDS:
            self.plan.brisk = 0
            self.unleashed = True
        else:
            self.plan.brisk = max(0, self.plan.brisk - BRISK_CALLS // 4)

    # ------------------------------------------------------------------ calls (lock not held)
    def stalled(self, progress: int) -> int:
        """For the watch: if nothing has moved since `progress` and calls are waiting, start them all; -1 when over."""
        with self.lock:
            if self.closed:
                return -1
            if not self._queue or self.progress != progress:
                return self.progress
            self.unleashed = True
            jobs = self._collect()
        self._start(jobs)
        return self.progress

    def _start(self, jobs: list[Cell]) -> None:
        """Hand calls to threads; those that no thread takes go back to the queue, for whoever waits."""
        pool = shared_pool()
        for index, cell in enumerate(jobs):
            if not pool.submit(_Job(self, cell)):
                with self.lock:
                    self.running -= len(jobs) - index
                    self._queue.extendleft(reversed(jobs[index:]))
                    if self.waiting is not None:
                        self.waiting = None
                        self._wake.release()
                return

    def work(self, cell: Cell | None) -> None:
        """On a worker: make `cell`'s call, then go on with what it made ready."""
        while cell is not None:
            with self.lock:
                claimed = cell.state == READY
                if claimed:
                    cell.state = RUNNING
                    jobs: list[Cell] = []
                else:
                    self.running -= 1
                    jobs = self._collect()
            if claimed:
                jobs = self._make(cell, inline=False)
            cell = jobs.pop(0) if jobs else None
            if jobs:
                self._start(jobs)

    def _make(self, cell: Cell, inline: bool) -> list[Cell]:
        """Make the call of a claimed cell and settle it; hands back what may start now."""
        assert cell.job is not None
        assert cell.context is not None
        callee, args, kwargs = cell.job
        context = cell.context
        cell.drop_inputs()
        if cell.event is not None:
            cell.event.thread = threading.current_thread().name
            cell.event.started = events.clock()
        cpu = thread_time()
        began = perf_counter()
        try:
            if cell.journal is not None:
                value = make_quietly(cell.journal, context, inline, callee, args, kwargs)
            elif inline:
                value = callee(*args, **kwargs)
            else:
                value = context.run(callee, *args, **kwargs)
            state = OK
        except BaseException as exc:  # noqa: BLE001 - whatever a call raises is its outcome, delivered by `take`
            value, state = exc, RAISED
            cell.trace = user_part(exc.__traceback__)
        seconds = perf_counter() - began
        del callee, args, kwargs
        if cell.event is not None:
            cell.event.ended = events.clock()
        with self.lock:
            self.running -= 1
            try:
                self.measured(seconds, thread_time() - cpu)
                self._settle(cell, state, value)
            except BaseException as exc:  # the outcome stands, and nobody waits for what hung on it
                self._salvage(cell, state, value)
                if (
                    not isinstance(exc, Exception)
                    or config().strict_internal
                    or is_interruption(exc)
                ):
                    raise
            # the exception's frames lead back to this one (`f_back`): naming it here would make a cycle
            del value, cell, context
            return self._collect() if self._queue else []

    def _await(self, cell: Cell) -> None:
        """On the caller's thread: wait until `cell` is resolved, working instead where work is left lying."""
        while True:
            mine: Cell | None = None
            jobs: list[Cell] = []
            sleep = False
            with self.lock:
                if cell.state >= OK:
                    return
                if cell.state == READY:
                    mine = cell
                elif self._queue and self.running < self.limit:
                    mine = self._next_queued()
                elif cell.state == PENDING and self.paused:
                    # the window may be full of later calls: let the issue programs go on regardless
                    jobs = self._resume_paused()
                else:
                    self._wake.acquire(blocking=False)  # of a sleep that was interrupted
                    self.waiting = cell
                    sleep = True
                if mine is not None:
                    mine.state = RUNNING
                    self.running += 1
            if mine is not None:
                jobs = self._make(mine, inline=True)
            if jobs:
                self._start(jobs)
            if sleep:
                self._sleep()

    def _sleep(self) -> None:
        """Wait for the bell; an interruption (a signal handler that raises) leaves the run consistent."""
        try:
            self._hear()
        except BaseException:
            with self.lock:
                if self.waiting is None:
                    self._wake.acquire(blocking=False)
                self.waiting = None
            raise

    def _hear(self) -> None:
        """Return once the bell has rung."""
        self._wake.acquire()


class _Job:
    """What a pool thread is handed: one call of one run."""

    __slots__ = ("cell", "run")

    def __init__(self, run: WorkingRun, cell: Cell) -> None:
        self.run = run
        self.cell = cell

    def __call__(self) -> None:
        run, cell = self.run, self.cell
        del self.run, self.cell
        run.work(cell)
        del run, cell  # this frame may live on as the `f_back` of an exception's
