"""The fact about one call: what it is to the compiler."""

from __future__ import annotations

from dataclasses import dataclass

from ember_jit.compiler.analysis.facts import Effect
from ember_jit.compiler.analysis.values import Abstract


@dataclass(frozen=True, slots=True)
class CallFact:
    """What is known of one call.

    Attributes:
        role: "glue" (pure, cheap, stays in its expression), "helper" (an inferred pure function),
            "site" (may be scheduled), "labelled" (may be scheduled in the order that its label keeps), "dynamic" (the receiver is found at run time), "mutate" (changes
            a container made here), "barrier" (has an effect, or may have).
        effect: the effect of the call.
        callee: its abstract callee.
    """

    role: str
    effect: Effect
    callee: Abstract
