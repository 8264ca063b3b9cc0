"""Triage: from the code object alone, in microseconds, whether a function could gain anything.

Most functions have nothing to overlap: fewer than two calls and no loop around one.  They are left as
they are, with no wrapper and no cost.
"""

from __future__ import annotations

import dis
import inspect
import sys
from types import CodeType, FunctionType

_CALL_NAMES = ("CALL", "CALL_KW", "CALL_FUNCTION_EX")
_CALLS = tuple(dis.opmap[name] for name in _CALL_NAMES if name in dis.opmap)
_LOOP_NAMES = ("FOR_ITER", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT")
_LOOPS = tuple(dis.opmap[name] for name in _LOOP_NAMES if name in dis.opmap)
_ARITHMETIC = ("BINARY_OP", "COMPARE_OP", "UNARY_NEGATIVE", *_CALL_NAMES)
_OPERATIONS = tuple(dis.opmap[name] for name in _ARITHMETIC if name in dis.opmap)
_SUSPENDS = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
_INTROSPECTION = frozenset(
    {"locals", "eval", "exec", "vars", "dir", "_getframe", "currentframe", "f_locals", "settrace"}
)
_STOPS = frozenset({"breakpoint", "set_trace"})


def reason_to_leave(code: CodeType, single: bool = False) -> str:
    """Why a function is left alone, or an empty string if its source is worth reading.

    Args:
        code: its code object.
        single: a single call is worth a look: it may lead to an operator with something to overlap inside.
    """
    if code.co_flags & _SUSPENDS:
        return "it is a generator or a coroutine: its body runs when it is resumed"
    calls, loops = _count(code)
    few = calls == 1 and not loops
    if calls == 0 or (few and not (single and (code.co_names or code.co_freevars))):
        return "it makes fewer than two calls, and none in a loop"
    if _INTROSPECTION & set(code.co_names):
        return "it looks at its own frame or namespace"
    if _names_its_caller(code):
        return "it names its caller's line (`stacklevel`), which the first call would change"
    if stops(code):
        return "it stops in a debugger, which is to step through the code as it is written"
    return ""


def _may_be_replaced(code: CodeType) -> bool:
    """Whether nobody could tell that a function runs other code than its own, when that does the same."""
    return not (
        code.co_flags & _SUSPENDS
        or _INTROSPECTION & set(code.co_names)
        or _names_its_caller(code)
        or stops(code)
    )


def has_arithmetic(code: CodeType) -> bool:
    """Whether a function may hold a numeric region: two operations, in a program that has imported NumPy."""
    if "numpy" not in sys.modules or not _may_be_replaced(code):
        return False
    opcodes = code.co_code[::2]
    return sum(opcodes.count(opcode) for opcode in _OPERATIONS) >= 2


def may_be_numeric(function: FunctionType, code: CodeType) -> bool:
    """Whether a function with nothing to overlap is worth a look for numeric regions.

    It names NumPy or a function of NumPy's, or it makes no calls at all: then its arguments may be arrays.
    """
    return has_arithmetic(code) and (_count(code)[0] == 0 or names_numpy(function, code))


def has_loop(code: CodeType) -> bool:
    """Whether a function holds a loop of its own around some arithmetic, and may be looked at for its source."""
    if not _may_be_replaced(code):
        return False
    opcodes = code.co_code[::2]
    return any(opcode in opcodes for opcode in _LOOPS) and any(
        opcode in opcodes for opcode in _OPERATIONS
    )


def names_numpy(function: FunctionType, code: CodeType) -> bool:
    """Whether a global that the function reads is NumPy, or one of its functions."""
    numpy, space = sys.modules.get("numpy"), function.__globals__
    if numpy is None:
        return False
    for name in code.co_names:
        live = space.get(name)
        if live is numpy or type(live) is numpy.ufunc:
            return True
        if type(live) is FunctionType and live.__module__ == "numpy":
            return True
    return False


def _names_its_caller(code: CodeType) -> bool:
    """Whether a warning or log record of the function is laid to the frame that has called it.

    Between the two stands the stub's frame while the first call compiles.
    """
    warns = "warn" in code.co_names
    for const in code.co_consts:
        if isinstance(const, tuple) and "stacklevel" in const:
            return True  # the names of a call's keywords
        if warns and type(const) is int and const > 1:
            return True
    return False


def stops(code: CodeType) -> bool:
    """Whether a function stops in a debugger: it names `breakpoint` or `set_trace`."""
    return bool(_STOPS & set(code.co_names))


def _count(code: CodeType) -> tuple[int, int]:
    opcodes = code.co_code[::2]
    calls = sum(opcodes.count(opcode) for opcode in _CALLS)
    loops = sum(opcodes.count(opcode) for opcode in _LOOPS)
    for const in code.co_consts:
        if isinstance(const, CodeType):
            inner_calls, inner_loops = _count(const)
            calls += inner_calls
            loops += inner_loops
    return calls, loops
