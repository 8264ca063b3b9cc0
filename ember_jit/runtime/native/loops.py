"""The addresses of NumPy's own inner loops, which strict kernels call for their transcendentals.

A ufunc object (`PyUFuncObject`, a public struct) holds a C function and a data pointer for each
combination of types that `ufunc.types` lists.  The fields are checked against what Python says of the
ufunc before they are believed.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from ember_jit.runtime.native.layouts import pointer_at

_NIN, _NOUT, _NARGS = 16, 20, 24  # ints
_FUNCTIONS: Final = 32
_DATA: Final = 40
_NTYPES: Final = 48  # int
_NAME: Final = 56
_TYPES: Final = 64


@lru_cache(maxsize=64)
def loop_table(loops: tuple[tuple[str, str], ...]) -> Any | str:
    """A C array of (loop, data) address pairs for these (ufunc, type), or why there is none."""
    pairs: list[int] = []
    for name, code in loops:
        found = _loop(name, code)
        if isinstance(found, str):
            return found
        pairs += found
    return (ctypes.c_uint64 * len(pairs))(*pairs)


def _loop(name: str, code: str) -> tuple[int, int] | str:
    import numpy as np

    ufunc = getattr(np, name, None)
    if not isinstance(ufunc, np.ufunc):
        return f"NumPy has no ufunc {name!r}"
    wanted = f"{code * ufunc.nin}->{code * ufunc.nout}"
    if wanted not in ufunc.types:
        return f"np.{name} has no loop for {wanted}"
    index = ufunc.types.index(wanted)
    at = id(ufunc)
    numbers = [ctypes.c_int32.from_address(at + each).value for each in (_NIN, _NOUT, _NARGS)]
    if (
        numbers != [ufunc.nin, ufunc.nout, ufunc.nargs]
        or ctypes.c_int32.from_address(at + _NTYPES).value != ufunc.ntypes
        or ctypes.string_at(pointer_at(at + _NAME)) != name.encode()
        or _numbers(pointer_at(at + _TYPES), index, ufunc.nargs)
        != [np.dtype(code).num] * ufunc.nargs
    ):
        return f"the fields of np.{name} are not where they are known to be"
    loop = pointer_at(pointer_at(at + _FUNCTIONS) + 8 * index)
    data = pointer_at(at + _DATA)
    return (loop, pointer_at(data + 8 * index) if data else 0) if loop else f"np.{name} has no loop"


def _numbers(types: int, index: int, count: int) -> Sequence[int]:
    return list(ctypes.string_at(types + index * count, count))
