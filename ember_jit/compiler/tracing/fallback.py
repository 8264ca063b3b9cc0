"""The door to the tracing fallback: which functions get it, and what the recorder asks the compiler.

jit(f)                  f could not be read (no source, a name that is computed): its own code, with hooks
jit(f, force_trace=True)  the same for any function
"""

from __future__ import annotations

from time import perf_counter
from types import CodeType, FunctionType
from typing import Any

from ember_jit.compiler.analysis.facts import PURE, QUERY
from ember_jit.compiler.analysis.infer import Inference
from ember_jit.compiler.analysis.patience import runs
from ember_jit.compiler.standin import quiet_twin
from ember_jit.compiler.tracing.instrument import instrument
from ember_jit.config import config
from ember_jit.runtime.debugged import is_debugged
from ember_jit.runtime.dispatch import Options, Unit, is_disabled
from ember_jit.runtime.overlays import heard
from ember_jit.runtime.tracing.recorder import Standing, Tracer
from ember_jit.runtime.triage import reason_to_leave


def trace_unit(unit: Unit, function: FunctionType, inference: Inference) -> CodeType | None:
    """The code of `function` with hooks, or None if it cannot be traced."""
    options = unit.options
    if reason_to_leave(unit.original) or options.max_extra_calls == 0:
        return None
    limit = options.max_workers or config().max_workers
    if options.max_extra_calls is not None:
        limit = min(limit, options.max_extra_calls)
    tracer = Tracer(
        function,
        unit.original,
        lambda callee, seconds: standing_of(callee, inference, options, seconds),
        limit,
        options.execution_strategy == "parallel",
        lambda: (
            options.execution_strategy != "sequential"
            and not is_disabled()
            and not heard()
            and not is_debugged()
        ),
        unit.internal_error,
    )
    try:
        made = instrument(unit.original, tracer)
    except ImportError:
        return None
    if made is None:
        return None
    tracer.code, tracer.lines = made.code, made.lines
    unit.tracer = tracer
    return made.code


def standing_of(
    callee: Any, inference: Inference, options: Options, seconds: float | None
) -> Standing | None:
    """Whether a live callable may be started ahead by the fallback.

    Args:
        callee: what is called.
        inference: looks into it.
        options: of the traced function.
        seconds: how long a call has taken, if the answer can wait until looking is worth its price.

    Returns:
        None if it has not been looked into.
    """
    kind = None
    if seconds is not None:
        kind = runs(callee)
        if not inference.thrift.affords(kind, seconds):
            return None
    began = perf_counter()
    try:
        effect = inference.met(callee)
    except RecursionError:  # no room on the stack to look: nothing is known
        return Standing(False, False, False)
    kinds = (PURE, QUERY) if options.speculate == "query" else (PURE,)
    worth = effect.declared or effect.operator or effect.blocking
    ahead = effect.kind in kinds and worth and quiet_twin(callee, effect) == (True, None)
    if kind is not None:
        inference.thrift.looked(kind, perf_counter() - began, not ahead)
    return Standing(effect.schedulable, ahead, effect.declared)
