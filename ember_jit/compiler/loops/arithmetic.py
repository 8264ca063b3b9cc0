"""Python's arithmetic on numbers of known kinds, exactly, or not at all.

Each rule gives the very bits and the type that CPython (or NumPy, for its scalars) would give; where that
takes more than a few instructions (big ints, an exception, a warning, a complex result) the code leaves
for `miss`.  Nothing is fused, contracted or reassociated.

    int  + int      llvm.sadd.with.overflow; an overflow is a big int: Python's
    int  / int      exact only below 2**53, else Python rounds it
    npf  + float    a numpy.float64; a result that is not finite may have warned: NumPy's
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace

from ember_jit.compiler.loops.code import Code, Value, is_number
from ember_jit.compiler.loops.types import BOOL, FLOAT, INT, NPB, NPF, NPI, Unfit

EXACT = 1 << 53  # every int up to here is a float

UNKNOWN = "@MISS"
"""In place of an object that a number may be: it is one, or a new one, and nobody can tell."""

_OVERFLOWING = {ast.Add: "sadd", ast.Sub: "ssub", ast.Mult: "smul"}
_FLOATING = {ast.Add: "fadd", ast.Sub: "fsub", ast.Mult: "fmul", ast.Div: "fdiv"}
_BITS = {ast.BitAnd: "and", ast.BitOr: "or", ast.BitXor: "xor"}
_SIGNED = {
    ast.Lt: "slt",
    ast.LtE: "sle",
    ast.Gt: "sgt",
    ast.GtE: "sge",
    ast.Eq: "eq",
    ast.NotEq: "ne",
}
_ORDERED = {
    ast.Lt: "olt",
    ast.LtE: "ole",
    ast.Gt: "ogt",
    ast.GtE: "oge",
    ast.Eq: "oeq",
    ast.NotEq: "une",
}
_NUMPY = ("npf", "npi")


# ------------------------------------------------------------------ conversions
def as_int(code: Code, value: Value) -> str:
    """The register of an int or a bool as an i64."""
    if value.kind in ("bool", "npb"):
        return code.let(f"zext i1 {value.reg} to i64")
    return value.reg


def as_float(code: Code, value: Value) -> str:
    """The register of a number as a double, rounded as Python and NumPy round."""
    if value.kind in ("float", "npf"):
        return value.reg
    if isinstance(value.constant, int):
        from ember_jit.compiler.loops.code import float_text

        return float_text(float(value.constant))
    return code.let(f"sitofp i64 {as_int(code, value)} to double")


def settled(code: Code, value: Value) -> Value:
    """`value`, known to have come about without a warning of NumPy's."""
    if not value.loose:
        return value
    if value.kind == "union":
        return code.spread(
            [replace(value, loose=False)], lambda v: replace(_finite(code, v), loose=False)
        )
    return replace(_finite(code, value), loose=False)


def _finite(code: Code, value: Value) -> Value:
    if value.kind == "npf":
        size = code.call("double", "llvm.fabs.f64", f"double {value.reg}")
        code.need(code.let(f"fcmp olt double {size}, 0x7FF0000000000000"))
    return value


def truth(code: Code, value: Value) -> str:
    """The register of `bool(value)`."""
    if value.kind == "union":
        return code.spread([value], lambda v: Value(BOOL, (truth(code, v),))).reg
    if value.kind in ("bool", "npb"):
        return value.reg
    if value.kind in ("int", "npi"):
        return code.let(f"icmp ne i64 {value.reg}, 0")
    if value.kind in ("float", "npf"):
        return code.let(f"fcmp une double {settled(code, value).reg}, 0.0")
    if value.kind == "none":
        return "false"
    raise Unfit(f"the truth of a {value.type}", code.line)


# ------------------------------------------------------------------ two operands
def binary(code: Code, op: ast.operator, left: Value, right: Value) -> Value:
    """`left op right`."""
    for each in (left, right):
        if not is_number(each):
            raise Unfit(f"`{type(op).__name__}` of a {each.type}", code.line)
    return code.spread([left, right], lambda a, b: _binary(code, op, a, b))


def _binary(code: Code, op: ast.operator, left: Value, right: Value) -> Value:
    kind = type(op)
    if left.kind in _NUMPY or right.kind in _NUMPY:
        return _numpy(code, op, left, right)
    if kind in _BITS and left.kind == right.kind == "bool":
        return Value(BOOL, (code.let(f"{_BITS[kind]} i1 {left.reg}, {right.reg}"),))
    whole = "float" not in (left.kind, right.kind)
    if whole and kind is not ast.Div:
        return _perhaps_itself(code, op, left, _whole(code, op, left, right))
    if kind in _FLOATING:
        if kind is ast.Div:
            return _quotient(code, left, right, whole)
        a, b = as_float(code, left), as_float(code, right)
        return Value(FLOAT, (code.let(f"{_FLOATING[kind]} double {a}, {b}"),))
    rules: dict[type[ast.operator], str] = {
        ast.FloorDiv: "floordiv",
        ast.Mod: "mod",
        ast.Pow: "pow",
    }
    if kind not in rules:
        raise Unfit(f"`{kind.__name__}` of floats", code.line)
    a, b = as_float(code, left), as_float(code, right)
    if kind is not ast.Pow:
        code.need(code.let(f"fcmp une double {b}, 0.0"))
        return Value(
            FLOAT, (code.call("double", f"loop_{rules[kind]}", f"double {a}", f"double {b}"),)
        )
    return Value(FLOAT, (_checked(code, "double", "loop_pow", f"double {a}", f"double {b}"),))


def _perhaps_itself(code: Code, op: ast.operator, left: Value, result: Value) -> Value:
    """`result`, which may be the very object `left` where CPython sees that nothing changes.

    When it does is its own affair: such a number is never returned (`UNKNOWN`).
    """
    if left.kind != "int" or not (left.obj or left.lost):
        return result
    if not isinstance(op, ast.Mod | ast.LShift | ast.RShift | ast.Pow):
        return result
    obj = ""
    if left.obj:
        same = code.let(f"icmp eq i64 {result.reg}, {left.reg}")
        obj = code.let(f"select i1 {same}, ptr {UNKNOWN}, ptr null")
    return replace(result, obj=obj, lost=left.lost)


def _checked(code: Code, result: str, name: str, *args: str) -> str:
    """Call a function of ours that says whether it could do it."""
    pair = code.call(f"{{ {result}, i1 }}", name, *args)
    code.need(code.let(f"extractvalue {{ {result}, i1 }} {pair}, 1"))
    return code.let(f"extractvalue {{ {result}, i1 }} {pair}, 0")


def overflowing(code: Code, name: str, left: str, right: str) -> str:
    """The sum, difference or product of two i64, if it fits one."""
    pair = code.call("{ i64, i1 }", f"llvm.{name}.with.overflow.i64", f"i64 {left}", f"i64 {right}")
    over = code.let(f"extractvalue {{ i64, i1 }} {pair}, 1")
    code.need(code.let(f"xor i1 {over}, true"))
    return code.let(f"extractvalue {{ i64, i1 }} {pair}, 0")


def _whole(code: Code, op: ast.operator, left: Value, right: Value) -> Value:
    kind = type(op)
    a, b = as_int(code, left), as_int(code, right)
    if kind in _OVERFLOWING:
        return Value(INT, (overflowing(code, _OVERFLOWING[kind], a, b),))
    if kind in _BITS:
        return Value(INT, (code.let(f"{_BITS[kind]} i64 {a}, {b}"),))
    if kind in (ast.FloorDiv, ast.Mod):
        return Value(INT, (_divided(code, kind, a, b, right),))
    if kind is ast.LShift:
        code.need(code.let(f"icmp ult i64 {b}, 64"))
        made = code.let(f"shl i64 {a}, {b}")
        back = code.let(f"ashr i64 {made}, {b}")
        code.need(code.let(f"icmp eq i64 {back}, {a}"))
        return Value(INT, (made,))
    if kind is ast.RShift:
        code.need(code.let(f"icmp sge i64 {b}, 0"))
        far = code.let(f"icmp ugt i64 {b}, 63")
        by = code.let(f"select i1 {far}, i64 63, i64 {b}")
        return Value(INT, (code.let(f"ashr i64 {a}, {by}"),))
    if kind is ast.Pow:
        if isinstance(right.constant, int) and right.constant < 0:
            raise Unfit("an int to a negative power is a float", code.line)
        return Value(INT, (_checked(code, "i64", "loop_ipow", f"i64 {a}", f"i64 {b}"),))
    raise Unfit(f"`{kind.__name__}` of ints", code.line)


def _divided(code: Code, kind: type[ast.operator], a: str, b: str, right: Value) -> str:
    """Python's `//` and `%` of ints: towards minus infinity, the sign of the divisor."""
    if not (isinstance(right.constant, int) and right.constant > 0):
        code.need(code.let(f"icmp ne i64 {b}, 0"))
        least = code.let(f"icmp ne i64 {a}, {-(1 << 63)}")
        other = code.let(f"icmp ne i64 {b}, -1")
        code.need(code.let(f"or i1 {least}, {other}"))
    rest = code.let(f"srem i64 {a}, {b}")
    signs = code.let(f"xor i64 {rest}, {b}")
    opposite = code.let(f"icmp slt i64 {signs}, 0")
    some = code.let(f"icmp ne i64 {rest}, 0")
    fix = code.let(f"and i1 {some}, {opposite}")
    if kind is ast.Mod:
        moved = code.let(f"add i64 {rest}, {b}")
        return code.let(f"select i1 {fix}, i64 {moved}, i64 {rest}")
    quotient = code.let(f"sdiv i64 {a}, {b}")
    less = code.let(f"sub i64 {quotient}, 1")
    return code.let(f"select i1 {fix}, i64 {less}, i64 {quotient}")


def _quotient(code: Code, left: Value, right: Value, whole: bool) -> Value:
    a, b = as_float(code, left), as_float(code, right)
    code.need(code.let(f"fcmp une double {b}, 0.0"))
    if whole:  # Python rounds the exact quotient once
        for each in (left, right):
            if each.kind == "int":
                small(code, each)
    return Value(FLOAT, (code.let(f"fdiv double {a}, {b}"),))


def small(code: Code, value: Value) -> None:
    """Give up unless an int is a float exactly."""
    if isinstance(value.constant, int) and abs(value.constant) <= EXACT:
        return
    moved = code.let(f"add i64 {as_int(code, value)}, {EXACT}")
    code.need(code.let(f"icmp ule i64 {moved}, {2 * EXACT}"))


def _numpy(code: Code, op: ast.operator, left: Value, right: Value) -> Value:
    """An operation with a scalar of NumPy's: float64 where a float takes part, else int64."""
    kind = type(op)
    if "float" in (left.kind, right.kind) or "npf" in (left.kind, right.kind) or kind is ast.Div:
        if kind not in _FLOATING:
            raise Unfit(f"`{kind.__name__}` of NumPy's floats", code.line)
        if kind is ast.Div:  # what is infinite below gives a zero, so it is checked here
            right = settled(code, right)
            divisor = as_float(code, right)
            code.need(code.let(f"fcmp une double {divisor}, 0.0"))
            size = code.call("double", "llvm.fabs.f64", f"double {divisor}")
            code.need(code.let(f"fcmp olt double {size}, 0x7FF0000000000000"))
        a, b = as_float(code, left), as_float(code, right)
        return Value(NPF, (code.let(f"{_FLOATING[kind]} double {a}, {b}"),), loose=True)
    a, b = as_int(code, left), as_int(code, right)
    if kind in _OVERFLOWING:
        return Value(NPI, (overflowing(code, _OVERFLOWING[kind], a, b),))
    if kind in _BITS:
        return Value(NPI, (code.let(f"{_BITS[kind]} i64 {a}, {b}"),))
    raise Unfit(f"`{kind.__name__}` of NumPy's ints", code.line)


# ------------------------------------------------------------------ one operand
def unary(code: Code, op: ast.unaryop, value: Value) -> Value:
    """`-x`, `+x`, `~x`, `not x`."""
    if isinstance(op, ast.Not):
        return Value(BOOL, (code.let(f"xor i1 {truth(code, value)}, true"),))
    if not is_number(value):
        raise Unfit(f"`{type(op).__name__}` of a {value.type}", code.line)
    return code.spread([value], lambda v: _unary(code, op, v))


def _unary(code: Code, op: ast.unaryop, value: Value) -> Value:
    if isinstance(op, ast.USub):
        if value.constant is not None and value.kind == "int" and value.constant > -EXACT:
            made = -int(value.constant)
            return Value(INT, (str(made),), constant=made)
        if value.kind in ("float", "npf"):
            return Value(value.type, (code.let(f"fneg double {value.reg}"),), loose=value.loose)
        type_ = NPI if value.kind == "npi" else INT
        return Value(type_, (overflowing(code, "ssub", "0", as_int(code, value)),))
    if isinstance(op, ast.UAdd):
        if value.kind == "bool":
            return Value(INT, (as_int(code, value),))
        if value.kind in ("int", "float"):
            return replace(value, constant=None)  # the very object
        raise Unfit(f"`+` of a {value.type}", code.line)
    if value.kind not in ("int", "npi"):
        raise Unfit(f"`~` of a {value.type}", code.line)
    return Value(value.type, (code.let(f"xor i64 {value.reg}, -1"),))


def absolute(code: Code, value: Value) -> Value:
    """`abs(x)`."""
    return code.spread([value], lambda v: _absolute(code, v))


def _absolute(code: Code, value: Value) -> Value:
    if value.kind in ("float", "npf"):
        made = code.call("double", "llvm.fabs.f64", f"double {value.reg}")
        return Value(value.type, (made,), loose=value.loose)
    if value.kind == "bool":
        return Value(INT, (as_int(code, value),))
    code.need(code.let(f"icmp ne i64 {value.reg}, {-(1 << 63)}"))
    negative = code.let(f"icmp slt i64 {value.reg}, 0")
    other = code.let(f"sub i64 0, {value.reg}")
    made = code.let(f"select i1 {negative}, i64 {other}, i64 {value.reg}")
    obj = ""
    if value.obj:  # an int that is not negative is its own absolute value
        obj = code.let(f"select i1 {negative}, ptr null, ptr {value.obj}")
    return Value(value.type, (made,), obj, value.lost)


# ------------------------------------------------------------------ comparisons
def compare(code: Code, op: ast.cmpop, left: Value, right: Value) -> Value:
    """`left op right`, a bool of Python's or NumPy's."""
    if type(op) not in _SIGNED:
        raise Unfit(f"the comparison `{type(op).__name__}`", code.line)
    if left.kind == right.kind == "char":
        if not isinstance(op, ast.Eq | ast.NotEq | ast.Lt | ast.Gt | ast.LtE | ast.GtE):
            raise Unfit("this comparison of strings", code.line)
        name = (
            _SIGNED[type(op)].replace("s", "u", 1)
            if not isinstance(op, ast.Eq | ast.NotEq)
            else _SIGNED[type(op)]
        )
        return Value(BOOL, (code.let(f"icmp {name} i32 {left.reg}, {right.reg}"),))
    if not (is_number(left) and is_number(right)):
        raise Unfit(f"a {left.type} compared with a {right.type}", code.line)
    left, right = settled(code, left), settled(code, right)
    return code.spread([left, right], lambda a, b: _compare(code, op, a, b))


def _compare(code: Code, op: ast.cmpop, left: Value, right: Value) -> Value:
    result = NPB if left.kind in _NUMPY or right.kind in _NUMPY else BOOL
    floating = [each.kind in ("float", "npf") for each in (left, right)]
    if not any(floating):
        a, b = as_int(code, left), as_int(code, right)
        return Value(result, (code.let(f"icmp {_SIGNED[type(op)]} i64 {a}, {b}"),))
    for each, is_float in zip((left, right), floating, strict=True):
        if not is_float and each.kind != "bool":
            small(code, each)  # beyond, Python compares exactly
    a, b = as_float(code, left), as_float(code, right)
    return Value(result, (code.let(f"fcmp {_ORDERED[type(op)]} double {a}, {b}"),))


def extreme(
    code: Code, values: list[Value], op: ast.cmpop, chosen: Callable[[Value], None] | None = None
) -> Value:
    """`min` or `max` of two or more numbers: the first of those that no other one beats."""
    best = values[0]
    for value in values[1:]:
        beats = truth(code, compare(code, op, value, best))
        yes, no = code.name("b"), code.name("b")
        code.branch(beats, yes, no)
        best = code.merge([(value, yes), (best, no)])
    return best
