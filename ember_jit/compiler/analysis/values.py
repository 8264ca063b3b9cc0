"""What the analysis knows of a value without running anything: the abstract domain, and static lookup.

Known(obj)     the live object itself       Fresh(kind)   made in this call, owned by nobody else
OneOf(objs)    an element of a live list    Arg           reached from an argument
Items(elem)    an iterable of `elem`        Local         anything else
"""

from __future__ import annotations

from types import FunctionType, ModuleType
from typing import Any

from ember_jit.kinds import is_a
from ember_jit.runtime.statics import MISSING, has_plain_lookup, own_attribute, type_lookup


class Abstract:
    """Base of the abstract values; they do not change once made.

    Plain classes: making eight frozen dataclasses is a tenth of the time that importing the compiler takes.
    """

    __slots__: tuple[str, ...] = ()

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__slots__)
        return f"{type(self).__name__}({fields})"


class Known(Abstract):
    """A live object."""

    __slots__ = ("obj",)

    def __init__(self, obj: Any) -> None:
        self.obj = obj


class Method(Abstract):
    """A function found on the type of a live object (or in a `super()` chain), bound to the object."""

    __slots__ = ("function", "owner")

    def __init__(self, function: Any, owner: Any) -> None:
        self.function = function
        self.owner = owner


class OneOf(Abstract):
    """One of several live objects."""

    __slots__ = ("objs",)

    def __init__(self, objs: tuple[Any, ...]) -> None:
        self.objs = objs


class Items(Abstract):
    """An iterable, made here or live, of such elements (a tuple of them where there are several)."""

    __slots__ = ("element", "parts")

    def __init__(self, element: Abstract, parts: tuple[Abstract, ...] = ()) -> None:
        self.element = element
        self.parts = parts


class Fresh(Abstract):
    """A value made during this call that nothing else refers to; `kind` is a builtin's name, "object" or "handle".

    `cls` is the class of an "object", where that is known.
    """

    __slots__ = ("cls", "kind")

    def __init__(self, kind: str, cls: type | None = None) -> None:
        self.kind = kind
        self.cls = cls

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fresh) and self.kind == other.kind and self.cls is other.cls

    def __hash__(self) -> int:
        return hash(self.kind)


class Arg(Abstract):
    """A value reached from an argument; there is one, `ARG`."""

    __slots__ = ()


class Local(Abstract):
    """A value of which nothing is known; there is one, `LOCAL`."""

    __slots__ = ()


class Property(Abstract):
    """Reading the attribute runs `getter` on `owner`."""

    __slots__ = ("getter", "owner")

    def __init__(self, getter: Any, owner: Any) -> None:
        self.getter = getter
        self.owner = owner


class ClientPart(Abstract):
    """`owner.name.name...`, a part of a live client which may not have been made yet (`registry.client_parts`)."""

    __slots__ = ("names", "owner")

    def __init__(self, owner: Any, names: tuple[str, ...]) -> None:
        self.owner = owner
        self.names = names

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, ClientPart)
            and self.owner is other.owner
            and self.names == other.names
        )

    def __hash__(self) -> int:
        return hash(self.names)


ARG, LOCAL = Arg(), Local()
SCALAR, HANDLE = Fresh("scalar"), Fresh("handle")
FUNCTION, IMPURE_FUNCTION = Fresh("function"), Fresh("impure function")
_TYPE_LOOKUP: object = type.__dict__["__getattribute__"]


def join(a: Abstract | None, b: Abstract) -> Abstract:
    """The value of a name that may be either."""
    if a is None or a is b or a == b:
        return b
    if isinstance(a, Known) and isinstance(b, Known) and a.obj is b.obj:
        return a
    if (
        isinstance(a, Method)
        and isinstance(b, Method)
        and a.function is b.function
        and a.owner is b.owner
    ):
        return a
    objs = _alternatives(a), _alternatives(b)
    if objs[0] is not None and objs[1] is not None:
        return OneOf(tuple({id(obj): obj for obj in objs[0] + objs[1]}.values()))
    if isinstance(a, Arg) or isinstance(b, Arg):
        return ARG
    return LOCAL


def _alternatives(value: Abstract) -> tuple[Any, ...] | None:
    if isinstance(value, OneOf):
        return value.objs
    return (value.obj,) if isinstance(value, Known) else None


def static_attribute(owner: Any, name: str) -> Abstract | None:
    """What `owner.name` would give, found without running any code; None when that cannot be told."""
    if issubclass(type(owner), ModuleType):  # not `isinstance`: it may ask the object's `__class__`
        if type(owner) is not ModuleType or name not in vars(owner):
            return None
        return Known(vars(owner)[name])
    if issubclass(type(owner), type):
        if type_lookup(type(owner), "__getattribute__") is not _TYPE_LOOKUP:
            return None
        found = type_lookup(owner, name)
        if is_a(found, staticmethod):
            return Known(found.__func__)
        if is_a(found, classmethod):
            return Method(found.__func__, owner)
        if found is MISSING or (hasattr(type(found), "__get__") and not is_a(found, FunctionType)):
            return None
        return Known(found)
    kind = type(owner)
    if not has_plain_lookup(kind) and kind.__module__ != "builtins":
        return None
    found = type_lookup(kind, name)
    is_data = found is not MISSING and hasattr(type(found), "__set__")
    if not is_data and (own := own_attribute(owner, name)) is not MISSING:
        return Known(own)
    if found is MISSING:
        return None
    if is_a(found, property):
        return Property(found.fget, owner)
    if is_a(found, FunctionType):
        return Method(found, owner)
    if is_a(found, staticmethod):
        return Known(found.__func__)
    if is_a(found, classmethod):
        return Method(found.__func__, kind)
    if type(found).__name__ == "member_descriptor":
        try:
            return Known(found.__get__(owner, kind))
        except AttributeError:
            return None
    if type(found).__name__ in (
        "method_descriptor",
        "builtin_function_or_method",
        "wrapper_descriptor",
    ):
        return Method(found, owner)
    return None if hasattr(type(found), "__get__") else Known(found)


def runs_no_code(obj: Any) -> bool:
    """Whether operators on a live object run none of the user's code (judged by its type alone)."""
    kind = type(obj)
    if kind.__module__ in (
        "builtins",
        "numpy",
        "datetime",
        "decimal",
        "fractions",
        "re",
        "collections",
    ):
        return True
    return issubclass(kind, type | FunctionType | ModuleType)


def elements(obj: Any, limit: int = 1024) -> tuple[Any, ...] | None:
    """The elements of an exact builtin container, or None."""
    if type(obj) in (list, tuple, set, frozenset) and len(obj) <= limit:
        return tuple(obj)
    return None
