"""From a module's text to object code: LLVM's own optimiser, told nothing that would change a bit.

No flag allows contraction, reassociation or the assumption that there is no NaN; the functions of libm
go by names that LLVM knows nothing of.
"""

from __future__ import annotations

import threading
from functools import cache
from typing import Any

from ember_jit.compiler.kernels.assemble import target_machine
from ember_jit.compiler.kernels.machine import Machine, host

_lock = threading.Lock()


@cache
def _target(machine: Machine) -> Any:
    return target_machine(opt=2, cpu=machine.cpu, features=machine.features)


def optimised(text: str, target: Any) -> Any:
    """The parsed module after optimisation."""
    from llvmlite import binding

    module = binding.parse_assembly(text)
    module.triple = binding.get_process_triple()
    options = binding.create_pipeline_tuning_options(speed_level=2)
    builder = binding.create_pass_builder(target, options)
    builder.getModulePassManager().run(module, builder)
    return module


def object_code(text: str, machine: Machine | None = None) -> bytes:
    """The object file of a module, for this machine by default."""
    with _lock:
        target = _target(machine or host())
        return bytes(target.emit_object(optimised(text, target)))


def optimised_text(text: str) -> str:
    """The module after optimisation, to read."""
    with _lock:
        return str(optimised(text, _target(host())))


def assembly(text: str) -> str:
    """Its machine code, to read."""
    with _lock:
        target = _target(host())
        return str(target.emit_assembly(optimised(text, target)))
