"""What effect inference says of a callable, and what it rests on.

An `Effect` is a fact about live objects, so it carries the guards that keep it true: if one of them
fails, the effect is inferred anew (DESIGN 2: "guard `__code__`, `__defaults__`, closures and live globals").
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

from ember_jit.kinds import is_a
from ember_jit.runtime.effect import PURE, QUERY, UNKNOWN, Effect, Reason
from ember_jit.runtime.originals import original_code
from ember_jit.runtime.statics import MISSING, alike_elements, own_attribute, type_lookup, weakly

__all__ = [
    "PURE",
    "QUERY",
    "UNKNOWN",
    "Effect",
    "Guard",
    "Inferred",
    "Reason",
    "protocol_guards",
    "same_elements",
    "same_function",
    "worse",
]

_RANK = {PURE: 0, QUERY: 1, UNKNOWN: 2}


Guard = Callable[[], bool]


@dataclass(slots=True)
class Inferred:
    """An effect, and the guards under which it holds."""

    effect: Effect
    guards: list[Guard] = field(default_factory=list)
    rests_on: list[Inferred] = field(default_factory=list)

    def holds(self, seen: set[int] | None = None) -> bool:
        """Whether everything the effect rests on is still so."""
        seen = set() if seen is None else seen
        if id(self) in seen:
            return True
        seen.add(id(self))
        return all(guard() for guard in self.guards) and all(
            each.holds(seen) for each in self.rests_on
        )


def worse(a: str, b: str) -> str:
    """The effect of doing both."""
    return a if _RANK[a] >= _RANK[b] else b


def same_elements(container: Any, values: tuple[Any, ...]) -> Guard:
    """A container still holds the same objects."""

    def holds() -> bool:
        return alike_elements(container.values() if type(container) is dict else container, values)

    return holds


def same_function(function: FunctionType) -> Guard:
    """The function still runs the code that was read (our own compilation of it does not count), with the same defaults.

    What is remembered of a function does not keep it alive.
    """
    code, defaults = original_code(function), function.__defaults__
    words = dict(function.__kwdefaults__ or {})
    where = weakref.ref(function)

    def holds() -> bool:
        live = where()
        if live is None or original_code(live) is not code or live.__defaults__ is not defaults:
            return False
        now = live.__kwdefaults__ or {}
        return now.keys() == words.keys() and all(now[name] is words[name] for name in words)

    return holds


def protocol_guards(obj: Any) -> list[Guard]:
    """Calling `obj` still means what compilation saw: its class, `__call__`, `forward`, no override (DESIGN 3, R6)."""
    kind = type(obj)
    call, forward = type_lookup(kind, "__call__"), type_lookup(kind, "forward")
    reference = weakly(obj)
    codes = [(each, original_code(each)) for each in (call, forward) if is_a(each, FunctionType)]

    def holds() -> bool:
        live = reference()
        if live is None or type(live) is not kind:
            return False
        if own_attribute(live, "forward") is not MISSING:
            return False
        if type_lookup(kind, "__call__") is not call or type_lookup(kind, "forward") is not forward:
            return False
        return all(original_code(function) is code for function, code in codes)

    return [holds]
