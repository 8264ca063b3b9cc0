"""Which operations on a live object may run the program's code, judged by its class alone.

truth_runs_code(Box())    whether `if box:` asks `__bool__` or `__len__`
hash_runs_code(Box())     whether `{box: 1}` asks `__hash__` or `__eq__`
has_protocols(Box())      whether it has any special method that operations on values run
"""

from __future__ import annotations

from enum import Enum
from typing import Any

from ember_jit.compiler.analysis.values import runs_no_code
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


_QUIET = frozenset(
    [
        "__module__",
        "__qualname__",
        "__doc__",
        "__dict__",
        "__weakref__",
        "__slots__",
        "__init__",
        "__new__",
        "__call__",
        "__annotations__",
        "__annotate__",
        "__annotate_func__",
        "__annotations_cache__",
        "__firstlineno__",
        "__static_attributes__",
        "__effects__",
        "__init_subclass__",
        "__class_getitem__",
        "__subclasshook__",
        "__abstractmethods__",
        "__parameters__",
        "__orig_bases__",
        "__type_params__",
        "__match_args__",
        "__dataclass_fields__",
        "__dataclass_params__",
        "__set_name__",
        "__enter__",
        "__exit__",
        "__del__",
        "__getstate__",
        "__setstate__",
        "__reduce__",
        "__reduce_ex__",
        "__copy__",
        "__deepcopy__",
        "__setattr__",
        "__delattr__",
        "__protocol_attrs__",
        "__non_callable_proto_members__",
        "__replace__",
        "__post_init__",
    ]
)


def has_protocols(obj: Any) -> bool:
    """Whether the type of a live object has special methods of its own that operations on values would run."""
    if runs_no_code(obj):
        return False
    for cls in type(obj).__mro__:
        if cls is object:
            continue
        for name in cls.__dict__:
            if name == "keys" or (
                name.startswith("__") and name.endswith("__") and name not in _QUIET
            ):
                return True
    return False
