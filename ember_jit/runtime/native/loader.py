"""Turns relocatable objects into machine code in this process, without a compiler, assembler or linker.

The block is mapped writable, filled, and only then made executable (W^X); an `Image` owns it, and the
memory goes with the last reference to it.  Whoever hands out an address out of an image must keep the
image alive (`native_entry.py` does so in the `__self__` of its functions).

On AArch64 the kernel synchronises the instruction cache when a fresh page is first mapped executable,
which is what happens here.

Example::

    image = load([object_bytes], {"exp": address_of_exp})
    kernel = ctypes.CFUNCTYPE(ctypes.c_double)(image.address("kernel"))
"""

from __future__ import annotations

import ctypes
import mmap
import platform
import sys
from collections.abc import Mapping, Sequence

from ember_jit.runtime.native.elf import AARCH64, X86_64, ObjectError, parse
from ember_jit.runtime.native.libc import protect
from ember_jit.runtime.native.linking import CODE, DATA, Layout, lay_out

_MACHINES = {"x86_64": X86_64, "amd64": X86_64, "aarch64": AARCH64, "arm64": AARCH64}


class LoadError(OSError):
    """The system does not let this process have executable memory."""


class Image:
    """Objects, linked and loaded.

    Attributes:
        base: the address of the first byte.
        size: the bytes that it takes, in whole pages.
    """

    __slots__ = ("_layout", "_memory", "base", "size")

    def __init__(self, layout: Layout, memory: mmap.mmap, base: int) -> None:
        self._layout = layout
        self._memory = memory
        self.base = base
        self.size = layout.size

    def address(self, name: str) -> int:
        """The address of a global symbol.

        Raises:
            ObjectError: no object defines it.
        """
        return self.base + self._layout.address(name)


def why_not() -> str | None:
    """Why machine code cannot be loaded in this process, or None if it can."""
    if sys.platform != "linux":
        return f"objects are loaded on Linux only, and this is {sys.platform}"
    if platform.machine().lower() not in _MACHINES:
        return f"objects are loaded on x86-64 and AArch64 only, and this is {platform.machine()}"
    if sys.maxsize < 1 << 32 or sys.byteorder != "little":
        return "objects are loaded in 64-bit little-endian processes only"
    return None


def load(objects: Sequence[bytes], symbols: Mapping[str, int]) -> Image:
    """Link `objects`, with the addresses `symbols` for what they do not define, into new memory.

    Raises:
        ObjectError: an object is malformed or unsupported, or a symbol is missing.
        LoadError: the system refuses executable memory.
    """
    reason = why_not()
    if reason is not None:
        raise LoadError(reason)
    layout = lay_out([parse(each) for each in objects], mmap.PAGESIZE)
    if layout.machine != _MACHINES[platform.machine().lower()]:
        raise ObjectError(f"the objects are not for {platform.machine()}")
    try:
        memory = mmap.mmap(
            -1,
            layout.size,
            flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS,
            prot=mmap.PROT_READ | mmap.PROT_WRITE,
        )
    except (OSError, ValueError) as exc:
        raise LoadError(f"cannot map {layout.size} bytes: {exc}") from exc
    base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    memory[:] = bytes(layout.image(base, symbols))
    for segment in layout.segments:
        if segment.kind != DATA:
            executable = mmap.PROT_EXEC if segment.kind == CODE else 0
            refused = protect(base + segment.start, segment.size, mmap.PROT_READ | executable)
            if refused:
                why = "the system refuses executable memory (a security policy?)"
                raise LoadError(refused, why)
    return Image(layout, memory, base)
