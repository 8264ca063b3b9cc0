"""Triage: from the code object alone, in microseconds, whether a function could gain anything.

Most functions have nothing to overlap: fewer than two calls and no loop around one.  They are left as
they are, with no wrapper and no cost.
"""

from __future__ import annotations

import dis
import inspect
from types import CodeType

_CALL_NAMES = ("CALL", "CALL_KW", "CALL_FUNCTION_EX")
_CALLS = tuple(dis.opmap[name] for name in _CALL_NAMES if name in dis.opmap)
_LOOP_NAMES = ("FOR_ITER", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT")
_LOOPS = tuple(dis.opmap[name] for name in _LOOP_NAMES if name in dis.opmap)
_SUSPENDS = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
_INTROSPECTION = frozenset(
    {"locals", "eval", "exec", "vars", "dir", "_getframe", "currentframe", "f_locals", "settrace"}
)


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
    return ""


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
