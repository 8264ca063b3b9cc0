"""Which operations on a live object may run the program's code, judged by its class alone.

truth_runs_code(Box())    whether `if box:` asks `__bool__` or `__len__`
hash_runs_code(Box())     whether `{box: 1}` asks `__hash__` or `__eq__`
has_protocols(Box())      whether it has any special method that operations on values run
"""

from __future__ import annotations

from enum import Enum
from typing import Any

from ember_jit.compiler.analysis.values import runs_no_code
from ember_jit.runtime.plain import QUIET_NAMES
from ember_jit.runtime.statics import MISSING, type_lookup

_QUIET_HASH: tuple[Any, ...] = (object.__hash__, Enum.__hash__)


def truth_runs_code(obj: Any) -> bool:
    """Whether asking a live object for its truth may run the user's code."""
    kind = type(obj)
    asked = any(type_lookup(kind, name) is not MISSING for name in ("__bool__", "__len__"))
    return asked and not runs_no_code(obj)


def hash_runs_code(obj: Any) -> bool:
    """Whether using a live object as a key may run the user's code."""
    kind = type(obj)
    plain = type_lookup(kind, "__eq__") is object.__eq__
    return not runs_no_code(obj) and not (plain and type_lookup(kind, "__hash__") in _QUIET_HASH)


def has_protocols(obj: Any) -> bool:
    """Whether the type of a live object has special methods of its own that operations on values would run."""
    if runs_no_code(obj):
        return False
    for cls in type(obj).__mro__:
        if cls is object:
            continue
        for name in cls.__dict__:
            if name == "keys" or (
                name.startswith("__") and name.endswith("__") and name not in QUIET_NAMES
            ):
                return True
    return False
