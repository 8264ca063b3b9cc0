"""From the parts of a compiled kernel to something that can be called, and chains of such.

`enter` prefers the native entry and falls back on the plain one: same results, only slower.  A `Site` is
a place in a program with a kernel for each kind of arguments that it has met, at most `MOST_KINDS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from ember_jit.runtime.native.native_entry import native_entry
from ember_jit.runtime.native.plain_entry import plain_entry
from ember_jit.runtime.native.signature import MISS, Signature

MOST_KINDS: Final = 8


@dataclass(frozen=True, slots=True)
class Parts:
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
    if parts.entry and (behind is None or _is_native(behind)):
        made = native_entry(
            parts.signature, parts.kernel, parts.entry, parts.pool, parts.loops, behind
        )
        if not isinstance(made, str):
            return made
    return plain_entry(parts.signature, parts.kernel, parts.loops, behind)


def _is_native(function: Callable[..., Any]) -> bool:
    return type(function) is type(len)


def no_entry(*arguments: Any) -> Any:
    """What a site without kernels does."""
    return MISS


class Site:
    """A place with kernels for several kinds of arguments.

    Attributes:
        call: tries them, the newest first; the result, or `MISS`.  It is replaced by `add`.
        kinds: how many there are.

    Example:
        >>> site = Site()
        >>> site.call(1.0)
        MISS
    """

    __slots__ = ("_known", "call", "kinds")

    def __init__(self) -> None:
        self.call: Callable[..., Any] = no_entry
        self.kinds = 0
        self._known: set[str] = set()

    def add(self, parts: Parts) -> str | None:
        """Take in a kernel; the reason if it cannot be."""
        key = parts.signature.key()
        if key in self._known:
            return "there is a kernel for these arguments already"
        if self.kinds >= MOST_KINDS:
            return f"there are {MOST_KINDS} kernels for other arguments already"
        made = enter(parts, self.call if self.kinds else None)
        if isinstance(made, str):
            return made
        self._known.add(key)
        self.call = made
        self.kinds += 1
        return None
