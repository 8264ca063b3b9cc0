"""The C library: addresses of the functions that object code may call, and the protection of pages."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

_MEMORY: Final = (
    "bcmp",
    "free",
    "madvise",
    "malloc",
    "memcmp",
    "memcpy",
    "memmove",
    "memset",
    "mmap",
    "munmap",
    "realloc",
)
_MATH: Final = (
    "acos acosh asin asinh atan atan2 atanh cbrt ceil copysign cos cosh erf exp exp2 expm1 fabs floor fma fmod hypot "
    "ldexp log log10 log1p log2 nearbyint pow rint round sin sinh sqrt tan tanh trunc"
)
KNOWN: Final = frozenset(_MEMORY) | {name + end for name in _MATH.split() for end in ("", "f")}
"""The functions that LLVM may put in place of an instruction, or that our own code calls."""


def protect(address: int, size: int, protection: int) -> int:
    """Let pages be read, written or run as `protection` says; the number of the error, 0 for none."""
    mprotect = ctypes.CDLL(None, use_errno=True).mprotect
    mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    return 0 if mprotect(address, size, protection) == 0 else ctypes.get_errno()


def addresses(names: Iterable[str]) -> dict[str, int]:
    """Where these functions are; those that are unknown, or not there, are left out."""
    return {name: found for name in names if (found := _address(name))}


@lru_cache(maxsize=256)
def _address(name: str) -> int:
    if name not in KNOWN:
        return 0
    for library in _libraries():
        try:
            return ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0
        except AttributeError:
            continue
    return 0


def _libraries() -> Iterator[ctypes.CDLL]:
    yield ctypes.CDLL(None)
    try:
        yield ctypes.CDLL("libm.so.6")  # find_library() would start a process
    except OSError:
        return
