"""The trial of a kernel before its first use: it is timed against NumPy, and left out if it loses.

On the values at hand unless they are many, and on some ten thousand like them unless these are about as many; the
smaller gain counts.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ember_jit.runtime.native.miss import MISS

TRIED = 1 << 14  # elements: on about so many a kernel is tried; below 0, none is
_ROUNDS = 3
_NO_SLOWER = 0.95  # what NumPy may take, relative to the kernel: timing is never exact

Axes = Sequence[int]


def speedup(
    entry: Callable[..., Any],
    plain: Callable[[], Callable[..., Any]],
    args: tuple[Any, ...],
    space: Axes,
    input_axes: Sequence[Axes],
) -> float | None:
    """How many times as fast as NumPy a kernel is; None if that could not be tried (its arithmetic raises flags, for one).

    Args:
        entry: the kernel.
        plain: gives the same in NumPy.
        args: the values at hand.
        space: the axes of its iteration space, by number.
        input_axes: those of each value.
    """
    if TRIED < 0:
        return None
    numpys = plain()
    sizes = dict(_lengths(args, input_axes))
    gains = []
    size = math.prod(sizes[axis] for axis in space)
    if size < TRIED:
        gains.append(_raced(entry, numpys, args))
    if not TRIED // 4 <= size < TRIED:
        gains.append(_raced(entry, numpys, _sample(args, space, input_axes, sizes)))
    return min((each for each in gains if each is not None), default=None)


def why_slow(gain: float | None) -> str:
    """Why a kernel with such a gain is not used; empty if it is."""
    if gain is None or gain >= _NO_SLOWER:
        return ""
    return f"NumPy is quicker on such arrays ({1 / gain:.2f} times)"


def _raced(
    entry: Callable[..., Any], plain: Callable[..., Any], args: tuple[Any, ...]
) -> float | None:
    import numpy

    with numpy.errstate(all="ignore"):
        if entry(*args) is MISS:
            return None
        times: dict[Any, list[float]] = {entry: [], plain: []}
        for _ in range(_ROUNDS):
            for function, taken in times.items():
                began = time.perf_counter_ns()
                function(*args)
                taken.append(time.perf_counter_ns() - began)
    return min(times[plain]) / max(min(times[entry]), 1)


def _lengths(args: tuple[Any, ...], input_axes: Sequence[Axes]) -> Iterator[tuple[int, int]]:
    """The length of each axis."""
    for value, axes in zip(args, input_axes, strict=True):
        yield from zip(axes, getattr(value, "shape", ()), strict=False)


def _sample(
    args: tuple[Any, ...], space: Axes, input_axes: Sequence[Axes], sizes: dict[int, int]
) -> tuple[Any, ...]:
    """Values like these, of about `TRIED` elements: the first axis is cut short, or repeated."""
    first = space[0]
    wanted = max(1, TRIED // max(math.prod(sizes[axis] for axis in space[1:]), 1))
    out = []
    for value, axes in zip(args, input_axes, strict=True):
        if first in axes:
            value = value.take(range(wanted), axis=list(axes).index(first), mode="wrap")
        out.append(value)
    return tuple(out)
