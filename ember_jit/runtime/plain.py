"""Plain values: those on which no operation runs code of the program.

Python lets a class answer `x + 1`, `if x`, `x[0]`, `f"{x}"` or `x.name` with code of its own.  Whoever looks at a
value before its turn must know that it does not.  Plain are, all the way down:

    numbers, strings, None, ranges                     immutable
    dates, UUIDs, enum members, named tuples           immutable
    lists, dicts, sets, deques, arrays without objects,
    dataclasses and other objects without special      mutable: while a call that was started early reads one,
    methods and properties, with plain attributes      whoever changes it waits (DESIGN 3, R4)

Judged by exact types: a subclass of `str` may answer anything.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from types import (
    BuiltinFunctionType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodDescriptorType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any

from ember_jit.runtime.generated import is_generated
from ember_jit.runtime.plan import pure_method_name

ATOMS: frozenset[type] = frozenset(
    {int, float, str, bytes, bool, complex, type(None), type(...), range, slice}
)
PLAIN_LIMIT = 20_000
#: by module and name, because the modules may never be imported
_VALUES = {
    "datetime": frozenset({"date", "datetime", "time", "timedelta", "timezone"}),
    "zoneinfo": frozenset({"ZoneInfo"}),
    "uuid": frozenset({"UUID"}),
    "fractions": frozenset({"Fraction"}),
}
#: what may be asked in its turn, but not ahead of it: arithmetic of `Decimal` sets flags of its thread's context,
#: a `Path` has a `replace` that renames files where a string has one that does not
_IN_TURN = {
    "decimal": frozenset({"Decimal"}),
    "pathlib": frozenset({"PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath"}),
    "pathlib._local": frozenset({"PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath"}),
    "re": frozenset({"Pattern", "Match"}),
}
VIEWS: frozenset[type] = frozenset({type({}.keys()), type({}.values()), type({}.items())})
_IN_TURN_TYPES: frozenset[type] = VIEWS | {
    FunctionType,
    BuiltinFunctionType,
    ModuleType,
    memoryview,
}
_COLLECTIONS = frozenset({"deque", "OrderedDict", "Counter"})
_CODED_TYPES = frozenset({FunctionType, staticmethod, classmethod})
_READING: frozenset[type] = frozenset(
    {MemberDescriptorType, GetSetDescriptorType, MethodDescriptorType, WrapperDescriptorType}
)
_OF_C = (MethodDescriptorType, WrapperDescriptorType)
#: special methods that no operation on a value runs: making, describing, copying, calling and entering objects
QUIET_NAMES: frozenset[str] = frozenset(
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


def is_plain(value: object, limit: int = PLAIN_LIMIT, *, in_turn: bool = False) -> bool:
    """Whether `value` is plain; larger than `limit` says no.

    Args:
        value: any object; none of its code runs.
        limit: how many values to look at.
        in_turn: whether only operations on the caller's thread, in their turn, are meant.
    """
    if type(value) in ATOMS:
        return True
    stack: list[Any] = [value]
    seen: set[int] = set()
    quiet: set[type] = set()
    while stack:
        current = stack.pop()
        kind = type(current)
        if kind in ATOMS:
            continue
        if id(current) in seen:
            continue
        if kind is dict:
            stack.extend(current)
            stack.extend(current.values())
            size = len(current)
        elif kind in (list, tuple, set, frozenset):
            stack.extend(current)
            size = len(current)
        else:
            parts = _parts(current, kind, quiet, in_turn)
            if parts is None:
                return False
            stack.extend(parts)
            size = len(parts)
        seen.add(id(current))
        limit -= 1 + size
        if limit < 0:
            return False
    return True


def _parts(value: Any, kind: type, quiet: set[type], in_turn: bool) -> tuple[Any, ...] | None:
    """What a value of a less common type holds; None if an operation on it may run code of the program."""
    module = kind.__module__
    if kind is bytearray:
        return ()
    if _is_named(kind, module, _VALUES):
        zone = getattr(value, "tzinfo", None)
        return () if zone is None else (zone,)
    if module == "collections" and kind.__name__ in _COLLECTIONS and _is_own(kind, module):
        return (*value, *value.values()) if isinstance(value, dict) else tuple(value)
    if module == "numpy":
        return () if _is_own(kind, module) and not _holds_objects(value) else None
    if in_turn and (kind in _IN_TURN_TYPES or _is_named(kind, module, _IN_TURN)):
        return tuple(value) if isinstance(value, Iterable) and hasattr(kind, "isdisjoint") else ()
    if kind not in quiet:
        if not is_quiet_class(kind) or not (in_turn or _is_data(kind)):
            return None
        quiet.add(kind)
    return _attributes(value, kind)


def _is_data(kind: type) -> bool:
    """Whether instances cannot be called: a function that was given one might."""
    return not any("__call__" in cls.__dict__ for cls in kind.__mro__)


def _is_named(kind: type, module: str, table: dict[str, frozenset[str]]) -> bool:
    return kind.__name__ in table.get(module, ()) and _is_own(kind, module)


def _is_own(kind: type, module: str) -> bool:
    """Whether `kind` is what its module holds under its name, and not a class of the program's that says so."""
    return getattr(sys.modules.get(module), kind.__name__, None) is kind


def _holds_objects(value: Any) -> bool:
    return bool(getattr(getattr(value, "dtype", None), "hasobject", True))


def _attributes(value: Any, kind: type) -> tuple[Any, ...] | None:
    """What an object of a quiet class stores."""
    if issubclass(kind, tuple):
        return tuple(value)
    found: list[Any] = []
    try:
        stored = object.__getattribute__(value, "__dict__")
    except AttributeError:
        stored = {}
    if type(stored) is not dict or not all(type(name) is str for name in stored):
        return None
    if _is_enum(kind):
        return (stored.get("_value_"),)
    found.extend(stored.values())
    for cls in kind.__mro__:
        for slot in cls.__dict__.values():
            if type(slot) is MemberDescriptorType:
                try:
                    found.append(slot.__get__(value, kind))
                except AttributeError:
                    continue
    return tuple(found)


def _is_enum(kind: type) -> bool:
    enum = sys.modules.get("enum")
    return enum is not None and type(kind) is enum.EnumMeta


def is_quiet_class(kind: type) -> bool:
    """Whether no operation on an instance of a class of the program runs code of the program, attributes apart.

    Its class has no special methods but those that `dataclasses`, `collections.namedtuple` and `enum` generate, no
    properties and other descriptors, and no method that is called like one of a plain type's (`get`, `copy`, ...).
    """
    enum = _is_enum(kind)
    if not enum and type(kind) is not type and type(kind).__qualname__ != "ABCMeta":
        return False
    bases: tuple[type, ...] = (object,)
    if enum:
        bases = (object, int, str)
    elif "_fields" in kind.__dict__:
        bases = (object, tuple)
    for cls in kind.__mro__:
        module = cls.__module__
        if cls in bases or (module in ("typing", "abc", "enum") and _is_own(cls, module)):
            continue
        if _is_in_c(cls) or not all(
            _is_quiet_member(cls, name, value) for name, value in cls.__dict__.items()
        ):
            return False
    return True


def _is_in_c(cls: type) -> bool:
    """Whether a class is not written in Python: what its operations do, and to what, cannot be seen."""
    slots = [value for value in cls.__dict__.values() if type(value) in _OF_C]
    return cls.__module__ == "builtins" or any(slot.__objclass__ is cls for slot in slots)


def _is_quiet_member(cls: type, name: str, value: Any) -> bool:
    kind = type(value)
    if name.startswith("__") and name.endswith("__"):
        if name in QUIET_NAMES or value is None or kind in _READING:
            return True
        return kind is FunctionType and (_is_library(value) or is_generated(cls, name, value))
    if kind in _CODED_TYPES:
        return _is_library(value) or not pure_method_name(name)
    return not hasattr(kind, "__get__") or reads_quietly(value, cls)


def reads_quietly(found: Any, kind: type) -> bool:
    """Whether reading an attribute of a `kind` through the descriptor `found` runs no code of the program."""
    descriptor = type(found)
    if descriptor is GetSetDescriptorType:
        return _is_of_library(kind) or found.__name__ in ("__dict__", "__weakref__")
    if descriptor in _READING or descriptor.__name__ == "_tuplegetter":
        return True
    return _is_enum(kind) and _is_library(getattr(found, "fget", None))


def _is_of_library(kind: type) -> bool:
    module = kind.__module__
    named = _is_named(kind, module, _VALUES) or _is_named(kind, module, _IN_TURN)
    return kind in ATOMS or named or (module == "numpy" and _is_own(kind, module))


def _is_library(function: Any) -> bool:
    """Whether a function is one of those that the modules that generate classes put into them."""
    inner = getattr(function, "__func__", function)
    module = getattr(inner, "__module__", None)
    if module not in ("enum", "collections", "dataclasses", "typing", "abc"):
        return False
    return getattr(inner, "__globals__", None) is vars(sys.modules[module])
