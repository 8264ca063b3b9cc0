"""From the effect of a live callable to what the runtime is told of it; the compiler and a bundle alike do this."""

from __future__ import annotations

from typing import Any

from ember_jit.effects import labels_all_instances
from ember_jit.runtime.dispatch import CompileUnit, Options
from ember_jit.runtime.effect import PURE, QUERY, Effect
from ember_jit.runtime.ledger import ANYTHING
from ember_jit.runtime.originals import original_code
from ember_jit.runtime.plan import UNKNOWN, Verdict
from ember_jit.runtime.standins import Deferring, quiet_twin, stand_in
from ember_jit.runtime.statics import function_of
from ember_jit.runtime.triage import stops


def verdict_on(
    callee: Any,
    effect: Effect,
    options: Options,
    compile_unit: CompileUnit,
    deferring: Deferring,
) -> Verdict:
    """What the runtime must know of a live callable of this effect."""
    if effect.later is not None:
        return Verdict(False, plain_arguments=True, plain=effect.later.plain, once=True)
    if not effect.schedulable and effect.label is None:
        return UNKNOWN
    found = function_of(callee)
    if found is not None and stops(original_code(found[0])):
        return UNKNOWN  # whoever looks at the prompt wants the caller's frames above it
    claims = effect.label.claims if effect.label is not None else ()
    if not effect.declared:
        claims = (*claims, ("reads", ANYTHING))  # it may look at whatever a writer changes
    if effect.label is not None and effect.label.thread_bound:
        return Verdict(
            False,
            nothrow=effect.nothrow,
            labelled=True,
            discardable=effect.name in (PURE, QUERY),
            thread_bound=True,
            claims=claims,
            plain=effect.plain,
        )
    quiet, entered = quiet_twin(callee, effect, deferring)
    if not quiet:
        return UNKNOWN
    journal = entered is not None
    if options.recursive:
        entered = entered or stand_in(callee, effect, options, compile_unit)
    by_class = effect.declared and not journal and labels_all_instances(callee)
    return Verdict(
        effect.schedulable,
        not effect.declared,
        effect.nothrow,
        entered,
        by_class,
        journal,
        labelled=effect.label is not None,
        discardable=effect.name in (PURE, QUERY),
        claims=claims,
        plain=effect.plain,
    )
