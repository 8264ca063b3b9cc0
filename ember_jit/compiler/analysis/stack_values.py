"""The abstract values of the bytecode analysis, and what may be done with them without running user code.

It uses the domain of `values`, with one question added: is a value *plain*, made of builtin types all
the way down?  The arguments of a call that may start early are checked to be plain when it runs, so an
operation on what is reached from them runs no user code; an operation on any other object may.

    a + b           no effect if both are plain; unknown if one is `self.config`
    Fresh("list")   plain if all that was ever put into containers of this function is

What is put into the containers that a function makes is tracked by one value for all of a kind (`content`).
"""

from __future__ import annotations

from dataclasses import dataclass
from types import CodeType
from typing import Any

from ember_jit.compiler.analysis.facts import same_elements
from ember_jit.compiler.analysis.lookup import Lookup
from ember_jit.compiler.analysis.values import (
    ARG,
    HANDLE,
    LOCAL,
    SCALAR,
    Abstract,
    Arg,
    Fresh,
    Items,
    Known,
    Method,
    OneOf,
)

SLICE = Fresh("slice")
ATOMS = frozenset({int, float, str, bytes, bool, complex, type(None), type(...), range, slice})
CONTAINERS = frozenset(
    {
        "list",
        "dict",
        "set",
        "bytearray",
        "ndarray",
        "deque",
        "Counter",
        "OrderedDict",
        "defaultdict",
    }
)
"""Kinds of `Fresh` whose operations run the code of their elements at most."""
MAPPINGS = frozenset({"dict", "Counter", "OrderedDict", "defaultdict"})
"""Those of them that are iterated over by key; keys are plain, or storing them was an effect."""
_LIMIT = 4


@dataclass(frozen=True, slots=True)
class Mark(Abstract):
    """`NULL` below a callee on the stack, or the value of a variable that is not bound (so far)."""

    name: str


NULL, UNBOUND = Mark("NULL"), Mark("UNBOUND")
SUPER, CELL = Mark("super()"), Mark("cell")
EXIT = Mark("__exit__")


@dataclass(frozen=True, slots=True, eq=False)
class Bound(Abstract):
    """`base.name` of a value that is not a live object: a method about to be called, or data."""

    base: Abstract
    name: str


@dataclass(frozen=True, slots=True)
class Enter(Abstract):
    """The `__enter__` of a context manager that gives `result`."""

    result: Abstract


@dataclass(frozen=True, slots=True, eq=False)
class Nested(Abstract):
    """A function made here. Its effects were counted where it was made, for plain arguments."""

    code: CodeType
    result: Abstract


def same(a: Abstract, b: Abstract) -> bool:
    """Whether two values are the same piece of knowledge."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, Known) and isinstance(b, Known):
        return a.obj is b.obj
    if isinstance(a, Method) and isinstance(b, Method):
        return a.function is b.function and a.owner is b.owner
    if isinstance(a, OneOf) and isinstance(b, OneOf):
        return len(a.objs) == len(b.objs) and all(
            x is y for x, y in zip(a.objs, b.objs, strict=True)
        )
    if isinstance(a, Items) and isinstance(b, Items):
        return (
            len(a.parts) == len(b.parts)
            and same(a.element, b.element)
            and all(same(x, y) for x, y in zip(a.parts, b.parts, strict=True))
        )
    if isinstance(a, Bound) and isinstance(b, Bound):
        return a.name == b.name and same(a.base, b.base)
    if isinstance(a, Nested) and isinstance(b, Nested):
        return a.code is b.code and same(a.result, b.result)
    return a == b


def is_response(value: Abstract) -> bool:
    """Whether the value is the answer to a request, or data that hangs on it: objects of the client's library."""
    return value == HANDLE or (isinstance(value, Bound) and value.base == HANDLE)


def is_atom(value: Abstract) -> bool:
    """Whether the value is a live number, string, None..."""
    return isinstance(value, Known) and type(value.obj) in ATOMS and type(value.obj) is not slice


def is_scalar(value: Abstract) -> bool:
    """Whether the value is immutable or new, so that changing it in place changes nothing else."""
    return value in (SCALAR, UNBOUND) or is_atom(value)


class Values:
    """What is known of the values of one function and of the functions in it.

    Attributes:
        changed: something became less precise, so that another round is needed.
    """

    def __init__(self, lookup: Lookup) -> None:
        self.lookup = lookup
        self._contents: dict[str, Abstract] = {}
        self.changed = False
        self._inside: set[str] = set()

    def content(self, kind: str) -> Abstract:
        """What containers of this kind that were made here hold: elements, for a dictionary the values."""
        return self._contents.get(kind, UNBOUND)

    def put(self, kind: str, value: Abstract) -> None:
        """A container of this kind that was made here may hold `value` from now on."""
        if value == UNBOUND:
            return
        old = self.content(kind)
        joined = self.join(old, self.stored(value))
        if not same(joined, old):
            self._contents[kind] = joined
            self.changed = True

    def stored(self, value: Abstract) -> Abstract:
        """`value` as found again later: a bound method or a function kept somewhere is not followed."""
        if is_response(value):
            return HANDLE
        return LOCAL if isinstance(value, Bound | Nested | Mark) and value != UNBOUND else value

    def join(self, a: Abstract | None, b: Abstract) -> Abstract:
        """A value that may be either."""
        if a is None or a == UNBOUND or same(a, b):
            return b
        if b == UNBOUND:
            return a
        if is_scalar(a) and is_scalar(b):
            return SCALAR
        if (
            isinstance(a, Items)
            and isinstance(b, Items)
            and _depth(a) < _LIMIT
            and _depth(b) < _LIMIT
        ):
            parts: tuple[Abstract, ...] = ()
            if len(a.parts) == len(b.parts):
                parts = tuple(self.join(x, y) for x, y in zip(a.parts, b.parts, strict=True))
            return Items(self.join(a.element, b.element), parts)
        objs = _alternatives(a), _alternatives(b)
        if objs[0] is not None and objs[1] is not None:
            unique = {id(obj): obj for obj in objs[0] + objs[1]}
            return OneOf(tuple(unique.values())) if len(unique) <= 1024 else LOCAL
        return ARG if self.plain(a) and self.plain(b) else LOCAL

    def plain(self, value: Abstract) -> bool:
        """Whether `value` is plain all the way down, now and as long as the guards hold."""
        if isinstance(value, Arg) or value in (UNBOUND, SLICE) or is_response(value):
            return True
        if isinstance(value, Fresh):
            if value.kind in CONTAINERS:
                return self._plain_content(value.kind)
            return value.kind == "scalar"
        if isinstance(value, Items):
            return self.plain(value.element) and all(self.plain(part) for part in value.parts)
        if isinstance(value, Known):
            return self.plain_object(value.obj)
        return isinstance(value, OneOf) and all(self.plain_object(obj) for obj in value.objs)

    def _plain_content(self, kind: str) -> bool:
        if kind in self._inside:  # a container in one of its kind
            return True
        self._inside.add(kind)
        try:
            return self.plain(self.content(kind))
        finally:
            self._inside.discard(kind)

    def plain_object(self, obj: Any) -> bool:
        """Whether a live object is plain. Of mutable ones, guards keep the elements as they are."""
        kind = type(obj)
        if kind in ATOMS:
            return True
        if kind in (tuple, frozenset):
            return len(obj) <= 1024 and all(type(part) in ATOMS for part in obj)
        if kind in (list, set, dict):
            parts = (*obj, *obj.values()) if kind is dict else tuple(obj)
            if len(parts) > 1024 or not all(type(part) in ATOMS for part in parts):
                return False
            self.lookup.guard(
                (id(obj), "[]"), same_elements(obj, tuple(obj.values()) if kind is dict else parts)
            )
            return kind is not dict or self._plain_keys(obj)
        return (
            kind.__module__ == "numpy" and kind.__name__ == "ndarray" and obj.dtype.kind in "biufc"
        )

    def shallow(self, value: Abstract) -> bool:
        """Whether `value` itself is of a builtin type, whatever it holds."""
        if self.plain(value) or isinstance(value, Items):
            return True
        if isinstance(value, Fresh):
            return value.kind in CONTAINERS
        objs = _alternatives(value)
        return objs is not None and all(
            type(obj) in (list, tuple, dict, set, frozenset) for obj in objs
        )

    def element(self, value: Abstract) -> Abstract | None:
        """What iterating over `value` gives; None if iterating may run user code, or uses something up."""
        if value == UNBOUND:
            return UNBOUND
        if isinstance(value, Items):
            return value.element
        if is_response(value):
            return HANDLE
        if isinstance(value, Fresh) and value.kind in CONTAINERS:
            return ARG if value.kind in MAPPINGS else self.content(value.kind)
        if isinstance(value, Known):
            return self._live_element(value.obj)
        if isinstance(value, OneOf):
            found: Abstract | None = None
            for obj in value.objs:
                inner = self._live_element(obj)
                if inner is None:
                    return None
                found = self.join(found, inner)
            return found
        return ARG if self.plain(value) else None

    def _live_element(self, obj: Any) -> Abstract | None:
        kind = type(obj)
        if kind in (str, bytes, range):
            return SCALAR
        if kind is dict:
            return SCALAR if self._plain_keys(obj) else LOCAL
        live = self.lookup.elements(obj)
        if live is not None:
            return SCALAR if all(type(part) in ATOMS - {slice} for part in live) else OneOf(live)
        return (
            LOCAL
            if kind in (list, tuple, set, frozenset)
            else ARG
            if self.plain_object(obj)
            else None
        )

    def item(self, base: Abstract, key: Abstract) -> Abstract | None:
        """What `base[key]` gives; None if it may run user code."""
        if is_response(base):
            return HANDLE if self.plain(key) else None
        if not self.plain(key) or not self.shallow(base):
            return None
        sliced = key == SLICE
        if is_scalar(base) and sliced:
            return SCALAR
        if isinstance(base, Known) and type(base.obj) is dict:
            if not self._plain_keys(base.obj):
                return None
            return self.live_item(base.obj)
        if isinstance(base, OneOf):
            return (
                ARG
                if self.plain(base)
                else LOCAL
                if all(type(obj) in (list, tuple) for obj in base.objs)
                else None
            )
        if isinstance(base, Fresh) and base.kind in MAPPINGS:
            return (
                self.join(self.content(base.kind), SCALAR)
                if base.kind == "Counter"
                else self.content(base.kind)
            )
        inner = self.element(base)
        if inner is None or (not sliced and is_scalar(key)) or isinstance(base, Arg):
            return inner
        whole = base if isinstance(base, Fresh) else ARG if self.plain(base) else Items(inner)
        return whole if sliced else self.join(whole, inner)

    def live_item(self, obj: Any) -> Abstract:
        """A value of a live dictionary."""
        found = self.lookup.one_of(obj) or LOCAL
        return (
            SCALAR
            if isinstance(found, OneOf)
            and all(type(each) in ATOMS - {slice} for each in found.objs)
            else found
        )

    def _plain_keys(self, obj: dict[Any, Any]) -> bool:
        if len(obj) > 1024 or not all(type(key) in ATOMS for key in obj):
            return False
        self.lookup.guard((id(obj), "keys"), lambda: all(type(key) in ATOMS for key in obj))
        return True


def _depth(value: Abstract) -> int:
    if not isinstance(value, Items):
        return 0
    return 1 + max((_depth(part) for part in (value.element, *value.parts)), default=0)


def _alternatives(value: Abstract) -> tuple[Any, ...] | None:
    if isinstance(value, OneOf):
        return value.objs
    return (value.obj,) if isinstance(value, Known) else None
