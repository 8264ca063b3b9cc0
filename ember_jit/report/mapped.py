"""`explain(vmap(f))`: how the items run, and what is known of `f`.

A mapped function is ours: its own code is nobody's business here.  What counts is what it maps, how it takes a
batch apart, and whether the items may overlap.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ember_jit.compiler.analysis.facts import PURE, UNKNOWN
from ember_jit.compiler.analysis.notes import CallNote, describe_object
from ember_jit.compiler.answers import inference_for
from ember_jit.errors import NotAnOperatorError
from ember_jit.report import survey as status
from ember_jit.report.explanation import Explanation
from ember_jit.report.why import evidence_of, unknown_effect
from ember_jit.runtime.dispatch import Options
from ember_jit.runtime.mapping import mapped_by


def explanation_of_mapped(target: Any, explain: Callable[[Any], Explanation]) -> Explanation:
    """The explanation of a mapped function: that of what it maps, under what is said of the items.

    Args:
        target: what `vmap`, `pmap` or `mesh_sharded` returned.
        explain: explains what it maps.
    """
    mapped = mapped_by(target)
    receiver = describe_object(mapped)
    remarks = [how_items_run(target)]
    try:
        inner = explain(mapped)
    except NotAnOperatorError:
        file, _, line = receiver.place.rpartition(":")
        inner = Explanation("", file, int(line or 0), "function", "", "")
    if inner.headline and inner.status != status.NOT_DECORATED:  # it need not be
        remarks.append(f"{inner.name}: {inner.headline}")
    return replace(
        inner,
        name=target.__name__,
        kind="mapped",
        status=status.MAPPED,
        headline=f"calls {receiver.name or repr(mapped)} {target.manner}",
        remarks=(*remarks, *inner.remarks),
    )


def how_items_run(target: Any) -> str:
    """Whether the items of a mapped function overlap, and why not, in one sentence."""
    mapped = mapped_by(target)
    effect, receiver = inference_for(Options()).effect(mapped), describe_object(mapped)
    effect = effect.later or effect
    evidence = evidence_of(effect, receiver)
    if not target.asks_effects:
        if effect.schedulable:
            return f"shards overlap; other calls beside this one too ({effect.kind}: {evidence})"
        return f"shards overlap, whatever it does; other calls do not start beside this one: {_why(mapped)}"
    if effect.kind == PURE and not effect.declared:
        return f"items run in a plain loop if the first takes less than a millisecond, else they overlap (pure: {evidence})"
    if effect.label is not None:
        return f"items overlap as far as its label lets them ({evidence})"
    if effect.kind == UNKNOWN:
        return f"items run in order, one after the other: {_why(mapped)}"
    return f"items overlap ({effect.kind}: {evidence})"


def _why(mapped: Any) -> str:
    effect = inference_for(Options()).effect(mapped)
    why = unknown_effect(CallNote("barrier", effect, describe_object(mapped)))
    place = f" ({why.place})" if why.place else ""
    return f"{why.reason}{place}; to free them: {why.fix}"
