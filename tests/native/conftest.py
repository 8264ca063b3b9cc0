"""Assembles LLVM IR for the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable

import pytest


@pytest.fixture(scope="session")
def assemble() -> Callable[..., bytes]:
    """LLVM IR, as text, to the bytes of an object; for the host unless a triple is given."""
    binding = pytest.importorskip("llvmlite.binding")
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()

    def run(ir: str, triple: str = "", code_model: str = "default", reloc: str = "pic") -> bytes:
        triple = triple or binding.get_process_triple()
        module = binding.parse_assembly(ir)
        module.triple = triple
        target = binding.Target.from_triple(triple)
        machine = target.create_target_machine(opt=1, reloc=reloc, codemodel=code_model)
        return machine.emit_object(module)

    return run
