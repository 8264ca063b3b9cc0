"""Stand-ins: undecorated composites are transparent to a decorated one.

An operator, method or function that a compiled function calls may itself hold calls that overlap.  Its
own function object is the user's and is left as it is; a twin with the same globals, defaults and cells
is compiled in its place and entered instead, as long as the live object is still what was read (R6).
Who compiles is given: the compiler (`compiler.standin`), or a bundle (`aot.loader`).
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from functools import partial
from types import CodeType, FunctionType, MethodType
from typing import Any

from ember_jit.runtime.dispatch import CompileUnit, Options
from ember_jit.runtime.effect import Effect
from ember_jit.runtime.installing import install_stub
from ember_jit.runtime.journal import writes_output
from ember_jit.runtime.originals import is_alike, is_replacement, original_code, twin_of
from ember_jit.runtime.protocol_frame import entry
from ember_jit.runtime.statics import function_of, type_lookup
from ember_jit.runtime.triage import reason_to_leave
from ember_jit.weak import dropping

Deferring = Callable[[FunctionType, CodeType], FunctionType | None]
"""Makes the twin of a function (whose original code is given) that defers its output, or None."""

_making = threading.RLock()  # a thread that comes by while another compiles a twin waits for it
_twins: dict[
    tuple[int, int, CompileUnit], tuple[weakref.ref[FunctionType], CodeType, FunctionType | None]
] = {}


def stand_in(
    callee: Any, effect: Effect, options: Options, compile_unit: CompileUnit
) -> Callable[..., Any] | None:
    """A compiled twin to call instead of `callee`, or None."""
    if effect.declared or not effect.operator or effect.prints:
        return None
    found = function_of(callee)
    if found is None or is_replacement(found[0].__code__):
        return None
    function, owner = found
    with _making:  # a second thread must wait for the first one's compilation, not run plain
        twin = _twin_locked(function, owner, options, compile_unit)
    if twin is None:
        return None
    return _entered(callee, twin, owner)


def quiet_twin(
    callee: Any, effect: Effect, deferring: Deferring
) -> tuple[bool, Callable[..., Any] | None]:
    """Whether `callee` may run ahead although it may print or log, and the twin that defers its output."""
    found = function_of(callee)
    if found is None:
        return not effect.prints, None
    function, owner = found
    code = original_code(function)
    if not effect.prints and not (effect.declared and writes_output(code)):
        return True, None
    if is_replacement(function.__code__):
        return not effect.prints, None
    twin = deferring(function, code)
    if twin is None:
        return not effect.prints, None
    return True, _entered(callee, twin, owner)


def _entered(callee: Any, twin: FunctionType, owner: Any) -> Callable[..., Any]:
    """What is called in place of `callee`; an operator's `__call__` stays in between."""
    if owner is None:
        return twin
    bound = partial(twin, owner)
    if type(callee) is MethodType:
        return bound
    return entry(type_lookup(type(callee), "__call__"), owner, bound)


def _twin_locked(
    function: FunctionType, owner: Any, options: Options, compile_unit: CompileUnit
) -> FunctionType | None:
    key = (id(function), hash(options), compile_unit)
    found = _twins.get(key)
    if found is not None and found[0]() is function and found[1] is function.__code__:
        twin = found[2]
        return twin if twin is not None and is_alike(twin, function) else None
    made: FunctionType | None = None
    _twins[key] = (dropping(_twins, key, function), function.__code__, None)
    if not reason_to_leave(function.__code__, single=True):
        made = twin_of(function, function.__code__)
        unit = install_stub(made, options, compile_unit)
        unit.bound = owner is not None
        unit.settle(made, owner)
        if not unit.stats.compiled and unit.is_alike is None:
            made = None
    _twins[key] = (_twins[key][0], function.__code__, made)
    return made


def _forget_lock() -> None:
    global _making
    _making = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_lock)  # the thread that held it does not exist there
