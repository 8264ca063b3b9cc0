"""The version of the tracing events, which CPython 3.12+ keeps in each code object and shows to nobody.

    events = event_version(code)
    events.now()        another number once a trace function, a profiler or events of a `sys.monitoring`
                        tool have come or gone, and the code has been entered again

The offset is that of CPython 3.12 to 3.14, and the words around it must be what they should be: None elsewhere.
"""

from __future__ import annotations

import sys
import sysconfig
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class EventVersion:
    """Where the version that a code object was last prepared for is kept: whoever reads it keeps the code alive."""

    address: int

    def now(self) -> int:
        """The version."""
        return _at(self.address, 8)


def event_version(code: CodeType) -> EventVersion | None:
    """The version of the tracing events that `code` was last prepared for."""
    if not _KNOWN or not _code_is_as_expected(code):
        return None
    return EventVersion(id(code) + CodeType.__basicsize__ - _TO_BYTECODE)


def _at(address: int, size: int) -> int:
    import ctypes

    return int.from_bytes(ctypes.string_at(address, size), "little")


def _code_is_as_expected(code: CodeType) -> bool:
    """Whether the words around the version hold what they should, in the code at hand."""
    start = id(code) + CodeType.__basicsize__ - _TO_BYTECODE
    return (
        _at(id(code) + 24, 8) == id(code.co_consts)
        and _at(id(code) + 48, 4) == code.co_flags
        and _at(start + _TO_TRACEABLE + 8, 8) == 0  # co_extra
        and _at(start + _TO_TRACEABLE, 4) <= len(code.co_code) // 2
    )
