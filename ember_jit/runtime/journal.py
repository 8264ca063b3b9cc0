"""Deferred output: what a call prints or logs ahead of its turn is emitted when its turn comes.

A task with output runs a twin of its function in which `print(...)` reads `deferred(print)(...)`.  While
the task runs ahead, `deferred` notes the finished text (or log record) in the task's journal; `take`
replays the journal on the caller's thread, in program order, or drops it if the call is never reached.
"""

from __future__ import annotations

import builtins
import io
import sys
import threading
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import logging
    from types import CodeType

Entry = Callable[[], None]
_journal: ContextVar[list[Entry] | None] = ContextVar("ember_jit_journal", default=None)
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
LOGGING = frozenset({*_LEVELS, "log"})
"""Methods of a logger whose output can wait."""


def writes_output(code: CodeType) -> bool:
    """Whether the names of a code object say that it may print or log."""
    return "print" in code.co_names or not LOGGING.isdisjoint(code.co_names)


def begin(entries: list[Entry]) -> Any:
    """Note output in `entries` from now on, in this context; hands back the token for `end`."""
    return _journal.set(entries)


def end(token: Any) -> None:
    """Emit output at once again."""
    _journal.reset(token)


def deferred(function: Any) -> Any:
    """`function`, or a stand-in that notes what it would have emitted."""
    entries = _journal.get()
    if entries is None:
        return function
    if function is builtins.print:
        return partial(_print, entries)
    owner, name = getattr(function, "__self__", None), getattr(function, "__name__", "")
    loaded = sys.modules.get("logging")  # who logs has imported it: we need not
    if loaded is not None and type(owner) is loaded.Logger and (name in _LEVELS or name == "log"):
        return partial(_log, entries, cast("logging.Logger", owner), name)
    return function


def _print(
    entries: list[Entry],
    *values: Any,
    sep: Any = " ",
    end: Any = "\n",
    file: Any = None,
    flush: bool = False,
) -> None:
    if file is not None:
        print(*values, sep=sep, end=end, file=file, flush=flush)
        return
    text = io.StringIO()
    print(*values, sep=sep, end=end, file=text)
    entries.append(partial(print, text.getvalue(), end="", flush=flush))


def _log(
    entries: list[Entry], logger: logging.Logger, name: str, *args: Any, **kwargs: Any
) -> None:
    level = args[0] if name == "log" else _LEVELS[name]
    message, *rest = args[1:] if name == "log" else args
    if not logger.isEnabledFor(level):
        return
    filename, line, function, stack = logger.findCaller(
        kwargs.get("stack_info", False), kwargs.get("stacklevel", 1) + 1
    )
    record = logger.makeRecord(
        logger.name,
        level,
        filename,
        line,
        message,
        tuple(rest),
        None,
        function,
        kwargs.get("extra"),
        stack,
    )
    if rest:
        record.msg, record.args = record.getMessage(), None
    entries.append(partial(_handle, logger, record))


def _handle(logger: logging.Logger, record: logging.LogRecord) -> None:
    thread = threading.current_thread()
    record.thread, record.threadName = thread.ident, thread.name
    logger.handle(record)


def replay(entries: list[Entry]) -> None:
    """Emit what was noted, in order."""
    for entry in entries:
        entry()
