"""From a module's text to object code: LLVM's own optimiser, told nothing that would change a bit.

No flag allows contraction, reassociation or the assumption that there is no NaN; the functions of libm
go by names that LLVM knows nothing of.
"""

from __future__ import annotations

import threading
from functools import cache
from typing import Any

from ember_jit.compiler.kernels.assemble import target_machine

_lock = threading.Lock()


@cache
def _machine() -> Any:
    from llvmlite import binding

    features = binding.get_host_cpu_features().flatten()
    return target_machine(opt=2, cpu=binding.get_host_cpu_name(), features=features)


def optimised(text: str) -> Any:
    """The parsed module after optimisation."""
    from llvmlite import binding

    machine = _machine()
    module = binding.parse_assembly(text)
    module.triple = binding.get_process_triple()
    options = binding.create_pipeline_tuning_options(speed_level=2)
    builder = binding.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    return module


def object_code(text: str) -> bytes:
    """The object file of a module."""
    with _lock:
        return bytes(_machine().emit_object(optimised(text)))


def optimised_text(text: str) -> str:
    """The module after optimisation, to read."""
    with _lock:
        return str(optimised(text))


def assembly(text: str) -> str:
    """Its machine code, to read."""
    with _lock:
        return str(_machine().emit_assembly(optimised(text)))
