"""The door to the driver: neither importing ember_jit nor decorating imports the compiler, compiling does.

Once a process, in the first call that can gain.  A program that decorates and never makes such a call
does without, and no decoration takes longer than another.
"""

from __future__ import annotations

import importlib
from time import perf_counter
from types import CodeType
from typing import Any

from ember_jit.runtime.dispatch import Unit
from ember_jit.runtime.plan import Plan


def _driver() -> Any:
    return importlib.import_module("ember_jit.compiler.driver")


def compile_unit(unit: Unit, owner: Any) -> tuple[CodeType, Plan] | None:
    """As `driver.compile_unit`, imported at the first compilation."""
    began = perf_counter()
    driver = _driver()
    driver.warm_up()
    unit.stats.load_seconds = perf_counter() - began
    result: tuple[CodeType, Plan] | None = driver.compile_unit(unit, owner)
    return result
