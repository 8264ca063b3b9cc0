"""`get_jit_stats`: what became of one decorated operator or function, in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ember_jit.report.survey import find_function
from ember_jit.runtime.dispatch import unit_of
from ember_jit.runtime.mapping import innermost


@dataclass(frozen=True, slots=True)
class JitStats:
    """How a decorated function has fared.

    Attributes:
        name: qualified name of the function.
        compiled: it runs compiled code.
        traced: its own code runs, with the tracing fallback's hooks.
        reason: why it is not compiled, or empty.
        deoptimised: internal errors and tracers that were taken out again, for want of anything to prefetch.
        fallbacks: 1 if the function could not be compiled.
        runs: calls that ran with the overlap on, or traced.
        issued: calls that were started ahead.
        prefetch_hits: prefetched calls that were handed over.
        prefetch_misses: prefetched calls that were thrown away.
        compile_seconds: time that compiling took.
    """

    name: str
    compiled: bool
    traced: bool
    reason: str
    deoptimised: int
    fallbacks: int
    runs: int
    issued: int
    prefetch_hits: int
    prefetch_misses: int
    compile_seconds: float

    def __str__(self) -> str:
        how = "compiled" if self.compiled else "traced" if self.traced else "runs plain"
        why = f" ({self.reason})" if self.reason else ""
        return (
            f"{self.name}: {how}{why}; {self.runs} runs, {self.issued} calls started ahead, prefetch "
            f"{self.prefetch_hits} hits and {self.prefetch_misses} misses, compiled in {self.compile_seconds * 1e3:.1f} ms"
        )


def get_jit_stats(op: Any) -> JitStats:
    """What became of `op` so far; nothing is compiled for the answer.

    Args:
        op: an operator, its class, a decorated function, or what `vmap` or its kin returned: what that maps.

    Raises:
        NotAnOperatorError: `op` has no `forward` and is no function.

    Example:
        >>> from ember_jit import jit
        >>> @jit
        ... def twice(x):
        ...     return 2 * x
        >>> get_jit_stats(twice).compiled
        False
    """
    function, _, _ = find_function(innermost(op))
    unit = unit_of(function)
    if unit is None:
        reason = "not decorated"
        return JitStats(function.__qualname__, False, False, reason, 0, 0, 0, 0, 0, 0, 0.0)
    stats, tracer = unit.stats, unit.tracer
    tally = tracer.tally if tracer is not None else None
    retired = tracer.retired if tracer is not None else ""
    return JitStats(
        unit.name,
        stats.compiled,
        tracer is not None and not retired,
        retired or stats.left_alone,
        len(stats.internal_errors) + bool(retired and not tracer.broken),
        int(bool(stats.left_alone or tracer is not None)),
        stats.runs + (tally.runs if tally is not None else 0),
        stats.issued + (tally.started if tally is not None else 0),
        tally.hits if tally is not None else 0,
        tally.misses if tally is not None else 0,
        stats.compile_seconds,
    )
