"""From a typed program to its entry: out of the cache on disk, or compiled now and put there.

A kernel that is in the cache is entered without llvmlite being imported.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

from ember_jit.compiler.kernels.signatures import signature_of
from ember_jit.compiler.passes.numeric_types import Typed
from ember_jit.runtime.native.entries import Parts, enter, keep, kept
from ember_jit.runtime.native.signature import Signature

Emit = Callable[[Typed], "Callable[..., Any] | str"]


def emit(found: Typed) -> Callable[..., Any] | str:
    """The entry of a kernel for a typed program, or why there is none."""
    program = found.program
    signature = signature_of(program, found.ndim, found.kinds, found.input_ndims, found.keepdims)
    if isinstance(signature, str):
        return signature
    parts = kept(program, signature)
    if parts is not None:
        return enter(parts)
    made = _compiled(found, signature)
    if isinstance(made, str):
        return made
    entry = enter(made)
    if not isinstance(entry, str):
        keep(program, made)
    return entry


def _compiled(found: Typed, signature: Signature) -> Parts | str:
    if importlib.util.find_spec("llvmlite") is None:
        return "llvmlite, which makes kernels, is not installed"
    from ember_jit.compiler import kernels
    from ember_jit.compiler.kernels.entry import make_parts

    reason = kernels.supported(found.program)
    if reason:
        return reason
    return make_parts(found.program, signature, kernels.compile_object(found.program))
