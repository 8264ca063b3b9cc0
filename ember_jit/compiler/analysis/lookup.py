"""What the names and attributes of one function mean now, and the guards that keep it true.

Shared by the analysis of source and of bytecode.  Nothing of the user's runs: globals, cells, modules
and instances are read as dictionaries, and each object found is guarded by where it was found
(DESIGN 2: "guard `__code__`, `__defaults__`, closures and live globals").
"""

from __future__ import annotations

import weakref
from types import FunctionType, MemberDescriptorType, ModuleType
from typing import Any

from ember_jit.compiler.analysis import registry
from ember_jit.compiler.analysis.facts import Guard, same_elements
from ember_jit.compiler.analysis.values import (
    LOCAL,
    Abstract,
    ClientPart,
    Known,
    Method,
    OneOf,
    Property,
    elements,
    static_attribute,
)
from ember_jit.kinds import is_a
from ember_jit.runtime.statics import (
    ATOMIC,
    MISSING,
    field_behind,
    own_attribute,
    type_lookup,
    weakly,
)

ATOMS = tuple(ATOMIC)  # for `isinstance`: an enum of integers counts too


class Lookup:
    """Static lookup on behalf of one function.

    Args:
        function: the function whose names are looked up.
        guard_atoms: also guard that a global or attribute that held a number, a string or None still
            holds such a thing. Reading one is harmless; an operation on what replaced it may not be.

    Attributes:
        guards: what must stay true for the lookups made so far.
        free: the cells of the function's free variables.
    """

    def __init__(self, function: FunctionType, *, guard_atoms: bool = False) -> None:
        self.globals = function.__globals__
        self._function = weakref.ref(function)
        self.free = dict(
            zip(function.__code__.co_freevars, function.__closure__ or (), strict=False)
        )
        self.guards: list[Guard] = []
        self._guard_atoms = guard_atoms
        self._guarded: set[tuple[int, str]] = set()

    def forget(self) -> None:
        """Drop the guards: the body is about to be interpreted again."""
        self.guards.clear()
        self._guarded.clear()

    def guard(self, key: tuple[int, str], guard: Guard) -> None:
        """Add a guard, once per (id of the place, name in it)."""
        if key not in self._guarded:
            self._guarded.add(key)
            self.guards.append(guard)

    def cell(self, name: str) -> Abstract:
        """The value of a free variable."""
        cell = self.free[name]
        try:
            live = cell.cell_contents
        except ValueError:
            return LOCAL
        # not through the cell, which may hold the function itself
        where, index, keep = self._function, list(self.free).index(name), weakly(live)
        self.guard((id(cell), name), lambda: _cell_holds(where(), index, keep()))
        return Known(live)

    def global_value(self, name: str) -> Abstract:
        """The value of a global or builtin name."""
        space = self.globals
        builtins = space.get("__builtins__", {})
        table = vars(builtins) if is_a(builtins, ModuleType) else builtins
        if name in space:
            live = space[name]
            if not is_a(live, ATOMS):
                self.guard((id(space), name), lambda: space.get(name) is live)
            elif self._guard_atoms:
                self.guard((id(space), name), lambda: _alike(space.get(name, self), live))
        elif name in table:
            live = table[name]
            self.guard((id(space), name), lambda: name not in space and table.get(name) is live)
        else:
            return LOCAL
        return Known(live)

    def attribute(self, owner: Any, name: str) -> Abstract | None:
        """The value of `owner.name`, or None if that cannot be told without running code."""
        found = static_attribute(owner, name)
        if isinstance(found, Known | Method | Property):
            self._guard_attribute(owner, name, found)
        if isinstance(found, Property) and (field := field_behind(found.getter)) is not None:
            getter = found.getter
            self.guard((id(getter), "()"), lambda: field_behind(getter) == field)
            return self.attribute(owner, field)
        if found is None and registry.is_part(owner, (name,)):
            return ClientPart(owner, (name,))
        return found

    def part(self, base: ClientPart, name: str) -> ClientPart | None:
        """The part `name` of a part of a client, or None if there is no such part."""
        names = (*base.names, name)
        return ClientPart(base.owner, names) if registry.is_part(base.owner, names) else None

    def part_method(self, base: ClientPart, name: str) -> registry.Known | None:
        """What is known about a method of a part of a client, guarded; None if nothing is."""
        known = registry.method_of(base.owner, base.names, name)
        if known is not None:
            client, names = weakly(base.owner), base.names
            self.guard(
                (id(base.owner), ".".join((*names, name))),
                lambda: registry.method_of(client(), names, name) is known,
            )
        return known

    def _guard_attribute(self, owner: Any, name: str, found: Abstract) -> None:
        atom = isinstance(found, Known) and is_a(found.obj, ATOMS)
        if atom and not self._guard_atoms:
            return
        if isinstance(found, Known) and atom:
            value, where = found.obj, weakly(owner)
            self.guard(
                (id(owner), name),
                lambda: (
                    isinstance(now := static_attribute(where(), name), Known)
                    and _alike(now.obj, value)
                ),
            )
            return
        live = own_attribute(owner, name) if not issubclass(type(owner), type) else MISSING
        if issubclass(type(owner), ModuleType):
            live = vars(owner)[name]
            self.guard((id(owner), name), lambda: vars(owner).get(name) is live)
        elif live is not MISSING:
            where, keep = weakly(owner), weakly(live)
            self.guard((id(owner), name), lambda: own_attribute(where(), name) is keep())
        else:
            kind = owner if issubclass(type(owner), type) else type(owner)
            live = type_lookup(kind, name)
            self.guard((id(kind), name), lambda: type_lookup(kind, name) is live)
            if isinstance(found, Known) and type(live) is MemberDescriptorType:
                where, slot = weakly(owner), weakly(found.obj)
                self.guard(
                    (id(owner), name),
                    lambda: (
                        isinstance(now := static_attribute(where(), name), Known)
                        and now.obj is slot()
                    ),
                )
            if kind is not owner and kind.__dictoffset__:
                where = weakly(owner)
                self.guard((id(owner), name), lambda: own_attribute(where(), name) is MISSING)

    def elements(self, obj: Any, *, values: bool = False) -> tuple[Any, ...] | None:
        """The elements of an exact builtin container (with `values`, also the values of a dict), guarded; else None."""
        live = tuple(obj.values()) if values and type(obj) is dict else elements(obj)
        if live is None or len(live) > 1024:
            return None
        self.guard((id(obj), "[]"), same_elements(obj, live))
        return live

    def one_of(self, obj: Any) -> Abstract | None:
        """An element that `obj[...]` may give, for a live builtin container; None if that cannot be told."""
        live = self.elements(obj, values=True)
        if live is None:
            return None
        return OneOf(live) if live else LOCAL

    def super_method(self, owner: Any, name: str) -> Abstract | None:
        """`super().name` in a method of the live object `owner`."""
        cell = self.free.get("__class__")
        if cell is None:
            return None
        try:
            start = cell.cell_contents
        except ValueError:
            return None
        mro = type(owner).__mro__
        if start not in mro:
            return None
        for cls in mro[mro.index(start) + 1 :]:
            if name in cls.__dict__:
                live = cls.__dict__[name]
                self.guard((id(cls), name), _member_is(cls, name, live))
                return Method(live, owner) if is_a(live, FunctionType) else None
        return None


def unresolved_hook(owner: Any, name: str) -> str:
    """The name of the class whose hook answers `owner.name`, which could not be looked up; empty if there is none."""
    kind = type(owner)
    if issubclass(type(owner), type) or kind.__module__ == "builtins":
        return ""
    hooked = type_lookup(kind, "__getattribute__") is not object.__dict__[
        "__getattribute__"
    ] or hasattr(kind, "__getattr__")
    found = type_lookup(kind, name)
    return kind.__name__ if hooked or hasattr(type(found), "__get__") else ""


def _member_is(cls: type, name: str, live: Any) -> Guard:
    return lambda: cls.__dict__.get(name) is live


def _alike(now: Any, then: Any) -> bool:
    """Whether both are plain atoms, or the very same object."""
    return now is then or (type(now) in ATOMIC and type(then) in ATOMIC)


def _cell_holds(function: FunctionType | None, index: int, live: Any) -> bool:
    """Whether a free variable of `function`, if that is still there, holds `live`."""
    if function is None or function.__closure__ is None:
        return False
    try:
        held: object = function.__closure__[index].cell_contents
    except ValueError:
        return False
    return held is live
