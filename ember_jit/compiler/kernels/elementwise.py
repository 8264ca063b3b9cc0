"""How each exact operation becomes vector instructions: arithmetic, comparisons, bits.

The rules here are NumPy's to the bit, in both modes: no operation is fused, contracted or
reassociated.  Comparisons are of the quiet kind, because NumPy drops the flags of its comparisons.
Where NumPy would warn although the processor raises no flag (an integer divided by zero), or where
the bits depend on how NumPy's loop runs over the array (the sign of `maximum(0.0, -0.0)`), the
condition goes to `Context.alert`: the kernel then gives the call up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ember_jit.compiler.kernels.text import VALUE, Text, size
from ember_jit.ir.program import BOOL, FLOATS, SIGNED, UNSIGNED


@dataclass
class Context:
    """What a lowering writes to.

    Attributes:
        text: the function under construction.
        strict: whether flags and ambiguous cases matter.
        alerts: vectors of bits; a set one means that the plain code must run.
    """

    text: Text
    strict: bool
    alerts: list[str] = field(default_factory=list)

    def alert(self, mask: str, always: bool = False) -> None:
        """Have the plain code run if a lane is set: in strict mode, or because no kernel has the value."""
        if self.strict or always:
            self.alerts.append(mask)


Lowering = Callable[[Context, str, list[str]], str]

EXACT: dict[str, Lowering] = {}
"""Operation -> how it is written, given the type of its arguments (one for all) and these."""


def lowering(*names: str) -> Callable[[Lowering], Lowering]:
    """Registers a function as the way in which the operations `names` are written."""

    def register(function: Lowering) -> Lowering:
        EXACT.update(dict.fromkeys(names, function))
        return function

    return register


# Words for what follows.


def binary(text: Text, instruction: str, dtype: str, a: str, b: str) -> str:
    """An instruction on two vectors of one type."""
    return text.let(f"{instruction} {text.vector(dtype)} {a}, {b}")


def select(text: Text, mask: str, dtype: str, yes: str, no: str) -> str:
    """`yes` in the lanes that `mask` has set, `no` in the others."""
    kind = text.vector(dtype)
    return text.let(f"select {text.vector(BOOL)} {mask}, {kind} {yes}, {kind} {no}")


def compare(text: Text, predicate: str, dtype: str, a: str, b: str) -> str:
    """`a PREDICATE b`; a predicate is `eq`, `ne`, `lt`, `le`, `gt`, `ge`, `uno` or `ord`."""
    if dtype in FLOATS:
        if predicate in ("eq", "ne", "uno", "ord"):  # these raise nothing for a quiet NaN anyway
            name = {"eq": "oeq", "ne": "une"}.get(predicate, predicate)
            return text.let(f"fcmp {name} {text.vector(dtype)} {a}, {b}")
        return text.quiet_compare("o" + predicate, dtype, a, b)
    if predicate not in ("eq", "ne"):
        predicate = ("s" if dtype in SIGNED else "u") + predicate
    return text.let(f"icmp {predicate} {text.vector(dtype)} {a}, {b}")


def truth(text: Text, dtype: str, a: str) -> str:
    """`a != 0`; a NaN is true."""
    return a if dtype == BOOL else compare(text, "ne", dtype, a, text.splat(0, dtype))


def as_bits(text: Text, dtype: str, a: str) -> tuple[str, str]:
    """The bits of a float, and the integer type that holds them."""
    whole = "l" if size("l") == size(dtype) else ("q" if dtype == "d" else "i")
    return text.let(f"bitcast {text.vector(dtype)} {a} to {text.vector(whole)}"), whole


def negated(text: Text, mask: str) -> str:
    """The other lanes."""
    return binary(text, "xor", BOOL, mask, text.splat(True, BOOL))


# Arithmetic.


def _arithmetic(instruction: str) -> Lowering:
    def write(c: Context, dtype: str, args: list[str]) -> str:
        prefix = "f" if dtype in FLOATS else ""
        return binary(c.text, prefix + instruction, dtype, args[0], args[1])

    return write


for _name, _instruction in {"add": "add", "subtract": "sub", "multiply": "mul"}.items():
    lowering(_name)(_arithmetic(_instruction))


@lowering("true_divide")
def _divide(c: Context, dtype: str, args: list[str]) -> str:
    return binary(c.text, "fdiv", dtype, args[0], args[1])


@lowering("reciprocal")
def _reciprocal(c: Context, dtype: str, args: list[str]) -> str:
    return binary(c.text, "fdiv", dtype, c.text.splat(1, dtype), args[0])


@lowering("square")
def _square(c: Context, dtype: str, args: list[str]) -> str:
    return EXACT["multiply"](c, dtype, [args[0], args[0]])


@lowering("positive")
def _positive(c: Context, dtype: str, args: list[str]) -> str:
    return args[0]


@lowering("negative")
def _negative(c: Context, dtype: str, args: list[str]) -> str:
    if dtype in FLOATS:
        if not c.strict:
            return c.text.let(f"fneg {c.text.vector(dtype)} {args[0]}")
        # The sign bit comes through an assembler text that says nothing: LLVM, where it knows a negation,
        # makes `a - b` of `a + -b`, and the NaN that comes out has the other sign.
        bits, whole = as_bits(c.text, dtype, args[0])
        kind, sign = VALUE[whole], -(2 ** (8 * size(dtype) - 1))
        flipped = binary(c.text, "xor", whole, bits, c.text.hidden(sign, kind))
        return c.text.let(f"bitcast {c.text.vector(whole)} {flipped} to {c.text.vector(dtype)}")
    return binary(c.text, "sub", dtype, c.text.splat(0, dtype), args[0])


@lowering("absolute")
def _absolute(c: Context, dtype: str, args: list[str]) -> str:
    if dtype in FLOATS:
        return c.text.intrinsic("fabs", dtype, args[0])
    if dtype in UNSIGNED:
        return args[0]
    less = compare(c.text, "lt", dtype, args[0], c.text.splat(0, dtype))
    return select(c.text, less, dtype, _negative(c, dtype, args), args[0])


@lowering("sign")
def _sign(c: Context, dtype: str, args: list[str]) -> str:
    text, a, zero, one = c.text, args[0], c.text.splat(0, dtype), c.text.splat(1, dtype)
    above = compare(text, "gt", dtype, a, zero)
    if dtype in UNSIGNED:
        return select(text, above, dtype, one, zero)
    below = compare(text, "lt", dtype, a, zero)
    rest = zero
    if dtype in FLOATS:  # a zero of either sign gives 0.0; a NaN stays
        rest = select(text, compare(text, "eq", dtype, a, zero), dtype, zero, a)
    lower = select(text, below, dtype, text.splat(-1, dtype), rest)
    return select(text, above, dtype, one, lower)


def _rounding(name: str) -> Lowering:
    return lambda c, dtype, args: c.text.intrinsic(name, dtype, *args)


for _name in ("sqrt", "floor", "ceil", "trunc", "rint", "copysign"):
    lowering(_name)(_rounding(_name))


# Integers divided as NumPy does it: rounding down, 0 for a zero divisor, and a warning for that.


def _checked_divisor(c: Context, dtype: str, a: str, b: str) -> str:
    text = c.text
    bad = compare(text, "eq", dtype, b, text.splat(0, dtype))
    if dtype in SIGNED:
        lowest = -(2 ** (8 * size(dtype) - 1))
        wraps = binary(
            text,
            "and",
            BOOL,
            compare(text, "eq", dtype, a, text.splat(lowest, dtype)),
            compare(text, "eq", dtype, b, text.splat(-1, dtype)),
        )
        bad = binary(text, "or", BOOL, bad, wraps)
    c.alert(bad, always=True)
    return select(text, bad, dtype, text.splat(1, dtype), b)


@lowering("floor_divide")
def _floor_divide(c: Context, dtype: str, args: list[str]) -> str:
    text, a, b = c.text, args[0], _checked_divisor(c, dtype, *args)
    if dtype in UNSIGNED:
        return binary(text, "udiv", dtype, a, b)
    quotient = binary(text, "sdiv", dtype, a, b)
    rest = binary(text, "sub", dtype, a, binary(text, "mul", dtype, quotient, b))
    return select(
        text,
        _differs_in_sign(text, dtype, rest, b),
        dtype,
        binary(text, "add", dtype, quotient, text.splat(-1, dtype)),
        quotient,
    )


@lowering("remainder")
def _remainder(c: Context, dtype: str, args: list[str]) -> str:
    text, a, b = c.text, args[0], _checked_divisor(c, dtype, *args)
    if dtype in UNSIGNED:
        return binary(text, "urem", dtype, a, b)
    rest = binary(text, "srem", dtype, a, b)
    return select(
        text,
        _differs_in_sign(text, dtype, rest, b),
        dtype,
        binary(text, "add", dtype, rest, b),
        rest,
    )


def _differs_in_sign(text: Text, dtype: str, rest: str, b: str) -> str:
    zero = text.splat(0, dtype)
    some = compare(text, "ne", dtype, rest, zero)
    apart = compare(text, "lt", dtype, binary(text, "xor", dtype, rest, b), zero)
    return binary(text, "and", BOOL, some, apart)


# The larger and the smaller of two.


def _extremum(better: str, keeps_nan: bool) -> Lowering:
    def write(c: Context, dtype: str, args: list[str]) -> str:
        text, (a, b) = c.text, args
        if dtype == BOOL:
            return binary(text, "or" if better == "gt" else "and", BOOL, a, b)
        if dtype not in FLOATS:
            return select(text, compare(text, better, dtype, a, b), dtype, a, b)
        if c.strict:  # two zeros of unlike sign: which one wins depends on NumPy's loop
            (bits_a, whole), (bits_b, _) = as_bits(text, dtype, a), as_bits(text, dtype, b)
            same = compare(text, "eq", dtype, a, b)
            unlike = compare(text, "ne", whole, bits_a, bits_b)
            c.alert(binary(text, "and", BOOL, same, unlike))
        # a better than b, or a NaN where that is what counts: a; else b.
        wins = compare(text, better, dtype, a, b)
        other = compare(text, "uno", dtype, *((a, a) if keeps_nan else (b, b)))
        return select(text, binary(text, "or", BOOL, wins, other), dtype, a, b)

    return write


lowering("maximum")(_extremum("gt", keeps_nan=True))
lowering("minimum")(_extremum("lt", keeps_nan=True))
lowering("fmax")(_extremum("gt", keeps_nan=False))
lowering("fmin")(_extremum("lt", keeps_nan=False))


# Comparisons, logic, bits.


def _comparison(predicate: str) -> Lowering:
    def write(c: Context, dtype: str, args: list[str]) -> str:
        return compare(c.text, predicate, dtype, args[0], args[1])

    return write


for _name, _predicate in {
    "less": "lt",
    "less_equal": "le",
    "greater": "gt",
    "greater_equal": "ge",
    "equal": "eq",
    "not_equal": "ne",
}.items():
    lowering(_name)(_comparison(_predicate))


def _logic(instruction: str) -> Lowering:
    def write(c: Context, dtype: str, args: list[str]) -> str:
        a, b = (truth(c.text, dtype, arg) for arg in args)
        return binary(c.text, instruction, BOOL, a, b)

    return write


def _bitwise(instruction: str) -> Lowering:
    return lambda c, dtype, args: binary(c.text, instruction, dtype, args[0], args[1])


for _name in ("and", "or", "xor"):
    lowering(f"logical_{_name}")(_logic(_name))
    lowering(f"bitwise_{_name}")(_bitwise(_name))


@lowering("logical_not")
def _logical_not(c: Context, dtype: str, args: list[str]) -> str:
    return negated(c.text, truth(c.text, dtype, args[0]))


@lowering("invert")
def _invert(c: Context, dtype: str, args: list[str]) -> str:
    ones = c.text.splat(True, BOOL) if dtype == BOOL else c.text.splat(-1, dtype)
    return binary(c.text, "xor", dtype, args[0], ones)


def _shift(left: bool) -> Lowering:
    def write(c: Context, dtype: str, args: list[str]) -> str:
        text, (a, b) = c.text, args
        # A count that is negative or not below the width shifts everything out.
        bits = text.splat(8 * size(dtype), dtype)
        fits = text.let(f"icmp ult {text.vector(dtype)} {b}, {bits}")
        count = select(text, fits, dtype, b, text.splat(0, dtype))
        instruction = "shl" if left else ("ashr" if dtype in SIGNED else "lshr")
        shifted = binary(text, instruction, dtype, a, count)
        gone = text.splat(0, dtype)
        if instruction == "ashr":
            gone = binary(text, "ashr", dtype, a, text.splat(8 * size(dtype) - 1, dtype))
        return select(text, fits, dtype, shifted, gone)

    return write


lowering("left_shift")(_shift(left=True))
lowering("right_shift")(_shift(left=False))


@lowering("isnan")
def _isnan(c: Context, dtype: str, args: list[str]) -> str:
    return compare(c.text, "uno", dtype, args[0], args[0])


@lowering("isinf")
def _isinf(c: Context, dtype: str, args: list[str]) -> str:
    size_ = c.text.intrinsic("fabs", dtype, args[0])
    return compare(c.text, "eq", dtype, size_, c.text.splat(float("inf"), dtype))


@lowering("isfinite")
def _isfinite(c: Context, dtype: str, args: list[str]) -> str:
    size_ = c.text.intrinsic("fabs", dtype, args[0])
    return compare(c.text, "lt", dtype, size_, c.text.splat(float("inf"), dtype))


@lowering("signbit")
def _signbit(c: Context, dtype: str, args: list[str]) -> str:
    bits, whole = as_bits(c.text, dtype, args[0])
    return compare(c.text, "lt", whole, bits, c.text.splat(0, whole))


def where(text: Text, dtype: str, args: list[str]) -> str:
    """`np.where` of three vectors."""
    return select(text, args[0], dtype, args[1], args[2])


# Casts, as the C conversions that NumPy's loops are made of.


def cast(c: Context, source: str, target: str, a: str) -> str:
    """`a` converted as `astype(target)` does it, in the way of x86 where C leaves it open."""
    text = c.text
    if source == target or (VALUE[source] == VALUE[target] and BOOL not in (source, target)):
        return a
    if target == BOOL:
        return truth(text, source, a)
    if source in FLOATS and target in FLOATS:
        return _convert(text, "fpext" if target == "d" else "fptrunc", source, target, a)
    if target in FLOATS:
        return _convert(text, "sitofp" if source in SIGNED else "uitofp", source, target, a)
    if source in FLOATS:
        return _float_to_integer(text, source, target, a)
    if size(source) > size(target) and source != BOOL:
        return _convert(text, "trunc", source, target, a)
    return _convert(text, "sext" if source in SIGNED else "zext", source, target, a)


def _convert(text: Text, instruction: str, source: str, target: str, a: str) -> str:
    return text.let(f"{instruction} {text.vector(source)} {a} to {text.vector(target)}")


def _float_to_integer(text: Text, source: str, target: str, a: str) -> str:
    if size(target) < 4:  # C converts to int and cuts off
        return _shorten(text, "i", target, _convert(text, "fptosi", source, "i", a))
    if target in SIGNED:
        return _convert(text, "fptosi", source, target, a)
    if size(target) == 4:
        return _shorten(text, "q", target, _convert(text, "fptosi", source, "q", a))
    # 64 bits without a sign: the upper half of the range is converted less 2**63.
    half = text.splat(2.0**63, source)
    upper = compare(text, "ge", source, a, half)
    less = select(text, upper, source, half, text.splat(0.0, source))
    near = _convert(text, "fptosi", source, "q", binary(text, "fsub", source, a, less))
    top = select(text, upper, "q", text.splat(-(2**63), "q"), text.splat(0, "q"))
    return binary(text, "xor", "q", near, top)


def _shorten(text: Text, source: str, target: str, a: str) -> str:
    return _convert(text, "trunc", source, target, a)
