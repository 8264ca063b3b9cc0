"""Makes entries: from a program and its kernel's object code to a callable that checks and runs it.

    run = make_entry(program, compile_object(program), ndim=1)
    result = run(x, 2.0)          # an array, a NumPy scalar, or a tuple of them; or MISS

The machine code of an entry depends on the signature alone and is made once a process.  Kernel and entry
are kept in the cache on disk together, and a warm process needs neither this module nor llvmlite::

    parts = kept(program, signature)      # of runtime.native.entries; None: compile
    run = enter(parts)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from ember_jit.compiler.kernels.assemble import assemble
from ember_jit.compiler.kernels.entry_text import EntryText
from ember_jit.compiler.kernels.pool_text import pool_text
from ember_jit.compiler.kernels.signatures import signature_of
from ember_jit.ir.program import Program
from ember_jit.runtime.native.entries import Parts, enter, keep
from ember_jit.runtime.native.layouts import layouts
from ember_jit.runtime.native.signature import Signature, Source

_MOST = 512
entries_made: dict[Signature, bytes] = {}
"""The entries of this process, by signature."""


def entry_object(signature: Signature) -> bytes:
    """The object code of an entry; empty where only the plain entry can be used."""
    found = entries_made.get(signature)
    if found is None:
        known = layouts()
        found = b"" if isinstance(known, str) else assemble(EntryText(signature, known).text())
        if len(entries_made) >= _MOST:
            entries_made.clear()
        entries_made[signature] = found
    return found


@lru_cache(maxsize=1)
def pool_object() -> bytes:
    """The object code of the pool of output buffers."""
    return b"" if isinstance(layouts(), str) else assemble(pool_text())


def quick_parts(program: Program, signature: Signature, kernel: bytes) -> Parts:
    """The same without waiting for an entry: the plain one, unless there is one for such a signature already."""
    if signature in entries_made:
        return make_parts(program, signature, kernel)
    return Parts(signature, kernel, b"", b"", program.loops())


def make_parts(program: Program, signature: Signature, kernel: bytes) -> Parts:
    """Everything that `runtime.native.entries.enter` needs, as it also lies in the cache."""
    return Parts(signature, kernel, entry_object(signature), pool_object(), program.loops())


def make_entry(
    program: Program,
    kernel: bytes,
    ndim: int = 1,
    sources: Sequence[Source] | None = None,
    operand_ndims: Sequence[int] | None = None,
    keepdims: Sequence[bool] | None = None,
    behind: Callable[..., Any] | None = None,
    keeping: bool = True,
) -> Callable[..., Any] | str:
    """A callable for `program`, or why there can be none.

    Called with the operands in the program's order, it returns what plain NumPy would (the outputs: fresh
    arrays, or NumPy scalars of the exact type; a tuple if there are several), or `MISS` if the
    arguments are not those of the signature or the arithmetic raised a flag.  Then nothing has happened,
    and the plain code has to run.

    Args:
        kernel: the object code of the emitter for this program.
        ndim, sources, operand_ndims, keepdims: see `signature_of`.
        behind: an entry made before for the same place, asked where this one does not fit.
        keeping: put the machine code into the cache on disk (not code that will soon be bettered).
    """
    signature = signature_of(program, ndim, sources, operand_ndims, keepdims)
    if isinstance(signature, str):
        return signature
    parts = make_parts(program, signature, kernel)
    made = enter(parts, behind)
    if keeping and not isinstance(made, str):
        keep(program, parts)
    return made
