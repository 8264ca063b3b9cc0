"""Links an entry and its kernel into a builtin function of this process.

The function owns everything that its machine code refers to: the loaded image, the method's definition,
the table of NumPy's loops and the entry behind it live in a tuple that is its `__self__`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, Final

from ember_jit.config import config
from ember_jit.runtime.native import libc
from ember_jit.runtime.native.buffers import pool
from ember_jit.runtime.native.elf import ObjectError, parse
from ember_jit.runtime.native.layouts import layouts
from ember_jit.runtime.native.linking import lay_out
from ember_jit.runtime.native.loader import LoadError, load
from ember_jit.runtime.native.loops import loop_table
from ember_jit.runtime.native.miss import MISS
from ember_jit.runtime.native.signature import Signature
from ember_jit.runtime.native.splitting import splitter_for

METH_FASTCALL: Final = 0x80


class Definition(ctypes.Structure):
    """`PyMethodDef`."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


def native_entry(
    signature: Signature,
    kernel: bytes,
    entry: bytes,
    pool_object: bytes,
    loops: tuple[tuple[str, str], ...] = (),
    behind: Callable[..., Any] | None = None,
    name: str = "kernel",
) -> Callable[..., Any] | str:
    """A builtin that runs `kernel` on arguments that fit `signature`, or the reason for having none.

    Args:
        kernel, entry, pool_object: object code of the kernel, of `compiler.kernels.entry` for this
            signature, and of the pool.
        loops: the kernel's `Program.loops()`.
        behind: another such builtin, which is asked where this one does not fit.
    """
    known = layouts()
    if isinstance(known, str):
        return known
    table = loop_table(loops) if loops else None
    if isinstance(table, str):
        return table
    symbols = dict(known.addresses)
    symbols["MISS"] = id(MISS)
    symbols["loops"] = ctypes.addressof(table) if table is not None else 0
    symbols["next"] = _code_of(behind) if behind is not None else 0
    try:
        buffers = pool(pool_object)
        symbols.update(buffers.symbols())
        if not config().buffers:
            symbols["default_handler"] = (
                0  # no handler is at 0: all outputs are as NumPy makes them
            )
        wanted = lay_out([parse(kernel)], 4096).undefined()
        symbols.update(libc.addresses(wanted))
        # the splitter needs the kernel's address, and the entry the splitter's: the kernel goes first
        kernel_image = load([kernel], symbols)
        symbols["kernel"] = kernel_image.address("kernel")
        splitter = splitter_for(signature, symbols["kernel"])
        symbols["split"] = id(splitter) if splitter is not None else 0
        image = load([entry], symbols)
    except (ObjectError, LoadError) as exc:
        return f"machine code could not be loaded: {exc}"
    definition = Definition(name.encode(), image.address("entry"), METH_FASTCALL, None)
    owned = (definition, image, kernel_image, table, splitter, behind)
    new = ctypes.pythonapi.PyCFunction_NewEx
    new.restype = ctypes.py_object
    new.argtypes = (ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)
    made: Callable[..., Any] = new(ctypes.addressof(definition), owned, None)
    return made


def behind_of(function: Any) -> Any:
    """What a function that `native_entry` has made asks where it does not fit."""
    return function.__self__[-1]


def _code_of(function: Any) -> int:
    """The address of the machine code of a function that `native_entry` has made."""
    return int(function.__self__[0].function)
