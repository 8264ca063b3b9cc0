"""Operations that an issue program may perform ahead of program order.

An issue program evaluates argument expressions early.  That is invisible only if no user code can
run, so every operation here first looks at the exact types of its operands and raises `Unsafe` for
anything but plain builtin values.  `Unsafe` never reaches the user: the retire program then simply
evaluates the expression itself, at its own program point.

    item({"a": 1}, "a") -> 1        item(UserDict(a=1), "a") -> Unsafe
"""

from __future__ import annotations

import operator
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from types import (
    BuiltinFunctionType,
    FunctionType,
    GetSetDescriptorType,
    MappingProxyType,
    MemberDescriptorType,
    ModuleType,
)
from typing import Any

from ember_jit.runtime import growth
from ember_jit.runtime.plain import (
    ATOMS,
    VIEWS,
    is_plain,
    is_quiet_class,
    reads_quietly,
)
from ember_jit.runtime.plan import pure_call, pure_method
from ember_jit.runtime.statics import field_behind


class Unsafe(Exception):
    """An early evaluation could run code of the user's; it is given up, nothing has happened."""


NUMBERS: frozenset[type] = frozenset({int, float, bool})
SEQUENCES: frozenset[type] = frozenset({list, tuple, str, bytes, range})
CONTAINERS: frozenset[type] = frozenset({list, tuple, dict, set, frozenset, str, bytes, range})
_MAPPINGS: frozenset[type] = frozenset({OrderedDict, Counter})
ITERABLES: frozenset[type] = CONTAINERS | VIEWS
#: iterators that only an issue program can have made (their sources were checked when they were made)
_OWN_ITERATORS: frozenset[type] = frozenset(
    {enumerate, zip, reversed, type(reversed([])), type(reversed(range(1)))}
)
MANY_KEYS = 4_096
#: large dicts and sets whose keys have been looked at; until the next issue program starts, for nothing that one
#: looks into changes before
vetted: dict[int, Any] = {}
#: what a class may say of a name so that looking it up in an instance runs no code: nothing, a value, a method
_SIMPLE: frozenset[type] = ATOMS | {list, tuple, dict, set, FunctionType, MemberDescriptorType}
_PLAIN_LOOKUP: object = object.__dict__["__getattribute__"]

_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
    "<<": operator.lshift,
    ">>": operator.rshift,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
}
_UNARY: dict[str, Callable[[Any], Any]] = {
    "-": operator.neg,
    "+": operator.pos,
    "~": operator.invert,
}
_ORDER: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def _require(condition: bool) -> None:
    if not condition:
        raise Unsafe


def _key(key: Any) -> Any:
    kind = type(key)
    if kind in ATOMS and kind is not slice:
        return key
    _require(kind in (tuple, frozenset) and is_plain(key, 200))
    return key


def _vet(container: Any) -> None:
    """Refuse a dict or set with a key that compares itself with others: looking up an equal hash would ask it."""
    many = len(container) > MANY_KEYS
    if many and vetted.get(id(container)) is container:
        return
    _require(set(map(type, container)) <= ATOMS or all(is_plain(each, 200) for each in container))
    if many:
        vetted[id(container)] = container


def item(container: Any, key: Any) -> Any:
    """`container[key]` for dicts, lists, tuples, strings, bytes, ranges, and the like of `collections`."""
    kind = type(container)
    if kind is dict or kind in _MAPPINGS:
        _vet(container)
        return container[_key(key)]
    _require(
        kind in SEQUENCES or kind is deque or (issubclass(kind, tuple) and is_quiet_class(kind))
    )
    if type(key) is slice:
        for bound in (key.start, key.stop, key.step):
            _require(bound is None or type(bound) is int)
    else:
        _require(type(key) in (int, bool))
    return container[key]


def attr(owner: Any, name: str) -> Any:
    """`owner.name` where the lookup is a read of stored data (no property, no `__getattr__` hook)."""
    kind = type(owner)
    if kind is ModuleType:
        return vars(owner)[name]
    found = _static_lookup(kind, name)
    own_lookup = _static_lookup(kind, "__getattribute__") is not _PLAIN_LOOKUP
    if own_lookup or issubclass(kind, type):
        raise Unsafe
    if type(found) in _SIMPLE:
        # the usual lookup, which runs nothing here; reading `__dict__` instead would slow every later
        # read of an attribute of `owner` (3.11, 3.12)
        try:
            return object.__getattribute__(owner, name)
        except AttributeError:
            raise Unsafe from None
    if type(found) is property:
        field = field_behind(found.fget)
        _require(field is not None)
        return attr(owner, str(field))
    if found is None or not _is_data_descriptor(found):
        stored = getattr_dict(owner)
        if stored is not None and name in stored:
            return stored[name]
    if found is None:
        raise Unsafe
    if type(found) is MemberDescriptorType:
        return found.__get__(owner, kind)
    if callable(getattr(type(found), "__get__", None)):
        function_like = type(found) in (type(attr), staticmethod, classmethod)
        _require(function_like or reads_quietly(found, kind))
        return found.__get__(owner, kind)
    return found


def getattr_dict(owner: Any) -> dict[str, Any] | None:
    """The instance dictionary of `owner`, read without running hooks."""
    try:
        stored = object.__getattribute__(owner, "__dict__")
    except AttributeError:
        return None
    return stored if type(stored) is dict else None


def _static_lookup(kind: type, name: str) -> Any:
    for cls in kind.__mro__:
        space: MappingProxyType[str, Any] = cls.__dict__
        if name in space:
            return space[name]
    return None


def _is_data_descriptor(found: Any) -> bool:
    kind = type(found)
    return kind in (property, MemberDescriptorType, GetSetDescriptorType) or hasattr(
        kind, "__set__"
    )


def binary(symbol: str, left: Any, right: Any) -> Any:
    """`left <symbol> right` for plain scalars and strings, and `+`/`*` of exact lists and tuples."""
    a, b = type(left), type(right)
    _require(growth.of_operator(symbol, left, right))
    if a in ATOMS and b in ATOMS:
        return _BINARY[symbol](left, right)
    if symbol == "+" and a is b and a in (list, tuple):
        return left + right
    if symbol == "*" and ((a in (list, tuple) and b is int) or (b in (list, tuple) and a is int)):
        return left * right
    if symbol == "%" and a is str:
        _require(is_plain(right))
        return left % right
    raise Unsafe


def unary(symbol: str, value: Any) -> Any:
    """`-value`, `+value`, `~value` for numbers."""
    _require(type(value) in ATOMS)
    return _UNARY[symbol](value)


def compare(symbol: str, left: Any, right: Any) -> Any:
    """A comparison of plain values; `in` looks into exact builtin containers only."""
    if symbol == "is":
        return left is right
    if symbol == "is not":
        return left is not right
    if symbol in ("in", "not in"):
        kind = type(right)
        if kind in (dict, set, frozenset):
            _vet(right)
            found = _key(left) in right
        else:
            _require(kind in SEQUENCES and is_plain(left) and is_plain(right))
            found = left in right
        return found if symbol == "in" else not found
    if type(left) not in ATOMS or type(right) not in ATOMS:
        _require(is_plain(left) and is_plain(right))
    return _ORDER[symbol](left, right)


def truth(value: Any) -> bool:
    """`bool(value)` for plain scalars and containers."""
    _require(type(value) in ATOMS or type(value) in ITERABLES)
    return bool(value)


def decided(value: Any) -> Any:
    """`value`, once it is sure that asking for its truth runs no user code."""
    truth(value)
    return value


def cut(lower: Any, upper: Any, step: Any) -> slice:
    """A slice for `item`."""
    return slice(lower, upper, step)


def negate(value: Any) -> bool:
    """`not value`."""
    return not truth(value)


def formatted(value: Any, conversion: int = -1, spec: str = "") -> str:
    """One `{value!r:spec}` of an f-string."""
    _require(is_plain(value) and type(value) in (ATOMS | CONTAINERS) and type(spec) is str)
    _require(growth.is_narrow(spec))
    if conversion == 115:
        value = str(value)
    elif conversion == 114:
        value = repr(value)
    elif conversion == 97:
        value = ascii(value)
    return format(value, spec)


def iterate(value: Any) -> Iterator[Any]:
    """`iter(value)` for containers whose iteration nobody can see."""
    _require(type(value) in ITERABLES or type(value) in _OWN_ITERATORS)
    return iter(value)


def walk(value: Any) -> Iterator[Any]:
    """As `iterate`, for a comprehension, which nothing can stop once it runs."""
    _require(growth.is_short(value))
    return iterate(value)


def spread(value: Any) -> Iterable[Any]:
    """`*value` and unpacking: as `iterate`, but hands back something that can be unpacked."""
    _require(type(value) in ITERABLES and growth.is_short(value))
    return value  # type: ignore[no-any-return]


def mapping(value: Any) -> dict[Any, Any]:
    """`**value` in a display or a call: exact dicts only."""
    _require(type(value) is dict)
    _vet(value)
    return value  # type: ignore[no-any-return]


def key(value: Any) -> Any:
    """A key of a dict or set display: hashing it must run no user code."""
    return _key(value)


_SHALLOW: frozenset[Any] = frozenset(
    {len, list, tuple, enumerate, zip, reversed, bool, range, isinstance}
)
_CONSTANT_TIME: frozenset[Any] = frozenset({len, bool, range, isinstance, type, str, repr})
_ORDERING: frozenset[Any] = frozenset({sorted, min, max})
_FUNCTION_TYPES: frozenset[type] = frozenset({BuiltinFunctionType, FunctionType, type})


def call(function: Any, *args: Any, **kwargs: Any) -> Any:
    """A call of something that the registry says is pure on plain values; anything else is `Unsafe`."""
    _require(type(function) in _FUNCTION_TYPES and pure_call(function))
    if function not in _CONSTANT_TIME:
        _require(growth.of_call(function, args))
    if function in _SHALLOW:
        for value in args:
            kind = type(value)
            _require(kind in ATOMS or kind in ITERABLES or kind in _OWN_ITERATORS or kind is type)
        _require(is_plain(kwargs))
        return function(*args, **kwargs)
    if function in _ORDERING and "key" in kwargs:
        return _ordered(function, *args, **kwargs)
    for value in args:
        view = type(value) in ITERABLES and type(value) not in CONTAINERS
        _require(is_plain(list(value) if view else value))
    _require(is_plain(kwargs))
    return function(*args, **kwargs)


def _ordered(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """`sorted`/`min`/`max` with a key function that was itself compiled to guarded operations."""
    choose = kwargs["key"]
    _require(
        getattr(choose, "__ember_guarded__", False)
        and len(args) == 1
        and type(args[0]) in ITERABLES
    )
    _require(
        kwargs.keys() <= {"key", "reverse"} and type(kwargs.get("reverse", False)) in (bool, int)
    )
    ranks = [choose(element) for element in args[0]]
    kinds = {type(rank) for rank in ranks}
    _require(kinds <= NUMBERS or kinds <= {str} or (kinds <= {tuple} and is_plain(ranks)))
    return function(*args, **kwargs)


def guarded(function: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a lambda of an issue program: its body consists of guarded operations."""
    function.__ember_guarded__ = True  # type: ignore[attr-defined]
    return function


def method(owner: Any, name: str, *args: Any, **kwargs: Any) -> Any:
    """`owner.name(...)` for methods that are pure on exact builtin types."""
    kind = type(owner)
    _require(kind in ATOMS or kind in CONTAINERS)
    _require(pure_method(kind, name))
    if kind in (dict, set, frozenset):
        _vet(owner)
    if kind is dict and name == "get":
        _key(args[0] if args else None)
        return owner.get(*args, **kwargs)
    _require(growth.of_method(owner, name, args))
    for value in args:
        _require((is_plain(value) and growth.is_short(value)) or type(value) in _OWN_ITERATORS)
    _require(is_plain(kwargs))
    if kind in (list, tuple) and name in ("count", "index"):
        _require(is_plain(owner))
    return getattr(owner, name)(*args, **kwargs)


_MUTATIONS: dict[type, frozenset[str]] = {
    list: frozenset({"append", "extend", "insert", "pop", "remove", "clear", "reverse", "sort"}),
    dict: frozenset({"update", "setdefault", "pop", "popitem", "clear"}),
    set: frozenset({"add", "discard", "remove", "update", "pop", "clear"}),
}


def mutate(owner: Any, name: str, *args: Any) -> Any:
    """A mutating method of a container that the issue program itself built; returns the container."""
    kind = type(owner)
    _require(name in _MUTATIONS.get(kind, ()))
    if kind is not list:
        _vet(owner)
    if kind is not list and name in ("setdefault", "pop", "add", "discard", "remove"):
        _key(args[0] if args else None)
    elif name in ("extend", "update"):
        _require(all(type(value) in ITERABLES for value in args))
        _require(kind is list or is_plain(list(args)))
    elif name in ("sort", "remove"):
        _require(is_plain(owner) and is_plain(list(args)))
    elif name in ("pop", "insert"):
        _require(not args or type(args[0]) is int)
    getattr(owner, name)(*args)
    return owner


def store(owner: Any, index: Any, value: Any) -> Any:
    """`owner[index] = value` on a container that the issue program itself built; returns the container."""
    kind = type(owner)
    if kind is dict:
        _vet(owner)
        owner[_key(index)] = value
    else:
        _require(kind is list and type(index) is int)
        owner[index] = value
    return owner


def unpacked(value: Any, count: int) -> tuple[Any, ...]:
    """The elements of an exact builtin container that has exactly `count` of them."""
    parts = tuple(spread(value))
    _require(len(parts) == count)
    return parts


def as_list(parts: list[Any]) -> list[Any]:
    """The result of a list comprehension."""
    return parts


def as_set(parts: list[Any]) -> set[Any]:
    """The result of a set comprehension."""
    return {_key(part) for part in parts}


def as_dict(parts: list[Any]) -> dict[Any, Any]:
    """The result of a dict comprehension."""
    return {_key(name): value for name, value in parts}
