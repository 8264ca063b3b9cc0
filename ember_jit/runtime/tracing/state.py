"""The state that a call could read: its receiver, the functions behind it, and the globals that they name.

A prefetched outcome is handed over only if this state is, object for object, what it was when the call was
started.  Written out as a flat list of identities; whatever it names is kept alive as long as it is compared.
"""

from __future__ import annotations

from inspect import getattr_static
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import Any

from ember_jit.kinds import is_a
from ember_jit.runtime.originals import original_code
from ember_jit.runtime.tracing.plain import ATOMS

_MOST = 4000
_WHOLE = (ModuleType, BuiltinFunctionType, CodeType, MemberDescriptorType, GetSetDescriptorType)
_CONTAINERS = (dict, list, tuple, set, frozenset)


class Unseen(Exception):
    """There is state that cannot be seen, or too much of it."""


class State:
    """What calling `callee` could read now.

    Args:
        callee: what is called.
        trusted: it was declared: what stands in the callee itself is compared, and no more.

    Raises:
        Unseen: there is state that cannot be compared.
    """

    __slots__ = ("_trusted", "keep", "seen", "tokens")

    def __init__(self, callee: Any, trusted: bool) -> None:
        self.keep: list[Any] = []
        self.seen: set[int] = set()
        self.tokens: list[int] = []
        self._trusted = trusted
        stack = [callee]
        if trusted:
            self._write_shallow(callee)
            return
        while stack:
            current = stack.pop()
            self.tokens.append(id(current) if type(current) is not MethodType else 0)
            if id(current) in self.seen:
                continue
            if len(self.seen) > _MOST:
                raise Unseen
            self.keep.append(current)
            self.seen.add(id(current))
            parts = self._parts(current)
            self.tokens.append(len(parts))
            stack += parts

    def _write_shallow(self, callee: Any) -> None:
        """What stands in the callee itself; a declared call answers from its arguments, and the rest is its own affair."""
        bound = callee.__self__ if type(callee) is MethodType else callee
        parts = [bound, type(bound), *_attributes(bound)]
        if type(callee) is MethodType:
            parts.append(callee.__func__)
        if is_a(callee, FunctionType):
            parts += _of_function(callee)
        for name in ("forward", "__call__"):
            found = getattr_static(type(bound), name, None)
            if is_a(found, FunctionType):
                parts += [original_code(found), found.__defaults__]
        self.keep += parts
        self.tokens += map(id, parts)
        self.seen.add(id(bound))

    def still(self, callee: Any) -> bool:
        """Whether nothing has changed since."""
        try:
            return State(callee, self._trusted).tokens == self.tokens
        except (Unseen, RuntimeError):
            return False

    def _parts(self, value: Any) -> list[Any]:
        kind = type(value)
        if kind in ATOMS or is_a(value, _WHOLE):
            return []
        if kind is MethodType:
            return [value.__func__, value.__self__]
        if is_a(value, FunctionType):
            return _of_function(value)
        if is_a(value, staticmethod | classmethod):
            return [value.__func__]
        if is_a(value, property):
            return [value.fget]
        if is_a(value, type):
            return _of_class(value)
        parts: list[Any] = [kind, *_attributes(value)]
        if is_a(value, dict):
            return [*parts, *dict.keys(value), *dict.values(value)]
        if is_a(value, list | tuple):
            return [*parts, *value]
        if is_a(value, set | frozenset):
            return [*parts, *sorted(value, key=id)]
        if not kind.__flags__ & 0x200:  # not a class made by a `class` statement
            raise Unseen
        return parts


def _of_function(function: FunctionType) -> list[Any]:
    code = original_code(function)
    parts: list[Any] = [code, function.__defaults__, function.__kwdefaults__]
    for cell in function.__closure__ or ():
        try:
            parts.append(cell.cell_contents)
        except ValueError:
            parts.append(None)
    space = function.__globals__
    parts += [space[name] for name in _names(code) if name in space]
    return parts


def _names(code: CodeType) -> list[str]:
    names = list(code.co_names)
    for const in code.co_consts:
        if isinstance(const, CodeType):
            names += _names(const)
    return names


def _of_class(cls: type) -> list[Any]:
    parts: list[Any] = []
    for each in cls.__mro__:
        if each.__flags__ & 0x200 and each.__module__ not in ("abc", "typing", "enum"):
            parts.append(each.__name__)
            parts += [
                value
                for name, value in each.__dict__.items()
                if not name.startswith("__")
                or name in ("__call__", "__getattr__", "__getattribute__")
            ]
    return [each for each in parts if type(each).__module__ not in ("_abc", "types")]


def _attributes(value: Any) -> list[Any]:
    found: list[Any] = []
    try:
        space = object.__getattribute__(value, "__dict__")
    except (AttributeError, TypeError):
        space = {}
    for name, each in list(space.items()):
        found += [name, each]
    for cls in type(value).__mro__:
        if "__slots__" in cls.__dict__:
            for slot in cls.__dict__.values():
                if type(slot) is MemberDescriptorType:
                    try:
                        found.append(slot.__get__(value))
                    except AttributeError:
                        found.append(None)
    return found
