"""The functions and types that regions and loops may name, as their authors made them, whatever a program has put in their place.

home_of(numpy.exp)       ("numpy", "exp")
genuine("numpy", "exp")  NumPy's own, also where `numpy.exp` is something else by now; None if it cannot be told
"""

from __future__ import annotations

import sys
from types import BuiltinFunctionType
from typing import Any

#: modules that implement functions: programs that replace `numpy.exp` do not look there
_HOMES = (
    "builtins",
    "math",
    "numpy._core.umath",
    "numpy._core.fromnumeric",
    "numpy._core.multiarray",
    "numpy._core.numerictypes",
    "numpy.linalg._linalg",
)
_HEAPTYPE = 1 << 9
_flags: Any = type.__dict__["__flags__"].__get__
_module: Any = type.__dict__["__module__"].__get__


def genuine(home: str, name: str) -> Any:
    """The function of this name that the module `home` implements, or None; imports nothing."""
    module = sys.modules.get(home) if home in _HOMES else None
    live = None if module is None else vars(module).get(name)
    if live is None or home.startswith("numpy.") or _is_of(live, home, name):
        return live
    return None


def home_of(live: Any) -> tuple[str, str] | None:
    """Which module implements a function, and its name there; None if it is none of these, or not the genuine one."""
    name = getattr(live, "__name__", None)
    if isinstance(name, str):
        for home in _HOMES:
            if genuine(home, name) is live:
                return home, name
    return None


def _is_of(live: Any, home: str, name: str) -> bool:
    if type(live) is type:
        return not _flags(live) & _HEAPTYPE and (_module(live), live.__name__) == (home, name)
    return type(live) is BuiltinFunctionType and (live.__module__, live.__name__) == (home, name)
