"""The pipeline from a live function to its compiled code: capture, analyse, lower, pass, emit, link."""

from __future__ import annotations

import ast
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from types import CodeType, FunctionType, MethodType
from typing import Any

from ember_jit.compiler.analysis import bytecode, registry
from ember_jit.compiler.analysis.body import BodyAnalysis
from ember_jit.compiler.analysis.call_facts import CallFact
from ember_jit.compiler.analysis.facts import PURE
from ember_jit.compiler.analysis.infer import Inference
from ember_jit.compiler.analysis.notes import Notes, take_notes
from ember_jit.compiler.analysis.patience import Patience, runs
from ember_jit.compiler.analysis.values import Known, Method, OneOf
from ember_jit.compiler.codegen.chain import ChainCode, link_chain
from ember_jit.compiler.codegen.issue import Issue, IssueEmitter
from ember_jit.compiler.codegen.link import link_in_place, link_issue_programs, straight_objects
from ember_jit.compiler.codegen.retire import retire_program
from ember_jit.compiler.frontend.lower import Lowering
from ember_jit.compiler.numeric_form import may_be_numeric, numeric_form
from ember_jit.compiler.passes.chain import Chain, fold
from ember_jit.compiler.passes.chain_values import CannotFold
from ember_jit.compiler.passes.continues import without_continues
from ember_jit.compiler.passes.escape import mark_escapes
from ember_jit.compiler.passes.regions import AheadRegion, find_regions, in_order
from ember_jit.compiler.passes.straight import Straight, straighten
from ember_jit.compiler.source import NoSource, Source, names_of, source_of
from ember_jit.compiler.standin import stand_in, verdict_on
from ember_jit.compiler.tracing.fallback import trace_unit
from ember_jit.config import config
from ember_jit.ir.ops import Function
from ember_jit.ir.syntax import walk
from ember_jit.ir.verifier import verify
from ember_jit.runtime import plan as plan_module
from ember_jit.runtime.dispatch import Options, Unit
from ember_jit.runtime.epoch import watchers
from ember_jit.runtime.numeric import Site
from ember_jit.runtime.plan import Plan, Verdict
from ember_jit.runtime.triage import reason_to_leave

_RESERVED = re.compile(r"_(w|e|u\d*|v|gate|t\d+|i\d+|parts\d*|go|r|x\d+)$")
_inferences: dict[tuple[str, bool], Inference] = {}


@dataclass(slots=True)
class Artifacts:
    """Everything that compiling one function produced, for `explain` and `dump`.

    Attributes:
        source: its checked source.
        notes: what is worth keeping of the facts about its calls; the facts themselves hold live objects.
        stages: the IR after each stage, by name.
        regions: what issue programs walk.
        issues: the issue programs.
        retire: the retire program's definition.
        straight: its straight form, where nothing overlaps.
        chain: the attempt that it makes first, where it is a chain.
        not_folded: why it is none.
        numeric: the sites of its numeric regions.
        kernels: its definition with kernels, where there is nothing else.
        timings: seconds per stage.
    """

    source: Source | None = None
    notes: Notes | None = None
    stages: dict[str, Function] = field(default_factory=dict)
    regions: list[AheadRegion] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)
    retire: ast.FunctionDef | None = None
    straight: Straight | None = None
    chain: Chain | None = None
    not_folded: str = ""
    numeric: list[Site] = field(default_factory=list)
    kernels: ast.FunctionDef | None = None
    timings: dict[str, float] = field(default_factory=dict)


def inference_for(options: Options) -> Inference:
    """The inference engine for these options; shared, because what it learns is."""
    key = (options.effects, options.assume == "stateless")
    found = _inferences.get(key)
    if found is None:
        plan_module.install_tables(
            is_pure_call, is_pure_method, registry.PURE_METHOD_NAMES.__contains__
        )
        found = _inferences[key] = Inference(
            trust=options.effects, stateless=options.assume == "stateless"
        )
    return found


@lru_cache(maxsize=1)
def warm_up() -> None:
    """Load what the first compilation would otherwise wait for, in the user's first call."""
    registry.lookup(len)
    bytecode.load()


def is_pure_call(function: Any) -> bool:
    """Whether the registry says that `function` is pure, cheap and eager on plain values."""
    known = registry.lookup(function)
    if (
        known is None
        or known.kind != PURE
        or known.blocking
        or (known.calls_args and not known.protocol)
    ):
        return False
    return not (
        known.lazy and getattr(function, "__name__", "") not in ("enumerate", "zip", "reversed")
    )


def is_pure_method(kind: type, name: str) -> bool:
    """The same for a method of a builtin class."""
    known = registry.method(kind, name)
    return known is not None and known.kind == PURE


def verdict_of(callee: Any, inference: Inference, options: Options) -> Verdict:
    """What the runtime must know of a live callable."""
    effect = inference.met(callee)
    return verdict_on(callee, effect, options)


def entrance(inference: Inference, options: Options) -> Callable[[Any], Any]:
    """Gives what to call instead of a live callable: a compiled stand-in, or the callable itself."""
    patience = Patience[bool]()

    def enter(callee: Any) -> Any:
        kind = runs(callee)
        if patience.spent(kind):
            return callee
        found = stand_in(callee, inference.met(callee), options)
        patience.looked(kind, True, in_vain=found is None)
        return found or callee

    return enter


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


@dataclass(frozen=True, slots=True)
class Built:
    """A compiled function before it is linked to the live one.

    Attributes:
        plan: what the runtime must know of it; without functions, and without answers to the runtime's questions.
        node: the program that replaces the function: its retire program, or its straight form.
        live: the objects that stand in the program's constants, by the string that stands for each.
        source: where the function stands.
        facts: what is known of its calls.
    """

    plan: Plan
    node: ast.FunctionDef
    live: dict[str, Any]
    source: Source
    facts: BodyAnalysis


def compile_structurally(unit: Unit, owner: Any) -> tuple[CodeType, Plan] | None:
    """Compile the function of `unit`, whose first argument in the call at hand is `owner`.

    Returns:
        The retire program's code and the plan, or None if the function is to be left alone; the reason
        is in `unit.stats.left_alone`.
    """
    function = unit.function()
    assert function is not None
    artifacts = unit.artifacts = Artifacts()
    clock = _Clock(artifacts.timings)
    built = build(function, unit.original, unit.options, owner, artifacts, clock.lap, unit.bound)
    if isinstance(built, str):
        made = _numeric_alone(unit, function, owner, built, clock)
        if made is None and built == IN_ORDER:
            code = _chain(unit, function, owner, clock)
            if code is not None:
                unit.stats.left_alone = ""
                return code, Plan(unit.name)
        return made
    plan = built.plan
    numeric = numeric_form(unit, function, built.node, _receiver(unit, function, owner))
    artifacts.numeric = numeric.sites
    if artifacts.retire is not None:
        artifacts.retire = numeric.node
    elif artifacts.straight is not None:
        artifacts.straight.node = numeric.node
    code = link_in_place(unit, built.source, numeric.node, {**built.live, **numeric.live})
    if code is None:
        unit.stats.left_alone = UNFIT
        return None
    link_issue_programs(plan, function, unit.original, artifacts.issues)
    if artifacts.retire is not None:
        _answer(plan, unit.options, inference_for(unit.options))
    clock.lap("link")
    if artifacts.straight is not None and not numeric.sites:
        unit.ordinary = code
        code = _chain(unit, function, owner, clock) or code
    return code, plan


def _chain(unit: Unit, function: FunctionType, owner: Any, clock: _Clock) -> CodeType | None:
    """The code of a function in which nothing overlaps, if it is a chain that can be computed in place."""
    source = unit.artifacts.source
    if unit.bound or not _has_receiver(source, function, owner):
        return None
    code = _attempt(unit, source, owner)
    clock.lap("chain")
    return code


def _numeric_alone(
    unit: Unit, function: FunctionType, owner: Any, reason: str, clock: _Clock
) -> tuple[CodeType, Plan] | None:
    """What becomes of a function that is left alone for `reason`, unless it has numeric regions."""
    unit.stats.left_alone = reason
    if not may_be_numeric(unit, function):
        return None
    try:
        source = unit.artifacts.source = source_of(function, unit.original)
    except NoSource:
        return None
    if _reserved_name(source, unit.original):
        return None
    numeric = numeric_form(unit, function, source.node, _receiver(unit, function, owner))
    clock.lap("numeric regions")
    code = link_in_place(unit, source, numeric.node, numeric.live) if numeric.sites else None
    clock.lap("link")
    if code is None:
        return None
    unit.stats.left_alone = ""
    unit.artifacts.numeric, unit.artifacts.kernels = numeric.sites, numeric.node
    return code, Plan(unit.name)


def _receiver(unit: Unit, function: FunctionType, owner: Any) -> Any:
    """The operator that the first parameter is, or None."""
    return owner if unit.bound or _is_method(function, owner) else None


IN_ORDER = "no two of its calls could be in flight at once"
UNFIT = "the retire program does not compile to the same variables"


def build(
    function: FunctionType,
    original: CodeType,
    options: Options,
    owner: Any,
    artifacts: Artifacts,
    lap: Callable[[str], None] = lambda name: None,
    bound: bool = False,
) -> Built | str:
    """All of the compiler but linking: reads, and changes nothing.

    Args:
        function: the function; what it calls is found in its globals and cells.
        original: its code, as its author wrote it.
        options: how it is to be compiled.
        owner: its first argument in the call at hand, or None.
        artifacts: takes what each stage produced.
        lap: called with the name of each stage when that is over.
        bound: the first argument is `self`, although the function stands in no class.

    Returns:
        What was built, or why the function is left alone.
    """
    reason = reason_to_leave(original, single=True)
    if reason:
        return reason
    try:
        source = artifacts.source = source_of(function, original)
    except NoSource as exc:
        return f"no source: {exc}"
    lap("capture")
    reserved = _reserved_name(source, original)
    if reserved:
        return f"the name `{reserved}` is reserved for generated code"
    inference = inference_for(options)
    is_method = _has_receiver(source, function, owner, bound)
    facts = BodyAnalysis(inference, function, source, Known(owner) if is_method else None)
    facts.run()
    artifacts.notes = take_notes(facts)
    lap("effects")
    lowered = Lowering(source, facts, function.__qualname__).run()
    artifacts.stages["lowered"] = lowered
    escaped = artifacts.stages["escape"] = mark_escapes(lowered)
    branched = artifacts.stages["continues"] = without_continues(escaped)
    if config().strict_internal:
        verify(lowered)
        verify(escaped)
        verify(branched)
    lap("lower")
    regions = artifacts.regions = find_regions(branched, options.parallel_threshold)
    if options.max_extra_calls is not None:
        regions = artifacts.regions = in_order(regions)
    lap("regions")
    plan = Plan(function.__qualname__)
    if not regions and not any(
        _can_enter(facts.calls[site.node], inference, options) for site in branched.sites
    ):
        made = artifacts.straight = straighten(function, source, facts.calls)
        lap("straighten")
        if made is None:
            return IN_ORDER
        return Built(plan, made.node, straight_objects(made), source, facts)
    next_site = len(branched.sites)
    for region in regions:
        emitter = IssueEmitter(branched, region, facts, next_site, region.in_order)
        artifacts.issues.append(emitter.run())
        next_site = emitter.next_site
    retire = artifacts.retire = retire_program(source, branched, regions, artifacts.issues)
    _fill(plan, branched, regions, artifacts.issues, options)
    lap("emit")
    return Built(plan, retire, {}, source, facts)


def _attempt(unit: Unit, source: Source, owner: Any) -> CodeType | None:
    """The code of a chain, or None; the reason is in the artifacts."""
    artifacts = unit.artifacts
    if watchers() is None:
        artifacts.not_folded = "changes of classes and functions cannot be watched in this Python"
        return None
    try:
        chain = fold(unit.original, source, owner)
    except CannotFold as reason:
        artifacts.not_folded = str(reason)
        return None
    code = link_chain(unit, source, ChainCode(unit, source, chain, artifacts.straight))
    if code is None:
        artifacts.not_folded = "its classes cannot be watched"
        return None
    artifacts.chain = chain
    return code


def _fill(
    plan: Plan,
    function: Function,
    regions: list[AheadRegion],
    issues: list[Issue],
    options: Options,
) -> None:
    sites = [id(site.node) for site in function.sites]
    names = plan.site_names = _SiteNames()
    for region, issue in zip(regions, issues, strict=True):
        plan.trusted |= issue.trusted
        for number, loops in issue.sites.items():
            site = function.sites[number]
            plan.site_slice[number] = region.number
            plan.site_loops[number] = loops
            plan.site_lines[number] = site.line
            names.nodes[number] = site.node
            inside = {id(node) for node in walk(site.node) if isinstance(node, ast.Call)}
            nested = tuple(n for n in issue.sites if n != number and sites[n] in inside)
            if nested:  # its arguments hold calls of their own, which are not taken one by one
                plan.groups[number] = tuple(sorted(nested))
        for number, (node, loops, inner) in issue.kept.items():
            plan.site_slice[number] = region.number
            plan.site_loops[number] = loops
            plan.site_lines[number] = getattr(node, "lineno", 0)
            names.nodes[number] = node
            if inner:
                plan.groups[number] = tuple(sorted(set(inner) & issue.sites.keys()))
    plan.loop_count = len(function.loops)
    plan.limit(options.max_workers)
    plan.budget = options.max_extra_calls
    plan.in_turn = frozenset(region.number for region in regions if region.in_order)
    plan.labelled = frozenset(site.number for site in function.sites if site.label is not None)


def _answer(plan: Plan, options: Options, inference: Inference) -> None:
    """Have the runtime's questions about live callables answered by the analysis."""
    plan.classify = lambda callee: verdict_of(callee, inference, options)
    if options.recursive:
        plan.enter = entrance(inference, options)


def _can_enter(fact: CallFact, inference: Inference, options: Options) -> bool:
    """Whether a call's receiver is an undecorated composite in which something overlaps."""
    callee = fact.callee
    if not options.recursive:
        return False
    if isinstance(callee, Known):
        live = (callee.obj,)
    elif isinstance(callee, Method):
        live = (MethodType(callee.function, callee.owner),)
    elif isinstance(callee, OneOf):
        live = callee.objs
    else:
        return False
    return any(stand_in(each, inference.effect(each), options) is not None for each in live)


def _reserved_name(source: Source, code: CodeType) -> str:
    if not any(_RESERVED.match(name) for name in names_of(code)):
        return ""  # the code has every name that the tree has, and attributes besides
    for node in walk(source.node):
        name = (
            node.id if isinstance(node, ast.Name) else node.arg if isinstance(node, ast.arg) else ""
        )
        if name and _RESERVED.match(name):
            return name
    return ""


def _has_receiver(source: Source, function: FunctionType, owner: Any, bound: bool = False) -> bool:
    """Whether the first parameter is `self`, and `owner` what it stands for in the call at hand."""
    return bool(source.node.args.args or source.node.args.posonlyargs) and (
        bound or _is_method(function, owner)
    )


def _is_method(function: FunctionType, owner: Any) -> bool:
    """Whether `owner` is an object on whose class `function` stands."""
    if owner is None or isinstance(owner, type):
        return False
    name = function.__name__
    for cls in type(owner).__mro__:
        if any(
            value is function for value in (cls.__dict__.get(name), cls.__dict__.get("forward"))
        ):
            return True
    return any(value is function for cls in type(owner).__mro__ for value in cls.__dict__.values())


class _SiteNames(dict[int, str]):
    """What the call sites are called in events, written out when one is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.nodes: dict[int, ast.expr] = {}

    def __missing__(self, number: int) -> str:
        name = self[number] = " ".join(ast.unparse(self.nodes[number]).split())
        return name


class _Clock:
    def __init__(self, timings: dict[str, float]) -> None:
        self.timings = timings
        self.last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.timings[name] = now - self.last
        self.last = now
