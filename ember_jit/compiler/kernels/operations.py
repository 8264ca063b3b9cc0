"""One operation at a time: on vectors of elements, on single values, or by one of NumPy's own loops."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from ember_jit.compiler.kernels.elementwise import (
    EXACT,
    Context,
    as_bits,
    binary,
    cast,
    compare,
    where,
)
from ember_jit.compiler.kernels.machine import Machine
from ember_jit.compiler.kernels.nans import ambiguous
from ember_jit.compiler.kernels.schedule import Schedule
from ember_jit.compiler.kernels.special import IN_DOUBLE, approximate
from ember_jit.compiler.kernels.text import VALUE, Text, size
from ember_jit.ir.program import BOOL, FLOATS, Program

TILE = 512
"""Elements that are handed to one of NumPy's loops at a time: a few buffers of them fit the L1
cache, and the call's cost is spread thin."""


def lanes_of(program: Program, schedule: Schedule, machine: Machine) -> int:
    """Elements a vector: as many of their widest type as fill a register, or two; eight for pairwise sums.

    Approximations are long chains of instructions: two registers side by side keep the processor busy, and
    load their coefficients once.  Floats that pass through doubles take two registers there anyway.
    """
    if any(schedule.pairwise(i) for i, node in enumerate(program.nodes) if node.op == "sum"):
        return 8
    elements = [node.dtype for node in program.nodes if node.rank == "element"]
    widest = max(map(size, elements), default=8)
    own = [node for node in program.nodes if program.approximated(node)]
    in_double = any(node.dtype == "f" and node.op in IN_DOUBLE for node in own)
    registers = 2 if own and not in_double else 1
    return max(2, min(32, registers * machine.vector_bytes // widest))


class Operations:
    """Writes the operations of a program into one function.

    Attributes:
        text: the function.
        values: nodes of row and scalar rank that are known, in every lane.
        status: where the flags and doubts of this call are collected.
    """

    def __init__(
        self,
        program: Program,
        schedule: Schedule,
        machine: Machine,
        declarations: dict[str, str],
    ) -> None:
        self.program = program
        self.nodes = program.nodes
        self.schedule = schedule
        lanes = lanes_of(program, schedule, machine)
        self.text = Text(lanes, declarations, machine.compare_bytes)
        self.c = Context(self.text, program.numerics == "strict")
        self.ambiguous = ambiguous(program)
        self.values: dict[int, str] = {}
        self.status = self.text.slot("i64")

    def _operand_count(self) -> int:
        return len(self.program.operands) + len(self.program.outputs)

    def _operand(self, index: int) -> str:
        return self.text.let(f"load ptr, ptr {self.text.offset('%operands', str(index), 8)}")

    def _value(self, index: int) -> str:
        node = self.nodes[index]
        if node.op == "const":
            assert node.value is not None
            if self.c.strict and node.dtype in FLOATS and node.value in (0, 1, -1):
                return self._unknown(node.value, node.dtype)
            return self.text.splat(node.value, node.dtype)
        return self.values[index]

    def _unknown(self, value: float, dtype: str) -> str:
        """A constant that LLVM must not see: `x * -1.0` is no negation for it where x is a NaN."""
        text = self.text
        letter = "q" if dtype == "d" else "i"
        bits = int.from_bytes(struct.pack(f"<{dtype}", value), "little", signed=True)
        hidden = text.hidden(bits, VALUE[letter])
        return text.let(f"bitcast {text.vector(letter)} {hidden} to {text.vector(dtype)}")

    def _apply(self, index: int, known: dict[int, str]) -> str:
        """Write one operation on vectors."""
        node = self.nodes[index]
        if node.op == "const":
            return self._value(index)
        args = [known[arg] if arg in known else self._value(arg) for arg in node.args]
        source = self.nodes[node.args[0]].dtype
        if node.op == "cast":
            return cast(self.c, source, node.dtype, args[0])
        if node.op == "where":
            return where(self.text, node.dtype, args)
        if node.op not in EXACT:
            return approximate(self.c, node.op, node.dtype, args)
        value = EXACT[node.op](self.c, source, args)
        self._watch(index, args)
        return value

    def _watch(self, index: int, values: Sequence[str]) -> None:
        """Give the call up if this is a NaN, or of two arguments both are, and not the same (`nans`)."""
        if index not in self.ambiguous:
            return
        text, dtype = self.text, self.nodes[index].dtype
        doubt = compare(text, "uno", dtype, values[0], values[0])
        if len(values) == 2:
            (a, whole), (b, _) = (as_bits(text, dtype, value) for value in values)
            both = binary(
                text, "and", BOOL, doubt, compare(text, "uno", dtype, values[1], values[1])
            )
            doubt = binary(text, "and", BOOL, both, compare(text, "ne", whole, a, b))
        self.c.alert(doubt)

    def _call_loop(self, index: int, operands: list[tuple[str, int]], count: str) -> None:
        """`loop(char **args, npy_intp *dimensions, npy_intp *steps, void *data)`, by way of `module.call_loop`."""
        text, node = self.text, self.nodes[index]
        table = self._operand(self._operand_count())
        number = 2 * self.program.loops().index((node.op, node.dtype))
        loop = text.let(f"load ptr, ptr {text.offset(table, str(number), 8)}")
        data = text.let(f"load ptr, ptr {text.offset(table, str(number + 1), 8)}")
        args, steps = text.slot("ptr", len(operands)), text.slot("i64", len(operands))
        length = text.slot("i64")
        text.do(f"store i64 {count}, ptr {length}")
        for at, (pointer, step) in enumerate(operands):
            text.do(f"store ptr {pointer}, ptr {text.offset(args, str(at), 8)}")
            text.do(f"store i64 {step}, ptr {text.offset(steps, str(at), 8)}")
        given = f"ptr {loop}, ptr {args}, ptr {length}, ptr {steps}, ptr {data}, ptr {self.status}"
        text.do(f"call void @call_loop({given})")
