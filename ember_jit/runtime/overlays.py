"""Overlays: while somebody listens, calls of the functions on offer are shown to the listener first.

A recording (`ember_jit.graph`) must see the calls of operators and of decorated functions, and nobody else
may pay for that.  So nothing is there to be asked while nothing is recorded: when the first listener comes
the functions on offer get stub code (`runtime.stubs`), and when the last one goes their own code comes back.

    begin(hear)                 def forward(...)  ->  stub: hear(function, args, kwargs, caller's frame)
    end()                                             ... or, if that is `UNHEARD`, the code beneath

Invariants:
- The function stays the same object; `originals.original_code` sees through an overlay.
- Whoever puts code in place does so with `put_code`, which puts it beneath the overlay if there is one.
- A call that the listener does not want (another thread's) runs the code beneath.
"""

from __future__ import annotations

import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterable
from types import CodeType, FrameType, FunctionType
from typing import Any

from ember_jit.runtime.frames import leave_no_trace
from ember_jit.runtime.originals import original_code, remember, twin_of
from ember_jit.runtime.stubs import stub_code

Listener = Callable[[FunctionType, tuple[Any, ...], dict[str, Any], FrameType], Any]
UNHEARD: Any = object()
"""What a listener answers to a call that is none of its business."""

_lock = threading.RLock()
_offered: weakref.WeakSet[FunctionType] = weakref.WeakSet()
_laid: dict[int, Overlay] = {}
_listener: Listener | None = None
_is_heard: Callable[[], bool] | None = None
_count = 0
listening = False  # whether anybody is, anywhere: what may be asked before `heard`


class Overlay:
    """The stub over one function while somebody listens."""

    __slots__ = ("_twin", "beneath", "code", "function")

    def __init__(self, function: FunctionType) -> None:
        self.function = function
        self.beneath = function.__code__
        self.code: CodeType = stub_code(self.beneath, self)
        self._twin: FunctionType | None = None
        remember(self.code, original_code(function))

    def first(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What the stub does with a call."""
        listener = _listener
        if listener is not None:
            answer = listener(self.function, args, kwargs, sys._getframe(2))
            if answer is not UNHEARD:
                return answer
        twin = self._twin
        if twin is None or twin.__code__ is not self.beneath:
            twin = self._twin = twin_of(self.function, self.beneath)
        return twin(*args, **kwargs)

    def trim(self) -> None:
        """Take the stub's frame and ours out of the traceback of the exception that is being handled."""
        leave_no_trace(self.code)


def offer(function: FunctionType) -> None:
    """Show calls of `function` to whoever listens, now or later."""
    _offered.add(function)
    if _count:
        with _lock:
            if _count:
                _lay(function)


def put_code(function: FunctionType, code: CodeType) -> None:
    """Make `code` the code of `function`: beneath the overlay, if there is one."""
    with _lock:
        overlay = _laid.get(id(function))
        if overlay is None:
            function.__code__ = code
        else:
            overlay.beneath = code


def heard() -> bool:
    """Whether calls made here and now are the listener's business: then nothing may be made ahead of its turn."""
    is_heard = _is_heard
    return is_heard is not None and is_heard()


def begin(
    listener: Listener, is_heard: Callable[[], bool], more: Iterable[FunctionType] = ()
) -> None:
    """Listen: `listener` is shown every call of the functions on offer, and of `more`, in all threads.

    There is one listener; `begin` may come from several threads and is counted.

    Args:
        listener: what is shown the calls.
        is_heard: whether it wants those of the thread and task that asks.
        more: functions to listen to beside those on offer.
    """
    global _count, _is_heard, _listener, listening
    with _lock:
        _count += 1
        _listener, _is_heard, listening = listener, is_heard, True
        for function in (*_offered, *more):
            _lay(function)


def end() -> None:
    """Listen no longer; with the last listener the overlays go."""
    global _count, _is_heard, _listener, listening
    with _lock:
        _count -= 1
        if _count:
            return
        _listener, _is_heard, listening = None, None, False
        for overlay in _laid.values():
            if overlay.function.__code__ is overlay.code:
                overlay.function.__code__ = overlay.beneath
        _laid.clear()


def _lay(function: FunctionType) -> None:
    if id(function) not in _laid:
        overlay = _laid[id(function)] = Overlay(function)
        function.__code__ = overlay.code


def _forget_lock() -> None:
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_lock)  # the thread that held it does not exist there
