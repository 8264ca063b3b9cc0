"""The recorder: adds a node for each call that the recording of this thread and task sees.

`active()` is the recorder of this thread and task, or None; others that inherit the context do not record.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextvars import ContextVar
from functools import update_wrapper
from types import FrameType, MethodType
from typing import TYPE_CHECKING, Any

from ember_jit.errors import RecordingError
from ember_jit.graph.naming import Names
from ember_jit.graph.nodes import Node
from ember_jit.graph.recorded import Recorded

if TYPE_CHECKING:
    from ember_jit.graph.model import Graph

current: ContextVar[Recorder | None] = ContextVar("ember_jit_recorder", default=None)


class Recorder:
    """One recording in progress."""

    def __init__(self, graph: Graph, place: str) -> None:
        self.graph = graph
        self.place = place
        self._names = Names()
        self._thread = threading.get_ident()
        self._task = _task()

    def is_here(self) -> bool:
        """Whether this thread and task are those that record."""
        return self._thread == threading.get_ident() and self._task is _task()

    def record(
        self,
        callee: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        frame: FrameType,
        called: Any = None,
    ) -> Recorded:
        """Add a node for a call of `callee` (through `called`, if that is another object), made by `frame`."""
        graph = self.graph
        inner = getattr(callee, "__func__", callee)
        target = self._names.target(frame, (callee, inner, called))
        name = graph.fresh_name(target, _own_name(callee))
        file, line = frame.f_code.co_filename, frame.f_lineno
        return Recorded(graph.put(Node(graph, name, callee, args, kwargs, file=file, line=line)))


class RecordedCall:
    """What `graph.op(function)` returns: `function`, recorded while a recording runs."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.__wrapped__ = function
        update_wrapper(self, function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        recorder = active()
        if recorder is None:
            return self.__wrapped__(*args, **kwargs)
        return recorder.record(self.__wrapped__, args, kwargs, sys._getframe(1), self)

    def __repr__(self) -> str:
        return f"graph.op({self.__wrapped__!r})"


def active() -> Recorder | None:
    """The recording of this thread and task, or None."""
    recorder = current.get()
    return recorder if recorder is not None and recorder.is_here() else None


def recordable(function: Callable[..., Any]) -> Callable[..., Any]:
    """See `Graph.op`."""
    if not callable(function):
        raise RecordingError(f"graph.op({function!r}): only what can be called can be recorded")
    return function if type(function) is RecordedCall else RecordedCall(function)


def _own_name(callee: Any) -> str:
    """The name of an operator's class, or of a function."""
    if isinstance(callee, MethodType):
        owner = callee.__self__
        plain = callee.__name__ in ("forward", "__call__")
        return type(owner).__name__ if plain else callee.__name__
    name = getattr(callee, "__name__", None)
    if name == "<lambda>":
        return "lambda_"
    if isinstance(name, str):
        name = name.partition("(")[0]  # the transform, in "vmap(f)"
    return name if isinstance(name, str) and name.isidentifier() else type(callee).__name__


def _task() -> Any:
    """The asyncio task that runs, or None; asyncio is not imported for it."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return None
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None
