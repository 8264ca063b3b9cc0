"""Fast mode: exp, exp2, expm1, and what is made of them (tanh, sinh, cosh).

x = n log(2) + r with |r| <= log(2) / 2, so that exp(x) = 2**n exp(r).  Arguments are first brought into a range
beyond whose ends nothing changes any more.  exp multiplies by 2**n in two steps, which makes overflow and
subnormal results come out right.
"""

from __future__ import annotations

import math

from ember_jit.compiler.kernels.algebra import Algebra
from ember_jit.compiler.kernels.coefficients import EXP, LN2

RANGE = {"d": (-746.0, 709.79), "f": (-104.5, 88.73)}
"""Below: exp is 0; above: infinite."""

ALL_ONE = {"d": 40.0, "f": 20.0}
"""exp(-x) is nothing beside 1 from here on."""


def _reduced(f: Algebra, x: str, add: int) -> tuple[str, str, str]:
    """n, n + `add` as `Algebra.nearest` gives it, and r."""
    high, low = LN2[f.dtype]
    n, whole = f.nearest(x, 1 / math.log(2), add)
    r = f.fma(n, f.number(-high), x)
    return n, whole, f.fma(n, f.number(-low), r)


def exp_core(f: Algebra, r: str) -> str:
    """exp(r) for a reduced r."""
    one = f.number(1.0)
    q = f.polynomial(r, EXP[f.dtype])
    return f.fma(f.fma(q, r, one), r, one)


def _expm1_core(f: Algebra, r: str) -> str:
    """exp(r) - 1 for a reduced r."""
    return f.fma(f.mul(r, r), f.polynomial(r, EXP[f.dtype]), r)


def exp(f: Algebra, x: str) -> str:
    """exp."""
    low, high = RANGE[f.dtype]
    _, whole, r = _reduced(f, f.least(f.most(x, low), high), 2 * f.bias)
    return _scaled(f, exp_core(f, r), whole)


def exp2(f: Algebra, x: str) -> str:
    """2**x: x = n + r without error."""
    low, high = (-1080.0, 1030.0) if f.dtype == "d" else (-156.0, 132.0)
    bounded = f.least(f.most(x, low), high)
    n, whole = f.nearest(bounded, 1, 2 * f.bias)
    r = f.mul(f.sub(bounded, n), f.number(math.log(2)))
    return _scaled(f, exp_core(f, r), whole)


def _scaled(f: Algebra, a: str, exponent: str) -> str:
    first, second = f.halves(exponent)
    return f.mul(f.mul(a, first), second)


def expm1(f: Algebra, x: str) -> str:
    """exp(x) - 1; that of a zero keeps its sign."""
    bounded = f.least(f.most(x, -ALL_ONE[f.dtype]), RANGE[f.dtype][1])
    result = _expm1_within(f, bounded)
    return f.select(f.is_("eq", x, f.number(0.0)), x, result)


def _expm1_within(f: Algebra, x: str) -> str:
    """2**n (exp(r) - 1) + (2**n - 1), by half so that 2**n does not overflow."""
    _, whole, r = _reduced(f, x, f.bias - 1)
    p = _expm1_core(f, r)
    half = f.power_of_two(whole)
    result = f.fma(half, p, f.sub(half, f.number(0.5)))
    return f.add(result, result)


def tanh(f: Algebra, x: str) -> str:
    """expm1(2|x|) / (expm1(2|x|) + 2), with the sign of x; it is 1 from 22 (10 for floats) on."""
    bounded = f.least(f.abs(x), ALL_ONE[f.dtype] / 2)
    e = _expm1_within(f, f.add(bounded, bounded))
    return f.copysign(f.div(e, f.add(e, f.number(2.0))), x)


def cosh(f: Algebra, x: str) -> str:
    """exp(|x|) / 2 + exp(-|x|) / 2."""
    first, second = _half_exp(f, f.abs(x))
    return f.fma(first, second, f.div(f.number(0.25), f.mul(first, second)))


def _half_exp(f: Algebra, x: str) -> tuple[str, str]:
    """Two numbers with the product exp(x) / 2, which overflows later than exp(x) does."""
    _, whole, r = _reduced(f, f.least(x, 720.0 if f.dtype == "d" else 91.0), 2 * f.bias - 1)
    first, second = f.halves(whole)
    return f.mul(exp_core(f, r), first), second


def sinh(f: Algebra, x: str) -> str:
    """(e + e / (e + 1)) / 2 with e = expm1(|x|), or exp(|x|) / 2 where that is the same."""
    a = f.abs(x)
    e = _expm1_within(f, f.least(a, ALL_ONE[f.dtype]))
    near = f.mul(f.add(e, f.div(e, f.add(e, f.number(1.0)))), f.number(0.5))
    first, second = _half_exp(f, a)
    far = f.is_("gt", a, f.number(ALL_ONE[f.dtype]))
    return f.copysign(f.select(far, f.mul(first, second), near), x)
