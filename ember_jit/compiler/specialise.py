"""From the values that enter a region to a kernel for values like these: typed, emitted, loaded, tried out.

`Site.again` asks for one when no kernel that it has fits.  Typing is quick and done at that call.  A region of types that cannot be kept bit for
bit, or whose kernel is no quicker than NumPy on the very values at hand, gets none, and the reason is shown.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

from ember_jit.compiler.codegen.numeric import result_steps
from ember_jit.compiler.native_code import (
    WITHOUT_LLVMLITE,
    Emit,
    Kept,
    gain_kept,
    remember_gain,
)
from ember_jit.compiler.passes.numeric_python import plain_function
from ember_jit.compiler.passes.numeric_shapes import Unfit
from ember_jit.compiler.passes.numeric_types import Kind, Seen, Typed, typed
from ember_jit.dependencies import load
from ember_jit.ir.program import DTYPES, INDEX, Numerics
from ember_jit.ir.region import NumericRegion
from ember_jit.runtime import background, trial
from ember_jit.runtime.numeric import Kernel, Site, describe


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
                making.gain = gain_kept(form)
                making.seconds = time.perf_counter() - began
                return making.finish(args)
        return making

    return specialise


class Making:
    """A kernel that is being made: machine code on any thread, the trial where values are at hand.

    Attributes:
        tier: 0 for code that is there soon, 1 for better code.
        made: the typed program that was compiled.
        entry: its entry, or why there is none.
        seconds: what that took.
        gain: what an earlier trial found, if there was one.
        cached: it came from the cache on disk.
    """

    def __init__(
        self, region: NumericRegion, forms: list[Typed], emit: Emit, tier: int = 1
    ) -> None:
        self.region = region
        self.forms = forms
        self.emit = emit
        self.tier = tier
        self.made = forms[0]
        self.entry: Callable[..., Any] | str = "it was not made"
        self.seconds = 0.0
        self.gain: float | None = None
        self.cached = False

    def quick(self) -> Making:
        """The same, sooner and worse."""
        return Making(self.region, self.forms, self.emit, tier=0)

    def make(self) -> None:
        """Compile the first form that can be."""
        began = time.perf_counter()
        for form in self.forms:
            self.made, self.entry = form, self.emit(form, self.tier)
            if not isinstance(self.entry, str):
                break
        self.seconds += time.perf_counter() - began

    def finish(self, args: tuple[Any, ...]) -> Kernel | str:
        """The kernel, tried on these values and on more like them, unless an earlier process has tried it."""
        if isinstance(self.entry, str):
            if self.entry == WITHOUT_LLVMLITE:
                load("llvmlite", "llvmlite.binding")  # warns once, here: this is the user's thread
            return self.entry
        if self.gain is None:
            region, made = self.region, self.made
            plain = partial(plain_function, region, result_steps(region))
            self.gain = trial.speedup(self.entry, plain, args, made.space, made.input_axes)
            if self.gain is not None and self.tier:
                self._remember()
        return self._kernel(self.entry, describe(args))

    def better(self, quick: Kernel) -> Kernel | None:
        """The kernel in place of a quick one, which has been tried; None if there is none."""
        if isinstance(self.entry, str):
            return None
        self.gain = quick.details.speedup
        if self.gain is not None:
            self._remember()
        return self._kernel(self.entry, quick.seen)

    def _kernel(self, entry: Callable[..., Any], seen: tuple[str, ...]) -> Kernel:
        details = Details(self.made, self.seconds * 1e3, self.gain, self.cached)
        return Kernel(entry, seen, details, trial.why_slow(self.gain))

    def _remember(self) -> None:
        assert self.gain is not None
        keep = partial(remember_gain, self.made, self.gain)
        if background.is_on():
            background.submit(keep, later=True)
        else:
            keep()


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
