"""Executions with a deadline: the caller's thread only waits, so that it can stop waiting.

A call on the caller's own thread cannot be interrupted.  With a deadline, therefore, calls that may run ahead
are all made by pool threads (`TimedRun`), and those that run in order by one thread of their own (`Lane`),
in the caller's context, while the caller waits.  What still runs at the deadline is let go.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import Context, copy_context
from queue import SimpleQueue
from time import monotonic
from typing import Any

from ember_jit.config import config
from ember_jit.runtime.cells import OK, PENDING, Cell
from ember_jit.runtime.frames import user_part
from ember_jit.runtime.plan import Plan
from ember_jit.runtime.pool import shared_pool
from ember_jit.runtime.run import Run


class Expired(Exception):
    """The deadline has passed."""


def left_until(deadline: float) -> float:
    """Seconds until `deadline` (never more than a lock can wait).

    Raises:
        Expired: there are none.
    """
    left = deadline - monotonic()
    if left <= 0:
        raise Expired
    return min(left, threading.TIMEOUT_MAX)


class TimedRun(Run):
    """A run whose caller stops waiting at a deadline (`monotonic`)."""

    __slots__ = ("deadline",)

    def __init__(self, plan: Plan, limit: int, window: int, deadline: float) -> None:
        super().__init__(plan, limit, window)
        self.deadline = deadline
        self.unleashed = True  # brisk or not: nothing is left to the caller's thread

    def _await(self, cell: Cell) -> None:
        while cell.state < OK:
            sleep = False
            with self.lock:
                # calls are left lying, and the system gives no threads
                forsaken = bool(self._queue) and not (self.running or self._awaits_threads())
                if cell.state == PENDING and self.paused:
                    self._resume_paused()
                elif cell.state < OK and not forsaken:
                    self._wake.acquire(blocking=False)  # of a sleep that was interrupted
                    self.waiting = cell
                    sleep = True
            if sleep:
                self._sleep(cell)
                continue
            self._catch_up()
            if forsaken:
                super()._await(cell)

    def _hear(self) -> None:
        if not self._wake.acquire(timeout=left_until(self.deadline)):
            raise Expired


class Lane:
    """One thread that makes calls for the caller, one after the other, until a deadline.

    Context variables that a call sets are set for the caller, as if it had made the call.
    """

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._started = False

    def make(
        self, callee: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """What `callee(*args, **kwargs)` returns or raises.

        Raises:
            Expired: it has not ended in time; it is let go.
        """
        left = left_until(self._deadline)
        if not self._started:
            if not shared_pool().submit(self._work):
                return callee(*args, **kwargs)
            self._started = True
        call = _Call(copy_context(), callee, args, kwargs)
        self._calls.put(call)
        if not call.done.acquire(timeout=left):
            raise Expired
        for variable, value in call.context.items():
            if variable.get(_UNSET) is not value:
                variable.set(value)
        if call.raised is None:
            return call.value
        exc, call.raised = call.raised, None
        try:
            raise exc
        finally:
            exc.__traceback__ = call.trace if config().full_traceback else user_part(call.trace)
            del exc, call

    def close(self) -> None:
        """Let the thread go, once it is done with what it does."""
        if self._started:
            self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call.make()
            del call


_UNSET: Any = object()


class _Call:
    __slots__ = ("args", "callee", "context", "done", "kwargs", "raised", "trace", "value")

    def __init__(
        self, context: Context, callee: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self.context = context
        self.callee = callee
        self.args = args
        self.kwargs = kwargs
        self.done = threading.Lock()
        self.done.acquire()
        self.value: Any = None
        self.raised: BaseException | None = None
        self.trace: Any = None

    def make(self) -> None:
        callee, args, kwargs = self.callee, self.args, self.kwargs
        del self.callee, self.args, self.kwargs
        try:
            self.value = self.context.run(callee, *args, **kwargs)
        except BaseException as exc:  # noqa: BLE001 - whatever the call raises is raised for the caller
            self.raised, self.trace = exc, exc.__traceback__
        self.done.release()
