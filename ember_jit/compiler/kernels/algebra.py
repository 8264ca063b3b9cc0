"""Vectors of floats as the approximations write them: sums, products, and bits as integers."""

from __future__ import annotations

from collections.abc import Sequence

from ember_jit.compiler.kernels.elementwise import Context, binary, compare, select
from ember_jit.compiler.kernels.text import Text, size
from ember_jit.ir.program import BOOL


class Algebra:
    """Arithmetic on vectors of `dtype`; values are names of LLVM values or constants."""

    def __init__(self, context: Context, dtype: str) -> None:
        self.c = context
        self.text: Text = context.text
        self.dtype = dtype
        self.whole = "q" if dtype == "d" else "i"
        self.mantissa = 52 if dtype == "d" else 23
        self.bias = 1023 if dtype == "d" else 127
        self.bits = 8 * size(dtype)

    def number(self, value: float) -> str:
        return self.text.splat(value, self.dtype)

    def integer(self, value: int) -> str:
        return self.text.splat(value, self.whole)

    def add(self, a: str, b: str) -> str:
        return binary(self.text, "fadd", self.dtype, a, b)

    def sub(self, a: str, b: str) -> str:
        return binary(self.text, "fsub", self.dtype, a, b)

    def mul(self, a: str, b: str) -> str:
        return binary(self.text, "fmul", self.dtype, a, b)

    def div(self, a: str, b: str) -> str:
        return binary(self.text, "fdiv", self.dtype, a, b)

    def fma(self, a: str, b: str, c: str) -> str:
        """a * b + c, rounded once."""
        return self.text.intrinsic("fma", self.dtype, a, b, c)

    def neg(self, a: str) -> str:
        return self.text.let(f"fneg {self.text.vector(self.dtype)} {a}")

    def abs(self, a: str) -> str:
        return self.text.intrinsic("fabs", self.dtype, a)

    def copysign(self, a: str, sign: str) -> str:
        return self.text.intrinsic("copysign", self.dtype, a, sign)

    def select(self, mask: str, yes: str, no: str) -> str:
        return select(self.text, mask, self.dtype, yes, no)

    def is_(self, predicate: str, a: str, b: str) -> str:
        """A comparison; as in `elementwise.compare`, but flags do not matter here."""
        if predicate in ("lt", "le", "gt", "ge"):
            kind = self.text.vector(self.dtype)
            return self.text.let(f"fcmp o{predicate} {kind} {a}, {b}")
        return compare(self.text, predicate, self.dtype, a, b)

    def least(self, a: str, bound: float) -> str:
        """The smaller of `a` and `bound`; a NaN stays."""
        return self.select(self.is_("lt", self.number(bound), a), self.number(bound), a)

    def most(self, a: str, bound: float) -> str:
        """The larger of `a` and `bound`; a NaN stays."""
        return self.select(self.is_("gt", self.number(bound), a), self.number(bound), a)

    def polynomial(self, x: str, coefficients: Sequence[float]) -> str:
        """Lowest power first, by Estrin's rule: neighbours are joined, then neighbours of those.

        Horner's rule takes three instructions fewer, but each waits for the one before.
        """
        terms = [self.number(each) for each in coefficients]
        while True:
            pairs = zip(terms[::2], terms[1::2], strict=False)
            joined = [self.fma(high, x, low) for low, high in pairs]
            terms = [*joined, *terms[len(terms) & ~1 :]]
            if len(terms) == 1:
                return terms[0]
            x = self.mul(x, x)

    # Bits.

    def as_bits(self, a: str) -> str:
        kinds = self.text.vector(self.dtype), self.text.vector(self.whole)
        return self.text.let(f"bitcast {kinds[0]} {a} to {kinds[1]}")

    def as_float(self, a: str) -> str:
        kinds = self.text.vector(self.whole), self.text.vector(self.dtype)
        return self.text.let(f"bitcast {kinds[0]} {a} to {kinds[1]}")

    def on_bits(self, instruction: str, a: str, b: str) -> str:
        return binary(self.text, instruction, self.whole, a, b)

    def both(self, a: str, b: str) -> str:
        return binary(self.text, "and", BOOL, a, b)

    def either(self, a: str, b: str) -> str:
        return binary(self.text, "or", BOOL, a, b)

    def nearest(self, x: str, factor: float, add: int = 0) -> tuple[str, str]:
        """n = x * factor, rounded to an integer: as a float, and as n + `add` in the low bits of an integer.

        A number so large that its last digit counts ones is added and taken off again.
        """
        large = self.number(1.5 * 2.0**self.mantissa + add)
        moved = self.add(x, large) if factor == 1 else self.fma(x, self.number(factor), large)
        return self.sub(moved, large), self.as_bits(moved)

    def power_of_two(self, exponent: str) -> str:
        """2**n for a normal result, of n + bias in the low bits."""
        return self.as_float(self.on_bits("shl", exponent, self.integer(self.mantissa)))

    def halves(self, exponent: str) -> tuple[str, str]:
        """Two powers of two with the product 2**n, of n + 2 bias: n may be twice what an exponent is."""
        mantissa = self.integer(self.mantissa)
        half = self.on_bits("lshr", exponent, self.integer(1))
        first = self.on_bits("shl", half, mantissa)
        second = self.on_bits("sub", self.on_bits("shl", exponent, mantissa), first)
        return self.as_float(first), self.as_float(second)

    # Pairs: an unevaluated sum of two floats, the second within half a unit of the first.

    def two_sum(self, a: str, b: str) -> tuple[str, str]:
        """a + b exactly, in any order of sizes."""
        total = self.add(a, b)
        b_part = self.sub(total, a)
        error = self.add(self.sub(a, self.sub(total, b_part)), self.sub(b, b_part))
        return total, error

    def fast_sum(self, a: str, b: str) -> tuple[str, str]:
        """a + b exactly, |a| >= |b|."""
        total = self.add(a, b)
        return total, self.sub(b, self.sub(total, a))

    def two_product(self, a: str, b: str) -> tuple[str, str]:
        """a * b exactly."""
        product = self.mul(a, b)
        return product, self.fma(a, b, self.neg(product))
