"""Kernels: from a `Program` of the kernel IR to vector LLVM IR, and on to object code.

    supported(program)        None, or why there is no kernel
    llvm_ir(program)          the module's text
    compile_object(program)   an object file that defines one function, `kernel`
    assembly(program)         what to read when it is slow
    cost(program)             bytes and operations for each element

This package alone imports llvmlite, and only when code is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from ember_jit.ir.program import Program

if TYPE_CHECKING:
    from ember_jit.compiler.kernels.machine import Machine

__all__ = ["Cost", "assembly", "compile_object", "cost", "llvm_ir", "supported"]


def supported(program: Program, machine: Machine | None = None) -> str | None:
    """Why `program` gets no kernel on `machine` (this one by default), or None if it does."""
    from ember_jit.compiler.kernels.machine import host
    from ember_jit.compiler.kernels.support import reason_against

    return reason_against(program, machine or host())


def llvm_ir(
    program: Program, machine: Machine | None = None, name: str = "kernel", brief: bool = False
) -> str:
    """The text of the LLVM module that defines the function `name` (see `Program`)."""
    from ember_jit.compiler.kernels.machine import host
    from ember_jit.compiler.kernels.module import module_text
    from ember_jit.compiler.kernels.relaxed import relaxed

    return module_text(relaxed(program), machine or host(), name, brief)


def compile_object(
    program: Program, machine: Machine | None = None, tier: int = 1, name: str = "kernel"
) -> bytes:
    """A relocatable object file that defines `name` and needs no other symbol.

    Args:
        program: a supported one.
        machine: the target; this machine by default.
        tier: 0 for brief code at once, 1 for better code in some six times the time.
        name: the symbol of the function.
    """
    text = llvm_ir(program, machine, name, brief=tier == 0)
    code = _target(machine, tier).emit_object(_parse(text))
    assert isinstance(code, bytes)
    return code


def assembly(program: Program, machine: Machine | None = None, tier: int = 1) -> str:
    """The assembly of what `compile_object` makes."""
    return str(_target(machine, tier).emit_assembly(_parse(llvm_ir(program, machine))))


@dataclass(frozen=True, slots=True)
class Cost:
    """What a kernel does for each element of the space (for dumps; not what it takes).

    Attributes:
        bytes_read: from operands that are not broadcast, in all walks over them.
        bytes_written: to outputs of element rank.
        operations: arithmetic instructions, a transcendental counted by its polynomial.
    """

    bytes_read: int
    bytes_written: int
    operations: int

    def __str__(self) -> str:
        moved = self.bytes_read + self.bytes_written
        return f"{moved} bytes and {self.operations} operations an element"


def cost(program: Program) -> Cost:
    """The cost of one element, in the walks that the kernel makes."""
    from ember_jit.compiler.kernels.support import element_cost

    return Cost(*element_cost(program))


def _parse(text: str) -> Any:
    from llvmlite import binding

    return binding.parse_assembly(text)


def _target(machine: Machine | None, tier: int) -> Any:
    from ember_jit.compiler.kernels.machine import host

    return _target_machine(machine or host(), tier)


@cache
def _target_machine(machine: Machine, tier: int) -> Any:
    from llvmlite import binding

    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    binding.initialize_native_asmparser()  # for the two instructions that LLVM has no name for (`module.call_loop`)
    return binding.Target.from_triple(machine.triple).create_target_machine(
        cpu=machine.cpu, features=machine.features, opt=tier, reloc="pic", codemodel="small"
    )
