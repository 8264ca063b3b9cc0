"""From the object code of a loop to a builtin function of this process."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from ember_jit.runtime.loops.objects import symbols
from ember_jit.runtime.native import libc
from ember_jit.runtime.native.elf import ObjectError, parse
from ember_jit.runtime.native.layouts import layouts
from ember_jit.runtime.native.linking import lay_out
from ember_jit.runtime.native.loader import LoadError, load
from ember_jit.runtime.native.miss import MISS
from ember_jit.runtime.native.native_entry import METH_FASTCALL, Definition

_NUMPY = (
    "type_float64",
    "type_int64",
    "np_True",
    "np_False",
    "PyArray_Type",
    "descr_d",
    "descr_l",
    "PyArray_Scalar",
)


def turn() -> None:
    """What a long loop calls now and then: on the way here signals are handled and other threads run."""


class Entry:
    """A loop that can be called.

    Attributes:
        call: takes the inputs; returns the result, or `MISS`.
    """

    __slots__ = ("_hits", "_missed", "_owned", "call")

    def __init__(self, call: Callable[..., Any], missed: int, hits: int, owned: Any) -> None:
        self.call = call
        self._missed = missed
        self._hits = hits
        self._owned = owned

    @property
    def line(self) -> int:
        """The line on which the last call was left to Python."""
        return int(ctypes.c_int64.from_address(self._missed).value)

    def take_hits(self) -> int:
        """How many calls it has done since this was asked last."""
        count = ctypes.c_int64.from_address(self._hits)
        found, count.value = int(count.value), 0
        return found


def link(code: bytes, name: str = "loop") -> Entry | str:
    """The function that `code` defines, or why it cannot be loaded."""
    table = {**symbols(), "MISS": id(MISS), "turn": id(turn)}
    try:
        wanted = lay_out([parse(code)], 4096).undefined()
        table |= _numpy_symbols(wanted)
        table |= {each: address for each in wanted if (address := _libm(each))}
        table |= libc.addresses([each for each in wanted if each not in table])
        image = load([code], table)
    except (ObjectError, LoadError) as exc:
        return f"machine code could not be loaded: {exc}"
    definition = Definition(name.encode(), image.address("entry"), METH_FASTCALL, None)
    owned = (definition, image)
    new = ctypes.pythonapi.PyCFunction_NewEx
    new.restype = ctypes.py_object
    new.argtypes = (ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)
    return Entry(
        new(ctypes.addressof(definition), owned, None),
        image.address("missed"),
        image.address("hits"),
        owned,
    )


def _libm(name: str) -> int:
    """The address behind a name that LLVM does not know: `libm_exp` is `exp`."""
    if name == "loop_c_pow":
        return libc.addresses(["pow"]).get("pow", 0)
    if name.startswith("libm_"):
        return libc.addresses([plain := name.removeprefix("libm_")]).get(plain, 0)
    return 0


def _numpy_symbols(wanted: list[str]) -> dict[str, int]:
    """What NumPy's part of a loop refers to; NumPy is not imported for a loop that has met none of it."""
    if not any(each in _NUMPY for each in wanted) or "numpy" not in sys.modules:
        return {}
    return _numpy_table()


@lru_cache(maxsize=1)
def _numpy_table() -> dict[str, int]:
    import numpy as np

    known = layouts()
    if isinstance(known, str):
        return {}
    found = {
        name: known.addresses[name]
        for name in ("PyArray_Type", "descr_d", "descr_l", "PyArray_Scalar")
    }
    return found | {
        "type_float64": id(np.float64),
        "type_int64": id(np.int64),
        "np_True": id(np.True_),
        "np_False": id(np.False_),
    }
