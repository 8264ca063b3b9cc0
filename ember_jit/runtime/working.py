"""Working: the calls of a run, made on pool threads or by the caller's thread while it waits.

    caller   issues a b c d, invites a thread, sleeps
    thread 1 takes a, invites      thread 2 takes b, invites      thread 3 takes c, ...

Calls that are ready stay in one queue until somebody takes them.  A run invites one thread at a time, and
whoever takes a call invites the next if more are left: woken all at once, threads would crowd for the
interpreter's lock (64 of them cost twice as much that way, 512 four times), and those that take the call they
came for leave one by one, so that their calls do not end all at once either.

Invariants:
- A call is made by whoever turns its cell from READY to RUNNING, under the run's `lock`: exactly once.
- When the lock is let go while calls lie in the queue and more may be in flight, then a thread has been
  invited and will come, or none is to be had (or wanted: calls are brisk), and then the caller's thread makes
  them as soon as it waits.  So no call is forgotten, and a bounded pool cannot deadlock.
- A call that has ended is settled by whoever holds the lock, or will next: whoever lets go of it looks whether
  more have ended meanwhile (`_catch_up`), and threads that find it taken leave theirs behind and are free.
- No call is started beyond `limit` in flight, but for the one that the caller's thread waits for.
- Calls that have always been brisk are left to the caller's thread, and the watch sees to it that they
  start all the same if one of them takes long (`stalled`).
- No frame here names an exception once its call is settled: it would keep the user's objects alive.
"""

from __future__ import annotations

from collections import deque
from time import perf_counter, thread_time
from typing import Any

from ember_jit.config import config
from ember_jit.runtime import events
from ember_jit.runtime.cells import OK, PENDING, RAISED, READY, RUNNING, Cell
from ember_jit.runtime.frames import user_part
from ember_jit.runtime.outcomes import is_interruption, make_quietly
from ember_jit.runtime.pool import Pool, shared_pool
from ember_jit.runtime.settling import SettlingRun
from ember_jit.runtime.watch import watch

BRISK_SECONDS = 50e-6  # a call this short is not worth waking a thread for
BRISK_CALLS = 64  # such calls in a row before they are taken to be all like that
SHORT_SECONDS = 30e-6  # a call this short does not pay for a thread
Ended = tuple[
    Cell, int, Any, float, float
]  # a call's cell, state, value or exception; seconds, CPU


class WorkingRun(SettlingRun):
    """The threads of a run: what may start, who makes it, and how long it took."""

    __slots__ = (
        "_ended",
        "_inviter",
        "busy",
        "closed",
        "invited",
        "limit",
        "progress",
        "running",
        "short",
        "unleashed",
        "watched",
    )

    counts_cpu = False  # whether `busy` is asked for
    limit: int  # calls that may be in flight
    running: int  # calls that are
    invited: int  # threads that have been called in and have not come yet
    _inviter: Pool | None  # whose they are
    closed: bool  # the function has been left
    progress: int  # calls that have ended
    short: int  # those of them that took next to no time
    busy: float  # seconds for which they kept a core busy
    unleashed: bool  # a call took long, or all stood still: calls are brisk no more
    watched: bool  # the watch looks at this run
    _ended: deque[Ended]  # calls that have ended and are not settled yet

    # ------------------------------------------------------------------ what may start (lock held)
    def _invite(self) -> None:
        """Call in a thread if calls are left lying and more may be in flight.

        While calls have been brisk (tens of microseconds), a thread would cost more than it saves: they
        are left to the caller's thread, and the watch starts the rest if one of them takes long after all.
        """
        room = min(len(self._queue), self.limit - self.running)
        if self.invited >= room and self._awaits_threads():
            return
        if self.plan.brisk >= BRISK_CALLS and not self.unleashed:
            if not self.watched:
                self.watched = True
                watch(self)
            return
        pool = self._inviter = shared_pool()
        # threads that have to be started first are started now: once the interpreter is ending, none can be
        while self.invited < room and not (self.invited and pool.has_idle):
            if not pool.submit(self.work):
                self._wake_caller()  # there are no threads: it makes the calls itself
                return
            self.invited += 1

    def _awaits_threads(self) -> bool:
        """Whether threads that have been called in will come: those of the process that this was forked from will not."""
        if self.invited and self._inviter is not shared_pool():
            self.invited = 0
        return bool(self.invited)

    def _take(self) -> Cell | None:
        """Claim the next call, if one more may be in flight."""
        queue = self._queue
        while queue and self.running < self.limit:
            cell = queue.popleft()
            if cell.state == READY:
                cell.state = RUNNING
                self.running += 1
                return cell
        return None

    def _resume_paused(self) -> None:
        walks, self.paused = self.paused, []
        for walk in walks:
            self._pump(walk, None)
        self._invite()

    def measured(self, seconds: float, cpu: float) -> None:
        """One issued call took so many seconds, and kept a core busy for so many (lock held)."""
        self.progress += 1
        self.busy += cpu
        if seconds < BRISK_SECONDS:
            self.plan.brisk += 1
            if seconds < SHORT_SECONDS:
                self.short += 1
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
            if self._queue and self.progress == progress:
                self.unleashed = True
                self._invite()
        self._catch_up()
        return self.progress

    def work(self) -> None:
        """On a thread that was invited: make calls as long as there are any."""
        with self.lock:
            self.invited = max(0, self.invited - 1)
            cell = self._take()
            self._invite()
        self._catch_up()
        while cell is not None:
            cell = self._make(cell, inline=False)

    def _make(self, cell: Cell, inline: bool) -> Cell | None:
        """Make the call of a claimed cell and settle it; a thread takes the next call with it, if there is one."""
        assert cell.job is not None
        assert cell.context is not None
        callee, args, kwargs = cell.job
        context = cell.context
        cell.drop_inputs()
        if cell.event is not None:
            events.call_begins(cell.event)
        cpu = thread_time() if self.counts_cpu else 0.0
        began = perf_counter()
        try:
            if cell.journal is not None:
                value = make_quietly(cell.journal, context, inline, callee, args, kwargs)
            elif inline:
                value = callee(*args, **kwargs)
            else:
                value = context.copy().run(callee, *args, **kwargs)
            state = OK
        except BaseException as exc:  # noqa: BLE001 - whatever a call raises is its outcome, delivered by `take`
            value, state = exc, RAISED
            cell.trace = user_part(exc.__traceback__)
        seconds = perf_counter() - began
        busy = thread_time() - cpu if self.counts_cpu else 0.0
        if cell.event is not None:
            events.call_ends(cell.event, state == RAISED)
        ended = (cell, state, value, seconds, busy)
        # the exception's frames lead back to this one (`f_back`): naming it here would make a cycle
        del callee, args, kwargs, context, cell, value
        self._ended.append(ended)
        del ended
        if not inline:
            return self._settle_or_leave()
        self._catch_up()
        return None

    def _settle_or_leave(self) -> Cell | None:
        """On a pool thread: settle what has ended and take the next call, unless another thread is at it.

        That one looks again once it has let go of the lock, so there is no need to wait for it: threads that
        queue for a lock in turn hold up each other, and hand the interpreter's lock to and fro.
        """
        following: Cell | None = None
        while self._ended and self.lock.acquire(blocking=False):
            try:
                self._settle_ended()
                if following is None:
                    following = self._take()
                self._invite()
            finally:
                self.lock.release()
        return following

    def _catch_up(self) -> None:
        """Settle what has ended while this thread held the lock: whoever lets go of the lock sees to it."""
        while self._ended:
            with self.lock:
                self._settle_ended()
                self._invite()

    def _settle_ended(self) -> None:
        """Settle the calls that have ended (lock held)."""
        while self._ended:
            cell, state, value, seconds, busy = self._ended[0]
            if cell.state < OK:  # else an interruption came between settling it and taking it out
                try:
                    self.running -= 1
                    self.measured(seconds, busy)
                    self.settled = cell.event
                    self._settle(cell, state, value)
                except (
                    BaseException
                ) as exc:  # the outcome stands, and nobody waits for what hung on it
                    self._salvage(cell, state, value)
                    if (
                        not isinstance(exc, Exception)
                        or config().strict_internal
                        or is_interruption(exc)
                    ):
                        raise
            self._ended.popleft()
        self.settled = None
        if self._parked and self.waiting is not None and self._is_still():
            self._give_up_parked()

    def _is_still(self) -> bool:
        """Whether no call is under way, nor will be unless the caller's thread goes on (lock held)."""
        return not (self.running or self._queue)

    def _await(self, cell: Cell) -> None:
        """On the caller's thread: wait until `cell` is resolved, working instead where work is left lying."""
        while cell.state < OK:
            mine: Cell | None = None
            sleep = False
            with self.lock:
                if cell.state == READY:
                    mine = self._claim_now(cell)
                elif self._queue and not self._awaits_threads():
                    mine = self._take()
                if mine is not None or cell.state >= OK:
                    pass
                elif cell.state == PENDING and self.paused:
                    # the window may be full of later calls: let the issue programs go on regardless
                    self._resume_paused()
                elif self._parked and self._is_still() and self._give_up_parked():
                    pass
                else:
                    self._wake.acquire(blocking=False)  # of a sleep that was interrupted
                    self.waiting = cell
                    sleep = True
            if mine is not None:
                self._make(mine, inline=True)
            elif sleep:
                self._sleep(cell)
            else:
                self._catch_up()

    def _claim_now(self, cell: Cell) -> Cell:
        """Claim the very call that the caller's thread waits for, whatever the limit."""
        if self._queue and self._queue[0] is cell:
            self._queue.popleft()
        cell.state = RUNNING
        self.running += 1
        return cell

    def _sleep(self, cell: Cell) -> None:
        """Wait for the bell, once `waiting` is set; an interruption (a signal handler that raises) leaves the run consistent."""
        wait: events.Wait | None = None
        if self.recorded is not None:
            wait = events.Wait(cell.event, events.clock(), 0.0)
            self.recorded.waits.append(wait)
        try:
            self._catch_up()
            self._hear()
        except BaseException:
            with self.lock:
                if self.waiting is None:
                    self._wake.acquire(blocking=False)
                self.waiting = None
            self._catch_up()
            raise
        finally:
            if wait is not None:
                wait.ended = events.clock()

    def _hear(self) -> None:
        """Return once the bell has rung."""
        self._wake.acquire()
