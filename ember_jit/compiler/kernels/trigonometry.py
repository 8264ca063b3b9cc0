"""Fast mode: sin, cos, tan.

x = n pi + r with pi in three parts; each product is subtracted by a fused operation, and the first
subtraction is exact, so r is right to the last bit or so even next to a multiple of pi.  Arguments beyond
`LIMIT`, for which n itself is inexact, infinities and NaNs go lane by lane to a function of its own.
"""

from __future__ import annotations

import math

from ember_jit.compiler.kernels.algebra import Algebra
from ember_jit.compiler.kernels.coefficients import PI, SIN, TAN, TWO_OVER_PI
from ember_jit.compiler.kernels.elementwise import Context
from ember_jit.compiler.kernels.text import VALUE, Text

LIMIT = {"d": 2.0**30, "f": 2.0**14}

FAR = "far_angle"


def _subtract(f: Algebra, x: str, n: str, part: float) -> str:
    """x - n pi part."""
    for piece in PI[f.dtype]:
        x = f.fma(n, f.number(-piece * part), x)
    return x


def _sine(f: Algebra, r: str) -> str:
    """sin(r) for |r| <= pi / 2; of a zero, the zero."""
    z = f.mul(r, r)
    first, *rest = SIN[f.dtype]
    p = f.fma(z, f.polynomial(z, rest), f.number(first))
    return f.mul(f.fma(z, p, f.number(1.0)), r)


def _alternating(f: Algebra, a: str, whole: str) -> str:
    """`a`, within -1 and 1, with its sign changed where the integer is odd."""
    sign = f.on_bits("shl", whole, f.integer(f.bits - 1))
    return f.as_float(f.on_bits("xor", f.as_bits(f.least(f.most(a, -1.0), 1.0)), sign))


def sin(f: Algebra, x: str) -> str:
    """sin."""
    n, whole = f.nearest(x, 1 / math.pi)
    return _beyond(f, x, _alternating(f, _sine(f, _subtract(f, x, n, 1.0)), whole), "sin")


def cos(f: Algebra, x: str) -> str:
    """cos(x) = sin(x - (n - 1/2) pi), of alternating sign."""
    half = f.number(0.5)
    n, whole = f.nearest(f.fma(x, f.number(1 / math.pi), half), 1)
    odd = f.fma(n, f.number(2.0), f.number(-1.0))
    near = _sine(f, _subtract(f, x, odd, 0.5))
    return _beyond(f, x, _alternating(f, near, whole), "cos")


def tan(f: Algebra, x: str) -> str:
    """tan(r), or -1 / tan(r) in every other quarter."""
    n, whole = f.nearest(x, 2 / math.pi)
    return _beyond(f, x, _tangent(f, _subtract(f, x, n, 0.5), whole), "tan")


def _tangent(f: Algebra, r: str, quarter: str) -> str:
    z = f.mul(r, r)
    t = f.fma(f.mul(z, r), f.polynomial(z, TAN["d"]), r)
    odd = _is_odd(f, quarter)
    return f.div(f.select(odd, f.number(-1.0), t), f.select(odd, t, f.number(1.0)))


def _is_odd(f: Algebra, whole: str) -> str:
    low = f.on_bits("and", whole, f.integer(1))
    return f.text.let(f"icmp ne {f.text.vector(f.whole)} {low}, {f.integer(0)}")


def _beyond(f: Algebra, x: str, near: str, name: str) -> str:
    """`near`, but from the function for far arguments in the lanes with |x| above LIMIT."""
    text, kind = f.text, VALUE[f.dtype]
    text.declare(FAR, payne_hanek())
    text.declare(f"far_{name}", _far_function(name))
    far = text.let(f"fcmp ugt {text.vector(f.dtype)} {f.abs(x)}, {f.number(LIMIT[f.dtype])}")
    given, found = text.slot(kind, text.lanes), text.slot(kind, text.lanes)
    start, slow, done = text.block, text.fresh("far"), text.fresh("near")
    text.branch(text.bits(far), slow, done)
    text.place(slow)
    text.do(f"store {text.vector(f.dtype)} {x}, ptr {given}, align 8")

    def one(lane: str, none: list[str]) -> list[str]:
        value = text.let(f"load {kind}, ptr {text.offset(given, lane, f.bits // 8)}")
        if f.dtype == "f":
            value = text.let(f"fpext float {value} to double")
        value = text.let(f"call double @far_{name}(double {value})")
        if f.dtype == "f":
            value = text.let(f"fptrunc double {value} to float")
        text.do(f"store {kind} {value}, ptr {text.offset(found, lane, f.bits // 8)}")
        return none

    text.loop("0", str(text.lanes), 1, [], one)
    exact = text.let(f"load {text.vector(f.dtype)}, ptr {found}, align 8")
    blended = f.select(far, exact, near)
    end = text.block
    text.goto(done)
    text.place(done)
    return text.let(f"phi {text.vector(f.dtype)} [ {near}, %{start} ], [ {blended}, %{end} ]")


def _far_function(name: str) -> str:
    """`double far_NAME(double)`: of one argument, reduced as exactly as it takes."""
    text = Text(1, {})
    f = Algebra(Context(text, strict=False), "d")
    pair = text.let(f"call {{double, i64}} @{FAR}(double %x)")
    angle = text.broadcast(text.let(f"extractvalue {{double, i64}} {pair}, 0"), "double")
    quarter = text.broadcast(text.let(f"extractvalue {{double, i64}} {pair}, 1"), "i64")
    if name == "tan":
        value = _tangent(f, angle, quarter)
    else:
        # sin(r + q pi/2): r or its complement, and a sign.
        if name == "cos":
            quarter = f.on_bits("add", quarter, f.integer(1))
        sine, cosine = _sine(f, angle), _cosine(f, angle)
        value = f.select(_is_odd(f, quarter), cosine, sine)
        value = _alternating(f, value, f.on_bits("lshr", quarter, f.integer(1)))
    text.do(f"ret double {text.lane('d', value)}")
    return text.function(f"internal double @far_{name}(double %x) noinline nounwind")


def _cosine(f: Algebra, r: str) -> str:
    """cos(r) = 1 - 2 sin(r / 2)**2 for |r| <= pi / 4."""
    half = _sine(f, f.mul(r, f.number(0.5)))
    return f.fma(f.mul(half, half), f.number(-2.0), f.number(1.0))


def payne_hanek() -> str:
    """A function that reduces a double x, 2 < |x|, by pi / 2 with as many digits as it takes.

    x = m 2**e with an integer m.  Of the digits of 2/pi, those whose product with x is a multiple
    of 4 cannot matter; 192 digits from there on, times m modulo 2**192, have the quarter in their
    top two bits and then the fraction of a quarter, to 2**-126.  The nearest quarter is taken off,
    and the rest converted and multiplied by pi/2.  An infinity or NaN gives NaN.
    """
    words = ", ".join(f"i64 {word}" for word in (0, *TWO_OVER_PI))
    count = len(TWO_OVER_PI) + 1
    return f"""@two_over_pi = internal constant [{count} x i64] [{words}]

declare i64 @llvm.fshl.i64(i64, i64, i64)
declare i128 @llvm.ctlz.i128(i128, i1)
declare i128 @llvm.abs.i128(i128, i1)

define internal {{double, i64}} @{FAR}(double %x) noinline nounwind {{
start:
  %bits = bitcast double %x to i64
  %shifted = lshr i64 %bits, 52
  %exponent = and i64 %shifted, 2047
  %odd = icmp eq i64 %exponent, 2047
  br i1 %odd, label %none, label %some
none:
  %nan = fsub double %x, %x
  %n1 = insertvalue {{double, i64}} poison, double %nan, 0
  %n2 = insertvalue {{double, i64}} %n1, i64 0, 1
  ret {{double, i64}} %n2
some:
  %fraction = and i64 %bits, {2**52 - 1}
  %m = or i64 %fraction, {2**52}
  %skip_any = sub i64 %exponent, {1075 + 2 - 64}
  %near = icmp slt i64 %skip_any, 0
  %skip = select i1 %near, i64 0, i64 %skip_any
  %word = lshr i64 %skip, 6
  %shift = and i64 %skip, 63
  %p0 = getelementptr i64, ptr @two_over_pi, i64 %word
  %p1 = getelementptr i64, ptr %p0, i64 1
  %p2 = getelementptr i64, ptr %p0, i64 2
  %p3 = getelementptr i64, ptr %p0, i64 3
  %w0 = load i64, ptr %p0
  %w1 = load i64, ptr %p1
  %w2 = load i64, ptr %p2
  %w3 = load i64, ptr %p3
  %a0 = call i64 @llvm.fshl.i64(i64 %w0, i64 %w1, i64 %shift)
  %a1 = call i64 @llvm.fshl.i64(i64 %w1, i64 %w2, i64 %shift)
  %a2 = call i64 @llvm.fshl.i64(i64 %w2, i64 %w3, i64 %shift)
  %wide = zext i64 %m to i128
  %b1 = zext i64 %a1 to i128
  %b2 = zext i64 %a2 to i128
  %low = mul i128 %wide, %b2
  %carry = lshr i128 %low, 64
  %middle = mul i128 %wide, %b1
  %top = mul i64 %m, %a0
  %top_wide = zext i64 %top to i128
  %top_shifted = shl i128 %top_wide, 64
  %s1 = add i128 %middle, %carry
  %product = add i128 %s1, %top_shifted
  %rounded = add i128 %product, {2**125}
  %quarter_wide = lshr i128 %rounded, 126
  %quarter = trunc i128 %quarter_wide to i64
  %taken = shl i128 %quarter_wide, 126
  %rest = sub i128 %product, %taken
  %size = call i128 @llvm.abs.i128(i128 %rest, i1 false)
  %zeros = call i128 @llvm.ctlz.i128(i128 %size, i1 false)
  %normal = shl i128 %size, %zeros
  %high = lshr i128 %normal, 65
  %high64 = trunc i128 %high to i64
  %high128 = zext i64 %high64 to i128
  %angle128 = mul i128 %high128, {0xC90FDAA22168C234}
  %angle_top = lshr i128 %angle128, 64
  %angle64 = trunc i128 %angle_top to i64
  %value = sitofp i64 %angle64 to double
  %zeros64 = trunc i128 %zeros to i64
  %power = sub i64 {1023 - 126 + 65 + 1}, %zeros64
  %power_bits = shl i64 %power, 52
  %unit = bitcast i64 %power_bits to double
  %angle = fmul double %value, %unit
  %below = icmp slt i128 %rest, 0
  %minus = fneg double %angle
  %signed = select i1 %below, double %minus, double %angle
  %x_below = fcmp olt double %x, 0.0
  %x_minus = fneg double %signed
  %final = select i1 %x_below, double %x_minus, double %signed
  %quarter_minus = sub i64 0, %quarter
  %q = select i1 %x_below, i64 %quarter_minus, i64 %quarter
  %q4 = and i64 %q, 3
  %r1 = insertvalue {{double, i64}} poison, double %final, 0
  %r2 = insertvalue {{double, i64}} %r1, i64 %q4, 1
  ret {{double, i64}} %r2
}}
"""
