"""Fast mode: log, log2, log10, log1p and pow.

x = 2**k m with m between sqrt(1/2) and sqrt(2), and with f = m - 1 and s = f / (2 + f):
log(m) = log((1 + s) / (1 - s)) = 2s + s**3 L(s**2), written so that the leading f is exact.
"""

from __future__ import annotations

import math
import struct

from ember_jit.compiler.kernels.algebra import Algebra
from ember_jit.compiler.kernels.coefficients import EXP, LN2, LOG, LOG10_2, LOG_TAIL

TINY = {"d": 2.0**-1022, "f": 2.0**-126}


def split(f: Algebra, x: str) -> tuple[str, str]:
    """k (as a float) and m of a positive finite x; subnormal ones are scaled up first."""
    small = f.is_("lt", x, f.number(TINY[f.dtype]))
    lift = f.mantissa + 2
    x = f.select(small, f.mul(x, f.number(2.0**lift)), x)
    bits = f.as_bits(x)
    # Subtracting the bits of sqrt(1/2) leaves k in the place of the exponent.
    low = math.sqrt(0.5)
    start = _bits_of(low, f)
    offset = f.on_bits("sub", bits, f.integer(start))
    # No vector shift keeps the sign of 64 bits on AVX2: shift a positive number, and let the
    # mantissa of a float be the integer.
    biased = f.on_bits("add", offset, f.integer(f.bias + 1 << f.mantissa))
    k_bits = f.on_bits("lshr", biased, f.integer(f.mantissa))
    base = 2.0**f.mantissa
    exponent = f.on_bits("or", k_bits, f.integer(_bits_of(base, f)))
    k = f.sub(f.as_float(exponent), f.number(base + f.bias + 1))
    k = f.add(k, f.select(small, f.number(-float(lift)), f.number(0.0)))
    exponent_field = f.integer(-1 << f.mantissa)
    m = f.as_float(f.on_bits("sub", bits, f.on_bits("and", offset, exponent_field)))
    return k, m


def _bits_of(value: float, f: Algebra) -> int:
    code = ("<d", "<q") if f.dtype == "d" else ("<f", "<i")
    return int(struct.unpack(code[1], struct.pack(code[0], value))[0])


def _finish(f: Algebra, x: str, result: str, lowest: float) -> str:
    """The values at the ends: -inf at `lowest`, NaN below it, inf and NaN as they are."""
    bound = f.number(lowest)
    result = f.select(f.is_("lt", x, f.number(math.inf)), result, x)
    end = f.select(f.is_("eq", x, bound), f.number(-math.inf), f.number(math.nan))
    return f.select(f.is_("le", x, bound), end, result)


def _log_of(f: Algebra, k: str, fraction: str, correction: str | None = None) -> str:
    """k log(2) + log(1 + fraction) + correction."""
    high, low = LN2[f.dtype]
    half_square = f.mul(f.mul(fraction, fraction), f.number(0.5))
    s = f.div(fraction, f.add(fraction, f.number(2.0)))
    z = f.mul(s, s)
    r = f.mul(z, f.polynomial(z, LOG[f.dtype]))
    small = f.mul(k, f.number(low))
    if correction is not None:
        small = f.add(small, correction)
    inner = f.fma(s, f.add(half_square, r), small)
    rest = f.sub(f.sub(half_square, inner), fraction)
    return f.fma(k, f.number(high), f.neg(rest))


def log(f: Algebra, x: str) -> str:
    """The natural logarithm."""
    k, m = split(f, x)
    return _finish(f, x, _log_of(f, k, f.sub(m, f.number(1.0))), 0.0)


def _log_to_base(f: Algebra, x: str, base: float, of_two: tuple[float, float]) -> str:
    """k log(2) + log(m) to another base; the first part of `of_two`, times k, is exact."""
    k, m = split(f, x)
    natural = _log_of(f, f.number(0.0), f.sub(m, f.number(1.0)))
    whole, rest = f.mul(k, f.number(of_two[0])), f.mul(k, f.number(of_two[1]))
    result = f.add(whole, f.fma(natural, f.number(1 / math.log(base)), rest))
    return _finish(f, x, result, 0.0)


def log2(f: Algebra, x: str) -> str:
    """The logarithm to base 2; exact for powers of two."""
    return _log_to_base(f, x, 2.0, (1.0, 0.0))


def log10(f: Algebra, x: str) -> str:
    """The logarithm to base 10."""
    return _log_to_base(f, x, 10.0, LOG10_2[f.dtype])


def log1p(f: Algebra, x: str) -> str:
    """log(1 + x): what 1 + x loses by rounding is added again, divided by it."""
    one = f.number(1.0)
    u = f.add(one, x)
    k, m = split(f, u)
    small = f.is_("lt", f.abs(x), one)
    lost = f.select(small, f.sub(x, f.sub(u, one)), f.sub(one, f.sub(u, x)))
    near = f.is_("eq", k, f.number(0.0))  # then 1 + x is m, and x itself the exact fraction
    fraction = f.select(near, x, f.sub(m, one))
    correction = f.select(near, f.number(0.0), f.div(lost, u))
    result = _log_of(f, k, fraction, correction)
    result = f.select(f.is_("lt", f.abs(x), f.number(TINY[f.dtype])), x, result)
    return _finish(f, x, result, -1.0)


def power(f: Algebra, x: str, y: str) -> str:
    """x**y = exp(y log|x|) with the logarithm as a pair of doubles, and C's special cases.

    An error of the logarithm is multiplied by up to 745 on the way to the result, so it needs ten
    bits more than a double has.
    """
    a = f.abs(x)
    high, low = _long_log(f, a)
    y_bounded = f.copysign(f.least(f.abs(y), 1e300), y)
    product, error = f.two_product(high, y_bounded)
    error = f.fma(low, y_bounded, error)
    # Beyond +-800 the result is 0 or infinite; errors of infinite products do not matter.
    bounded = f.least(f.most(product, -800.0), 800.0)
    error = f.select(f.is_("eq", bounded, product), error, f.number(0.0))
    n, whole = f.nearest(bounded, 1 / math.log(2), 2 * f.bias)
    r = f.fma(n, f.number(-LN2["d"][0]), bounded)
    r_low = f.fma(n, f.number(-LN2["d"][1]), error)
    r, r_low = f.two_sum(r, r_low)
    # 1 + r exactly, and what is small beside it: powers that are numbers of the type come out as these.
    near, lost = f.fast_sum(f.number(1.0), r)
    rest = f.fma(f.mul(r, r), f.polynomial(r, EXP["d"]), f.fma(r_low, near, lost))
    first, second = f.halves(whole)
    return _power_cases(f, x, y, a, f.mul(f.mul(f.add(near, rest), first), second))


def _long_log(f: Algebra, a: str) -> tuple[str, str]:
    """log(a) as a pair, for a positive finite a."""
    k, m = split(f, a)
    one, two = f.number(1.0), f.number(2.0)
    fraction = f.sub(m, one)
    below, below_low = f.fast_sum(two, fraction)
    s = f.div(fraction, below)
    # The remainder of the division gives the second half of s.
    remainder = f.fma(f.neg(s), below, fraction)
    s_low = f.div(f.fma(f.neg(s), below_low, remainder), below)
    z, z_low = f.two_product(s, s)
    z_low = f.fma(f.add(s, s), s_low, z_low)
    # 2s + s z (2/3 + z tail): the 2/3 as a pair, the tail as a float.
    third = 2 / 3
    third_low = 3.700743415417188e-17
    tail = f.mul(z, f.polynomial(z, LOG_TAIL["d"]))
    c, c_low = f.fast_sum(f.number(third), tail)
    c_low = f.add(c_low, f.number(third_low))
    cube, cube_low = f.two_product(s, z)
    cube_low = f.fma(s, z_low, f.fma(s_low, z, cube_low))
    t, t_low = f.two_product(cube, c)
    t_low = f.fma(cube, c_low, f.fma(cube_low, c, t_low))
    total, total_low = f.fast_sum(f.add(s, s), t)
    total_low = f.add(total_low, f.add(f.add(s_low, s_low), t_low))
    whole = f.mul(k, f.number(LN2["d"][0]))  # exact
    whole_low = f.mul(k, f.number(LN2["d"][1]))
    high, high_low = f.two_sum(whole, total)
    low = f.add(high_low, f.add(total_low, whole_low))
    return f.fast_sum(high, low)


def _power_cases(f: Algebra, x: str, y: str, a: str, result: str) -> str:
    zero, one, infinity = f.number(0.0), f.number(1.0), f.number(math.inf)
    floor = f.text.intrinsic("floor", f.dtype, y)
    whole = f.is_("eq", floor, y)
    half = f.mul(y, f.number(0.5))
    even = f.is_("eq", f.text.intrinsic("floor", f.dtype, half), half)
    odd = f.both(whole, f.text.let(f"xor {f.text.vector('?')} {even}, {f.text.splat(True, '?')}"))
    # |x| of 0 or infinity, or an infinite y: the limits of exp(y log|x|).
    grows = f.is_("gt", a, one)
    up = f.is_("gt", y, zero)
    differ = f.text.let(f"xor {f.text.vector('?')} {grows}, {up}")
    limit = f.select(differ, zero, infinity)
    limit = f.select(f.is_("eq", a, one), one, limit)
    edge = f.either(f.is_("eq", a, zero), f.is_("eq", a, infinity))
    edge = f.either(edge, f.is_("eq", f.abs(y), infinity))
    result = f.select(edge, limit, result)
    # A negative base: a sign for odd powers, NaN for fractions (of finite numbers).
    sign = f.text.intrinsic("copysign", f.dtype, one, x)
    negative = f.is_("lt", sign, zero)
    result = f.select(f.both(odd, negative), f.neg(result), result)
    below = f.both(f.is_("lt", x, zero), f.is_("lt", a, infinity))
    fraction = f.text.let(f"xor {f.text.vector('?')} {whole}, {f.text.splat(True, '?')}")
    result = f.select(f.both(below, fraction), f.number(math.nan), result)
    # NaN, unless 1**y or x**0.
    result = f.select(f.is_("uno", x, y), f.add(x, y), result)
    certain = f.either(f.is_("eq", x, one), f.is_("eq", y, zero))
    return f.select(certain, one, result)
