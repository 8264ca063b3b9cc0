"""The door to the driver: importing ember_jit does not import the compiler, the first decoration does.

At the first decoration rather than at the first call, so that no call of the user's waits for it.
"""

from __future__ import annotations

import importlib
from types import CodeType
from typing import Any

from ember_jit.runtime.dispatch import Unit
from ember_jit.runtime.plan import Plan


def _driver() -> Any:
    return importlib.import_module("ember_jit.compiler.driver")


def load() -> None:
    """Import the compiler, once."""
    _driver().warm_up()


def compile_unit(unit: Unit, owner: Any) -> tuple[CodeType, Plan | None] | None:
    """As `driver.compile_unit`, imported at the first compilation."""
    result: tuple[CodeType, Plan | None] | None = _driver().compile_unit(unit, owner)
    return result
