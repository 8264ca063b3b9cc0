"""Fingerprints: all that the effect of calling an object may rest on, as one digest.

The analysis decides what `self.search` may do from code: its own, and that of everything it leads to.  A bundle
carries the verdict without the analysis, so it must know when the verdict still holds.  A fingerprint covers
everything that the analysis could have looked at, and more: from the callable along every name that its code
mentions, through globals, cells, classes and attributes, as far as functions that the registry knows.

    fingerprint of self.search  =  its class (every member of it, along the MRO), the code of `forward`, and for
                                   each name in that code: what the module, the class and the object hold there

Equal fingerprints: the analysis would see the same, so its verdict is the same.  What is taken in of a value is
what the analysis takes in: of a number or a string its being one, of a function its code, of an object its class.
Nothing of the user's runs.  Each look-up leaves a check, so that a fingerprint is known to be still true without
being made again.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterable
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodDescriptorType,
    MethodType,
    MethodWrapperType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any

from ember_jit.aot.classes import class_key, class_of, class_print, version_of
from ember_jit.aot.digests import code_digest, short
from ember_jit.effects import label_of
from ember_jit.kinds import is_a
from ember_jit.runtime.originals import original_code
from ember_jit.runtime.statics import (
    ATOMIC,
    MISSING,
    alike_elements,
    has_plain_lookup,
    own_attribute,
    weakly,
)

Check = Callable[[], bool]
CONTAINERS = frozenset({list, tuple, set, frozenset, dict})
LARGE = 1024  # elements that the analysis looks at
BUDGET = 4000  # objects
_C_CALLABLES = (
    BuiltinFunctionType,
    MethodDescriptorType,
    MethodWrapperType,
    WrapperDescriptorType,
)
_MADE_BY_CLASS = frozenset({"__init__", "__new__", "__init_subclass__", "__class_getitem__"})
_CALLED = ("__call__", "forward")
_MEMBERS = (FunctionType, staticmethod, classmethod, property)  # what `class_print` checks itself


class NotPortable(Exception):
    """What the effect rests on cannot be told again in another process; the message says why."""


class Fingerprints:
    """Makes fingerprints.

    Args:
        is_known: whether a callable is one that the registry knows: its code is not followed.
        refuse: why no verdict about an object with such attributes can be carried over, or an empty string.
    """

    def __init__(
        self,
        is_known: Callable[[Any], bool],
        refuse: Callable[[Any, tuple[str, ...]], str] = lambda obj, names: "",
    ) -> None:
        self.is_known = is_known
        self.refuse = refuse

    def of(self, callee: Any) -> tuple[str, list[Check]]:
        """The fingerprint of calling `callee`, and the checks under which it stays true.

        Raises:
            NotPortable: there is none.
        """
        walk = _Walk(self)
        return short((walk.value(callee, ()),)).hex(), walk.checks


class _Walk:
    """One fingerprint in the making: digests from the leaves up, cycles by the distance back."""

    def __init__(self, made: Fingerprints) -> None:
        self.made = made
        self.checks: list[Check] = []
        self._done: dict[tuple[Any, ...], bytes] = {}
        self._stack: dict[tuple[Any, ...], int] = {}
        self._lowest = (
            sys.maxsize
        )  # the outermost object on the stack that the current one leads back to
        self._left = BUDGET

    def _node(self, key: tuple[Any, ...], parts: Callable[[], Iterable[bytes]]) -> bytes:
        """The digest of an object that may lead back to itself."""
        found = self._done.get(key)
        if found is not None:
            return found
        depth = self._stack.get(key)
        if depth is not None:
            self._lowest = min(self._lowest, depth)
            return b"back %d" % (len(self._stack) - depth)
        self._left -= 1
        if self._left < 0 or len(self._stack) > 150:
            raise NotPortable("it leads to too much code")
        before, self._lowest = self._lowest, sys.maxsize
        depth = self._stack[key] = len(self._stack)
        digest = short(parts())
        del self._stack[key]
        if (
            self._lowest >= depth
        ):  # leads back to nothing outside itself: the same from wherever it is reached
            self._done[key] = digest
            self._lowest = before
        else:
            self._lowest = min(self._lowest, before)
        return digest

    # ------------------------------------------------------------------ by kind of value
    def value(self, obj: Any, names: tuple[str, ...]) -> bytes:
        """The digest of a value that code with these names has at hand."""
        kind = type(obj)
        if kind in ATOMIC:
            return b"atom"
        if kind is FunctionType:
            return self.function(obj, None, bound=False)
        if kind is MethodType:
            return self._method(obj, names)
        if issubclass(kind, type):
            return self._node(("class", id(obj), names), lambda: self._class(obj, names))
        if kind is ModuleType:
            return self._node(("module", id(obj), names), lambda: self._module(obj, names))
        if kind in CONTAINERS:
            return self._node(("container", id(obj), names), lambda: self._container(obj, names))
        if kind in _C_CALLABLES:
            return callable_key(obj)
        return self._node(("object", id(obj), names), lambda: self._object(obj, names))

    def _method(self, method: MethodType, names: tuple[str, ...]) -> bytes:
        function, owner = method.__func__, method.__self__
        if type(function) is not FunctionType:
            return short((b"method", self.value(function, names), self.value(owner, names)))
        return self.function(function, owner, bound=True)

    def function(self, function: FunctionType, owner: Any, *, bound: bool) -> bytes:
        """The digest of calling a function, bound to `owner` or to nothing."""
        key = ("function", id(function), id(owner) if bound else None)
        return self._node(key, lambda: self._function(function, owner, bound))

    def _function(self, function: FunctionType, owner: Any, bound: bool) -> Iterable[bytes]:
        code = original_code(function)
        callee = MethodType(function, owner) if bound else function
        label = label_of(callee)
        defaults, words = function.__defaults__, function.__kwdefaults__
        kept = dict(words or {})
        where, what = weakref.ref(function), weakly(owner)
        self.checks.append(
            lambda: (
                (live := where()) is not None
                and original_code(live) is code
                and live.__defaults__ is defaults
                and _same_values(live.__kwdefaults__ or {}, kept)
                and label_of(MethodType(live, what()) if bound else live) == label
            )
        )
        yield callable_key(function)
        yield str(label).encode()
        if label is not None and label.kind:
            return  # declared: its code is not looked at
        if self.made.is_known(callee):
            yield b"known"
            if bound:
                yield class_key(type(owner))
            return
        names = names_of(code)
        for default in (*(defaults or ()), *(kept[word] for word in sorted(kept))):
            yield self.value(default, names)
        yield from self._globals(function, names)
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=False):
            yield name.encode()
            yield self._cell(cell, names)
        if bound:
            yield self.value(owner, names)

    def _globals(self, function: FunctionType, names: tuple[str, ...]) -> Iterable[bytes]:
        space = function.__globals__
        builtins = space.get("__builtins__", {})
        table = vars(builtins) if is_a(builtins, ModuleType) else builtins
        for name in names:
            if name in space:
                live = space[name]
                self._look(name, space, live)
            elif name in table:
                live = table[name]
                self._fall_through(name, space, table, live)
            else:
                continue
            yield name.encode()
            yield self.value(live, names)

    def _look(self, name: str, space: dict[str, Any], live: Any) -> None:
        if type(live) in ATOMIC:
            self.checks.append(lambda: type(space.get(name, self)) in ATOMIC)
        else:
            self.checks.append(lambda: space.get(name) is live)

    def _fall_through(
        self, name: str, space: dict[str, Any], table: dict[str, Any], live: Any
    ) -> None:
        self.checks.append(lambda: name not in space and table.get(name) is live)

    def _cell(self, cell: Any, names: tuple[str, ...]) -> bytes:
        try:
            live = cell.cell_contents
        except ValueError:
            self.checks.append(lambda: _cell_holds(cell, MISSING))
            return b"unbound"
        self.checks.append(lambda: _cell_holds(cell, live))
        return self.value(live, names)

    def _module(self, module: ModuleType, names: tuple[str, ...]) -> Iterable[bytes]:
        name = vars(module).get("__name__")
        if type(name) is not str or sys.modules.get(name) is not module:
            raise NotPortable("it uses a module that is not in `sys.modules`")
        yield b"module"
        yield name.encode()
        space = vars(module)
        for each in names:
            if each in space:
                self._look(each, space, space[each])
                yield each.encode()
                yield self.value(space[each], names)

    def _container(self, container: Any, names: tuple[str, ...]) -> Iterable[bytes]:
        is_dict = type(container) is dict
        yield type(container).__name__.encode()
        if len(container) > LARGE:
            self.checks.append(lambda: len(container) > LARGE)
            yield b"large"
            return
        held = tuple(container.values()) if is_dict else tuple(container)
        keys = tuple(container) if is_dict else ()
        self.checks.append(
            lambda: (
                alike_elements(container, keys) and alike_elements(container.values(), held)
                if is_dict
                else alike_elements(container, held)
            )
        )
        yield from sorted({self.value(each, names) for each in keys})
        yield b"values"
        yield from sorted({self.value(each, names) for each in held})

    def _class(self, cls: type, names: tuple[str, ...]) -> Iterable[bytes]:
        yield b"class"
        yield self._class_print(cls)
        if self.made.is_known(cls):
            yield b"known"
            return
        for name in (*names, *_MADE_BY_CLASS, "__post_init__"):
            for holder in cls.__mro__:
                if name in holder.__dict__:
                    yield name.encode()
                    yield self._held(holder, name, cls, names, bound=False)

    def _object(self, obj: Any, names: tuple[str, ...]) -> Iterable[bytes]:
        kind = type(obj)
        reason = self.made.refuse(obj, names)
        if reason:
            raise NotPortable(reason)
        where = weakly(obj)
        label = label_of(obj)
        self.checks.append(lambda: type(where()) is kind and label_of(where()) == label)
        yield b"object"
        yield self._class_print(kind)
        yield str(label).encode()
        if not has_plain_lookup(kind):
            return
        # of what is declared the label is believed, so what its code leads to does not count
        declared = label is not None and bool(label.kind)
        for name in names if declared else dict.fromkeys((*names, *_CALLED)):
            if declared and name in _CALLED:
                continue
            own = own_attribute(obj, name)
            if own is not MISSING:
                self._own(where, name, own)
                yield b"own " + name.encode()
                yield self.value(own, names)
            for holder in kind.__mro__:
                if name in holder.__dict__ and holder is not object:
                    if own is MISSING and kind.__dictoffset__:
                        self._own(where, name, MISSING)
                    yield name.encode()
                    yield self._held(holder, name, obj, names, bound=True)
        for holder in kind.__mro__:
            for name, member in sorted(holder.__dict__.items()) if holder is not object else ():
                special = name.startswith("__") and name.endswith("__")
                if declared and name == "__call__":
                    continue
                if special and name not in _MADE_BY_CLASS and type(member) is FunctionType:
                    yield name.encode()
                    yield self.function(member, obj, bound=True)

    def _own(self, where: Callable[[], Any], name: str, own: Any) -> None:
        if type(own) in ATOMIC:
            self.checks.append(lambda: type(own_attribute(where(), name)) in ATOMIC)
        else:
            keep = weakly(own)
            self.checks.append(lambda: own_attribute(where(), name) is keep())

    def _held(
        self, holder: type, name: str, owner: Any, names: tuple[str, ...], *, bound: bool
    ) -> bytes:
        """What `holder`, a class, has under a name that the code at hand mentions."""
        member = holder.__dict__[name]
        if (
            type(member) not in _MEMBERS
        ):  # the print of the class says only what it is an instance of
            where, keep = weakref.ref(holder), weakly(member)
            atom = type(member) in ATOMIC
            self.checks.append(
                lambda: (
                    (live := where()) is not None
                    and (
                        (now := live.__dict__.get(name, self)) is keep()
                        or (atom and type(now) in ATOMIC)
                    )
                )
            )
        return self._member(member, owner, names, bound=bound)

    def _member(self, member: Any, owner: Any, names: tuple[str, ...], *, bound: bool) -> bytes:
        """The digest of such a member, looked up in `owner`."""
        kind = type(member)
        if kind is FunctionType:
            return self.function(member, owner if bound else None, bound=bound)
        if kind is property:
            parts = (member.fget, member.fset, member.fdel)
            return short(
                (b"property", *(self._member(p, owner, names, bound=bound) for p in parts))
            )
        if kind is staticmethod:
            return self.value(member.__func__, names)
        if kind is classmethod:
            cls = type(owner) if bound else owner
            return self._member(member.__func__, cls, names, bound=True)
        if kind is MemberDescriptorType and bound:
            return self._slot(member, owner, names)
        if kind in (MemberDescriptorType, GetSetDescriptorType):
            return b"slot"
        return self.value(member, names)

    def _slot(self, slot: Any, owner: Any, names: tuple[str, ...]) -> bytes:
        where = weakly(owner)
        live = _slot_value(slot, owner)
        if type(live) in ATOMIC:
            self.checks.append(lambda: type(_slot_value(slot, where())) in ATOMIC)
        else:
            keep = weakly(live)
            self.checks.append(lambda: _slot_value(slot, where()) is keep())
        return b"empty" if live is MISSING else self.value(live, names)

    def _class_print(self, cls: type) -> bytes:
        found, holds = class_print(cls)
        self.checks.append(holds)
        return found


def callable_key(obj: Any) -> bytes:
    """Which function this is: for one written in Python its code, for one written in C where it stands."""
    if type(obj) is FunctionType:
        where = f"function {obj.__module__} {code_digest(original_code(obj))}"
    elif type(obj) is BuiltinFunctionType:
        place = class_key(class_of(obj.__self__)).decode()
        where = f"builtin {obj.__module__} {obj.__qualname__} {place} {version_of(obj.__module__)}"
    else:
        holder = getattr(obj, "__objclass__", type(obj))
        where = f"descriptor {class_key(holder).decode()} {getattr(obj, '__name__', '')}"
    return where.encode()


def names_of(code: CodeType) -> tuple[str, ...]:
    """Every name that code may look something up by, its nested functions included; sorted."""
    return tuple(sorted(set(_names(code))))


def _names(code: CodeType) -> Iterable[str]:
    yield from code.co_names
    yield from code.co_freevars
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from _names(const)
        elif type(const) is str and const.isidentifier():
            yield const  # `getattr(self, "search")`


def _slot_value(slot: Any, owner: Any) -> Any:
    try:
        return slot.__get__(owner, type(owner))
    except (AttributeError, TypeError):
        return MISSING


def _cell_holds(cell: Any, live: Any) -> bool:
    try:
        now = cell.cell_contents
    except ValueError:
        return live is MISSING
    return now is live or (type(now) in ATOMIC and type(live) in ATOMIC)


def _same_values(now: dict[str, Any], then: dict[str, Any]) -> bool:
    return now.keys() == then.keys() and all(now[name] is then[name] for name in then)
