"""Snapshots of object graphs: what `effects.verify` compares before and after a call.

Equality is no judge of whether something changed: objects without `__eq__` never equal their copies, arrays
answer with arrays, and NaN is not itself. A snapshot is the graph written out flat: the type and identity of
each object, then what it consists of, down to plain values. Nothing of the user's runs but a type's own
`__reduce__`, for types that keep state in C.

    Snapshot([1, {"a": nan}])  writes  list #7f10 2 | 1 | dict #7f20 2 | "a" | "nan"

An object that holds a lock or a socket somewhere (an HTTP client and its pool) looks after itself: it is
compared by identity alone.
"""

from __future__ import annotations

from logging import Logger
from types import BuiltinFunctionType, FunctionType, MemberDescriptorType, MethodType, ModuleType
from typing import Any

_PLAIN: frozenset[type] = frozenset({int, str, bytes, bool, type(None), type(...), range})
_WRITTEN: frozenset[type] = frozenset(
    {float, complex}
)  # compared as text: NaN is itself, and -0.0 is not 0.0
_WHOLE = (ModuleType, FunctionType, BuiltinFunctionType, type, Logger)  # by identity alone
_CONTAINERS: frozenset[type] = frozenset({list, tuple, dict, set, frozenset})
_GUARDED = ("_thread", "_socket", "_ssl", "select", "_queue")


class _LooksAfterItself(Exception):
    """The walk has come to a lock or a socket."""


class Snapshot:
    """The state of everything that `value` leads to; equal to a later one if nothing changed in between."""

    def __init__(self, value: Any) -> None:
        self._keep: list[Any] = []  # an identity means something only while the object lives
        self._seen: dict[int, int] = {}
        self._tokens = self._written(value, outermost=True)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Snapshot) and self._tokens == other._tokens

    __hash__ = None  # type: ignore[assignment]

    def _written(self, value: Any, outermost: bool) -> list[Any]:
        """`value` written out; at the outermost level, an object in a container is a unit of its own."""
        tokens: list[Any] = []
        stack: list[tuple[Any, bool]] = [(value, False)]
        while stack:
            current, made_now = stack.pop()
            kind = type(current)
            if kind in _PLAIN or kind in _WRITTEN:
                tokens.append((kind, repr(current) if kind in _WRITTEN else current))
                continue
            if outermost and kind not in _CONTAINERS:
                tokens += self._unit(current)
                continue
            if id(current) in self._seen:
                tokens.append(("again", self._seen[id(current)]))
                continue
            self._seen[id(current)] = len(self._seen)
            self._keep.append(current)
            if kind.__module__ in _GUARDED and not outermost:
                raise _LooksAfterItself
            found = parts(current)
            tokens.append((kind, None if made_now else id(current), len(found)))
            stack.extend((part, made_now or fresh) for part, fresh in reversed(found))
        return tokens

    def _unit(self, value: Any) -> list[Any]:
        try:
            return self._written(value, outermost=False)
        except _LooksAfterItself:
            return [(type(value), id(value))]


def parts(value: Any) -> list[tuple[Any, bool]]:
    """What an object consists of; with each part, whether it was made just now and has no identity to compare."""
    kind: Any = type(value)
    if isinstance(value, _WHOLE):
        return []
    if isinstance(value, MethodType):
        return [(value.__self__, False)]
    if kind.__module__ == "numpy" and kind.__name__ == "ndarray" and value.dtype.kind != "O":
        return [(part, True) for part in (value.dtype.str, *value.shape, value.tobytes())]
    found = attributes(value)
    if isinstance(value, dict):
        found += [part for item in dict.items(value) for part in item]
    elif isinstance(value, list):
        found += list.__iter__(value)
    elif isinstance(value, tuple):
        found += tuple.__iter__(value)
    elif isinstance(value, set | frozenset):
        found += sorted(set(value), key=_rank)
    elif isinstance(value, bytearray):
        found.append(bytes(value))
    elif kind.__reduce__ is not object.__reduce__ or kind.__reduce_ex__ is not object.__reduce_ex__:
        return [(part, False) for part in found] + [(part, True) for part in _reduced(value)]
    return [(part, False) for part in found]


def _rank(element: Any) -> tuple[str, str, int]:
    """An order of a set's elements that stays the same while they do."""
    plain = type(element) in _PLAIN or type(element) in _WRITTEN
    return type(element).__name__, repr(element) if plain else "", 0 if plain else id(element)


def attributes(value: Any) -> list[Any]:
    """Names and values of an instance's attributes, read without running hooks."""
    found: list[Any] = []
    try:
        found.extend(
            part for item in object.__getattribute__(value, "__dict__").items() for part in item
        )
    except (AttributeError, TypeError):
        pass
    for cls in type(value).__mro__:
        for name, slot in cls.__dict__.items():
            if type(slot) is MemberDescriptorType and "__slots__" in cls.__dict__:
                try:
                    found += [name, slot.__get__(value)]
                except AttributeError:
                    found += [name, ...]
    return found


def _reduced(value: Any) -> list[Any]:
    """The state of an object of an extension type, if it can be pickled; else its identity must do."""
    try:
        reduced = value.__reduce_ex__(4)
    except Exception:  # noqa: BLE001 - whatever a type's own pickling raises: a lock, a generator, a socket
        return []
    if not isinstance(reduced, tuple):
        return []
    callee, arguments, *rest = reduced
    del callee
    parts = [*arguments, *rest[:1]]
    for items in rest[1:3]:
        if items is not None:
            parts += list(items)
    return parts
