"""All of the compiler but linking, from a live function to the programs that replace it: capture, analyse, lower, pass, emit.

Nothing here changes the function or anything that it calls.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from types import CodeType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any

from ember_jit.compiler.analysis.body import BodyAnalysis
from ember_jit.compiler.analysis.call_facts import CallFact
from ember_jit.compiler.analysis.infer import Inference
from ember_jit.compiler.analysis.notes import Notes, take_notes
from ember_jit.compiler.analysis.values import Known, Method, OneOf
from ember_jit.compiler.answers import inference_for
from ember_jit.compiler.codegen.issue import Issue, IssueEmitter
from ember_jit.compiler.codegen.link import straight_objects
from ember_jit.compiler.codegen.retire import retire_program
from ember_jit.compiler.frontend.lower import Lowering
from ember_jit.compiler.held import as_if_unknown, held_calls
from ember_jit.compiler.passes.continues import without_continues
from ember_jit.compiler.passes.escape import mark_escapes
from ember_jit.compiler.passes.regions import AheadRegion, find_regions, in_order
from ember_jit.compiler.passes.straight import Straight, straighten
from ember_jit.compiler.source import NoSource, Source, first_line, names_of, source_of
from ember_jit.compiler.standin import stand_in
from ember_jit.config import config
from ember_jit.ir.ops import Function
from ember_jit.ir.syntax import walk
from ember_jit.ir.verifier import verify
from ember_jit.kinds import is_a
from ember_jit.runtime.dispatch import Options
from ember_jit.runtime.numeric import Site
from ember_jit.runtime.originals import original_code
from ember_jit.runtime.plan import Plan
from ember_jit.runtime.statics import function_of
from ember_jit.runtime.triage import reason_to_leave, stops

if TYPE_CHECKING:
    from ember_jit.compiler.passes.chain import Chain
    from ember_jit.runtime.loops.site import LoopSite


IN_ORDER = "no two of its calls could be in flight at once"
_RESERVED = re.compile(r"_(w|e|u\d*|v|gate|t\d+|i\d+|parts\d*|go|r|x\d+)$")


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
        held: attributes of the receiver that another instance may make worth compiling for (`compiler.held`).
        numeric: the sites of its numeric regions.
        loops: the sites of its loops in machine code.
        loops_left: (line, why) of the loops that are left to Python.
        kernels: its definition with kernels and loops, where there is nothing else.
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
    held: frozenset[str] = frozenset()
    numeric: list[Site] = field(default_factory=list)
    loops: list[LoopSite] = field(default_factory=list)
    loops_left: list[tuple[int, str]] = field(default_factory=list)
    kernels: ast.FunctionDef | None = None
    timings: dict[str, float] = field(default_factory=dict)


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
    reserved = reserved_name(source, original)
    if reserved:
        return f"the name `{reserved}` is reserved for generated code"
    inference = inference_for(options)
    has_self = takes_self(source, function, owner, bound)
    facts = BodyAnalysis(inference, function, source, Known(owner) if has_self else None)
    facts.run()
    artifacts.notes = take_notes(facts)
    lap("effects")
    stopping = _stopping_call(facts)
    if stopping:
        return stopping
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
            artifacts.held = _held(function, source, facts, options.parallel_threshold)
            return IN_ORDER
        return Built(plan, made.node, straight_objects(made), source, facts)
    next_site = len(branched.sites)
    for region in regions:
        emitter = IssueEmitter(branched, region, facts, next_site, region.in_order)
        artifacts.issues.append(emitter.run())
        next_site = emitter.next_site
    retire = artifacts.retire = retire_program(
        source, branched, regions, artifacts.issues, first_line(original)
    )
    _fill(plan, branched, regions, artifacts.issues, options)
    lap("emit")
    return Built(plan, retire, {}, source, facts)


def _held(
    function: FunctionType, source: Source, facts: BodyAnalysis, threshold: int
) -> frozenset[str]:
    """The attributes of the receiver whose calls could overlap if another instance held something that waits there."""
    calls = held_calls(facts)
    if not calls:
        return frozenset()
    lowered = Lowering(source, as_if_unknown(facts, calls), function.__qualname__).run()
    regions = find_regions(without_continues(mark_escapes(lowered)), threshold)
    return frozenset(calls.values()) if regions else frozenset()


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
            names[number] = ""  # no call: there is nothing to note of it
            if inner:
                plan.groups[number] = tuple(sorted(set(inner) & issue.sites.keys()))
    plan.loop_count = len(function.loops)
    plan.limit(options.max_workers)
    plan.budget = options.max_extra_calls
    plan.in_turn = frozenset(region.number for region in regions if region.in_order)
    plan.labelled = frozenset(site.number for site in function.sites if site.label is not None)


def _can_enter(fact: CallFact, inference: Inference, options: Options) -> bool:
    """Whether a call's receiver is an undecorated composite in which something overlaps."""
    return options.recursive and any(
        stand_in(each, inference.effect(each), options) is not None for each in _live(fact)
    )


def _stopping_call(facts: BodyAnalysis) -> str:
    """Why a function is left alone that calls one with a `breakpoint()` in it; empty if it does not."""
    for call, fact in facts.calls.items():
        for each in _live(fact):
            found = function_of(each)
            if found is not None and stops(original_code(found[0])):
                return (
                    f"the call at line {call.lineno} leads to {found[0].__qualname__}, which stops in a debugger: "
                    "one can step out of it into the code as it is written"
                )
    return ""


def _live(fact: CallFact) -> tuple[Any, ...]:
    """The objects that a call may be a call of, as far as they are known."""
    callee = fact.callee
    if isinstance(callee, Known):
        return (callee.obj,)
    if isinstance(callee, Method):
        return (MethodType(callee.function, callee.owner),)
    return callee.objs if isinstance(callee, OneOf) else ()


def reserved_name(source: Source, code: CodeType) -> str:
    """A name of the function's own that generated code uses, or an empty string."""
    if not any(_RESERVED.match(name) for name in names_of(code)):
        return ""  # the code has every name that the tree has, and attributes besides
    for node in walk(source.node):
        name = (
            node.id if isinstance(node, ast.Name) else node.arg if isinstance(node, ast.arg) else ""
        )
        if name and _RESERVED.match(name):
            return name
    return ""


def takes_self(source: Source, function: FunctionType, owner: Any, bound: bool = False) -> bool:
    """Whether the first parameter is `self`, and `owner` what it stands for in the call at hand."""
    return bool(source.node.args.args or source.node.args.posonlyargs) and (
        bound or is_method(function, owner)
    )


def is_method(function: FunctionType, owner: Any) -> bool:
    """Whether `owner` is an object on whose class `function` stands."""
    if owner is None or is_a(owner, type):
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
