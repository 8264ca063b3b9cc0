"""From a typed program to its entry: out of the cache on disk, or compiled now and put there.

A kernel that is in the cache is entered without llvmlite being imported.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from typing import Any

from ember_jit.compiler.kernels.signatures import signature_of
from ember_jit.compiler.passes.numeric_types import Typed
from ember_jit.runtime.native.entries import Parts, enter, keep, keep_gain, kept, kept_gain
from ember_jit.runtime.native.layouts import layouts
from ember_jit.runtime.native.processor import processor
from ember_jit.runtime.native.signature import Signature

Emit = Callable[[Typed, int], "Callable[..., Any] | str"]
Kept = Callable[[Typed], "Callable[..., Any] | None"]
WITHOUT_LLVMLITE = "llvmlite, which makes kernels, is missing or broken [EMB050]"
_lock = threading.Lock()  # LLVM's target machine is shared


def warm_up() -> None:
    """Look at what the first kernel would otherwise wait for: layouts, the processor, this package."""
    from ember_jit.runtime.native.store import package_mark

    layouts()
    processor()
    package_mark()


def entry_kept(found: Typed) -> Callable[..., Any] | None:
    """The entry of a kernel that is in the cache on disk, if it is."""
    signature = signature_for(found)
    parts = None if isinstance(signature, str) else kept(found.program, signature)
    entry = None if parts is None else enter(parts)
    return None if isinstance(entry, str) else entry


def emit(found: Typed, tier: int = 1) -> Callable[..., Any] | str:
    """The entry of a kernel for a typed program, compiled now, or why there is none.

    Args:
        tier: 0 for one that is there soon; 1 for a better one, which is put into the cache.
    """
    signature = signature_for(found)
    if isinstance(signature, str):
        return signature
    with _lock:
        made = _compiled(found, signature, tier)
    if isinstance(made, str):
        return made
    entry = enter(made)
    if tier and not isinstance(entry, str):
        keep(found.program, made)
    return entry


def gain_kept(found: Typed) -> float | None:
    """What an earlier process has found when it tried a kernel against this NumPy, if one has."""
    signature = signature_for(found)
    return None if isinstance(signature, str) else kept_gain(found.program, signature)


def remember_gain(found: Typed, gain: float) -> None:
    """Spare later processes the trial."""
    signature = signature_for(found)
    if not isinstance(signature, str):
        keep_gain(found.program, signature, gain)


def signature_for(found: Typed) -> Signature | str:
    """How a typed program is entered, or why it cannot be."""
    return signature_of(found.program, found.ndim, found.kinds, found.input_ndims, found.keepdims)


def _compiled(found: Typed, signature: Signature, tier: int) -> Parts | str:
    try:
        importlib.import_module("llvmlite.binding")
    except Exception:  # noqa: BLE001 - a broken library may raise anything when it is imported
        return WITHOUT_LLVMLITE
    from ember_jit.compiler import kernels
    from ember_jit.compiler.kernels.entry import make_parts, quick_parts

    reason = kernels.supported(found.program)
    if reason:
        return reason
    parts = make_parts if tier else quick_parts
    return parts(found.program, signature, kernels.compile_object(found.program, tier=tier))
