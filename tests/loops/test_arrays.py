"""Arrays in compiled loops: NumPy's scalars, warnings left to NumPy, writes taken back where Python takes over."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ember_jit.testing.loops import loops_at_once
from tests.loops.loop_runs import hits_of, run
from tests.loops.test_semantics import agree

np = pytest.importorskip("numpy")
pytest.importorskip("llvmlite")


@pytest.fixture(autouse=True)
def at_once() -> Iterator[None]:
    with loops_at_once():
        yield


JACOBI = """def program(u, new):
    h, w = u.shape
    for _ in range(3):
        for i in range(1, h - 1):
            for j in range(1, w - 1):
                new[i, j] = 0.25 * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1])
        u, new = new, u
    return u
"""


def test_jacobi() -> None:
    u = np.arange(30.0).reshape(5, 6) ** 2
    agree(
        JACOBI,
        (u, u.copy()),
        (np.ones((2, 2)), np.ones((2, 2))),
        (np.full((4, 4), 1.7e308), u.copy()),
        (u, np.zeros((5, 6))),
        (u, np.ones((3, 3))),
    )


def test_an_array_written_while_it_is_read() -> None:
    source = "def program(a, b):\n    for i in range(1, len(a)):\n        a[i] += a[i - 1]\n    return a\n"
    agree(
        source,
        (np.arange(5.0), 0),
        (np.arange(5), 0),
        (np.array([2**62, 2**62, 1]), 0),
        (np.array([1e308, 1e308]), 0),
    )


def test_arrays_that_share_memory_are_left_to_python() -> None:
    source = (
        "def program(a, b):\n    for i in range(len(a)):\n        a[i] = b[i] * 2\n    return a\n"
    )
    whole = np.arange(9.0)
    agree(source, (np.arange(4.0), np.arange(4.0)), (np.arange(4.0)[::2], np.arange(2.0)))
    from tests.loops.loop_runs import pair_of

    plain, jitted = pair_of(source, "program", "<shared>")
    first, second = whole.copy(), whole.copy()
    plain(first[1:], first[:-1])
    jitted(second[1:], second[:-1])
    assert first.tobytes() == second.tobytes()
    assert not hits_of(jitted)


def test_writes_are_taken_back_before_an_exception() -> None:
    source = "def program(a, b):\n    for i in range(len(a) + b):\n        a[i] = a[i] + 1.0\n    return a\n"
    for size in (3, 100, 3000):  # noted one by one, and as a copy
        agree(source, (np.zeros(size), 0), (np.zeros(size), 1))


def test_read_only_arrays() -> None:
    source = "def program(a, b):\n    for i in range(len(a)):\n        a[i] = 1.0\n    return a\n"
    from tests.loops.loop_runs import pair_of

    plain, jitted = pair_of(source, "program", "<readonly>")
    jitted(np.zeros(3), 0)
    locked = np.zeros(3)
    locked.flags.writeable = False
    for each in (plain, jitted):
        with pytest.raises(ValueError, match="read-only"):
            each(locked, 0)


def test_numpys_scalars_keep_their_types_and_warnings() -> None:
    source = "def program(a, b):\n    s = 0\n    for x in a:\n        s = s + x * b\n    return s, -s, a[0] == b, a[0]\n"
    agree(
        source,
        (np.array([1.5, 2.0]), 2),
        (np.array([1, 2]), 2),
        (np.array([1, 2]), 0.5),
        (np.array([1e308, 1e308]), 10.0),
        (np.array([2**62, 2**62]), 4),
        (np.array([float("nan")]), 1.0),
        (np.array([]), 1),
    )


def test_division_of_numpys_scalars() -> None:
    source = "def program(a, b):\n    s = 1.0\n    for x in a:\n        s = s / x + x / b\n    return s\n"
    agree(
        source,
        (np.array([2.0, 4.0]), 2),
        (np.array([0.0]), 2),
        (np.array([1.0]), 0),
        (np.array([3, 4]), 2),
        (np.array([0.0]), np.float64(0)),
    )


def test_a_bool_is_no_index_of_an_array() -> None:
    source = "def program(a, b):\n    for i in range(2):\n        s = a[i > 0]\n    return s.sum(), a[i]\n"
    agree(source, (np.arange(3.0), 0), compiled=False)


def test_an_underflow_that_is_to_be_reported() -> None:
    source = "def program(a, b):\n    s = 1.0\n    for x in a:\n        s = s * x\n    return s\n"
    from tests.loops.loop_runs import pair_of

    plain, jitted = pair_of(source, "program", "<underflow>")
    tiny = np.full(3, 1e-200)
    assert run(plain, [tiny, 0], "<underflow>") == run(jitted, [tiny, 0], "<underflow>")
    with np.errstate(under="raise"):
        expected, found = (
            run(plain, [tiny, 0], "<underflow>"),
            run(jitted, [tiny, 0], "<underflow>"),
        )
    assert expected.error is not None
    assert found == expected


def test_other_types_and_layouts() -> None:
    source = "def program(a, b):\n    s = 0.0\n    for i in range(len(a)):\n        s += a[i]\n    return s\n"
    agree(
        source,
        (np.arange(6.0)[::2], 0),
        (np.arange(6.0)[::-1], 0),
        (np.arange(6, dtype="f4"), 0),
        (np.arange(6.0).astype(">f8"), 0),
        (np.ma.masked_array(np.arange(3.0)), 0),
        (np.array(["a"], dtype=object), 0),
    )
