"""Instructions of `with`. See `stack_ops`.

    with urlopen(address) as response: ...      the answer to a request closes itself
    with suppress(KeyError): ...                does nothing that others can see

Entering and leaving any other manager is an effect: a lock, a transaction, code of the program.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from ember_jit.compiler.analysis.stack_machine import Handler, Instr, Stack
from ember_jit.compiler.analysis.stack_values import EXIT, NULL, Enter, is_response
from ember_jit.compiler.analysis.values import HANDLE, LOCAL, SCALAR, Abstract, Fresh

if TYPE_CHECKING:
    from ember_jit.compiler.analysis.stack_machine import Frame

_CLEAN = (contextlib.suppress, contextlib.nullcontext)


def makes_clean_manager(obj: Any) -> bool:
    """Whether calling `obj` makes a context manager that others cannot see being entered and left."""
    return any(obj is cls for cls in _CLEAN)


def _enter(frame: Frame, manager: Abstract) -> Abstract:
    """What `with manager as ...` gives."""
    if is_response(manager):
        return HANDLE
    if isinstance(manager, Fresh) and makes_clean_manager(manager.cls):
        return LOCAL
    raise frame.stop("enters a context manager that is not followed")


def _before_with(frame: Frame, instr: Instr, stack: Stack) -> None:
    del instr
    entered = _enter(frame, stack.pop())
    stack.extend((EXIT, entered))


def _load_special(frame: Frame, instr: Instr, stack: Stack) -> None:
    """3.14 looks both methods up on the class, with the manager as their receiver."""
    name = str(getattr(instr.arg, "name", instr.arg)).lower()
    manager = stack.pop()
    if name in ("1", "__exit__", "exit"):
        _enter(frame, manager)
        stack.extend((EXIT, NULL))
    elif name in ("0", "__enter__", "enter"):
        stack.extend((Enter(_enter(frame, manager)), NULL))
    else:
        raise frame.stop("enters an asynchronous context manager")


def _with_except_start(frame: Frame, instr: Instr, stack: Stack) -> None:
    """The exit is told of an exception, and says whether that is over."""
    del frame, instr
    stack.append(SCALAR)


MANAGER_OPERATIONS: dict[str, Handler] = {
    "BEFORE_WITH": _before_with,
    "LOAD_SPECIAL": _load_special,
    "WITH_EXCEPT_START": _with_except_start,
}
"""The handlers of this file."""
