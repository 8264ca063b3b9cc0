"""What the runtime asks the compiler about live callables: their effects, and what to call in their place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ember_jit.compiler.analysis import registry
from ember_jit.compiler.analysis.facts import PURE
from ember_jit.compiler.analysis.infer import Inference
from ember_jit.compiler.analysis.patience import Patience, runs
from ember_jit.compiler.standin import stand_in, verdict_on
from ember_jit.runtime import plan as plan_module
from ember_jit.runtime.dispatch import Options
from ember_jit.runtime.plan import Plan
from ember_jit.verdicts import Verdicts

_inferences: dict[tuple[str, bool], Inference] = {}


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


def verdicts_of(inference: Inference, options: Options) -> Verdicts:
    """What the runtime must know of live callables."""
    return Verdicts(inference.met, lambda callee, effect: verdict_on(callee, effect, options))


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


def answer(plan: Plan, options: Options, inference: Inference) -> None:
    """Have the runtime's questions about live callables answered by the analysis."""
    plan.classify = verdicts_of(inference, options)
    if options.recursive:
        plan.enter = entrance(inference, options)
