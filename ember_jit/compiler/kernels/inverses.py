"""Fast mode: arcsin, arccos, arctan, arctan2, and hypot."""

from __future__ import annotations

import math

from ember_jit.compiler.kernels.algebra import Algebra
from ember_jit.compiler.kernels.coefficients import ASIN, ATAN

HALF_PI_LOW = {"d": 6.123233995736766e-17, "f": -4.371139000186241e-08}
"""What pi / 2 is more than the nearest number of the type."""


def _odd(f: Algebra, t: str, z: str, coefficients: tuple[float, ...]) -> str:
    """t + t z P(z)."""
    return f.fma(f.mul(t, z), f.polynomial(z, coefficients), t)


def _from_quarters(f: Algebra, quarters: int, minus: str) -> str:
    """`quarters` pi / 2 - `minus`."""
    low = f.sub(f.number(quarters * HALF_PI_LOW[f.dtype]), minus)
    return f.add(f.number(quarters * math.pi / 2), low)


def arctan(f: Algebra, x: str) -> str:
    """arctan(|x|), or pi / 2 - arctan(1 / |x|), with the sign of x."""
    a, one = f.abs(x), f.number(1.0)
    large = f.is_("gt", a, one)
    t = f.div(f.select(large, one, a), f.select(large, a, one))
    p = _odd(f, t, f.mul(t, t), ATAN[f.dtype])
    return f.copysign(f.select(large, _from_quarters(f, 1, p), p), x)


def arctan2(f: Algebra, y: str, x: str) -> str:
    """The angle in the first eighth of the circle, mirrored as the sizes and signs of y and x have it."""
    a, b, zero, one = f.abs(y), f.abs(x), f.number(0.0), f.number(1.0)
    steep = f.is_("gt", a, b)
    low, high = f.select(steep, b, a), f.select(steep, a, b)
    same = f.is_("eq", low, high)  # two zeros or infinities have no quotient
    t = f.div(f.select(same, one, low), f.select(same, one, high))
    t = f.select(f.is_("eq", high, zero), zero, t)
    p = _odd(f, t, f.mul(t, t), ATAN[f.dtype])
    p = f.select(steep, _from_quarters(f, 1, p), p)
    left = f.is_("lt", f.copysign(one, x), zero)
    p = f.copysign(f.select(left, _from_quarters(f, 2, p), p), y)
    return f.select(f.is_("uno", x, y), f.add(x, y), p)


def _arcsine(f: Algebra, a: str) -> tuple[str, str]:
    """Where `a` is above 1/2, and there arcsin(sqrt((1 - a) / 2)), elsewhere arcsin(a)."""
    half = f.number(0.5)
    large = f.is_("gt", a, half)
    rest = f.fma(a, f.number(-0.5), half)
    z = f.select(large, rest, f.mul(a, a))
    s = f.select(large, f.text.intrinsic("sqrt", f.dtype, rest), a)
    return large, _odd(f, s, z, ASIN[f.dtype])


def arcsin(f: Algebra, x: str) -> str:
    """arcsin(|x|), or pi / 2 - 2 arcsin(sqrt((1 - |x|) / 2)), with the sign of x."""
    large, p = _arcsine(f, f.abs(x))
    return f.copysign(f.select(large, _from_quarters(f, 1, f.add(p, p)), p), x)


def arccos(f: Algebra, x: str) -> str:
    """pi / 2 - arcsin(x), or 2 arcsin(sqrt((1 - |x|) / 2)), from pi if x is negative."""
    large, p = _arcsine(f, f.abs(x))
    double = f.add(p, p)
    left = f.is_("lt", x, f.number(0.0))
    far = f.select(left, _from_quarters(f, 2, double), double)
    return f.select(large, far, _from_quarters(f, 1, f.copysign(p, x)))


def hypot(f: Algebra, x: str, y: str) -> str:
    """sqrt(x**2 + y**2), of numbers that a power of two has brought to where squares are normal."""
    a, b, infinity = f.abs(x), f.abs(y), f.number(math.inf)
    high = f.select(f.is_("gt", a, b), a, b)
    large, small = f.is_("gt", high, f.number(2.0**500)), f.is_("lt", high, f.number(2.0**-450))
    up, down, one = f.number(2.0**600), f.number(2.0**-600), f.number(1.0)
    factor = f.select(large, down, f.select(small, up, one))
    back = f.select(large, up, f.select(small, down, one))
    a, b = f.mul(a, factor), f.mul(b, factor)
    root = f.text.intrinsic("sqrt", f.dtype, f.fma(a, a, f.mul(b, b)))
    infinite = f.either(f.is_("eq", a, infinity), f.is_("eq", b, infinity))
    return f.select(infinite, infinity, f.mul(root, back))
