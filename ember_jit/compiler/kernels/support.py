"""Which programs have a kernel on which machine, and for the others why not."""

from __future__ import annotations

from ember_jit.compiler.kernels.elementwise import EXACT
from ember_jit.compiler.kernels.machine import Machine
from ember_jit.compiler.kernels.module import raises_flags
from ember_jit.compiler.kernels.schedule import Schedule
from ember_jit.compiler.kernels.special import APPROXIMATIONS
from ember_jit.compiler.kernels.text import size
from ember_jit.compiler.kernels.weights import WEIGHTS
from ember_jit.ir.program import FLOATS, INTEGERS, REDUCTIONS, Node, Program

_LEAVES = ("input", "const", "count", "cast", "where")


def reason_against(program: Program, machine: Machine) -> str | None:
    """Why the program gets no kernel: a phrase for `explain()`; None if it gets one."""
    if not (machine.x86 or machine.arm):
        return "the processor is neither x86-64 nor ARM64"
    if not machine.x86 and raises_flags(program):
        return "floating-point exceptions are read on x86-64 alone"
    schedule = Schedule(program)
    for index, node in enumerate(program.nodes):
        reason = _node(program, schedule, machine, index, node)
        if reason:
            return reason
    return None


def _node(
    program: Program, schedule: Schedule, machine: Machine, index: int, node: Node
) -> str | None:
    if node.op in _LEAVES:
        return None
    if node.op in REDUCTIONS:
        return _reduction(program, schedule, node)
    if node.op in ("floor", "ceil", "trunc", "rint") and not machine.rounds:
        return f"{node.op} needs SSE4.1"
    if node.op in ("floor_divide", "remainder") and node.dtype in FLOATS:
        return f"{node.op} of floats is left to NumPy"
    if node.op == "reciprocal" and node.dtype in INTEGERS:
        return "reciprocal of integers is left to NumPy"
    if schedule.by_loop(index):
        return _loop(program, node)
    if node.op in EXACT:
        return None
    if node.op in APPROXIMATIONS and node.dtype in FLOATS:  # in fast mode, or a loop would do it
        return None if machine.fused else f"{node.op} needs a fused multiply-add"
    return f"{node.op} of {node.dtype!r} has no exact kernel"


def _reduction(program: Program, schedule: Schedule, node: Node) -> str | None:
    argument = program.nodes[node.args[0]]
    if argument.rank != "element":
        return f"{node.op} of values that were already reduced"
    if node.op in ("argmax", "argmin") and node.rank == "scalar" and not schedule.flat:
        return f"{node.op} of everything, where rows are told apart, counts columns alone"
    if node.value is not None and (node.op != "sum" or node.rank != "scalar" or not schedule.flat):
        return f"{node.op} in blocks of NumPy's buffer is kept for dense arrays as a whole"
    return None


def _loop(program: Program, node: Node) -> str | None:
    """NumPy picks among loops by strides: what we hand over must lie as it would there."""
    if program.numerics == "fast":
        return None
    for arg in node.args:
        found = program.nodes[arg]
        if (
            isinstance(found.value, int)
            and found.op == "input"
            and _is_strided(program, found.value)
        ):
            return f"the bits of {node.op} may depend on how a strided operand lies"
        if len(node.args) > 1 and found.rank == "row":
            return f"the bits of {node.op} may depend on how a value for each row is repeated"
    return None


def element_cost(program: Program) -> tuple[int, int, int]:
    """Bytes read, bytes written and operations for each element, over all walks."""
    schedule = Schedule(program)
    read = written = operations = 0
    for phase in schedule.phases:
        for one in phase.passes:
            kept = [i for i in schedule.kept if (i, schedule.kept[i]) not in one.stores]
            elements = [program.nodes[i] for i in schedule.elements(schedule.targets(one), kept)]
            read += sum(size(n.dtype) for n in elements if _is_read(program, n))
            written += sum(size(program.nodes[i].dtype) for i, _ in one.stores)
            operations += len(one.reductions)
            operations += sum(WEIGHTS.get(n.op, 1) for n in elements if n.op != "input")
    return read, written, operations


def _is_read(program: Program, node: Node) -> bool:
    if node.op != "input" or not isinstance(node.value, int):
        return False
    return program.operands[node.value].layout in ("contiguous", "strided")


def _is_strided(program: Program, operand: int) -> bool:
    return program.operands[operand].layout == "strided"
