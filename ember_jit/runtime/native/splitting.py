"""Divides one large kernel between threads.

Only where `EMBER_JIT_THREADS` asks for it.  An entry hands over a space that is worth it (`SPLIT_ELEMENTS`).
What cannot be told from the undivided run is divided: elementwise kernels anywhere, kernels that work row
by row between rows; a reduction of everything keeps its order.  The flags of the parts are ored.

Where calls already overlap the cores are taken, so the kernel stays on its thread.  The caller's thread
works too, and takes over parts that no thread has begun.
"""

from __future__ import annotations

import ctypes
import os
import threading
from typing import Any

from ember_jit.config import config
from ember_jit.runtime.native.signature import Signature
from ember_jit.runtime.pool import Pool, shared_pool

Kernel = ctypes.CFUNCTYPE(
    ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, use_errno=False
)
SPLIT_ELEMENTS = 1 << 18
"""The least space, in elements, that is divided (which costs some 40 us)."""

LEAST_PART = 1 << 17
"""Elements that a part has at least."""

ALIGNED_PART = 64
"""Parts of a row begin at multiples of so many elements: whole cache lines, whole vectors."""


def cores() -> int:
    """Threads that one kernel may use."""
    return config().threads


_pool: Pool | None = None


def _helpers() -> Pool:
    """Threads for parts alone, so that a busy shared pool means calls that overlap."""
    global _pool
    if _pool is None:
        _pool = Pool(4 * cores())  # more than work at a time: one may still be going to rest
    return _pool


def _forget_helpers() -> None:
    global _pool
    _pool = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_helpers)


class Splitter:
    """Runs one kernel over a space in several parts; called by entries, under the GIL.

    Attributes:
        divided: spaces so far that more than one part was made of.
    """

    def __init__(self, signature: Signature, kernel: int, sizes: list[int]) -> None:
        """`sizes`: bytes of an element of each input, then of each output."""
        self._kernel = Kernel(kernel)
        self._by_rows = signature.splits == "rows"
        self._count = len(sizes) + signature.loops
        layouts: list[str] = [each.layout for each in signature.parameters]
        layouts += [_LAYOUT_OF_RANK[each.rank] for each in signature.results]
        self._moves = [
            _Move(layout, size, 16 * index)
            for index, (layout, size) in enumerate(zip(layouts, sizes, strict=True))
        ]
        self.divided = 0

    def __call__(self, parcel: int) -> int:
        """Run the kernel on what an entry left at the address `parcel`; the flags raised.

        There lie four numbers: the addresses of the operand table and of the strides, rows, columns.
        """
        table, strides, rows, columns = (ctypes.c_int64 * 4).from_address(parcel)
        whole = rows if self._by_rows else columns
        parts = min(cores(), rows * columns // LEAST_PART, whole)
        if parts < 2 or shared_pool().busy:
            return self._part(table, strides, rows, columns, 0, whole)
        self.divided += 1
        unit = 1 if self._by_rows else ALIGNED_PART
        step = -(-whole // (parts * unit)) * unit
        work = _Work(
            [
                (self, (table, strides, rows, columns, first, min(whole, first + step)))
                for first in range(0, whole, step)
            ]
        )
        return work.run()

    def _part(
        self, table: int, strides: int, rows: int, columns: int, first: int, last: int
    ) -> int:
        operands = (ctypes.c_int64 * self._count).from_address(table)
        mine = (ctypes.c_int64 * self._count)(*operands)
        if first:
            for index, move in enumerate(self._moves):
                mine[index] += move.bytes(first, columns, strides, self._by_rows)
        shape = (last - first, columns) if self._by_rows else (1, last - first)
        return int(self._kernel(mine, (ctypes.c_int64 * 2)(*shape), strides))


_LAYOUT_OF_RANK = {"element": "contiguous", "row": "row", "scalar": "scalar"}


class _Move:
    """How far the data of one operand are from a part's beginning."""

    __slots__ = ("_layout", "_offset", "_size")

    def __init__(self, layout: str, size: int, offset: int) -> None:
        self._layout = layout
        self._size = size
        self._offset = offset

    def bytes(self, first: int, columns: int, strides: int, by_rows: bool) -> int:
        """From the start of the space to row (or column) `first`."""
        if self._layout == "contiguous":
            return first * self._size * (columns if by_rows else 1)
        if self._layout == "row":
            return first * self._size if by_rows else 0
        if self._layout == "strided":
            return first * int(ctypes.c_int64.from_address(strides + self._offset).value)
        return 0


class _Work:
    """Parts that threads of the pool and the caller's thread take, each once."""

    def __init__(self, parts: list[tuple[Splitter, tuple[int, ...]]]) -> None:
        self._parts = parts
        self._lock = threading.Lock()
        self._taken = 0
        self._left = len(parts)
        self._flags = 0
        self._failure: BaseException | None = None
        self._done = threading.Lock()
        self._done.acquire()

    def run(self) -> int:
        """All parts; comes back when none is running, whatever happens."""
        pool = _helpers()
        for _ in self._parts[1:]:
            if not pool.submit(self._take_all):
                break
        self._take_all()
        interruption: BaseException | None = None
        while True:
            try:
                self._done.acquire()
                break
            except BaseException as exc:  # noqa: BLE001 - the parts write into buffers: they have to end first
                interruption = exc
        if interruption is not None:
            raise interruption
        if self._failure is not None:
            raise self._failure
        return self._flags

    def _take_all(self) -> None:
        while True:
            with self._lock:
                if self._taken == len(self._parts):
                    return
                splitter, part = self._parts[self._taken]
                self._taken += 1
            flags, failure = 0, None
            try:
                flags = splitter._part(*part)
            except BaseException as exc:  # noqa: BLE001 - raised again by `run`, on the caller's thread
                failure = exc
            with self._lock:
                self._flags |= flags
                self._failure = self._failure or failure
                self._left -= 1
                if self._left == 0:
                    self._done.release()


def splitter_for(signature: Signature, kernel: int) -> Any:
    """A `Splitter`, or None where nothing would ever be divided."""
    if signature.splits == "no" or cores() < 2:
        return None
    import numpy as np

    codes = [each.dtype for each in signature.parameters] + [
        each.dtype for each in signature.results
    ]
    return Splitter(signature, kernel, [np.dtype(code).itemsize for code in codes])
