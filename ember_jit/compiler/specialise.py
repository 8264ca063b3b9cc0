"""From the values that enter a region to a kernel for values like these: typed, emitted, loaded, tried out.

`Site.again` asks for one when no kernel that it has fits.  Typing is quick and done at that call.  A region of types that cannot be kept bit for
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
from ember_jit.compiler.native_code import WITHOUT_LLVMLITE, Emit, Kept
from ember_jit.compiler.passes.numeric_python import plain_function
from ember_jit.compiler.passes.numeric_shapes import Unfit
from ember_jit.compiler.passes.numeric_types import Kind, Seen, Typed, typed
from ember_jit.dependencies import load
from ember_jit.ir.program import DTYPES, INDEX, Numerics
from ember_jit.ir.region import NumericRegion
from ember_jit.runtime.native.miss import MISS
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
        cached: it came from the cache on disk.
    """

    typed: Typed
    compile_ms: float
    speedup: float | None
    cached: bool = False

    def __str__(self) -> str:
        where = "taken from the cache" if self.cached else "made"
        gain = f", {self.speedup:.1f} times as fast as NumPy when tried" if self.speedup else ""
        return f"{where} in {self.compile_ms:.1f} ms{gain}"


_NUMBERS: dict[type, tuple[Kind, str]] = {
    bool: ("bool", "?"),
    int: ("int", INDEX),
    float: ("float", "d"),
}


def specialiser(
    numerics: Numerics, emit: Emit, kept: Kept
) -> Callable[[Site, tuple[Any, ...]], Making | Kernel | str]:
    """What a site asks for kernels.

    Args:
        numerics: the mode; what has no fast kernel may have a strict one.
        emit: turns a typed program into an entry, or says why not.
        kept: the entry of a typed program that has been compiled before, or None.
    """
    modes: tuple[Numerics, ...] = ("fast", "strict") if numerics == "fast" else ("strict",)

    def specialise(site: Site, args: tuple[Any, ...]) -> Making | Kernel | str:
        began = time.perf_counter()
        region: NumericRegion = site.region
        outputs = result_steps(region)
        forms, reasons = [], []
        for mode in modes:
            try:
                seen = [seen_as(each, site.ndarray) for each in args]
                forms.append(typed(region, outputs, seen, mode))
            except Unfit as reason:
                reasons.append(str(reason))
        if not forms:
            return reasons[0]
        making = Making(region, forms, emit)
        making.seconds = time.perf_counter() - began
        for form in forms:
            entry = kept(form)
            if entry is not None:
                making.made, making.entry, making.cached = form, entry, True
                making.seconds = time.perf_counter() - began
                return making.finish(args)
        return making

    return specialise


class Making:
    """A kernel that is being made: machine code on any thread, the trial where values are at hand.

    Attributes:
        made: the typed program that was compiled.
        entry: its entry, or why there is none.
        seconds: what that took.
        cached: it came from the cache on disk.
    """

    def __init__(self, region: NumericRegion, forms: list[Typed], emit: Emit) -> None:
        self.region = region
        self.forms = forms
        self.emit = emit
        self.made = forms[0]
        self.entry: Callable[..., Any] | str = "it was not made"
        self.seconds = 0.0
        self.cached = False

    def make(self) -> None:
        """Compile the first form that can be."""
        began = time.perf_counter()
        for form in self.forms:
            self.made, self.entry = form, self.emit(form)
            if not isinstance(self.entry, str):
                break
        self.seconds += time.perf_counter() - began

    def finish(self, args: tuple[Any, ...]) -> Kernel | str:
        """The kernel, unless NumPy is quicker on these values or on more like them."""
        if isinstance(self.entry, str):
            if self.entry == WITHOUT_LLVMLITE:
                load("llvmlite", "llvmlite.binding")  # warns once, here: this is the user's thread
            return self.entry
        speedup = _tried(self.entry, self.region, result_steps(self.region), args, self.made)
        if speedup is not None and speedup < _NO_SLOWER:
            return f"NumPy is quicker on such arrays ({1 / speedup:.2f} times)"
        details = Details(self.made, self.seconds * 1e3, speedup, self.cached)
        return Kernel(self.entry, describe(args), details)


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
