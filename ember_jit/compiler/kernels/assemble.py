"""LLVM IR to object code for this process, with one target machine that is made once and kept."""

from __future__ import annotations

import threading
from functools import cache
from typing import Any

_lock = threading.Lock()


@cache
def _target_machine() -> Any:
    from llvmlite import binding

    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    target = binding.Target.from_default_triple()
    # Absolute 64-bit addresses: entries refer to functions of CPython and NumPy, wherever those are.
    return target.create_target_machine(opt=1, reloc="static", codemodel="large")


def assemble(text: str) -> bytes:
    """The object that `text` becomes; no optimisation passes run."""
    from llvmlite import binding

    with _lock:
        machine = _target_machine()
        with binding.parse_assembly(text) as module:
            module.triple = binding.get_process_triple()
            return bytes(machine.emit_object(module))
