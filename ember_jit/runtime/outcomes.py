"""Outcomes: what a call that was made early brings back, kept and handed over as if made in its turn.

Its output waits in a journal (`make_quietly`); its exception shows the user's frames alone (`frames`) and
is chained to whatever is being handled where it is delivered (`repair`).
"""

from __future__ import annotations

import threading
from contextvars import Context
from types import TracebackType
from typing import Any

from ember_jit.config import config
from ember_jit.runtime import guarded, journal
from ember_jit.runtime.frames import is_ours


def make_quietly(
    entries: list[Any],
    context: Context,
    inline: bool,
    callee: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """Make a call whose output waits for its turn."""
    if not inline:
        context = context.copy()
        context.run(journal.begin, entries)
        return context.run(callee, *args, **kwargs)
    token = journal.begin(entries)
    try:
        return callee(*args, **kwargs)
    finally:
        journal.end(token)


def is_interruption(exc: Exception) -> bool:
    """Whether `exc` is a signal handler's of the user's, and not an issue program that failed.

    Handlers run on the main thread alone; an issue program fails in frames of ours.
    """
    if isinstance(exc, guarded.Unsafe) or threading.current_thread() is not threading.main_thread():
        return False
    trace = exc.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and not is_ours(trace.tb_frame)


def repair(
    exc: BaseException,
    trace: TracebackType | None,
    context: BaseException | None,
    handled: BaseException | None,
) -> None:
    """Undo what `raise` did to `exc`, and chain it to the exception that is being handled at its call."""
    exc.__context__ = context
    if handled is not None and handled is not exc:
        tail, seen = exc, {id(exc)}
        while (deeper := tail.__context__) is not None and id(deeper) not in seen:
            if deeper is handled:
                break
            tail = deeper
            seen.add(id(tail))
        else:
            if deeper is None:
                tail.__context__ = handled
    if not config().full_traceback:
        exc.__traceback__ = trace
