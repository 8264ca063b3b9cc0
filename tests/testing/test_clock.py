"""Virtual time: a run takes as long as its critical path, every time, and a clock that cannot go on says so."""

from __future__ import annotations

import io
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ember_jit import Operator, autograph, execute, execution_options, query, structural_jit
from ember_jit.errors import ClockStalledError, NotAnOperatorError
from ember_jit.testing import eager, fake_clock, fake_latency
from tests.testing.leaves import Diamond, Fan, Sleeper


def test_a_run_takes_its_critical_path_every_time() -> None:
    clock = fake_clock()
    op = Diamond(clock)
    for _ in range(50):
        before = clock.now
        with clock:
            op(inputs="x")
        assert clock.now - before == pytest.approx(0.5)


def test_a_plain_run_takes_the_sum() -> None:
    with fake_clock() as clock:
        eager(Diamond(clock))(inputs="x")
    assert clock.now == 0.7


@pytest.mark.parametrize(("calls", "seconds"), [(2, 0.1), (64, 0.1), (65, 0.2), (200, 0.4)])
def test_a_fan_takes_one_call_for_each_64(calls: int, seconds: float) -> None:
    with fake_clock() as clock:
        Fan(clock)(inputs=calls)
    assert clock.now == seconds


def test_times_add_up_exactly() -> None:
    with fake_clock() as clock:
        for seconds in (0.1, 0.2, 0.0, 1e-9):
            clock.sleep(seconds)
    assert clock.now == 0.300000001


def test_composites_inside_composites() -> None:
    class Outer(Operator):
        def __init__(self, clock: Any) -> None:
            self.a, self.b, self.c = Diamond(clock), Diamond(clock), Sleeper(clock, 0.7)

        def forward(self, *, inputs: Any) -> Any:
            a = self.a(inputs=inputs)
            b = self.b(inputs=inputs)
            return a, b, self.c(inputs=inputs)

    with fake_clock() as clock:
        structural_jit(Outer(clock))(inputs="x")
    assert clock.now == 0.7


def test_calls_that_have_always_been_brisk_and_now_are_not() -> None:
    """They are left to the caller's thread until one takes long; time waits for the others to start."""
    clock = fake_clock()
    slow = False

    @query
    class Leaf(Operator):
        def forward(self, *, inputs: Any) -> Any:
            if slow:
                clock.sleep(0.1)
            return inputs

    @structural_jit(execution_strategy="parallel")
    class Op(Operator):
        def __init__(self) -> None:
            self.a = Leaf()

        def forward(self, *, inputs: Any) -> Any:
            return self.a(inputs=1), self.a(inputs=2), self.a(inputs=3)

    op = Op()
    for _ in range(100):
        op(inputs=0)
    slow = True
    with clock:
        op(inputs=0)
    assert clock.now == 0.1


@pytest.mark.parametrize("timeout", [None, 30.0])
def test_graphs(timeout: float | None) -> None:
    with fake_clock() as clock:
        with autograph() as graph:
            a = Sleeper(clock, 0.1)(inputs="x")
            b = Sleeper(clock, 0.2)(inputs="x")
            Sleeper(clock, 0.3)(inputs=[a, b])
        execute(graph, options=execution_options(timeout=timeout))
    assert clock.now == 0.5


def test_threads_of_ones_own() -> None:
    with fake_clock() as clock:
        threads = [threading.Thread(target=clock.sleep, args=(n,)) for n in (1, 2, 3)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert clock.now == 3
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(clock.sleep, [1, 1, 1, 1]))
        assert clock.now == 5


def test_threads_that_wait_for_each_other() -> None:
    """Nothing goes on for 0.2 s while the barrier still misses one that sleeps for 0.1 s."""
    barrier, seen = threading.Barrier(2, timeout=30), []

    def party(clock: Any, seconds: float) -> None:
        clock.sleep(seconds)
        barrier.wait()
        seen.append(clock.now)

    with fake_clock() as clock:
        threads = [threading.Thread(target=party, args=(clock, each)) for each in (0.1, 0.3)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    assert seen == [0.3, 0.3]


def test_an_exception_in_its_turn() -> None:
    clock = fake_clock()

    @query
    class Bad(Operator):
        def forward(self, *, inputs: Any) -> Any:
            clock.sleep(0.2)
            raise LookupError(inputs)

    @structural_jit
    class Op(Operator):
        def __init__(self) -> None:
            self.a, self.b, self.long = Bad(), Bad(), Sleeper(clock, 50)

        def forward(self, *, inputs: Any) -> Any:
            x = self.a(inputs="first")
            y = self.b(inputs="second")
            return x, y, self.long(inputs=0)

    with clock, pytest.raises(LookupError, match="first"):
        Op()(inputs=0)
    assert clock.now == 0.2


def test_a_thread_that_neither_sleeps_nor_waits_ends_the_sleep_of_the_others() -> None:
    stop = threading.Lock()
    stop.acquire()
    busy = threading.Thread(target=lambda: stop.acquire(), name="stubborn")
    with fake_clock(guard=0.2) as clock:
        busy.start()
        with pytest.raises(ClockStalledError, match=r"stubborn at .*test_clock.py.*EMB052"):
            Fan(clock)(inputs=2)
        stop.release()
        busy.join()
        clock.sleep(1)
    assert clock.now == 1


def test_nobody_sleeps_and_all_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    said = io.StringIO()
    monkeypatch.setattr(sys, "__stderr__", said)
    done = threading.Event()
    with fake_clock(guard=0.1):
        while not said.getvalue():
            done.wait(0.3)
    assert "nothing sleeps on the clock" in said.getvalue()
    assert "MainThread" in said.getvalue()


def test_a_clock_that_is_not_open() -> None:
    clock = fake_clock()
    with pytest.raises(ClockStalledError, match="not open"):
        clock.sleep(1)
    with clock, pytest.raises(ClockStalledError, match="open already"), clock:
        pass
    with pytest.raises(ValueError, match="cannot sleep for -1"):
        clock.sleep(-1)


def test_closing_wakes_whoever_still_sleeps() -> None:
    with fake_clock() as clock:
        asleep = threading.Thread(target=clock.sleep, args=(100,), daemon=True)
        asleep.start()
    asleep.join()


# ---------------------------------------------------------------------- fake_latency
@query
class Leaf(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return f"{inputs}!"


@fake_latency(0.3)
@query
def ask(inputs: Any) -> Any:
    """Asks."""
    return f"{inputs}?"


@fake_latency(0.2)
@query
class SlowLeaf(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return f"{inputs}."


def test_latency_of_functions_classes_and_instances() -> None:
    @structural_jit
    class Op(Operator):
        def __init__(self) -> None:
            self.a, self.b = SlowLeaf(), fake_latency(0.1)(Leaf())

        def forward(self, *, inputs: Any) -> Any:
            x = self.a(inputs=inputs)
            y = self.b(inputs=inputs)
            z = ask(inputs)
            return x, y, z

    op = Op()
    with fake_clock() as clock:
        assert op(inputs="x") == ("x.", "x!", "x?")
        assert clock.now == 0.3
        eager(op)(inputs="x")
        assert clock.now == 0.9
    assert op(inputs="y") == ("y.", "y!", "y?"), "no clock is open: nothing waits"
    assert ask.__doc__ == "Asks."
    assert type(op.b).__name__ == "SlowLeaf"


def test_latency_is_an_effect_unless_declared() -> None:
    class Plain(Operator):
        def forward(self, *, inputs: Any) -> Any:
            return inputs

    slow = fake_latency(0.1)(Plain())

    @structural_jit
    class Op(Operator):
        def forward(self, *, inputs: Any) -> Any:
            return slow(inputs=1), slow(inputs=2)

    with fake_clock() as clock:
        Op()(inputs=0)
    assert clock.now == 0.2


def test_latency_of_something_else() -> None:
    with pytest.raises(NotAnOperatorError, match="fake_latency needs an operator, but 3"):
        fake_latency(1)(3)
    with pytest.raises(ValueError, match="cannot take -1"):
        fake_latency(-1)
