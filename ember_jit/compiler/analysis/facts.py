"""What effect inference says of a callable, and what it rests on.

An `Effect` is a fact about live objects, so it carries the guards that keep it true: if one of them
fails, the effect is inferred anew (DESIGN 2: "guard `__code__`, `__defaults__`, closures and live globals").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ember_jit.effects import Label

PURE, QUERY, UNKNOWN = "pure", "query", "unknown"
_RANK = {PURE: 0, QUERY: 1, UNKNOWN: 2}


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something has an effect: where, what, the change that would free it, and the reason behind the reason."""

    file: str
    line: int
    text: str
    fix: str = ""
    cause: Reason | None = None

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.line else ""
        return f"{place}{self.text}" + (f"  ({self.fix})" if self.fix else "")


@dataclass(frozen=True, slots=True)
class Effect:
    """The effect of calling something.

    Attributes:
        kind: "pure", "query" or "unknown".
        evidence: one line that says how we know.
        declared: the label was given by the user (and is trusted).
        reasons: for "unknown", what stands in the way.
        blocking: the call may wait (sleep, network, disk), so it is worth a thread.
        operator: the callee follows the operator protocol, or is otherwise worth a task of its own.
        prints: its output through `print` or `logging` must be deferred.
        nothrow: it never raises.
        plain: no operation on what it gives back runs code of the program, if its arguments are such values.
        label: the label of a call that keeps some order (it has resources, or is bound to its thread).  Whoever
            makes such a call has an effect, so `kind` is "unknown"; the call itself may be scheduled by its label.
    """

    kind: str
    evidence: str
    declared: bool = False
    reasons: tuple[Reason, ...] = ()
    blocking: bool = False
    operator: bool = False
    nothrow: bool = False
    prints: bool = False
    plain: bool = False
    label: Label | None = None

    @property
    def schedulable(self) -> bool:
        """Whether the call may start before its program point."""
        return self.kind in (PURE, QUERY)

    @property
    def name(self) -> str:
        """The effect in one word: the label's, where there is one."""
        return self.label.kind if self.label is not None else self.kind


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
