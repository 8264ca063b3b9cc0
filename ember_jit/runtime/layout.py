"""The version of the tracing events, which CPython keeps in each code object and shows to nobody.

    event_version(code)[0]    another number once a trace function, a profiler or events of a `sys.monitoring`
                              tool have come or gone, and the code has been entered again

The offset is that of CPython 3.12 to 3.14, and the words around it must be what they should be: None elsewhere.
The view is an address: whoever holds it keeps the code alive.
"""

from __future__ import annotations

import sys
import sysconfig
from types import CodeType

_VERSION = sys.version_info[:2]
# bytes from PyCodeObject._co_instrumentation_version to the bytecode, and to _co_firsttraceable
_TO_BYTECODE, _TO_TRACEABLE = (32, 16) if _VERSION < (3, 14) else (40, 24)
_KNOWN = (
    sys.implementation.name == "cpython"
    and sys.maxsize == 2**63 - 1
    and (3, 12) <= _VERSION <= (3, 14)
    and not sysconfig.get_config_var("Py_GIL_DISABLED")
    and not hasattr(sys, "gettotalrefcount")  # a debug build has other structs
)


def event_version(code: CodeType) -> memoryview[int] | None:
    """A view of the version of the tracing events that `code` was last prepared for."""
    if not _KNOWN or not _code_is_as_expected(code):
        return None
    return _view(id(code) + CodeType.__basicsize__ - _TO_BYTECODE, 8)


def _view(address: int, size: int) -> memoryview[int]:
    import ctypes

    kind = {4: "I", 8: "Q"}[size]
    return memoryview((ctypes.c_ubyte * size).from_address(address)).cast("B").cast(kind)  # type: ignore[no-any-return, call-overload, unused-ignore]


def _code_is_as_expected(code: CodeType) -> bool:
    """Whether the words around the version hold what they should, in the code at hand."""
    first = _view(id(code) + 24, 8)[0]
    flags = _view(id(code) + 48, 4)[0]
    start = CodeType.__basicsize__ - _TO_BYTECODE
    extra = _view(id(code) + start + _TO_TRACEABLE + 8, 8)[0]
    traceable = _view(id(code) + start + _TO_TRACEABLE, 4)[0]
    return (
        first == id(code.co_consts)
        and flags == code.co_flags
        and extra == 0
        and traceable <= len(code.co_code) // 2
    )
