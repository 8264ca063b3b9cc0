"""`fake_latency`: leaves that take virtual time, without a change to what they do."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import FunctionType
from typing import Any, TypeVar

from ember_jit.effects import label_of
from ember_jit.operators import Operator
from ember_jit.protocols import check_operator
from ember_jit.testing.clock import open_clock

T = TypeVar("T")


def fake_latency(seconds: float) -> Callable[[T], T]:
    """Have each call of an operator or a function take so many seconds of the open `fake_clock`.

    Where no clock is open, calls take no longer than they do.  To sleep is an effect: only what is declared
    (`@query`, `@pure`) still overlaps.

    Args:
        seconds: virtual seconds that a call takes before it does what it does.

    Returns:
        What makes a slow one: of a class the class itself, its `forward` replaced; of an instance an operator
        in front of it, with the same label; of a function another function, with the same label.

    Raises:
        NotAnOperatorError: it is given something that is neither.

    Example:
        >>> from ember_jit import query
        >>> from ember_jit.testing import fake_clock
        >>> @fake_latency(0.3)
        ... @query
        ... class Search(Operator):
        ...     def forward(self, *, inputs):
        ...         return [inputs]
        >>> with fake_clock() as clock:
        ...     Search()(inputs="x"), clock.now
        (['x'], 0.3)
    """
    if seconds < 0:
        raise ValueError(f"cannot take {seconds} seconds")

    def slow(target: Any) -> Any:
        if isinstance(target, type) and isinstance(getattr(target, "forward", None), FunctionType):
            target.forward = _slow(target.forward, seconds)  # type: ignore[attr-defined]
            return target
        check_operator(target, "fake_latency")
        if isinstance(target, FunctionType):
            return _slow(target, seconds)
        name = f"Slow{type(target).__name__}"
        label = label_of(target)
        cls = type(name, (_Slow,), {})
        return (cls if label is None else label(cls))(target, seconds)

    return slow


def _wait(seconds: float) -> None:
    clock = open_clock()
    if clock is not None:
        clock.sleep(seconds)


def _slow(function: Callable[..., Any], seconds: float) -> Callable[..., Any]:
    @functools.wraps(function)
    def slow(*args: Any, **kwargs: Any) -> Any:
        _wait(seconds)
        return function(*args, **kwargs)

    return slow


class _Slow(Operator):
    """An operator in front of another, which it calls after a while."""

    def __init__(self, op: Any, seconds: float) -> None:
        self.op = op
        self.seconds = seconds

    def forward(self, *, inputs: Any) -> Any:
        _wait(self.seconds)
        return self.op(inputs=inputs)
