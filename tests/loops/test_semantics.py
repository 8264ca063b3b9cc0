"""What a machine's arithmetic and Python's do differently: compiled loops give Python's answer, to the bit."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from ember_jit.testing.loops import loops_at_once
from tests.loops.loop_runs import hits_of, pair_of, run, sites_of

pytest.importorskip("llvmlite")

INTS = [
    0,
    1,
    -1,
    2,
    -3,
    7,
    256,
    2**31,
    2**53,
    2**53 + 1,
    2**62,
    2**63 - 1,
    -(2**63),
    2**63,
    -(2**64),
    True,
    False,
]
FLOATS = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    2.5,
    -3.0,
    1e16,
    1e-310,
    1.7e308,
    2.0**53,
    2.0**63,
    float("inf"),
    float("-inf"),
    float("nan"),
]

_numbers = itertools.count()


@pytest.fixture(autouse=True)
def at_once() -> Iterator[None]:
    with loops_at_once():
        yield


def agree(body: str, *calls: tuple[Any, ...], compiled: bool = True) -> None:
    """`def program(...)` with this body does the same plain and compiled; at least one call has to be compiled."""
    source = (
        body
        if body.startswith("def ")
        else f"def program(a, b):\n    for i in range(1):\n        r = {body}\n    return r\n"
    )
    name = f"<semantics {next(_numbers)}>"
    plain, jitted = pair_of(source, "program", name)
    for args in calls:
        expected, found = run(plain, list(args), name), run(jitted, list(args), name)
        assert found == expected, (args, source)
    hits = hits_of(jitted)
    assert bool(hits) == compiled, [
        (each.left, {k: m.why for k, m in each.made.items()}) for each in sites_of(jitted)
    ]


@pytest.mark.parametrize(
    "op", ["+", "-", "*", "//", "%", "/", "&", "|", "^", "<", "<=", "==", "!=", ">", ">="]
)
def test_ints(op: str) -> None:
    agree(f"a {op} b", *itertools.product(INTS, INTS))


@pytest.mark.parametrize("op", ["<<", ">>", "**"])
def test_shifts_and_powers_of_ints(op: str) -> None:
    agree(f"a {op} b", *itertools.product(INTS, [0, 1, 2, 3, 5, 31, 62, 63, 64, 65, -1, True]))


@pytest.mark.parametrize(
    "op", ["+", "-", "*", "//", "%", "/", "**", "<", "<=", "==", "!=", ">", ">="]
)
def test_floats(op: str) -> None:
    agree(f"a {op} b", *itertools.product(FLOATS, FLOATS))


@pytest.mark.parametrize("op", ["+", "*", "/", "//", "%", "<", "==", ">="])
def test_ints_with_floats(op: str) -> None:
    agree(f"a {op} b", *itertools.product(INTS, FLOATS))
    agree(f"a {op} b", *itertools.product(FLOATS, INTS))


@pytest.mark.parametrize(
    "expression",
    [
        "-a",
        "+a",
        "abs(a)",
        "not a",
        "int(a)",
        "float(a)",
        "bool(a)",
        "min(a, b)",
        "max(a, b)",
        "a and b",
        "a or b",
        "a if b else 1",
    ],
)
def test_functions_of_numbers(expression: str) -> None:
    agree(expression, *itertools.product([*INTS, *FLOATS], [0, 1, 0.5, -0.0, True]))


@pytest.mark.parametrize(
    "name",
    [
        "sqrt",
        "exp",
        "log",
        "log2",
        "log10",
        "sin",
        "cos",
        "tan",
        "tanh",
        "asin",
        "acosh",
        "atan",
        "expm1",
        "floor",
        "ceil",
        "trunc",
        "fabs",
    ],
)
def test_math_is_cpythons(name: str) -> None:
    values = [*FLOATS, *INTS, *(k * 0.37 - 20 for k in range(120)), 710.0, -745.0, 1e22]
    agree(f"math.{name}(a)", *((each, 0) for each in values))


def test_division_by_zero_is_raised_at_the_users_line() -> None:
    source = "def program(xs, k):\n    s = 0\n    for x in xs:\n        s += x // k\n    return s\n"
    agree(source, ([1, 2], 1), ([1, 2], 0), ([], 0), ([1.5], 2), ([1.5], 0.0))


def test_an_overflow_in_the_middle_becomes_a_big_int() -> None:
    source = (
        "def program(n, k):\n    r = 1\n    for i in range(1, n):\n        r *= i\n    return r\n"
    )
    agree(source, (5, 0), (20, 0), (21, 0), (22, 0), (60, 0))


def test_an_accumulator_is_an_int_until_a_float_comes() -> None:
    source = "def program(xs, k):\n    s = 0\n    for x in xs:\n        s += x\n    return s\n"
    agree(
        source,
        ([1.5, 2.0], 0),
        ([], 0),
        ([1, 2], 0),
        ([True, True], 0),
        ([1, 2.5, False], 0),
        ([-0.0], 0),
        ([2**70], 0),
        (["x"], 0),
    )


def test_indexes() -> None:
    source = "def program(xs, k):\n    s = 0.0\n    for i in range(2):\n        s += xs[k]\n    return s\n"
    agree(source, *(([1.0, 2.0, 4.0], k) for k in (0, 2, -1, -3, 3, -4, True, 1.0, 2**63)))


def test_an_item_that_came_in_is_returned_as_the_same_object() -> None:
    source = "def program(xs, k):\n    best = k\n    for x in xs:\n        if x > best:\n            best = x\n    return best, k\n"
    agree(source, ([1.5, 7.25, 2.0], 0.5), ([], 1234.5), ([1e3], 1e4), ([float("nan")], 0.0))


def test_lists_of_its_own() -> None:
    source = (
        "def program(n, k):\n    out = []\n    rows = [[j * k for j in range(3)] for i in range(n)]\n    first = rows\n"
        "    for row in rows:\n        row[-1] += 1\n        out.append(row[2])\n        rows[0] = row\n    return out, rows, first\n"
    )
    agree(source, (3, 2), (0, 1), (1, 2**62), (2, 0.5))


def test_variables_that_swap_lists() -> None:
    source = (
        "def program(n, k):\n    a, b = [0] * n, [1] * n\n    for i in range(n):\n        a, b = b, a\n        a[i] += k\n"
        "        b = [x for x in a]\n    return a, b\n"
    )
    agree(source, (5, 2), (0, 1), (3, 2**63 - 1))


def test_a_list_that_grows_while_it_is_walked_over() -> None:
    source = "def program(n, k):\n    xs = [1, 2]\n    for x in xs:\n        if len(xs) < n:\n            xs.append(x + k)\n    return xs\n"
    agree(source, (9, 1), (0, 1))


def test_strings_of_every_width() -> None:
    source = (
        "def program(a, b):\n    n = 0\n    for x, y in zip(a, b):\n        if x == y:\n            n += 1\n"
        "        n += 2 * (x < y) + ord(a[-1])\n    return n, a == b, a[0]\n"
    )
    texts = ["abc", "abd", "", "\xe9t\xe9", "\u0100b\u0102", "\U0001f600xy", "a\ud800b"]
    agree(source, *itertools.product(texts, texts))


def test_an_unbound_variable() -> None:
    source = (
        "def program(n, k):\n    for i in range(n):\n        last = i * k\n    return last, i\n"
    )
    agree(source, (3, 2), (0, 1))


def test_loops_with_else_and_breaks() -> None:
    source = (
        "def program(n, k):\n    found = -1\n    for d in range(2, n):\n        if n % d == k:\n            found = d\n            break\n"
        "    else:\n        found = 0\n    while True:\n        n -= 1\n        if n < 3:\n            break\n    return found, n\n"
    )
    agree(source, (9, 0), (7, 0), (2, 0), (49, 0))


def test_ranges_at_the_ends_of_64_bits() -> None:
    source = "def program(a, b):\n    n = 0\n    for i in range(a, b, 2 ** 61):\n        n += 1\n        last = i\n    return n, last\n"
    agree(source, (-(2**63), 2**63 - 1), (0, 2**63 - 1), (2**63 - 2, 2**63 - 1))
    source = "def program(a, b):\n    n = []\n    for i in range(a, 0, b):\n        n.append(i)\n    return n\n"
    agree(source, (10, -3), (10, 3), (-10, 3), (10, 0), (2**63 - 1, -(2**62)), (1, -(2**63)))


def test_asserts_and_raises_are_pythons() -> None:
    source = "def program(n, k):\n    for i in range(n):\n        assert i < k, f'{i} of {n}'\n        if i > 5:\n            raise ValueError(i)\n    return i\n"
    agree(source, (3, 9), (4, 2), (9, 9))


def test_what_is_no_number_is_left_alone() -> None:
    source = "def program(xs, k):\n    s = 0\n    for x in xs:\n        s += x\n    return s\n"

    class Loud(float):
        def __radd__(self, other: Any) -> str:
            return "loud"

    agree(source, ([Loud(1.0), Loud(2.0)], 0), ((1, 2), 0), ([1j], 0), compiled=False)


def test_no_multiplication_is_fused_with_an_addition() -> None:
    source = (
        "def program(xs, k):\n    s = k\n    for x in xs:\n        s = s * x + k\n    return s\n"
    )
    agree(source, ([0.1, 0.7, 1e16, -0.3], 0.1), ([1.1] * 40, 3.3))
    _, jitted = pair_of(source, "program", "<fused>")
    jitted([1.5], 0.5)
    from ember_jit.compiler.loops.build import assembly

    (made,) = sites_of(jitted)[0].made.values()
    text = assembly(made.details.text)
    assert "mulsd" in text
    assert "fmadd" not in text
