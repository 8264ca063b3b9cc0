"""The classes whose operators a chain computes in place: reading their instances runs no code, and calling them runs `forward`."""

from __future__ import annotations

from abc import ABCMeta
from types import FunctionType

from ember_jit.runtime.linking import CALL, CODE, STRAIGHT
from ember_jit.runtime.originals import is_replacement
from ember_jit.runtime.statics import MISSING, has_plain_lookup, type_lookup

#: what a call of an operator looks up on its class
CLASS_NAMES = ("forward", "__call__", "__getattribute__", "__getattr__")


def is_readable(kind: type) -> bool:
    """Whether reading an attribute that an instance has runs no code."""
    return (
        type(kind) in (type, ABCMeta)
        and has_plain_lookup(kind)
        and type_lookup(kind, "__getattr__") is MISSING
    )


def forward_of(kind: type) -> FunctionType | None:
    """The `forward` of a class of operators that can be read, or None."""
    forward = type_lookup(kind, "forward")
    if not isinstance(forward, FunctionType) or type_lookup(kind, "__call__") is not STRAIGHT[CALL]:
        return None
    if not is_readable(kind) or STRAIGHT[CALL].__code__ is not STRAIGHT[CODE]:
        return None
    code = forward.__code__
    if (
        is_replacement(code)
        or code.co_freevars
        or code.co_cellvars
        or code.co_flags & (0x20 | 0x0C | 0x280)
    ):
        return None
    by_name = code.co_argcount + code.co_kwonlyargcount == 2 and code.co_posonlyargcount < 2
    return forward if by_name and code.co_argcount and code.co_varnames[1] == "inputs" else None
