"""The door to the driver: decorating must not import the compiler, compiling does."""

from __future__ import annotations

from types import CodeType
from typing import Any

from ember_jit.runtime.dispatch import Unit
from ember_jit.runtime.plan import Plan


def compile_unit(unit: Unit, owner: Any) -> tuple[CodeType, Plan] | None:
    """As `driver.compile_unit`, imported at the first compilation."""
    from ember_jit.compiler import driver

    return driver.compile_unit(unit, owner)
