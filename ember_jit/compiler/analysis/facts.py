"""What effect inference says of a callable, and what it rests on.

An `Effect` is a fact about live objects, so it carries the guards that keep it true: if one of them
fails, the effect is inferred anew (DESIGN 2: "guard `__code__`, `__defaults__`, closures and live globals").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ember_jit.runtime.effect import PURE, QUERY, UNKNOWN, Effect, Reason

__all__ = [
    "PURE",
    "QUERY",
    "UNKNOWN",
    "Effect",
    "Guard",
    "Inferred",
    "Reason",
    "same_elements",
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
        now = tuple(container.values()) if type(container) is dict else tuple(container)
        return len(now) == len(values) and all(x is y for x, y in zip(now, values, strict=True))

    return holds
