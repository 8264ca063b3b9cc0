"""What is known of a call's effect, in the words that the compiler, the runtime and a bundle share.

declared_effect(query)                 the label is believed
Effect(PURE, "inferred from ...")      what the analysis found; holds under guards (`analysis.facts.Inferred`)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ember_jit.effects import Label

PURE, QUERY, UNKNOWN = "pure", "query", "unknown"


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
        later: what it will be once a first call has been made.  Until then it is unknown to whoever makes the call
            somewhere inside; that first call itself may start ahead.
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
    later: Effect | None = None

    @property
    def schedulable(self) -> bool:
        """Whether the call may start before its program point."""
        return self.kind in (PURE, QUERY)

    @property
    def name(self) -> str:
        """The effect in one word: the label's, where there is one."""
        return self.label.kind if self.label is not None else self.kind


def unknown_effect(text: str) -> Effect:
    """Nothing is known, for this reason."""
    return Effect(UNKNOWN, text, reasons=(Reason("", 0, text),))


def declared_effect(label: Label) -> Effect:
    """The effect of a call whose label says it (`label.kind` is not empty)."""
    if label.kind in (PURE, QUERY) and not label.thread_bound and not label.claims:
        return Effect(
            label.kind,
            f"declared `{label}`",
            True,
            blocking=True,
            operator=True,
            nothrow=label.nothrow,
            plain=True,  # a declaration covers what is done with the result
        )
    return restricted_effect(label, True)


def restricted_effect(label: Label, declared: bool) -> Effect:
    """The effect of a call that its label lets run ahead, but not freely."""
    text = f"declared `{label}`"
    return Effect(
        UNKNOWN,
        text,
        declared,
        (Reason("", 0, text),),
        blocking=True,
        operator=True,
        nothrow=label.nothrow,
        plain=declared,
        label=label,
    )
