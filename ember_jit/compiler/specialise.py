"""From the values that enter a region to a kernel for values like these: typed, emitted, loaded, tried out.

`Site.again` asks for one when no kernel that it has fits.  A region of types that cannot be kept bit for
bit, or whose kernel is no quicker than NumPy on the very values at hand, gets none, and the reason is shown.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ember_jit.compiler.codegen.numeric import result_steps
from ember_jit.compiler.native_code import Emit
from ember_jit.compiler.passes.numeric_python import plain_function
from ember_jit.compiler.passes.numeric_shapes import Unfit
from ember_jit.compiler.passes.numeric_types import Kind, Seen, Typed, typed
from ember_jit.ir.program import DTYPES, INDEX, Numerics
from ember_jit.ir.region import NumericRegion
from ember_jit.runtime.native.signature import MISS
from ember_jit.runtime.numeric import Kernel, Site, describe

TRIED = 1 << 16  # elements: on about so many a kernel is timed against NumPy before it is used
_ROUNDS = 3
_NO_SLOWER = 0.95  # what NumPy may take, relative to the kernel: timing is never exact


@dataclass(frozen=True, slots=True)
class Details:
    """What is known of one kernel.

    Attributes:
        typed: its program, and how it is entered.
        compile_ms: what making it took.
        speedup: how many times as fast as NumPy it was on the first values; None if that was not tried.
    """

    typed: Typed
    compile_ms: float
    speedup: float | None


_NUMBERS: dict[type, tuple[Kind, str]] = {
    bool: ("bool", "?"),
    int: ("int", INDEX),
    float: ("float", "d"),
}


def specialiser(numerics: Numerics, emit: Emit) -> Callable[[Site, tuple[Any, ...]], Kernel | str]:
    """What a site asks for kernels; `emit` turns a typed program into an entry, or says why not."""

    def specialise(site: Site, args: tuple[Any, ...]) -> Kernel | str:
        began = time.perf_counter()
        region: NumericRegion = site.region
        outputs = result_steps(region)
        modes: tuple[Numerics, ...] = ("fast", "strict") if numerics == "fast" else ("strict",)
        for mode in modes:  # what has no fast kernel may have a strict one
            try:
                seen = [seen_as(each, site.ndarray) for each in args]
                found = typed(region, outputs, seen, mode)
            except Unfit as reason:
                return str(reason)
            entry = emit(found)
            if not isinstance(entry, str):
                break
        if isinstance(entry, str):
            return entry
        took = (time.perf_counter() - began) * 1e3
        speedup = _tried(entry, region, outputs, args, found)
        if speedup is not None and speedup < _NO_SLOWER:
            return f"NumPy is quicker on such arrays ({1 / speedup:.2f} times)"
        return Kernel(entry, describe(args), Details(found, took, speedup))

    return specialise


def seen_as(value: Any, array: type) -> Seen:
    """What a kernel may know of a value."""
    import numpy

    kind = type(value)
    if kind is array:
        if not value.dtype.isnative or value.dtype is not numpy.dtype(value.dtype.char):
            raise Unfit("an array in another byte order")
        if not value.flags.aligned:
            raise Unfit("an array that is not aligned")
        if 0 in value.shape:
            raise Unfit("an empty array")
        steps = [s for s, n in zip(value.strides, value.shape, strict=True) if n != 1]
        falling = all(a > b for a, b in pairwise(steps)) and min(steps, default=1) > 0
        return Seen("array", value.dtype.char, value.shape, value.flags.c_contiguous, falling)
    if kind in _NUMBERS:
        return Seen(*_NUMBERS[kind])
    if isinstance(value, numpy.generic) and value.dtype.char in DTYPES and kind is value.dtype.type:
        return Seen("numpy", value.dtype.char)
    raise Unfit(f"a {kind.__name__}")


def _tried(
    entry: Callable[..., Any],
    region: NumericRegion,
    outputs: Sequence[int],
    args: tuple[Any, ...],
    found: Typed,
) -> float | None:
    """How many times as fast as NumPy the kernel is: on these values if they are few, and on some ten thousand like them.

    The smaller of the two; None if neither could be tried (the arithmetic raises flags, for one).
    """
    if TRIED < 0:
        return None
    plain = plain_function(region, outputs)
    sizes = dict(_lengths(args, found))
    speedups = []
    if math.prod(sizes[axis] for axis in found.space) < TRIED:
        speedups.append(_raced(entry, plain, args))
    speedups.append(_raced(entry, plain, _sample(args, found, sizes)))
    return min((each for each in speedups if each is not None), default=None)


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


def _lengths(args: tuple[Any, ...], found: Typed) -> Iterator[tuple[int, int]]:
    """The length of each axis."""
    for value, axes in zip(args, found.input_axes, strict=True):
        yield from zip(axes, getattr(value, "shape", ()), strict=False)


def _sample(args: tuple[Any, ...], found: Typed, sizes: dict[int, int]) -> tuple[Any, ...]:
    """Values like these, of about `TRIED` elements: the first axis is cut short, or repeated."""
    first = found.space[0]
    wanted = max(1, TRIED // max(math.prod(sizes[axis] for axis in found.space[1:]), 1))
    out = []
    for value, axes in zip(args, found.input_axes, strict=True):
        if first in axes:
            at = axes.index(first)
            value = value.take(range(wanted), axis=at, mode="wrap")
        out.append(value)
    return tuple(out)
