"""The functions that a loop may call, told by identity: builtins, and libm through `math`.

libm's functions are called at the very addresses that CPython calls, under names that LLVM does not
know.  A result that is not finite is an exception in CPython (or follows from an argument that was not
finite), so Python has to do it again.
"""

from __future__ import annotations

import builtins
import math
from typing import Any, Final

LIBM: Final = [
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "cos",
    "cosh",
    "exp",
    "expm1",
    "sin",
    "sinh",
    "tan",
    "tanh",
]
"""`math.NAME(x)` is libm's `NAME(x)`, and an exception where that is not finite (`math_1` in CPython)."""

LOGARITHMS: Final = ("log", "log2", "log10")
"""Of a positive, finite number these are libm's."""

ROUNDING: Final = ("floor", "ceil", "trunc")

_BUILTINS: Final = [
    "abs",
    "bool",
    "enumerate",
    "float",
    "int",
    "len",
    "list",
    "max",
    "min",
    "ord",
    "range",
    "sum",
    "zip",
]


def known_functions() -> dict[int, tuple[Any, str]]:
    """id -> (the function, what it is called here)."""
    found: dict[int, tuple[Any, str]] = {}
    for name in _BUILTINS:
        live = getattr(builtins, name)
        found[id(live)] = (live, name)
    for name in (*LIBM, *LOGARITHMS, *ROUNDING, "sqrt", "fabs"):
        live = getattr(math, name)
        found[id(live)] = (live, f"math.{name}")
    return found


_KNOWN: Final = known_functions()


def function_name(live: Any) -> str:
    """What a live callable is called here, or empty if a loop may not call it."""
    found = _KNOWN.get(id(live))
    return found[1] if found is not None and found[0] is live else ""


ITERATORS: Final = ("enumerate", "range", "zip")
"""Only in `for`: they are never objects."""
