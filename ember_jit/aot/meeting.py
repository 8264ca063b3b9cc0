"""The operators that go into a bundle, and running them so that their regions and loops meet values."""

from __future__ import annotations

from inspect import signature
from types import FunctionType, MethodType
from typing import Any

from ember_jit.errors import ConstructionError, NotAnOperatorError
from ember_jit.runtime import background
from ember_jit.runtime.loops.site import at_once as loops_at_once

NO_INPUTS: Any = object()
"""Nothing is run."""


def meet(op: Any, inputs: Any) -> None:
    """Run an operator or function once, having machine code made for all that its regions and loops meet.

    Raises:
        Exception: whatever it raises.
    """
    with background.at_once(), loops_at_once():
        if not isinstance(op, FunctionType | MethodType) or "inputs" in signature(op).parameters:
            op(inputs=inputs)
        else:
            op(*(inputs if type(inputs) is tuple else (inputs,)))


def operator_of(target: Any) -> Any:
    """The operator, or function, that a target stands for."""
    if isinstance(target, FunctionType | MethodType):
        return target
    if not isinstance(target, type):
        if not callable(target):
            raise NotAnOperatorError(
                f"{target!r} is no operator that could be called: decorate its class, or give an operator"
            )
        return target
    try:
        return target()
    except Exception as exc:
        raise ConstructionError(
            f"{target.__qualname__} could not be constructed without arguments ({type(exc).__name__}: {exc}); "
            "give an operator instead of its class"
        ) from exc
