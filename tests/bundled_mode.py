"""The decorators that the gates run under to go through a bundle: built, packed, read again, linked from it.

    PYTHONPATH=.:../shared/gate python ../shared/gate/fuzz.py tests.bundled_mode:bundled --pure ember_jit:pure

At its first call a function is compiled into a bundle of its own, whose bytes are read as if they came from a
file; effects are then those that the bundle carries, never those of the analysis.
"""

from __future__ import annotations

import inspect
from functools import partial
from types import CodeType, FunctionType
from typing import Any

from ember_jit.aot.build import Builder
from ember_jit.aot.loader import Bundle
from ember_jit.compiler import driver
from ember_jit.runtime.dispatch import Options, Unit
from ember_jit.runtime.installing import install_stub
from ember_jit.runtime.originals import is_replacement
from ember_jit.runtime.plan import Plan
from ember_jit.runtime.triage import reason_to_leave


def through_bundle(unit: Unit, owner: Any) -> tuple[CodeType, Plan | None] | None:
    """Compile ahead of time, and link from what came out."""
    function = unit.function()
    assert function is not None
    builder = Builder()
    builder.add_function(function, owner, unit.options)
    made = Bundle("test.ember", builder.packed())
    assert not made.misfit
    assert made.covers(unit)
    return made.compile_unit(unit, owner)


def bundled(target: Any, options: Options | None = None) -> Any:
    """As `structural_jit`, but what runs is from a bundle."""
    driver.warm_up()
    kind = target if isinstance(target, type) else type(target)
    function = target
    if not isinstance(target, FunctionType):
        function = inspect.getattr_static(kind, "forward", None)
    if isinstance(function, FunctionType) and not is_replacement(function.__code__):
        if not reason_to_leave(function.__code__, single=True):
            install_stub(function, options or Options(), through_bundle)
    return target


eagerly_bundled = partial(bundled, options=Options(execution_strategy="parallel"))
