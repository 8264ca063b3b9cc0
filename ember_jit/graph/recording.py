"""`autograph()`: inside the `with`, calls are recorded, not made.

    with autograph() as graph:
        x = op1(inputs={"query": "Example"})       # node "x"
        y = op2(inputs=x)                          # node "y", after "x"

Recorded are calls of operators (classes that derive from `Operator`, and decorated ones), of functions that
were wrapped with `jit` or `structural_jit`, and of what `graph.op` returns.  Everything else runs.

Invariants:
- Recording is per thread and task: others that call meanwhile, or that inherit the context, just run.
- A call that is not recorded costs nothing while nobody records (`runtime.overlays`).
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, FunctionType, MethodType
from typing import Any

from ember_jit.errors import RecordingError
from ember_jit.graph.capture import Captor
from ember_jit.graph.model import Graph
from ember_jit.graph.recorder import Recorder, active, current
from ember_jit.operators import Operator
from ember_jit.runtime import overlays
from ember_jit.runtime.dispatch import unit_of


@contextmanager
def autograph(name: str = "graph") -> Iterator[Graph]:
    """Record the operator calls of the block into a graph instead of making them.

    Args:
        name: what the graph is called where it is shown.

    Yields:
        The graph.  If the block is left by an exception the graph says that it is incomplete.

    Raises:
        RecordingError: a recording is running already, in this thread and task.

    Example:
        >>> class Double(Operator):
        ...     def forward(self, *, inputs):
        ...         return 2 * inputs
        >>> double = Double()
        >>> with autograph() as graph:
        ...     x = double(inputs=1)
        ...     y = double(inputs=x)
        >>> graph.order
        ('x', 'y')
    """
    frame = sys._getframe(2)
    place = f"{frame.f_code.co_filename}:{frame.f_lineno}"
    del frame
    running = active()
    if running is not None:
        raise RecordingError(
            f"autograph() at {place} inside autograph() at {running.place}: recordings do not nest. "
            "Record everything into the outer graph, or leave its `with` first"
        )
    graph = Graph(name)
    graph.recording = True
    graph._captor = Captor()
    token = current.set(Recorder(graph, place))
    overlays.begin(_hear, _is_recording, _calls_of_operators())
    try:
        yield graph
    except BaseException as exc:
        graph.incomplete = f"its recording ended with {type(exc).__name__}: {exc}"
        raise
    finally:
        overlays.end()
        graph.recording = False
        graph._captor = None
        current.reset(token)


def _is_recording() -> bool:
    return active() is not None


def _hear(
    function: FunctionType, args: tuple[Any, ...], kwargs: dict[str, Any], frame: FrameType
) -> Any:
    """Record one call of a function on offer."""
    recorder = active()
    if recorder is None:
        return overlays.UNHEARD
    defaults = function.__kwdefaults__ or {}
    kwargs = {
        name: value
        for name, value in kwargs.items()
        if name not in defaults or value is not defaults[name]
    }
    if not args:
        return recorder.record(function, args, kwargs, frame)
    owner = args[0]
    is_call = function.__name__ == "__call__"
    if is_call and not _is_operator(owner):
        return overlays.UNHEARD  # it shares its `__call__` with a decorated class
    if inspect.getattr_static(type(owner), function.__name__, None) is function:
        callee = owner if is_call else MethodType(function, owner)
    elif is_call:  # reached by `super().__call__(...)`
        callee = MethodType(function, owner)
    else:
        return recorder.record(function, args, kwargs, frame)
    return recorder.record(callee, args[1:], kwargs, frame)


def _is_operator(owner: Any) -> bool:
    """Whether calls of this object are recorded: its class derives from `Operator`, or was decorated."""
    if issubclass(type(owner), Operator):
        return True
    forward = inspect.getattr_static(type(owner), "forward", None)
    return isinstance(forward, FunctionType) and unit_of(forward) is not None


def _calls_of_operators() -> Iterator[FunctionType]:
    """`Operator.__call__`, and those that subclasses have put in its place."""
    stack, seen = [Operator], set()
    while stack:
        kind = stack.pop()
        if kind in seen:
            continue
        seen.add(kind)
        stack.extend(type.__subclasses__(kind))
        call = vars(kind).get("__call__")
        if isinstance(call, FunctionType):
            yield call
