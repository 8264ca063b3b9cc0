"""Stubs: what a decorated function runs until its first call has compiled it (`runtime.stubs`)."""

from __future__ import annotations

from types import FunctionType

from ember_jit.compiler import lazy_driver
from ember_jit.runtime.dispatch import Options, Unit, register
from ember_jit.runtime.originals import remember
from ember_jit.runtime.overlays import put_code
from ember_jit.runtime.stubs import stub_code


def install_stub(function: FunctionType, options: Options) -> Unit:
    """Put a stub in place of the code of `function`."""
    lazy_driver.load()
    unit = Unit(function, options, lazy_driver.compile_unit)
    stub = stub_code(function.__code__, unit)
    remember(stub, function.__code__)
    unit.stub = stub
    put_code(function, stub)
    register(function, unit)
    return unit
