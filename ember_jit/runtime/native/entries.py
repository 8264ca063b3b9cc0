"""From the parts of a compiled kernel to something that can be called.

`enter` prefers the native entry and falls back on the plain one: same results, only slower.  An entry may
have another one behind it, which is asked where it does not fit, at most `MOST_KINDS` of them in a
row: so a place in a program serves several kinds of arguments with one call.

`keep` and `kept` put compiled parts into the cache on disk and take them out; `keep_gain` and `kept_gain` what came of
trying them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ember_jit.runtime.native.layouts import layouts
from ember_jit.runtime.native.native_entry import behind_of, native_entry
from ember_jit.runtime.native.plain_entry import PlainEntry, plain_entry
from ember_jit.runtime.native.processor import processor
from ember_jit.runtime.native.signature import Signature

if TYPE_CHECKING:
    from ember_jit.ir.program import Program
    from ember_jit.runtime.native.store import Store

MOST_KINDS: Final = 8


class Parts(NamedTuple):
    """A compiled kernel as data.

    Attributes:
        kernel, entry, pool: object code; `entry` is empty where there can be only a plain entry.
        loops: NumPy's inner loops that the kernel calls (`Program.loops()`).
    """

    signature: Signature
    kernel: bytes
    entry: bytes
    pool: bytes
    loops: tuple[tuple[str, str], ...] = ()


def enter(parts: Parts, behind: Callable[..., Any] | None = None) -> Callable[..., Any] | str:
    """A callable of these parts, which asks `behind` where it does not fit; or why there is none."""
    if behind is not None and _length(behind) >= MOST_KINDS:
        return f"there are {MOST_KINDS} entries for other arguments already"
    if parts.entry and (behind is None or not isinstance(behind, PlainEntry)):
        made = native_entry(
            parts.signature, parts.kernel, parts.entry, parts.pool, parts.loops, behind
        )
        if not isinstance(made, str):
            return made
    return plain_entry(parts.signature, parts.kernel, parts.loops, behind)


def cache_key(program: Program, signature: Signature) -> str:
    """What machine code for these depends on, as text."""
    from ember_jit.runtime.native.store import package_mark

    known = layouts()
    abi = "plain" if isinstance(known, str) else known.key()
    return "\n".join((program.key(), signature.key(), processor(), abi, package_mark()))


def keep(program: Program, parts: Parts) -> bool:
    """Put compiled parts into the cache on disk; False if there is none, or it cannot be written."""
    cache = _store()
    if cache is None:
        return False
    code = {"kernel": parts.kernel, "entry": parts.entry, "pool": parts.pool}
    return cache.put(cache_key(program, parts.signature), code, {"program": str(program)})


def kept(program: Program, signature: Signature) -> Parts | None:
    """The parts that an earlier process has compiled, if any; neither numba nor llvmlite is imported."""
    cache = _store()
    found = None if cache is None else cache.get(cache_key(program, signature))
    if found is None or found.keys() != {"kernel", "entry", "pool"}:
        return None
    return Parts(signature, found["kernel"], found["entry"], found["pool"], program.loops())


def keep_gain(program: Program, signature: Signature, gain: float) -> bool:
    """Remember how much faster than NumPy a kernel was when tried; False if there is no cache."""
    cache = _store()
    return cache is not None and cache.put(
        _gain_key(program, signature), {"gain": repr(gain).encode()}, {"program": str(program)}
    )


def kept_gain(program: Program, signature: Signature) -> float | None:
    """How much faster an earlier process found a kernel to be, with the NumPy of this one; None if none has tried."""
    cache = _store()
    found = None if cache is None else cache.get(_gain_key(program, signature))
    try:
        return None if found is None else float(found["gain"])
    except (KeyError, ValueError):
        return None  # written by something else


def _store() -> Store | None:
    from ember_jit.runtime.native.store import store  # a bundle's machine code does without

    return store()


def _gain_key(program: Program, signature: Signature) -> str:
    import numpy

    return f"gain with NumPy {numpy.__version__}\n{cache_key(program, signature)}"


def _length(entry: Callable[..., Any] | None) -> int:
    """How many entries are asked in a row."""
    count = 0
    while entry is not None:
        entry = entry.behind if isinstance(entry, PlainEntry) else behind_of(entry)
        count += 1
    return count
