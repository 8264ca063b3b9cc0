"""Whether a pure function surely comes to an end, so that it may be called although the program may not come to it.

    def mean(xs): return sum(xs) / len(xs)             yes
    def collatz(n):                                    no: a `while` loop may have no end,
        while n != 1: n = step(n)                      and neither may a recursion

    self.check(inputs=n)        # raises for 0: plain Python never calls `collatz(0)`
    return collatz(n)

Read off the bytecode: a jump backwards to anything but the head of a `for` loop is a `while` loop.  The functions
that a function may call are found by the names it mentions, so a chain of helpers is as good as its worst.
"""

from __future__ import annotations

import dis
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from ember_jit.kinds import is_a

_known: WeakKeyDictionary[FunctionType, tuple[CodeType, bool]] = WeakKeyDictionary()
_BACKWARD = frozenset(name for name in dis.opmap if "BACKWARD" in name)
_ENDING_HEADS = frozenset({"FOR_ITER", "SEND"})


def ends(function: Any) -> bool:
    """Whether calling `function` on plain values surely comes to an end soon."""
    return _ends(function, ())


def _ends(function: Any, callers: tuple[Any, ...]) -> bool:
    if type(function) is MethodType:
        function = function.__func__
    if type(function) is not FunctionType:
        return not callers or not callable(getattr(type(function), "forward", None))
    if function in callers:
        return False
    found = _known.get(function)
    if found is not None and found[0] is function.__code__:
        return found[1]
    inner = (*callers, function)
    result = _is_loop_free(function.__code__) and all(
        _ends(each, inner) for each in _mentioned(function)
    )
    _known[function] = (function.__code__, result)
    return result


def _is_loop_free(code: CodeType) -> bool:
    """Whether `code`, and all code in it, has no loops but `for` loops."""
    instructions = {each.offset: each.opname for each in dis.get_instructions(code)}
    for each in dis.get_instructions(code):
        if each.opname in _BACKWARD and instructions.get(each.argval) not in _ENDING_HEADS:
            return False
    return all(_is_loop_free(const) for const in code.co_consts if isinstance(const, CodeType))


def _mentioned(function: FunctionType) -> list[Any]:
    """Functions that `function` may call, by the names that it and the code in it mention."""
    names: set[str] = set()
    codes = [function.__code__]
    while codes:
        code = codes.pop()
        names.update(code.co_names)
        codes.extend(const for const in code.co_consts if isinstance(const, CodeType))
    space = function.__globals__
    values = [space[name] for name in names if name in space]
    values += [
        vars(module)[name]
        for module in values
        if is_a(module, ModuleType)
        for name in names
        if name in vars(module)
    ]
    for cell in function.__closure__ or ():
        try:
            values.append(cell.cell_contents)
        except ValueError:
            continue  # not bound yet
    return [value for value in values if type(value) in (FunctionType, MethodType)]
