"""Who is told of the events of a code object: what CPython 3.12+ keeps in it, and shows to nobody.

    event_version(code)    a word that is another once a trace function, a profiler or events of a `sys.monitoring`
                           tool have come or gone, and the code has been entered again
    local_events(code)     words that are others once a tool is told of the events of this very code

The offsets are those of CPython 3.12 to 3.14, and the words around them must be what they should be: None elsewhere.
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
class Word:
    """Eight bytes in a code object, and what they were: whoever reads them again keeps the code alive."""

    address: int
    value: int

    @classmethod
    def at(cls, address: int) -> Word:
        """The word at an address, read once."""
        return cls(address, _at(address, 8))

    def now(self) -> int:
        """What is there."""
        return _at(self.address, 8)


def event_version(code: CodeType) -> Word | None:
    """The version of the tracing events that `code` was last prepared for."""
    if not _KNOWN or not _code_is_as_expected(code):
        return None
    return Word.at(id(code) + CodeType.__basicsize__ - _TO_BYTECODE)


def local_events(code: CodeType) -> list[Word] | None:
    """What changes when a tool asks for events of `code` alone; None if one is told of them now.

    The first is the address of what CPython notes of them, which is 0 until somebody has asked for any event in this code; the
    second, if there is such a note, begins with a byte for each event: the tools that are told of it.
    """
    version = event_version(code)
    if version is None:
        return None
    note = Word.at(version.address + 8)
    if not note.value:
        return [note]
    tools = Word.at(note.value)
    return None if tools.value else [note, tools]


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
