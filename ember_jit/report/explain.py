"""`explain(op)`: what overlaps, what stays in order and why, and the change that would free it.

    >>> from ember_jit import Operator, explain, query, structural_jit
    >>> @query
    ... class Ask(Operator):
    ...     def forward(self, *, inputs):
    ...         return inputs
    >>> class Twice(Operator):
    ...     def __init__(self):
    ...         self.ask = Ask()
    ...     def forward(self, *, inputs):
    ...         return self.ask(inputs=inputs), self.ask(inputs=inputs)
    >>> explain(Twice()).status
    'not decorated'

Nothing of the user's runs: what has not been compiled is compiled, which only reads.
"""

from __future__ import annotations

import ast
from types import FunctionType
from typing import Any

from ember_jit.compiler.analysis.notes import Notes, describe_object
from ember_jit.compiler.analysis.values import elements
from ember_jit.compiler.answers import inference_for
from ember_jit.compiler.source import NoSource, source_of
from ember_jit.graph.model import Graph
from ember_jit.ir.ops import Op, Region, Site
from ember_jit.kinds import is_a
from ember_jit.report import survey as status
from ember_jit.report.explanation import (
    Barrier,
    Call,
    Explanation,
    LeftAlone,
    Part,
    Recorded,
    Runs,
    Step,
)
from ember_jit.report.graphs import explanation_of_graph
from ember_jit.report.loops import loops_of
from ember_jit.report.mapped import explanation_of_mapped, how_items_run
from ember_jit.report.regions import regions_of
from ember_jit.report.schedule import AHEAD, Schedule, waits_for
from ember_jit.report.survey import Survey, survey
from ember_jit.report.why import (
    evidence_of,
    fix_of_barrier,
    unknown_effect,
    why_held,
    why_in_order,
    why_unscheduled,
)
from ember_jit.runtime.dispatch import unit_of
from ember_jit.runtime.mapping import innermost, is_transform
from ember_jit.runtime.originals import original_code
from ember_jit.runtime.statics import instance_dict, type_lookup

_MOST_PARTS = 200


def explain(target: Any) -> Explanation:
    """Say what the compiler did with `target`, and why not more.

    Args:
        target: an operator, an operator class, a function (decorated or not), what `vmap`, `pmap` or
            `mesh_sharded` returned, or a graph.  What has not run yet is compiled first (for a class, which holds no
            operators to look at, nothing is).

    Returns:
        An `Explanation`: `print` it, or use its fields.

    Raises:
        NotAnOperatorError: `target` is none of these.

    Example:
        >>> from ember_jit import Operator, query
        >>> @query
        ... class Ask(Operator):
        ...     def forward(self, *, inputs):
        ...         return inputs
        >>> class Both(Operator):
        ...     def __init__(self):
        ...         self.a, self.b = Ask(), Ask()
        ...     def forward(self, *, inputs):
        ...         return self.a(inputs=inputs), self.b(inputs=inputs)
        >>> [call.overlaps for call in explain(Both()).calls]
        [(1,), (0,)]
    """
    if is_transform(type(target)):
        return explanation_of_mapped(target, explain)
    if isinstance(target, Graph):
        return explanation_of_graph(target)
    return explanation_of(survey(target))


def compile_report(target: Any) -> dict[str, Any]:
    """The outcome of compiling `target` in numbers.

    Args:
        target: as for `explain`.

    Returns:
        `compile_ms`; `stages` (name -> ms); `compiled`; `left_alone` (the reason, or ""); `sites` (helper
        functions included) and, of those, `inferred` (known to be `pure` or `query`) and `ahead` (issued ahead); `pairs` of sites that
        may be in flight together; `runs` that overlapped, and calls `issued` in them.

    Raises:
        NotAnOperatorError: `target` is neither an operator nor a function.
    """
    found = survey(target)
    made = explanation_of(found)
    sites = [call for call in made.calls if call.number is not None]
    return {
        "compile_ms": made.runs.compile_ms,
        "stages": dict(made.runs.stages_ms),
        "compiled": made.status == status.COMPILED,
        "left_alone": found.reason,
        "sites": len(sites),
        "inferred": sum(call.effect != "unknown" for call in sites),
        "ahead": sum(call.ahead for call in sites),
        "pairs": made.pairs,
        "runs": made.runs.overlapped,
        "issued": made.runs.issued,
    }


def explanation_of(found: Survey) -> Explanation:
    """The explanation of what was surveyed."""
    made = found.schedule()
    notes = found.artifacts.notes
    calls: tuple[Call, ...] = ()
    barriers: tuple[Barrier, ...] = ()
    left: tuple[LeftAlone, ...] = ()
    path: tuple[Step, ...] = ()
    if made is not None and notes is not None:
        calls = _calls(found, made, notes)
        barriers = _barriers(found, made, notes)
        left = _left_alone(found, made)
        path = tuple(_step(made, node.op) for node in made.critical_path())
    stats = found.unit.stats
    return Explanation(
        found.name,
        found.file,
        found.line,
        found.kind,
        found.status,
        _headline(found, calls),
        calls,
        barriers,
        left,
        path,
        _parts(found),
        tuple(stats.internal_errors),
        Runs(stats.runs, stats.issued, round(stats.compile_seconds * 1e3, 3), _stages(found)),
        (*found.remarks, *_why_not_computed(found)),
        _recorded(found),
        regions_of(found.artifacts.numeric),
        loops_of(found.artifacts.loops, found.artifacts.loops_left),
    )


def _recorded(found: Survey) -> tuple[Recorded, ...]:
    tracer = found.unit.tracer
    if tracer is None:
        return ()
    return tuple(
        Recorded(
            f"{site}#{count}",
            tracer.lines.get(site, 0),
            entry.name,
            (
                *(_origin(each) for each in entry.args),
                *(f"{name}: {_origin(each)}" for name, each in entry.kwargs.items()),
            ),
            entry.standing is not None and entry.standing.ahead,
        )
        for (site, count), entry in tracer.last.items()
    )


def _origin(template: Any) -> str:
    return "not plain data" if template is None else str(template)


def _stages(found: Survey) -> dict[str, float]:
    return {name: round(seconds * 1e3, 3) for name, seconds in found.artifacts.timings.items()}


def _computed(found: Survey) -> bool:
    """Whether the function is a chain, whose attempt is still made."""
    unit = found.unit
    return found.artifacts.chain is not None and unit.stats.compiled and not unit.attempt_left_out


def _why_not_computed(found: Survey) -> tuple[str, ...]:
    """Why the calls of a function in which nothing overlaps are not computed in place."""
    if found.status != status.COMPILED or found.artifacts.retire is not None or _computed(found):
        return ()
    why = found.unit.attempt_left_out or found.artifacts.not_folded
    return (f"its operators are called, not computed in place: {why}",) if why else ()


# ---------------------------------------------------------------------- the first line
def _headline(found: Survey, calls: tuple[Call, ...]) -> str:
    ahead = sum(call.ahead for call in calls)
    sites = sum(call.number is not None and not call.helper for call in calls)
    overlap = f"{ahead} of {sites} calls {'is' if ahead == 1 else 'are'} issued ahead"
    straight = found.artifacts.straight
    if straight is not None and found.unit.stats.compiled:
        many = len(straight.lines)
        overlap = (
            f"nothing could overlap; {many} of {sites} calls {'goes' if many == 1 else 'go'} "
            "straight to the operator's `forward`"
        )
    if _computed(found):
        assert found.artifacts.chain is not None
        many = len(found.artifacts.chain.calls)
        overlap = (
            f"nothing could overlap; {many} of {sites} calls {'is' if many == 1 else 'are'} "
            "computed in place, without the operator's frames"
        )
    if found.artifacts.kernels is not None:
        overlap = "nothing could overlap"
    regions = len(found.artifacts.numeric)
    if regions:
        overlap += f"; {regions} numeric region{'s' if regions > 1 else ''}"
    loops = len(found.artifacts.loops)
    if loops:
        overlap += f"; {loops} loop{'s' if loops > 1 else ''} for machine code"
    if found.status == status.COMPILED:
        return f"compiled: {overlap}"
    if found.status == status.FAILED:
        return f"runs plain: {found.reason}"
    if found.status == status.TRACED:
        why = f" ({found.reason})" if found.reason else ""
        last = found.unit.tracer.last
        known = sum(1 for entry in last.values() if entry.standing and entry.standing.ahead)
        return f"traced{why}: {known} of {len(last)} recorded calls may be started ahead"
    if found.status == status.LEFT_ALONE:
        return f"left alone: {found.reason}"
    decorate = "decorate it with `@structural_jit`"
    if found.kind == "operator":
        decorate = "decorate its class with `@structural_jit`, or call `structural_jit(op)`"
    if found.status == status.NOT_DECORATED:
        if found.reason:
            return f"not decorated, and would be left alone: {found.reason}"
        if found.unit.stats.compiled:
            return f"not decorated: {decorate}; then {overlap}"
        return f"not decorated: {decorate}"
    no_source = _no_source(found)
    if no_source:
        return f"not compiled yet, and will be left alone: {no_source}"
    return "not compiled yet: that happens at the first call"


def _no_source(found: Survey) -> str:
    try:
        source_of(found.function, original_code(found.function))
    except NoSource as exc:
        return f"no source: {exc}"
    return ""


# ---------------------------------------------------------------------- call sites
def _calls(found: Survey, made: Schedule, notes: Notes) -> tuple[Call, ...]:
    calls = [_site(found, made, notes, site) for site in made.function.sites]
    known = {site.node for site in made.function.sites}
    source = found.source
    tree: ast.AST = source.node if source is not None else ast.Module([], [])
    for node, note in notes.calls.items():
        if note.role in ("site", "dynamic", "labelled") and node not in known:
            why = why_unscheduled(tree, node) if note.effect.schedulable else unknown_effect(note)
            text = " ".join(ast.unparse(node).split())
            evidence = evidence_of(note.effect, note.receiver)
            calls.append(
                Call(None, found.file, node.lineno, text, note.receiver.name, note.effect.kind, evidence, False,
                     why=why.reason, place=why.place, fix=why.fix)
            )  # fmt: skip
    calls.sort(key=lambda call: call.line)
    return tuple(calls)


def _site(found: Survey, made: Schedule, notes: Notes, site: Site) -> Call:
    note = notes.calls.get(site.node)
    receiver = note.receiver.name if note is not None else ""
    evidence = evidence_of(note.effect, note.receiver) if note is not None else site.evidence
    ahead = made.fate.get(site.number) == AHEAD
    needs = [node.op.site for node in waits_for(made, site.number)]
    why = (why_held if ahead else why_in_order)(made, notes, site.number)
    return Call(
        number=site.number,
        file=found.file,
        line=site.line,
        text=site.text,
        receiver=receiver,
        effect=site.effect,
        evidence=evidence,
        ahead=ahead,
        helper=site.number not in made.fate,
        region=made.region[site.number] if ahead else None,
        overlaps=tuple(made.partners(site.number)),
        waits_for=tuple(number for number in needs if number is not None),
        why=why.reason,
        place=why.place,
        fix=why.fix,
    )


def _step(made: Schedule, op: Op) -> Step:
    assert op.site is not None
    site = made.function.sites[op.site]
    loop = ""
    if (site.number, site.number) in made.overlaps:
        loop = "iterations overlap"
    elif site.number in made.serial:
        loop = "iterations wait for each other"
    return Step(site.number, site.line, site.text, loop)


# ---------------------------------------------------------------------- barriers, and what lies between them
def _barriers(found: Survey, made: Schedule, notes: Notes) -> tuple[Barrier, ...]:
    out = []
    for op in made.function.walk():
        if op.kind not in ("barrier", "with"):
            continue
        reason = op.reason or "has an effect"
        out.append(Barrier(found.file, op.line, op.text, reason, fix_of_barrier(op, made, notes)))
    return tuple(sorted(dict.fromkeys(out), key=lambda barrier: barrier.line))


def _left_alone(found: Survey, made: Schedule) -> tuple[LeftAlone, ...]:
    ahead = {id(region.ops[0]) for region in found.artifacts.regions}
    threshold = found.unit.options.parallel_threshold
    out = [LeftAlone(line, line, reason) for line, reason in made.function.left_alone]
    for run in _runs(made.function.body):
        sites = [inner for op in run for inner in op.walk() if inner.kind == "call"]
        if id(run[0]) in ahead or not sites:
            continue
        first, last = min(op.line for op in sites), max(op.line for op in sites)
        if len(sites) == 1:
            reason = "only one call, so there is nothing for it to overlap with"
        elif found.artifacts.regions and threshold > 2:
            reason = (
                f"fewer than parallel_threshold={threshold} of its calls could be in flight at once"
            )
        else:
            reason = "each call needs the result of the one before"
        out.append(LeftAlone(first, last, reason))
    return tuple(sorted(out, key=lambda each: (each.first, each.last)))


def _runs(region: Region) -> list[list[Op]]:
    """The stretches of a block without a barrier, as `passes.regions` cuts them."""
    found: list[list[Op]] = []
    run: list[Op] = []
    for op in region.ops:
        if any(inner.kind in ("barrier", "with") for inner in op.walk()):
            found += [run] if run else []
            run = []
            for inner in op.regions:
                found += _runs(inner)
        else:
            run.append(op)
    return [*found, *([run] if run else [])]


# ---------------------------------------------------------------------- the operators that it holds
def _parts(found: Survey) -> tuple[Part, ...]:
    space = instance_dict(found.owner) if found.owner is not None else None
    parts: list[Part] = []
    for name, value in (space or {}).items():
        if _is_operator(value):
            parts.append(_part(found, f"self.{name}", [value]))
            continue
        several = tuple(value.values()) if type(value) is dict else elements(value)
        operators = [each for each in several or () if _is_operator(each)]
        if operators:
            parts.append(_part(found, f"self.{name}", operators))
        if len(parts) >= _MOST_PARTS:
            break
    return tuple(parts)


def _is_decorated(forward: Any) -> bool:
    return is_a(forward, FunctionType) and unit_of(forward) is not None


def _is_operator(value: Any) -> bool:
    if is_a(value, type):
        return False
    return is_transform(type(value)) or is_a(type_lookup(type(value), "forward"), FunctionType)


def _part(found: Survey, attribute: str, operators: list[Any]) -> Part:
    inference = inference_for(found.unit.options)
    names: dict[str, int] = {}
    kinds: dict[str, None] = {}
    evidence: dict[str, None] = {}
    for each in operators:
        effect = inference.effect(each)
        receiver = describe_object(each)
        names[receiver.name] = names.get(receiver.name, 0) + 1
        if is_transform(type(each)):
            evidence[f"{each.manner}; {how_items_run(each)}"] = None
            effect = effect.later or effect
        else:
            evidence[evidence_of(effect, receiver)] = None
        kinds[effect.kind] = None
    counted = [f"{count} x {name}" if len(operators) > 1 else name for name, count in names.items()]
    forwards = [type_lookup(type(innermost(each)), "forward") for each in operators]
    return Part(
        attribute,
        ", ".join(counted),
        " or ".join(kinds),
        "; ".join(evidence),
        all(_is_decorated(forward) for forward in forwards),
    )
