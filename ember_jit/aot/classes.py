"""What a class is, as a digest: every member of it and of its bases.

class_key(Counter)     where a class stands: its module, name, and the version of its package
class_print(Answer)    the digest of all that it is, and a check that this is still so
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any

from ember_jit.aot.digests import code_digest, short
from ember_jit.effects import Label
from ember_jit.runtime.originals import original_code

_module = type.__dict__["__module__"].__get__
_qualname = type.__dict__["__qualname__"].__get__
_HEAPTYPE = 1 << 9
#: members that say nothing of what instances do, and differ from process to process or from Python to Python
_NOISE = frozenset(
    [
        "__doc__",
        "__module__",
        "__dict__",
        "__weakref__",
        "__annotations__",
        "__annotations_cache__",
        "__annotate__",
        "__annotate_func__",
        "__firstlineno__",
        "__static_attributes__",
        "_abc_impl",
    ]
)
_Print = tuple[bytes, Callable[[], bool]]
_prints: weakref.WeakKeyDictionary[type, _Print] = weakref.WeakKeyDictionary()


def class_of(owner: Any) -> type:
    """The class that holds the methods of `owner`: itself, if it is one."""
    return owner if issubclass(type(owner), type) else type(owner)


def version_of(module: Any) -> str:
    """The version of the package that a module belongs to, as it says itself; or an empty string."""
    root = module.partition(".")[0] if type(module) is str else ""
    found = getattr(sys.modules.get(root), "__dict__", {}).get("__version__")
    return found if type(found) is str else ""


def class_key(cls: type) -> bytes:
    """Where a class stands.  Its version is that of its package."""
    module = _module(cls)
    return f"{module}:{_qualname(cls)} {version_of(module)}".encode()


def class_print(cls: type) -> _Print:
    """The digest of a class with all its bases, and whether it is still so.

    Members count by what they are: functions by their code, labels by what they say, numbers and strings by
    being such; anything else by its class.
    """
    found = _prints.get(cls)
    if found is not None and found[1]():
        return found
    made = _prints[cls] = (short(_parts(cls)), _unchanged(cls))
    return made


def _parts(cls: type) -> Iterable[bytes]:
    yield class_key(type(cls))
    for each in cls.__mro__:
        yield class_key(each)
        if not each.__flags__ & _HEAPTYPE:
            continue  # a class written in C, which nobody can change
        for name, member in sorted(each.__dict__.items()):
            if name not in _NOISE:
                yield name.encode()
                yield _member(member)


def _member(member: Any) -> bytes:
    kind = type(member)
    if kind is FunctionType:
        return code_digest(original_code(member)).encode()
    if kind in (staticmethod, classmethod):
        return kind.__name__.encode() + _member(member.__func__)
    if kind is property:
        return b"property" + b" ".join(
            _member(part) for part in (member.fget, member.fset, member.fdel)
        )
    if kind is Label:
        return f"label {member}".encode()
    return class_key(kind)


def _unchanged(cls: type) -> Callable[[], bool]:
    """Whether the class and its bases still hold the same members, as far as the digest takes them in."""
    where = weakref.ref(cls)
    bases = tuple(weakref.ref(each) for each in cls.__mro__)
    spaces = [
        (weakref.ref(each), tuple(each.__dict__), [_still(m) for m in each.__dict__.values()])
        for each in cls.__mro__
        if each.__flags__ & _HEAPTYPE
    ]

    def holds() -> bool:
        live = where()
        if live is None or tuple(reference() for reference in bases) != live.__mro__:
            return False
        for reference, names, members in spaces:
            each = reference()
            if each is None or tuple(each.__dict__) != names:
                return False
            if not all(
                still(now) for still, now in zip(members, each.__dict__.values(), strict=True)
            ):
                return False
        return True

    return holds


def _still(member: Any) -> Callable[[Any], bool]:
    """Whether what stands in a member's place now means the same; keeps nothing of the class alive."""
    kind = type(member)
    if kind is FunctionType:
        function, code = weakref.ref(member), original_code(member)
        return lambda now: (
            (live := function()) is not None and now is live and original_code(live) is code
        )
    if kind in (staticmethod, classmethod):
        inner = _still(member.__func__)
        return lambda now: type(now) is kind and inner(now.__func__)
    if kind is property:
        parts = [_still(part) for part in (member.fget, member.fset, member.fdel)]
        return lambda now: (
            type(now) is property
            and all(
                still(part)
                for still, part in zip(parts, (now.fget, now.fset, now.fdel), strict=True)
            )
        )
    if kind is Label:
        return lambda now: now is member
    return lambda now: type(now) is kind
