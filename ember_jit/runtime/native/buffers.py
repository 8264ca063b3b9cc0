"""The pool of output buffers: large results without the cost of fresh pages.

At memory-bound sizes the first touch of a new page costs more than the arithmetic.  Here a freed output
of a kernel is kept for the next one, so that its pages are already there.

An output is an ordinary array that owns its data (`flags.owndata`, `base is None`, `resize` works); only
the *memory handler* that NumPy frees it through is ours, and that is called when neither the array nor
any view, buffer or slice of it is left.  So what can still be seen is never handed out again.  A process
that has set a NumPy memory handler of its own gets outputs from that handler, and no pool.

The pool keeps at most `Config.buffers` bytes (`EMBER_JIT_BUFFERS`, in MiB; 0 or `off`: none).
"""

from __future__ import annotations

import ctypes
from functools import lru_cache
from typing import Any, NamedTuple

from ember_jit.config import config
from ember_jit.runtime.native.libc import addresses
from ember_jit.runtime.native.loader import Image, load

_NAMES = ("mmap", "munmap", "madvise", "memcpy", "memset")


class Held(NamedTuple):
    """What the pool has done so far.

    Attributes:
        held: bytes that wait to be used again.
        made: blocks that came from the system.
        reused: blocks that were handed out again.
    """

    held: int
    made: int
    reused: int


class Pool:
    """The loaded pool; it stays for as long as the process, as arrays may be freed at the very end."""

    def __init__(self, image: Image) -> None:
        self._image = image
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(image))
        new = ctypes.pythonapi.PyCapsule_New
        new.restype = ctypes.py_object
        new.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
        self._name = ctypes.create_string_buffer(b"mem_handler")  # the capsule does not copy it
        self._handler: Any = new(image.address("pool_functions"), self._name, None)
        for each in (self._handler, self._name):
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(each))
        # with the GIL: the pool has no lock of its own
        self._drain = ctypes.PYFUNCTYPE(None)(image.address("pool_drain"))
        self.limit(config().buffers)

    def symbols(self) -> dict[str, int]:
        """The addresses that an entry needs of it."""
        found = {name: self._image.address(name) for name in ("pool_take", "pool_free")}
        found["pool_handler"] = id(self._handler)
        return found

    def limit(self, size: int) -> None:
        """Keep at most `size` bytes from now on; what is kept already is given back."""
        self._number("pool_limit").value = size
        self._drain()

    def drain(self) -> None:
        """Give everything that is kept back to the system."""
        self._drain()

    def held(self) -> Held:
        """What it holds and has done."""
        names = ("pool_held", "pool_made", "pool_reused")
        return Held(*(self._number(name).value for name in names))

    def _number(self, name: str) -> ctypes.c_int64:
        return ctypes.c_int64.from_address(self._image.address(name))


@lru_cache(maxsize=1)
def pool(data: bytes) -> Pool:
    """The pool of this process, from its object code.

    Raises:
        ObjectError, LoadError: it cannot be loaded.
    """
    return Pool(load([data], addresses(_NAMES)))
