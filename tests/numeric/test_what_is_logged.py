"""The logger `ember_jit.kernels`: what becomes machine code, what is left to NumPy or Python, and why."""

from __future__ import annotations

import logging

import pytest

from ember_jit import structural_jit
from ember_jit.runtime.loops.site import policy
from ember_jit.runtime.native import store
from ember_jit.testing import loops_at_once

np = pytest.importorskip("numpy")


@pytest.fixture
def said(caplog):
    """The messages so far, and none twice."""
    caplog.set_level(logging.INFO, "ember_jit.kernels")

    def messages():
        found = [each.getMessage() for each in caplog.records if each.name == "ember_jit.kernels"]
        caplog.clear()
        return found

    return messages


@pytest.mark.usefixtures("native")
def test_regions(said):
    @structural_jit
    def scaled(x, a, b):
        return (x * a + b) * (x - b)

    x = np.arange(64.0)
    place = f"scaled ({__file__}:{scaled.__code__.co_firstlineno}), line "
    name = scaled.__qualname__.removesuffix("scaled")
    scaled(x, 2.0, 3.0)
    found, made = said()
    assert found.endswith(
        "return (x * a + b) * (x - b): a numeric region: a kernel will be made for the arrays that it meets"
    )
    assert made.startswith(name + place)
    assert ": float64[64], float, float: a kernel, made in " in made
    scaled(x, 2.0, 3.0)
    assert said() == []
    scaled(x.astype(np.float16), 2.0, 3.0)
    (refused,) = said()
    assert "float16[64], float, float: left to NumPy: " in refused


@pytest.mark.usefixtures("native")
def test_flags_send_a_call_back_to_numpy(said):
    @structural_jit
    def ratio(x, y):
        return x / y + x * y

    x = np.ones(64)
    ratio(x, x)
    said()
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        ratio(x, x * 0)
    (again,) = said()
    assert again.endswith(
        "float64[64], float64[64]: NumPy makes it again: its arithmetic raised flags"
    )


def product(n, by):
    made = 1
    for _ in range(n):
        made = made * by
    return made


@pytest.mark.usefixtures("native")
def test_loops(said, monkeypatch):
    monkeypatch.setattr(store, "store", lambda: None)
    power = structural_jit(product)
    with loops_at_once():
        monkeypatch.setattr(policy, "patience", 2)
        assert power(3, 3) == 27
        found, made, used = said()
        assert "loop: machine code will be made for it" in found
        assert "int, int: machine code, " in made
        assert used.endswith("int, int: its machine code is used")
        assert power(4, 3) == 81
        assert said() == []
        for _ in range(2):
            assert power(100, 3) == 3**100
        first, second, rests = said()
        line = product.__code__.co_firstlineno + 3
        assert first.endswith(f"int, int: a call was left to Python on line {line}")
        assert second == first
        assert "int, int: Python runs the next 64 calls: it leaves too many calls" in rests


def test_nothing_is_made_where_nobody_listens(monkeypatch):
    from ember_jit.runtime import logs

    monkeypatch.setattr(logs, "later", lambda *_: pytest.fail("a message was made"))

    @structural_jit
    def scaled(x, a):
        return x * a + a

    for _ in range(3):
        scaled(np.ones(8), 2.0)
