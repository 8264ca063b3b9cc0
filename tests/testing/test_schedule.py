"""What is said to have overlapped."""

from __future__ import annotations

import doctest
import importlib
from typing import Any

import pytest

from ember_jit.errors import NotAnOperatorError
from ember_jit.runtime.events import Call, Log
from ember_jit.testing import OperatorLike, Schedule, eager, fake_clock, record_schedule
from tests.testing.leaves import Diamond


def call(name: str, started: float, ended: float, thread: str = "t") -> Call:
    return Call(name, 1, 0, 0.0, started, ended, thread=thread)


def test_overlap_is_of_the_times_at_which_calls_ran() -> None:
    """Not of those at which they were issued."""
    calls = [call("self.b(1)", 2, 3), call("self.a(1)", 1, 2), call("self.bb(1)", 1.5, 9)]
    made = Schedule(Log([*calls, call("never", 0, 0)]))
    assert made.order == ["self.a(1)", "self.bb(1)", "self.b(1)"]
    assert not made.overlapped("self.a", "self.b")
    assert made.overlapped("self.b", "self.bb")
    assert made.overlapped("self.bb", "self.a")
    assert not made.overlapped("self.a", "self.a")
    assert made.at_once == 2


def test_a_call_that_takes_no_virtual_time_ran() -> None:
    assert Schedule(Log([call("a", 1, 1), call("b", 1, 1)])).at_once == 1
    assert Schedule(Log([])).at_once == 0


def test_a_diamond() -> None:
    with fake_clock() as clock, record_schedule() as schedule:
        Diamond(clock)(inputs="x")
    assert schedule.overlapped("self.left", "self.right")
    assert not schedule.overlapped("self.ends", "self.left")
    assert schedule.at_once == 2
    assert [len(schedule.named(f"self.{name}")) for name in ("ends", "left", "right")] == [2, 1, 1]
    lines = str(schedule).splitlines()
    assert lines[0] == "4 calls, 2 at once"
    assert len(lines) == 5
    assert lines[1].startswith("self.ends(inputs=inputs)")
    assert lines[2].split("|")[1].count("#") >= 1


def test_a_plain_run_overlaps_nothing() -> None:
    with fake_clock() as clock, record_schedule() as schedule:
        eager(Diamond(clock))(inputs="x")
    assert schedule.calls == []
    assert schedule.at_once == 0
    assert str(schedule) == "no call was started ahead of its turn"


def test_eager_as_a_block() -> None:
    with fake_clock() as clock, record_schedule() as schedule:
        op = Diamond(clock)
        with eager(op) as plain, eager(op):
            assert plain is op
            plain(inputs="x")
        assert schedule.calls == []
        op(inputs="x")
    assert len(schedule.calls) == 4


class HasForward:
    def forward(self, *, inputs: Any) -> Any: ...


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (Diamond, r"Diamond is a class; give an instance of it: Diamond\(\.\.\.\)"),
        (HasForward(), "HasForward has a `forward` but cannot be called"),
        (3, r"3 \(int\) is neither an operator nor a function"),
    ],
)
def test_what_is_no_operator(given: Any, said: str) -> None:
    with pytest.raises(NotAnOperatorError, match=f"eager needs an operator, but {said}.*EMB002"):
        eager(given)


@pytest.mark.parametrize("name", ["plain", "same", "latency"])
def test_examples(name: str) -> None:
    module = importlib.import_module(f"ember_jit.testing.{name}")
    assert doctest.testmod(module).failed == 0


def test_protocols() -> None:
    module = importlib.import_module("ember_jit.protocols")
    assert doctest.testmod(module).failed == 0
    with fake_clock() as clock:
        assert isinstance(Diamond(clock), OperatorLike)
    assert not isinstance(HasForward(), OperatorLike)
