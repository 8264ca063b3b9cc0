"""How far fast mode's functions are from the true values, in units in the last place (ULP).

A unit is the distance between neighbouring numbers of the type at the true value (at the smallest normal number, below
it).  NaNs, infinities and the signs of zeros have to be the true ones.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from functools import cache
from typing import Any, Final

import numpy as np

from ember_jit.compiler import kernels
from ember_jit.compiler.kernels.special import APPROXIMATIONS
from ember_jit.ir.program import Builder
from ember_jit.runtime.native.loader import load

BOUND: Final = 4.0
"""What fast mode promises for each function."""

FUNCTIONS: Final = tuple(APPROXIMATIONS)
LONGER: Final = {"f": np.float64, "d": np.longdouble}
"""The type whose functions count as true for another."""


@cache
def fast(name: str, dtype: str) -> Callable[..., Any]:
    """The function as fast mode has it, on dense arrays of one length."""
    build = Builder("fast")
    args = [build.input(dtype) for _ in range(getattr(np, name).nin)]
    image = load([kernels.compile_object(build.program(build.op(name, *args)))], {})
    kind = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
    entry = kind(image.address("kernel"))

    def call(*arrays: Any) -> Any:
        assert image
        out = np.empty_like(arrays[0])
        pointers = [each.ctypes.data for each in (*arrays, out)]
        shape = (ctypes.c_int64 * 2)(1, out.size)
        assert entry((ctypes.c_void_p * len(pointers))(*pointers), shape, shape) == 0
        return out

    return call


def longer(name: str, *arrays: Any) -> Any:
    """The function in the longer type, as NumPy has it."""
    with np.errstate(all="ignore"):
        kind = LONGER[arrays[0].dtype.char]
        return getattr(np, name)(*(each.astype(kind) for each in arrays))


def errors(found: Any, true: Any) -> Any:
    """Of each element in ULP of `found`'s type; infinite where a NaN, an infinity or the sign of a zero is wrong.

    Args:
        found: float32 or float64.
        true: the same in a longer type.
    """
    limits = np.finfo(found.dtype)
    wide = true.dtype.type
    with np.errstate(all="ignore"):
        rounded = true.astype(found.dtype)
        # what overflows stands for the number behind the largest one
        reached = np.isinf(found) & np.isfinite(rounded)
        end = np.copysign(np.ldexp(wide(1), limits.maxexp), found)
        value = np.where(reached, end, found.astype(true.dtype))
        exponent = np.clip(np.frexp(true)[1] - 1, limits.minexp, limits.maxexp - 1)
        far = np.abs(value - true) / np.ldexp(wide(1), exponent - limits.nmant)
    sign = np.signbit(found) == np.signbit(true)
    same = ((found == rounded) & sign) | (np.isnan(found) & np.isnan(true))
    wrong = ~same & (~np.isfinite(rounded) | np.isnan(found) | ((found == 0) & ~sign))
    far = np.where(same & ~np.isfinite(rounded), 0, far)
    return np.where(wrong, np.inf, far).astype(np.float64)


def suspects(found: Any, true: Any) -> Any:
    """Which of many elements are more than one number away from the rounded true value; quick."""
    whole = np.dtype(f"i{found.dtype.itemsize}")
    with np.errstate(all="ignore"):
        rounded = true.astype(found.dtype)
        apart = found.view(whole) - rounded.view(whole)
    return ((apart > 1) | (apart < -1)) & ~(np.isnan(found) & np.isnan(rounded))


# Exactly: by mpmath.


def exact(name: str, *arrays: Any) -> Any:
    """The function to the last digit of a long double, by mpmath; slow."""
    from mpmath import mp

    rules: dict[str, Callable[..., Any]] = {
        "exp2": lambda x: mp.mpf(2) ** x,
        "log2": lambda x: mp.log(x, 2),
        "log1p": lambda x: mp.log1p(x) if abs(x) < 0.5 else mp.log(1 + x),
        "arcsin": mp.asin,
        "arccos": mp.acos,
        "arctan": mp.atan,
        "arctan2": mp.atan2,
        "power": lambda x, y: x**y,
        "logaddexp": lambda x, y: max(x, y) + mp.log1p(mp.exp(-abs(x - y))),
        "cbrt": lambda x: mp.sign(x) * mp.cbrt(abs(x)),
    }
    rule = rules.get(name) or getattr(mp, name)
    # where a NaN, an infinity or a zero goes in or comes out, C's rules count: the long double has them
    true = longer(name, *(each.astype(np.float64) for each in arrays))
    ordinary = np.isfinite(true) & (true != 0)
    for each in arrays:
        ordinary &= np.isfinite(each) & (each != 0)
    with mp.workprec(128):
        for at in np.flatnonzero(ordinary):
            value = rule(*(mp.mpf(float(each[at])) for each in arrays))
            fraction, exponent = mp.frexp(value)
            high = float(fraction)
            low = float(fraction - high)
            true[at] = np.ldexp(np.longdouble(high) + np.longdouble(low), int(exponent))
    return true


# Arguments.


def samples(name: str, dtype: str, count: int, rng: np.random.Generator) -> list[Any]:
    """About `count` arguments of a function: any bits, what is met every day, and where results change their ways."""
    arity = getattr(np, name).nin
    return [_shuffled(_one(dtype, count, rng), rng) for _ in range(arity)] if arity == 2 else [
        _one(dtype, count, rng)
    ]  # fmt: skip


def _one(dtype: str, count: int, rng: np.random.Generator) -> Any:
    kind = np.dtype(dtype)
    part = max(1, count // 8)
    largest = math.log(float(np.finfo(kind).max)) * 1.06
    bits = rng.integers(0, 256, (part, kind.itemsize), dtype=np.uint8).view(kind).ravel()
    return np.concatenate([
        bits,
        rng.uniform(-largest, largest, part).astype(kind),
        rng.standard_normal(part).astype(kind),
        (rng.standard_normal(part) * 10.0 ** rng.integers(-6, 7, part)).astype(kind),
        rng.uniform(-1, 1, part).astype(kind),
        (1 + rng.standard_normal(part) * 10.0 ** rng.integers(-8, 0, part)).astype(kind),
        rng.uniform(-10, 10, part).astype(kind),
        np.round(rng.uniform(-40, 40, part)).astype(kind) / kind.type(2),
    ])  # fmt: skip


def _shuffled(values: Any, rng: np.random.Generator) -> Any:
    return values[rng.permutation(values.size)]


@np.errstate(all="ignore")
def hard_cases(name: str, dtype: str) -> list[Any]:
    """Arguments at which implementations fail: ends of ranges, multiples of pi / 2, neighbours of 1."""
    kind = np.dtype(dtype).type
    limits = np.finfo(kind)
    ends = [0.0, limits.smallest_subnormal, limits.tiny, limits.max, math.inf, math.nan, 1e-3]
    ends += [0.5, 1.0, 2.0, 3.0, 7.5, 10.0, 1e3, 1e9 + 1, 2.0**53, math.pi, limits.eps]
    logs = [limits.maxexp, limits.minexp, limits.minexp - limits.nmant, limits.nmant, 1]
    ends += [factor * each for each in logs for factor in (1.0, math.log(2))]
    near = np.array(ends, kind)
    powers = np.ldexp(kind(1), np.arange(limits.minexp - limits.nmant, limits.maxexp))
    multiples = np.concatenate([np.arange(1, 2000), 2 ** np.arange(11, 52), 3 ** np.arange(7, 32)])
    worst = [math.ldexp(6381956970095103, 797), math.ldexp(5319372648326541, -51), 1e22, 2.0**1000]
    worst += [math.ldexp(16367173, 72), math.ldexp(12276477, -24), 1.1e5]
    found = [near, powers, powers * kind(1.5), (multiples * (math.pi / 2)).astype(kind)]
    found.append(np.array(worst).astype(kind))
    whole = np.dtype(f"i{near.itemsize}")
    bits = np.concatenate(found).view(whole)
    few = near.view(whole)
    if getattr(np, name).nin == 1:
        bits = np.concatenate([bits + step for step in range(-3, 4)])
        return [np.concatenate([each, -each]) for each in [np.unique(bits).view(kind)]]
    few = np.unique(np.concatenate([few, few - 1, few + 1]))[::2].view(kind)
    few = np.concatenate([few, -few])
    return [each.ravel().copy() for each in np.meshgrid(few, few)]
