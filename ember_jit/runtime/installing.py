"""Installing: a function that is decorated gets a stub, which compiles it at its first call (`runtime.stubs`)."""

from __future__ import annotations

from types import FunctionType

from ember_jit.runtime.dispatch import CompileUnit, Options, Unit, register
from ember_jit.runtime.originals import remember
from ember_jit.runtime.overlays import put_code
from ember_jit.runtime.stubs import stub_code


def install_stub(function: FunctionType, options: Options, compile_unit: CompileUnit) -> Unit:
    """Put a stub in place of the code of `function`; `compile_unit` is asked at its first call."""
    unit = Unit(function, options, compile_unit)
    stub = stub_code(function.__code__, unit, steps_aside=True)
    remember(stub, function.__code__)
    unit.stub = stub
    put_code(function, stub)
    register(function, unit)
    return unit
