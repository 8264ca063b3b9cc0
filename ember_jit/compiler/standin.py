"""Stand-ins and twins that the compiler makes (`runtime.standins` says what they are)."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import CodeType
from typing import Any

from ember_jit import verdicts
from ember_jit.compiler.deferral import deferring_twin
from ember_jit.runtime import standins
from ember_jit.runtime.dispatch import Options, Unit
from ember_jit.runtime.effect import Effect
from ember_jit.runtime.plan import Plan, Verdict


def compile_twin(unit: Unit, owner: Any) -> tuple[CodeType, Plan | None] | None:
    """As `driver.compile_unit`, which needs stand-ins itself; None if nothing overlaps: there is nothing to enter."""
    driver = importlib.import_module("ember_jit.compiler.driver")
    made: tuple[CodeType, Plan | None] | None = driver.compile_unit(unit, owner)
    if made is not None and unit.artifacts.retire is None:
        unit.stats.left_alone = "nothing in it overlaps"
        return None
    return made


def stand_in(callee: Any, effect: Effect, options: Options) -> Callable[..., Any] | None:
    """A compiled twin to call instead of `callee`, or None."""
    return standins.stand_in(callee, effect, options, compile_twin)


def quiet_twin(callee: Any, effect: Effect) -> tuple[bool, Callable[..., Any] | None]:
    """Whether `callee` may run ahead although it may print or log, and the twin that defers its output."""
    return standins.quiet_twin(callee, effect, deferring_twin)


def verdict_on(callee: Any, effect: Effect, options: Options) -> Verdict:
    """What the runtime must know of a live callable of this effect."""
    return verdicts.verdict_on(callee, effect, options, compile_twin, deferring_twin)
