"""The driver: what becomes of a function at its first call, and linking that to the live one."""

from __future__ import annotations

import ast
import time
from collections.abc import Mapping
from functools import lru_cache
from types import CodeType, FunctionType
from typing import Any

from ember_jit.compiler import native_code
from ember_jit.compiler.analysis import bytecode, registry
from ember_jit.compiler.answers import answer, inference_for
from ember_jit.compiler.building import (
    IN_ORDER,
    Artifacts,
    build,
    is_method,
    reserved_name,
    takes_self,
)
from ember_jit.compiler.codegen.link import link_in_place, link_issue_programs
from ember_jit.compiler.held import likeness, looking
from ember_jit.compiler.numeric_form import may_be_numeric
from ember_jit.compiler.passes.chain_shape import why_no_chain
from ember_jit.compiler.passes.numeric_names import numpy_module
from ember_jit.compiler.source import NoSource, source_of
from ember_jit.compiler.tracing.fallback import trace_unit
from ember_jit.compiler.weaving import woven
from ember_jit.runtime.dispatch import Unit
from ember_jit.runtime.plan import Plan
from ember_jit.runtime.triage import has_loop

UNFIT = "the retire program does not compile to the same variables"


@lru_cache(maxsize=1)
def warm_up() -> None:
    """Load what the first compilation would otherwise wait for, in the user's first call."""
    registry.lookup(len)
    numpy = numpy_module()
    if numpy is not None:
        registry.lookup(numpy.ndarray)  # looks through all of NumPy
        native_code.warm_up()
    bytecode.load()


def compile_unit(unit: Unit, owner: Any) -> tuple[CodeType, Plan | None] | None:
    """Compile the function of `unit`, or else put the tracing fallback's hooks into its own code.

    Returns:
        Code and plan as `compile_structurally` does, code with hooks and no plan, or None.
    """
    compiled = None if unit.options.force_trace else compile_structurally(unit, owner)
    function = unit.function()
    if compiled is not None or not unit.options.trace or function is None:
        return compiled
    if unit.artifacts is None:
        unit.artifacts = Artifacts()
    code = trace_unit(unit, function, inference_for(unit.options))
    if code is None:
        unit.stats.left_alone = unit.stats.left_alone or "it has no call that could be traced"
        return None
    return code, None


def compile_structurally(unit: Unit, owner: Any) -> tuple[CodeType, Plan | None] | None:
    """Compile the function of `unit`, whose first argument in the call at hand is `owner`.

    Returns:
        The retire program's code and the plan, or None if the function is to be left alone; the reason
        is in `unit.stats.left_alone`.  Code without a plan is its own, with a look at its receivers (`held`).
    """
    function = unit.function()
    assert function is not None
    artifacts = unit.artifacts = Artifacts()
    clock = _Clock(artifacts.timings)
    unit.ordinary, unit.attempt_left_out = None, ""
    built = build(function, unit.original, unit.options, owner, artifacts, clock.lap, unit.bound)
    if isinstance(built, str):
        made = _numeric_alone(unit, function, owner, built, clock)
        return made or _chain_alone(unit, function, owner, built, clock)
    unit.stats.left_alone = ""
    plan = built.plan
    both = woven(unit, function, built.node, receiver_of(unit, function, owner))
    artifacts.numeric = both.numeric
    if both.loops:
        artifacts.loops = both.loops.sites  # of the others, the calls in them say more
    if artifacts.retire is not None:
        artifacts.retire = both.node
    elif artifacts.straight is not None:
        artifacts.straight.node = both.node
    code = link_in_place(unit, built.source, both.node, {**built.live, **both.live})
    if code is None:
        unit.stats.left_alone = UNFIT
        return None
    link_issue_programs(plan, function, unit.original, artifacts.issues)
    if artifacts.retire is not None:
        answer(plan, unit.options, inference_for(unit.options))
    clock.lap("link")
    if artifacts.straight is not None and not both.numeric and not both.loops:
        unit.ordinary = code
        code = _chain(unit, function, owner, artifacts.straight.node, built.live, clock) or code
    return code, plan


def _chain_alone(
    unit: Unit, function: FunctionType, owner: Any, reason: str, clock: _Clock
) -> tuple[CodeType, Plan | None] | None:
    """What becomes of a function in which nothing overlaps, unless a call goes straight to `forward` or is a kernel."""
    looking_code = _looking(unit, unit.artifacts)
    if reason != IN_ORDER:
        return looking_code
    source = unit.artifacts.source
    assert source is not None
    node = source.node
    if looking_code is not None:
        unit.ordinary, node = looking_code[0], looking(source, unit.original.co_varnames[0])
    code = _chain(unit, function, owner, node, {}, clock)
    if code is None:
        return looking_code
    unit.stats.left_alone = ""
    return code, Plan(unit.name)


def _chain(
    unit: Unit,
    function: FunctionType,
    owner: Any,
    rest: ast.FunctionDef,
    live: Mapping[str, Any],
    clock: _Clock,
) -> CodeType | None:
    """The code of a chain that is computed in place, in front of `rest`; None, and nothing loaded, where there can be none."""
    artifacts = unit.artifacts
    if unit.bound or not takes_self(artifacts.source, function, owner):
        return None
    artifacts.not_folded = why_no_chain(artifacts.source)
    if artifacts.not_folded:
        return None
    from ember_jit.compiler.chain_form import chain_form

    code = chain_form(unit, owner, rest, live)
    clock.lap("chain")
    return code


def _looking(unit: Unit, artifacts: Artifacts) -> tuple[CodeType, None] | None:
    """The code of a function that is left alone for what its receiver holds, with a look at others; else None."""
    if not artifacts.held or artifacts.source is None:
        return None
    receiver = unit.original.co_varnames[0]
    node = looking(artifacts.source, receiver)
    code = link_in_place(unit, artifacts.source, node, {})
    if code is None:
        return None
    unit.is_alike = likeness(artifacts.held, inference_for(unit.options))
    return code, None


def _numeric_alone(
    unit: Unit, function: FunctionType, owner: Any, reason: str, clock: _Clock
) -> tuple[CodeType, Plan] | None:
    """What becomes of a function that is left alone for `reason`, unless it has numeric regions."""
    unit.stats.left_alone = reason
    artifacts = unit.artifacts
    if not may_be_numeric(unit, function) and not has_loop(unit.original):
        return None
    try:
        source = artifacts.source = source_of(function, unit.original)
    except NoSource:
        return None
    if reserved_name(source, unit.original):
        return None
    receiver = receiver_of(unit, function, owner)
    made = woven(unit, function, source.node, receiver, clock.lap)
    loops = made.loops
    if loops:
        artifacts.loops_left = loops.left
        if loops.worth_tracing and not made.numeric and unit.options.trace:
            return None  # what tracing may overlap is worth more
    if not made.live:
        return None
    code = link_in_place(unit, source, made.node, made.live)
    clock.lap("link")
    if code is None:
        return None
    unit.stats.left_alone = ""
    artifacts.numeric, artifacts.kernels = made.numeric, made.node
    if loops:
        artifacts.loops = loops.sites
    return code, Plan(unit.name)


def receiver_of(unit: Unit, function: FunctionType, owner: Any) -> Any:
    """The operator that the first parameter is, or None."""
    return owner if unit.bound or is_method(function, owner) else None


class _Clock:
    def __init__(self, timings: dict[str, float]) -> None:
        self.timings = timings
        self.last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.timings[name] = now - self.last
        self.last = now
