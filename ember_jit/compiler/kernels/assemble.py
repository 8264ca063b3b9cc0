"""LLVM IR to object code for this process, with one target machine that is made once and kept."""

from __future__ import annotations

import threading
from functools import cache
from typing import Any

_lock = threading.Lock()


def target_machine(opt: int, **processor: str) -> Any:
    """A target machine for this process.

    Args:
        opt: LLVM's level of code generation.
        processor: `cpu` and `features`, where they are not those of any machine of this kind.
    """
    from llvmlite import binding

    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    target = binding.Target.from_default_triple()
    # Absolute 64-bit addresses: code refers to functions of CPython and NumPy, wherever those are.
    return target.create_target_machine(opt=opt, reloc="static", codemodel="large", **processor)


@cache
def _machine() -> Any:
    return target_machine(opt=1)


def assemble(text: str) -> bytes:
    """The object that `text` becomes; no optimisation passes run."""
    from llvmlite import binding

    with _lock:
        machine = _machine()
        with binding.parse_assembly(text) as module:
            module.triple = binding.get_process_triple()
            return bytes(machine.emit_object(module))
