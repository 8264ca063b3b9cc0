"""What ember_jit asks of the objects that it is given: operators, and executors behind the slots of a mesh.

The protocols are structural: no base class is needed.  `isinstance` looks whether the methods are there, not
what they take.

Example:
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> isinstance(ThreadPoolExecutor, ExecutorLike), isinstance(len, OperatorLike)
    (True, False)
"""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any, Protocol, runtime_checkable

from ember_jit.errors import NotAnOperatorError


@runtime_checkable
class OperatorLike(Protocol):
    """An operator: it has a `forward`, and is called as `op(inputs=...)`."""

    def forward(self, *, inputs: Any) -> Any:
        """What the operator does."""

    def __call__(self, *, inputs: Any) -> Any:
        """Call `forward`."""


@runtime_checkable
class ExecutorLike(Protocol):
    """What may stand behind a slot: `submit` returns something with `result()`."""

    def submit(self, fn: Callable[..., Any], /, *args: Any) -> Any:
        """Start `fn(*args)`."""


def check_operator(value: Any, asked_by: str) -> None:
    """See that `value` is an operator or a function.

    Raises:
        NotAnOperatorError: it is neither; the message says what to give to `asked_by` instead.
    """
    if isinstance(value, FunctionType | MethodType):
        return
    name = value.__name__ if isinstance(value, type) else type(value).__name__
    if isinstance(value, type):
        problem = f"{name} is a class; give an instance of it: {name}(...)"
    elif isinstance(value, OperatorLike):
        return
    elif hasattr(value, "forward"):
        problem = f"{name} has a `forward` but cannot be called; decorate it, or derive it from ember_jit.Operator"
    else:
        problem = f"{value!r} ({name}) is neither an operator nor a function; it has no `forward`"
    raise NotAnOperatorError(f"{asked_by} needs an operator, but {problem}.")
