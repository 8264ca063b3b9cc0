"""Whether two object graphs are alike: the same types and values, and shared in the same places.

The graphs are those of two runs, each of its own copy of the same operator and arguments, so no object of one
is an object of the other.  They are walked side by side; an object that is met again must be met again in the
other graph too, at the same place.  Equality of the user's own (`__eq__`) is not asked: see `ember_jit.snapshot`.

    plain [x, x]  against  compiled [x, y]    result[1]: plain, it is result[0] itself; compiled, it is not

Of a set's elements that are not plain values only the types are compared: there is no telling which is which.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterator
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any, NamedTuple

from ember_jit.snapshot import attributes, parts

_EXACT: frozenset[type] = frozenset({int, str, bytes, bool, type(None), type(...), range})
_WRITTEN: frozenset[type] = frozenset({float, complex})  # NaN is itself, and -0.0 is not 0.0


class _Pair(NamedTuple):
    """One place in both graphs."""

    path: str
    plain: Any
    compiled: Any
    made_now: bool = False  # the objects were made for the comparison: which they are means nothing


class Likeness:
    """One comparison of two runs; what `difference` has seen before may be shared by what it sees later."""

    def __init__(self) -> None:
        self._met: dict[int, _Pair] = {}
        self._met_compiled: dict[int, _Pair] = {}

    def difference(self, path: str, plain: Any, compiled: Any) -> str:
        """The first difference between two values, with the place where it is; empty if there is none."""
        stack = [_Pair(path, plain, compiled)]
        while stack:
            pair = stack.pop()
            found = self._here(pair)
            if found:
                return found
            if not self._again(pair):
                stack.extend(reversed(list(_inner(pair))))
        return ""

    def _here(self, pair: _Pair) -> str:
        """What differs between the two objects themselves, apart from what they consist of."""
        plain, compiled = pair.plain, pair.compiled
        kind = type(plain)
        if kind is not type(compiled):
            names = f"{kind.__qualname__} {_short(plain)}", type(compiled).__qualname__
            return f"{pair.path}: plain, it is {names[0]}; compiled, it is {names[1]} {_short(compiled)}"
        if kind in _EXACT:
            return "" if plain == compiled else _differs(pair)
        if kind in _WRITTEN:
            return "" if repr(plain) == repr(compiled) else _differs(pair)
        if isinstance(plain, type | FunctionType | BuiltinFunctionType) and plain is not compiled:
            return "" if _name(plain) == _name(compiled) else _differs(pair)
        first, second = self._met.get(id(plain)), self._met_compiled.get(id(compiled))
        if first is second or pair.made_now:
            return ""
        if first is not None and first.compiled is not compiled:
            return f"{pair.path}: plain, it is {first.path} itself; compiled, it is not"
        assert second is not None
        return f"{pair.path}: compiled, it is {second.path} itself; plain, it is not"

    def _again(self, pair: _Pair) -> bool:
        """Whether there is nothing (more) to see inside this pair; else it has now been met."""
        kind = type(pair.plain)
        if kind in _EXACT or kind in _WRITTEN:
            return True
        if pair.made_now or (kind in (tuple, frozenset) and not pair.plain):
            return False
        if id(pair.plain) in self._met:
            return True
        self._met[id(pair.plain)] = self._met_compiled[id(pair.compiled)] = pair
        return pair.plain is pair.compiled  # not copied: both runs have the same one


def _inner(pair: _Pair) -> Iterator[_Pair]:
    """What a pair of objects of one type consists of; lengths come before what they are the lengths of."""
    path, plain, compiled, made_now = pair
    if isinstance(plain, MethodType):
        yield _Pair(f"{path}.__self__", plain.__self__, compiled.__self__)
        yield _Pair(f"{path}.__func__", plain.__func__, compiled.__func__)
        return
    if isinstance(plain, type | FunctionType | BuiltinFunctionType):
        return
    state, other = attributes(plain), attributes(compiled)
    yield _Pair(f"{path}.__dict__.len()", len(state) // 2, len(other) // 2, True)
    for name, value, other_name, other_value in zip(
        state[::2], state[1::2], other[::2], other[1::2], strict=False
    ):
        yield _Pair(f"{path}.{name} (the attribute's name)", name, other_name, True)
        yield _Pair(f"{path}.{name}", value, other_value, made_now)
    if isinstance(plain, BaseException):
        for name in ("args", "__cause__", "__context__", "__suppress_context__"):
            yield _Pair(f"{path}.{name}", getattr(plain, name), getattr(compiled, name))
    elif isinstance(plain, dict):
        yield from _items(pair)
    elif isinstance(plain, list):
        yield from _elements(path, [*list.__iter__(plain)], [*list.__iter__(compiled)], made_now)
    elif isinstance(plain, tuple):
        yield from _elements(path, [*tuple.__iter__(plain)], [*tuple.__iter__(compiled)], made_now)
    elif isinstance(plain, set | frozenset):
        yield from _elements(path, _ranked(plain), _ranked(compiled), True)
    else:
        rest, other_rest = parts(plain)[len(state) :], parts(compiled)[len(other) :]
        yield from _elements(
            f"{path} (its state)",
            [part for part, _ in rest],
            [part for part, _ in other_rest],
            True,
        )


def _items(pair: _Pair) -> Iterator[_Pair]:
    path, plain, compiled, made_now = pair
    keys, other_keys = list(dict.keys(plain)), list(dict.keys(compiled))
    yield from _elements(f"{path}.keys()", keys, other_keys, made_now)
    for key, other_key in zip(keys, other_keys, strict=False):
        values = dict.__getitem__(plain, key), dict.__getitem__(compiled, other_key)
        yield _Pair(f"{path}[{_short(key)}]", *values, made_now)


def _elements(path: str, plain: list[Any], compiled: list[Any], made_now: bool) -> Iterator[_Pair]:
    yield _Pair(f"{path}.len()", len(plain), len(compiled), True)
    for index, values in enumerate(zip(plain, compiled, strict=False)):
        yield _Pair(f"{path}[{index}]", *values, made_now)


def _ranked(elements: Any) -> list[Any]:
    """The plain elements of a set in an order of their own, and the types of the others."""
    plain = [each for each in set(elements) if type(each) in _EXACT or type(each) in _WRITTEN]
    others = [type(each) for each in set(elements) if type(each) not in _EXACT | _WRITTEN]
    ranked = sorted(plain, key=lambda each: (type(each).__name__, repr(each)))
    return ranked + sorted(others, key=lambda kind: kind.__qualname__)


def _name(callee: Any) -> tuple[str, str]:
    return str(callee.__module__), callee.__qualname__


def _differs(pair: _Pair) -> str:
    return (
        f"{pair.path}: plain, it is {_short(pair.plain)}; compiled, it is {_short(pair.compiled)}"
    )


def _short(value: Any) -> str:
    return reprlib.repr(value)
