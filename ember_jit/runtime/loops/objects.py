"""Where this CPython keeps the contents of ints, floats, lists and strings; verified before it is believed.

Compiled loops read lists, numbers and strings in place, object by object.  The headers of CPython 3.11 to
3.14 say where things are; `objects()` checks that on objects whose contents are known.  Another
interpreter, a free-threaded build, or a surprise gives a reason in place of offsets: then there are no
compiled loops.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final, NamedTuple

from ember_jit.runtime.native.layouts import function_address, interpreter_reason, pointer_at

LIST_LENGTH: Final = 16
LIST_ITEMS: Final = 24
FLOAT_VALUE: Final = 16
STR_LENGTH: Final = 16
_SIZE, _DIGIT, _STATE = 16, 24, 32

_FUNCTIONS: Final = (
    "PyLong_AsLongLongAndOverflow",
    "PyLong_FromLongLong",
    "PyFloat_FromDouble",
    "PyUnicode_FromOrdinal",
    "PyList_New",
    "PyTuple_New",
    "PyTuple_SetItem",
    "PyObject_CallNoArgs",
    "Py_IncRef",
    "Py_DecRef",
)


class Objects(NamedTuple):
    """What differs between versions.

    Attributes:
        tagged: an int's size is a tag with its sign (from 3.12 on), not a signed count.
        ascii_data, compact_data: where the characters of a string begin.
        kind_shift: where in a string's state the bytes of a character are.
    """

    tagged: bool
    ascii_data: int
    compact_data: int
    kind_shift: int


@lru_cache(maxsize=1)
def objects() -> Objects | str:
    """The verified layout, or why loops are not compiled here."""
    reason = interpreter_reason()
    if reason is not None:
        return reason
    new = sys.version_info >= (3, 12)
    found = Objects(new, 40 if new else 48, 56 if new else 72, kind_shift=2)
    for complaint in _complaints(found):
        return f"the layout of this Python is not as known: {complaint}"
    return found


def symbols() -> dict[str, int]:
    """The addresses that compiled loops refer to."""
    found = {name: function_address(name) for name in _FUNCTIONS}
    for kind in (int, float, bool, str, list):
        found[f"type_{kind.__name__}"] = id(kind)
    found |= {"Py_None": id(None), "Py_True": id(True), "Py_False": id(False)}
    return found


def kind_of(text: str, known: Objects) -> int:
    """Bytes of each character of a string, as its object says."""
    return _word(id(text) + _STATE) >> known.kind_shift & 7


def _word(address: int) -> int:
    return int(ctypes.c_uint32.from_address(address).value)


def _complaints(known: Objects) -> Iterator[str]:
    for number in (0, 1, -1, 255, 2**30 - 1, -(2**30 - 1), 2**30, -(2**62)):
        if _read_int(number, known) not in (number, None) or (abs(number) < 2**30) != (
            _read_int(number, known) is not None
        ):
            yield f"the int {number}"
    if ctypes.c_double.from_address(id(1.25) + FLOAT_VALUE).value != 1.25:
        yield "the value of a float"
    items: list[Any] = [1.5, "x", None]
    if pointer_at(id(items) + LIST_LENGTH) != 3 or any(
        pointer_at(pointer_at(id(items) + LIST_ITEMS) + 8 * k) != id(item)
        for k, item in enumerate(items)
    ):
        yield "the items of a list"
    for text in ("", "a", "ab" * 9, "caf\xe9", "\u0100b", "\U0001f600z"):
        if _read_str(text, known) != text:
            yield f"the characters of {text!r}"


def _read_int(value: int, known: Objects) -> int | None:
    """As compiled code reads it; None for more than one digit."""
    size = ctypes.c_int64.from_address(id(value) + _SIZE).value
    digit = _word(id(value) + _DIGIT)
    if known.tagged:
        return (1 - (size & 3)) * digit if 0 <= size < 16 else None
    return size * digit if -1 <= size <= 1 else None


def _read_str(text: str, known: Objects) -> str:
    state = _word(id(text) + _STATE)
    kind, compact, ascii_ = (
        state >> known.kind_shift & 7,
        state >> known.kind_shift + 3 & 1,
        state >> known.kind_shift + 4 & 1,
    )
    if not compact or kind not in (1, 2, 4):
        return "?"
    length = pointer_at(id(text) + STR_LENGTH)
    if length != len(text):
        return "?"
    data = id(text) + (known.ascii_data if ascii_ else known.compact_data)
    raw = ctypes.string_at(data, kind * length)
    return raw.decode({1: "latin-1", 2: "utf-16-le", 4: "utf-32-le"}[kind], "surrogatepass")
