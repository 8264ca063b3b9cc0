"""Flights: calls that were started before the program asked for them, and how one is handed over.

Invariants:
- A flight's arguments are private copies; its outcome reaches the program only through `outcome_for`, which
  compares callee, arguments, what the callee could read, and the context with those of the program's own call.
- An exception is raised by the program's own call, with the frames of the user's alone.
"""

from __future__ import annotations

import sys
import threading
from contextvars import Context, copy_context
from types import MethodType, TracebackType
from typing import Any

from ember_jit.runtime import events
from ember_jit.runtime.frames import user_part
from ember_jit.runtime.outcomes import repair
from ember_jit.runtime.pool import shared_pool
from ember_jit.runtime.tracing.plain import leads_to, same
from ember_jit.runtime.tracing.state import State


class Flight:
    """One prefetched call.

    Raises:
        Unseen: the state that the callee could read cannot be compared later.
    """

    __slots__ = (
        "_context",
        "_seen",
        "_turn",
        "args",
        "callee",
        "event",
        "kwargs",
        "raised",
        "site",
        "started",
        "state",
        "trace",
        "value",
    )

    def __init__(
        self, site: int, callee: Any, args: Any, kwargs: dict[str, Any], trusted: bool
    ) -> None:
        self.site = site
        self.callee = callee
        self.args, self.kwargs = args, kwargs
        self.state = State(callee, trusted)
        self._seen = copy_context()
        self._context: Context = self._seen.copy()
        self.started = False
        self.raised = False
        self.value: Any = None
        self.trace: TracebackType | None = None
        self.event: events.Call | None = None
        self._turn = threading.Lock()
        self._turn.acquire()

    def start(self) -> bool:
        """Begin on a thread; False if there is none to be had."""
        if not shared_pool().submit(self._make):
            return False
        self.started = True
        return True

    def _make(self) -> None:
        if self.event is not None:
            events.call_begins(self.event)
        try:
            self.value = self._context.run(self.callee, *self.args, **self.kwargs)
        except BaseException as exc:  # noqa: BLE001 - delivered where the program makes this call, else dropped
            self.raised, self.value, self.trace = True, exc, user_part(exc.__traceback__)
        if self.event is not None:
            events.call_ends(self.event, self.raised)
        self._turn.release()

    def wait(self) -> None:
        """Wait until it has ended."""
        with self._turn:
            pass

    def stands_for(self, callee: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Whether the program's own call, made now, would be this one; waits for the outcome."""
        pairs: dict[int, int] = {}
        if not same_callee(self.callee, callee) or not same(
            (self.args, self.kwargs), (args, kwargs), pairs, {}
        ):
            return False
        self.wait()
        if not self.state.still(callee) or not _same_context(self._seen, copy_context()):
            return False
        return not any(leads_to(each, pairs) for each in self._visible())

    def _visible(self) -> list[Any]:
        """What of the outcome the program can see."""
        if not self.raised:
            return [self.value]
        found: list[Any] = []
        exc = self.value
        while exc is not None and len(found) < 64:
            found += [exc.args, exc.__dict__]
            exc = exc.__cause__ or exc.__context__
        return found

    def deliver(self, *args: Any, **kwargs: Any) -> Any:
        """What the program calls instead: the outcome, value or exception."""
        del args, kwargs
        if self.event is not None:
            self.event.retired = events.clock()
        if not self.raised:
            return self.value
        exc, trace = self.value, self.trace
        self.value = self.trace = None
        context, handled = exc.__context__, sys.exception()
        try:
            raise exc
        finally:
            repair(exc, trace, context, handled)
            del exc, trace, context, handled, self


def same_callee(mine: Any, theirs: Any) -> bool:
    """Whether both are the same callable; each lookup of a method makes an object of its own."""
    if type(mine) is MethodType and type(theirs) is MethodType:
        return mine.__func__ is theirs.__func__ and mine.__self__ is theirs.__self__
    return mine is theirs


def _same_context(mine: Context, theirs: Context) -> bool:
    return len(mine) == len(theirs) and all(
        var in theirs and theirs[var] is value for var, value in mine.items()
    )
