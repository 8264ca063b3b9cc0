"""Writes the text of one LLVM function: names, blocks, loops, constants and declarations.

Text is several times quicker to make than a tree of objects, and LLVM parses it in a fraction of a
millisecond.  All vectors of a kernel have one number of lanes, so a type is named by its element.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

from ember_jit.ir.program import BOOL, FLOATS, INTEGERS

Step = Callable[[str, list[str]], list[str]]

MEMORY = {dtype: f"i{8 * struct.calcsize(dtype)}" for dtype in INTEGERS} | {
    "f": "float",
    "d": "double",
    BOOL: "i8",
}
"""The LLVM type of an element in memory."""

_AVX_QUIET = {"olt": 0x11, "ole": 0x12, "ogt": 0x1E, "oge": 0x1D}
"""How `vcmppd` numbers the ordered, quiet comparisons."""

VALUE = MEMORY | {BOOL: "i1"}
"""The LLVM type of an element in a register."""


def size(dtype: str) -> int:
    """Bytes of an element."""
    return struct.calcsize(dtype)


def scalar_constant(value: float | int | bool, dtype: str) -> str:
    """A constant of `dtype` as LLVM spells it: floats by their bits, so that none is rounded twice."""
    if dtype in FLOATS:
        if (
            dtype == "f"
        ):  # LLVM writes a float as the double of equal value; a NaN keeps its payload
            value = struct.unpack("<f", struct.pack("<f", value))[0]
        return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"
    if dtype == BOOL:
        return "true" if value else "false"
    return str(int(value))


class Text:
    """One function under construction.

    Args:
        lanes: the number of elements of every vector.
        declarations: what the module declares, by name; added to.
        compare_bytes: the register that `quiet_compare` compares with one instruction, or 0.
    """

    def __init__(self, lanes: int, declarations: dict[str, str], compare_bytes: int = 0) -> None:
        self.lanes = lanes
        self._compare_bytes = compare_bytes
        self.lines: list[str] = []
        self.entry: list[str] = []  # stack slots: one place, once a call
        self.block = "start"
        self._declarations = declarations
        self._count = 0
        self._constants: dict[tuple[str, str], str] = {}
        self._hidden: dict[tuple[int, str], str] = {}

    # Names, lines, blocks.

    def fresh(self, stem: str = "v") -> str:
        self._count += 1
        return f"{stem}{self._count}"

    def let(self, expression: str) -> str:
        name = "%" + self.fresh()
        self.lines.append(f"  {name} = {expression}")
        return name

    def do(self, line: str) -> None:
        self.lines.append("  " + line)

    def place(self, label: str) -> None:
        """Go on in the block `label`; the current one must have ended."""
        self.lines.append(f"{label}:")
        self.block = label

    def goto(self, label: str) -> None:
        self.do(f"br label %{label}")

    def branch(self, condition: str, yes: str, no: str) -> None:
        self.do(f"br i1 {condition}, label %{yes}, label %{no}")

    def slot(self, kind: str, count: int = 1) -> str:
        """Stack memory for `count` values of the LLVM type `kind`, aligned for any vector."""
        name = "%" + self.fresh("slot")
        self.entry.append(f"  {name} = alloca [{count} x {kind}], align 64")
        return name

    # Types and constants.

    def vector(self, dtype: str) -> str:
        return f"<{self.lanes} x {VALUE[dtype]}>"

    def suffix(self, dtype: str) -> str:
        """How intrinsics name the vector type."""
        letter = "f" if dtype in FLOATS else "i"
        bits = 1 if dtype == BOOL else 8 * size(dtype)
        return f"v{self.lanes}{letter}{bits}"

    def splat(self, value: float | int | bool, dtype: str) -> str:
        """A vector constant."""
        return self.splat_text(scalar_constant(value, dtype), VALUE[dtype])

    def splat_text(self, scalar: str, kind: str) -> str:
        key = (scalar, kind)
        if key not in self._constants:
            self._constants[key] = "<" + ", ".join([f"{kind} {scalar}"] * self.lanes) + ">"
        return self._constants[key]

    def broadcast(self, scalar: str, kind: str) -> str:
        """A run-time scalar in every lane."""
        vector = f"<{self.lanes} x {kind}>"
        first = self.let(f"insertelement {vector} poison, {kind} {scalar}, i64 0")
        zeros = f"<{self.lanes} x i32> zeroinitializer"
        return self.let(f"shufflevector {vector} {first}, {vector} poison, {zeros}")

    def hidden(self, bits: int, kind: str) -> str:
        """An integer in every lane that LLVM does not know, so that it draws no conclusions."""
        found = self._hidden.get((bits, kind))
        if found is None:  # made once a call, where the function begins
            found = self._hidden[bits, kind] = "%" + self.fresh("hidden")
            vector, zeros = f"<{self.lanes} x {kind}>", f"<{self.lanes} x i32> zeroinitializer"
            self.entry += [
                f'  {found}.one = call {kind} asm "", "=r,0"({kind} {bits})',
                f"  {found}.first = insertelement {vector} poison, {kind} {found}.one, i64 0",
                f"  {found} = shufflevector {vector} {found}.first, {vector} poison, {zeros}",
            ]
        return found

    # Memory.  A bool is a byte in memory, true if it is not 0, and one bit in a register.

    def load(self, dtype: str, pointer: str) -> str:
        kind = f"<{self.lanes} x {MEMORY[dtype]}>"
        raw = self.let(f"load {kind}, ptr {pointer}, align 1")
        return self.let(f"icmp ne {kind} {raw}, zeroinitializer") if dtype == BOOL else raw

    def load_scalar(self, dtype: str, pointer: str) -> str:
        """One element in every lane."""
        raw = self.let(f"load {MEMORY[dtype]}, ptr {pointer}, align 1")
        if dtype == BOOL:
            raw = self.let(f"icmp ne i8 {raw}, 0")
        return self.broadcast(raw, VALUE[dtype])

    def store(self, dtype: str, value: str, pointer: str, hint: str = "") -> None:
        kind = f"<{self.lanes} x {MEMORY[dtype]}>"
        if dtype == BOOL:
            value = self.let(f"zext {self.vector(BOOL)} {value} to {kind}")
        align = self.lanes * size(dtype) if hint else 1
        self.do(f"store {kind} {value}, ptr {pointer}, align {align}{hint}")

    def store_lane(self, dtype: str, value: str, pointer: str, lane: int = 0) -> None:
        """One lane of `value`."""
        first = self.lane(dtype, value, lane)
        if dtype == BOOL:
            first = self.let(f"zext i1 {first} to i8")
        self.do(f"store {MEMORY[dtype]} {first}, ptr {pointer}, align 1")

    def lane(self, dtype: str, value: str, lane: int | str = 0) -> str:
        return self.let(f"extractelement {self.vector(dtype)} {value}, i64 {lane}")

    def offset(self, pointer: str, index: str, bytes_each: int) -> str:
        """The address of element `index`."""
        return self.let(f"getelementptr i{8 * bytes_each}, ptr {pointer}, i64 {index}")

    def bump(self, pointer: str, distance: str) -> str:
        return self.let(f"getelementptr i8, ptr {pointer}, i64 {distance}")

    # Operations.

    def call(self, name: str, result: str, args: Sequence[tuple[str, str]]) -> str:
        """A call of an intrinsic, declared by the way; `args` are (type, value)."""
        kinds = ", ".join(kind for kind, _ in args)
        self._declarations.setdefault(name, f"declare {result} @{name}({kinds})")
        given = ", ".join(f"{kind} {value}" for kind, value in args)
        text = f"call {result} @{name}({given})"
        if result != "void":
            return self.let(text)
        self.do(text)
        return ""

    def declare(self, name: str, definition: str) -> None:
        """Have `definition` in the module, once."""
        self._declarations.setdefault(name, definition)

    def intrinsic(self, name: str, dtype: str, *args: str) -> str:
        """`llvm.NAME` on whole vectors of one type."""
        kind = self.vector(dtype)
        return self.call(f"llvm.{name}.{self.suffix(dtype)}", kind, [(kind, arg) for arg in args])

    def quiet_compare(self, predicate: str, dtype: str, a: str, b: str) -> str:
        """A comparison of floats that raises no flag for a quiet NaN.

        A plain `fcmp` leaves the choice to LLVM, which takes the signalling kind on x86.
        """
        if self._compare_bytes:
            return self._compared(predicate, dtype, self.lanes, a, b)
        kind = self.vector(dtype)
        name = f"llvm.experimental.constrained.fcmp.{self.suffix(dtype)}"
        result = self.vector(BOOL)
        declared = f"declare {result} @{name}({kind}, {kind}, metadata, metadata)"
        self._declarations.setdefault(name, declared)
        how = f'metadata !"{predicate}", metadata !"fpexcept.strict"'
        return self.let(f"call {result} @{name}({kind} {a}, {kind} {b}, {how})")

    def _compared(self, predicate: str, dtype: str, lanes: int, a: str, b: str) -> str:
        """The same by AVX's own instruction: LLVM aborts over some uses of its constrained comparison."""
        kind, bytes_ = f"<{lanes} x {VALUE[dtype]}>", lanes * size(dtype)
        if bytes_ > self._compare_bytes:
            half = lanes // 2
            parts = [
                self._compared(
                    predicate, dtype, half, *(self._half(kind, v, lanes, at) for v in (a, b))
                )
                for at in (0, half)
            ]
            order = ", ".join(f"i32 {lane}" for lane in range(lanes))
            masks = f"<{half} x i1>"
            return self.let(
                f"shufflevector {masks} {parts[0]}, {masks} {parts[1]}, <{lanes} x i32> <{order}>"
            )
        letters = "pd" if dtype == "d" else "ps"
        names = {
            32: f"avx.cmp.{letters}.256",
            16: f"{'sse2' if dtype == 'd' else 'sse'}.cmp.{letters}",
        }
        number = _AVX_QUIET[predicate]
        mask = self.call(
            f"llvm.x86.{names[bytes_]}", kind, [(kind, a), (kind, b), ("i8", str(number))]
        )
        whole = f"<{lanes} x i{8 * size(dtype)}>"
        bits = self.let(f"bitcast {kind} {mask} to {whole}")
        return self.let(f"icmp slt {whole} {bits}, zeroinitializer")

    def _half(self, kind: str, value: str, lanes: int, first: int) -> str:
        order = ", ".join(f"i32 {first + lane}" for lane in range(lanes // 2))
        return self.let(
            f"shufflevector {kind} {value}, {kind} poison, <{lanes // 2} x i32> <{order}>"
        )

    def bits(self, mask: str) -> str:
        """Whether any lane of a vector of bits is set, as an i1."""
        packed = self.let(f"bitcast {self.vector(BOOL)} {mask} to i{self.lanes}")
        return self.let(f"icmp ne i{self.lanes} {packed}, 0")

    # Control.

    def loop(
        self,
        start: str,
        stop: str,
        step: int | str,
        carried: Sequence[tuple[str, str]],
        body: Step,
    ) -> list[str]:
        """`for index in range(start, stop, step)`; returns what the carried values end as.

        Args:
            carried: (type, first value) of what goes from one round to the next.
            body: writes a round, given the index and the carried values; gives their next values.
        """
        head, round_, done = self.fresh("head"), self.fresh("round"), self.fresh("done")
        before = self.block
        self.goto(head)
        self.place(head)
        index = "%" + self.fresh("i")
        names = ["%" + self.fresh("c") for _ in carried]
        at = len(self.lines)
        going = self.let(f"icmp slt i64 {index}, {stop}")
        self.branch(going, round_, done)
        self.place(round_)
        after = body(index, names)
        following = self.let(f"add i64 {index}, {step}")
        phis = [f"  {index} = phi i64 [ {start}, %{before} ], [ {following}, %{self.block} ]"]
        phis += [
            f"  {name} = phi {kind} [ {first}, %{before} ], [ {next_}, %{self.block} ]"
            for name, (kind, first), next_ in zip(names, carried, after, strict=True)
        ]
        self.goto(head)
        self.lines[at:at] = phis
        self.place(done)
        return names

    def when(self, condition: str, body: Callable[[], None]) -> None:
        """`if condition:` around what `body` writes."""
        yes, done = self.fresh("yes"), self.fresh("done")
        self.branch(condition, yes, done)
        self.place(yes)
        body()
        self.goto(done)
        self.place(done)

    def function(self, head: str) -> str:
        """The finished text of the function `define HEAD`."""
        return "\n".join([f"define {head} {{", "start:", *self.entry, *self.lines, "}", ""])
