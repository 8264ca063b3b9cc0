"""From a typed program to its entry: out of the cache on disk, or compiled now and put there.

A kernel that is in the cache is entered without llvmlite being imported.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

from ember_jit.compiler.passes.numeric_types import Typed
from ember_jit.runtime.native.entries import Parts, enter
from ember_jit.runtime.native.layouts import layouts
from ember_jit.runtime.native.processor import processor
from ember_jit.runtime.native.signature import Signature, signature_of
from ember_jit.runtime.native.store import package_mark, store

Emit = Callable[[Typed], "Callable[..., Any] | str"]


def emit(found: Typed) -> Callable[..., Any] | str:
    """The entry of a kernel for a typed program, or why there is none."""
    signature = signature_of(
        found.program, found.ndim, found.kinds, found.input_ndims, found.keepdims
    )
    if isinstance(signature, str):
        return signature
    cache = store()
    key = _key(found, signature) if cache is not None else ""
    kept = cache.get(key) if cache is not None else None
    if kept is not None and kept.keys() >= {"kernel", "entry", "pool"}:
        loops = found.program.loops()
        return enter(Parts(signature, kept["kernel"], kept["entry"], kept["pool"], loops))
    parts = _compiled(found, signature)
    if isinstance(parts, str):
        return parts
    if cache is not None:
        made = {"kernel": parts.kernel, "entry": parts.entry, "pool": parts.pool}
        cache.put(key, made, {"program": str(found.program)})
    return enter(parts)


def _compiled(found: Typed, signature: Signature) -> Parts | str:
    if importlib.util.find_spec("llvmlite") is None:
        return "llvmlite, which makes kernels, is not installed"
    from ember_jit.compiler import kernels
    from ember_jit.compiler.kernels.entry import make_parts

    reason = kernels.supported(found.program)
    if reason:
        return reason
    return make_parts(found.program, signature, kernels.compile_object(found.program))


def _key(found: Typed, signature: Signature) -> str:
    known = layouts()
    place = known if isinstance(known, str) else known.key()
    return "\n".join((found.program.key(), signature.key(), processor(), place, package_mark()))
