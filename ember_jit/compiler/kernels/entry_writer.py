"""Writes the text of an entry: values, blocks, stack memory, fields of objects."""

from __future__ import annotations

from typing import Final

from ember_jit.runtime.native.layouts import Layouts
from ember_jit.runtime.native.signature import Signature

LLVM_TYPE: Final = {
    **dict.fromkeys("?bB", "i8"),
    **dict.fromkeys("hH", "i16"),
    **dict.fromkeys("iI", "i32"),
    **dict.fromkeys("lLqQ", "i64"),
    "f": "float",
    "d": "double",
}
SIZES: Final = {"i8": 1, "i16": 2, "i32": 4, "i64": 8, "float": 4, "double": 8}


class EntryWriter:
    """One function under construction.

    A guard that fails leaves for the block `other`; a run that is given up, for `missed`.
    """

    def __init__(self, signature: Signature, known: Layouts) -> None:
        self.signature = signature
        self.metadata = known.metadata
        self.lines: list[str] = []
        self.top: list[str] = []  # stack memory, made once
        self.tail: list[str] = []  # blocks that are left by return
        self.globals: set[str] = set()
        self._count = 0
        self._block = "start"

    def name(self) -> str:
        self._count += 1
        return f"%v{self._count}"

    def put(self, line: str) -> None:
        self.lines.append("  " + line)

    def let(self, expression: str) -> str:
        """A new value."""
        name = self.name()
        self.put(f"{name} = {expression}")
        return name

    def label(self, block: str) -> None:
        self._block = block
        self.lines.append(f"{block}:")

    def block(self) -> str:
        self._count += 1
        return f"b{self._count}"

    def need(self, good: str, otherwise: str = "other") -> None:
        """Go on only if `good`."""
        after = self.block()
        self.put(f"br i1 {good}, label %{after}, label %{otherwise}")
        self.label(after)

    def all(self, conditions: list[str]) -> str:
        good = "true"
        for each in conditions:
            good = each if good == "true" else self.let(f"and i1 {good}, {each}")
        return good

    def memory(self, kind: str) -> str:
        """Stack memory."""
        name = self.name()
        self.top.append(f"  {name} = alloca {kind}, align 16")
        return name

    def step(self, pointer: str, offset: int) -> str:
        return self.let(f"getelementptr i8, ptr {pointer}, i64 {offset}") if offset else pointer

    def load(self, kind: str, pointer: str, offset: int = 0) -> str:
        return self.let(f"load {kind}, ptr {self.step(pointer, offset)}")

    def store(self, kind: str, value: str, pointer: str, offset: int = 0) -> None:
        place = self.step(pointer, offset)
        self.put(f"store {kind} {value}, ptr {place}")

    def outside(self, name: str) -> str:
        """An object that the loader knows the address of."""
        self.globals.add(f"@{name} = external global i8")
        return f"@{name}"

    def leaving(self, first: list[str], made: list[str], last: str) -> str:
        """A block that drops the objects `made` and leaves the function."""
        block = self.block()
        drops = [f"call void @Py_DecRef(ptr {each})" for each in made]
        self.tail += [f"{block}:", *(f"  {line}" for line in (*first, *drops, last))]
        return block
