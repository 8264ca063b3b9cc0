"""`pmap` on worker processes: the loop's results; an error, never a hang, when something goes wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest

import ember_jit
from ember_jit import idempotent, jit, pmap, pure, vmap
from ember_jit.errors import BatchError, ShippingError, WorkerError
from ember_jit.transforms import parallel, shipping, workers
from ember_jit.transforms.sharding import Work, split

pytestmark = pytest.mark.skipif(not shipping.is_possible(), reason="needs cloudpickle")
ROOT = Path(ember_jit.__file__).parents[1]


def on_two(fn):
    return pmap(fn, num_workers=2, backend="processes")


def test_workers_are_other_processes_and_are_reused():
    def where(item):
        return os.getpid()

    first, second = (on_two(where)(inputs={"x": [1, 2, 3, 4]}) for _ in range(2))
    assert os.getpid() not in first
    assert first[0] == first[1] != first[2] == first[3]
    assert set(first) == set(second)


def test_closures_operators_and_nesting():
    offset = 10

    class Add:
        def forward(self, *, inputs):
            return {"y": inputs["x"] + offset}

        def __call__(self, *, inputs):
            return self.forward(inputs=inputs)

    expected = {"y": [11, 12, 13]}
    assert on_two(Add())(inputs={"x": [1, 2, 3]}) == expected
    assert on_two(vmap(Add()))(inputs={"x": [1, 2, 3]}) == expected


def test_a_compiled_function_that_goes_by_value():
    @jit
    def both(item):
        return [str(item["x"]), repr(item["x"])]

    assert both({"x": 1}) == ["1", "1"]
    assert on_two(both)(inputs={"x": [1, 2]}) == [["1", "1"], ["2", "2"]]


def test_a_pmap_in_a_worker_runs_there():
    def where(item):
        return os.getpid()

    found = on_two(on_two(where))(inputs={"x": [[1, 2], [3, 4]]})
    assert len({*found[0]}) == len({*found[1]}) == 1


def test_the_first_failing_item_raises():
    class Odd(Exception):
        pass

    def even(item):
        if item["x"] % 2:
            raise Odd(item["x"], "is odd")
        return item["x"]

    with pytest.raises(Odd) as caught:
        on_two(even)(inputs={"x": [2, 4, 5, 6, 7, 8]})
    assert caught.value.args == (5, "is odd")
    assert caught.value.__notes__ == ["in item 2"]
    assert caught.value.partial_results == {0: 2, 1: 4, 3: 6}
    assert "in even" in str(caught.value.__cause__)


def test_a_worker_that_is_killed():
    def die(item):
        if item["x"] == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return item["x"]

    with pytest.raises(WorkerError, match=r"shard 1 \(items 2 to 3\) died of SIGKILL") as caught:
        on_two(die)(inputs={"x": [1, 2, 3, 4]})
    assert caught.value.partial_results == {0: 1, 1: 2}
    assert on_two(die)(inputs={"x": [1, 2, 5, 4]}) == [1, 2, 5, 4]


def dies_at_first(marks):
    """A function that kills its process the first time it comes to item 3, and counts how often it was called."""

    def act(item):
        with open(marks / str(item["x"]), "a") as file:
            file.write("+")
        if item["x"] == 3 and (marks / "3").read_text() == "+":
            os.kill(os.getpid(), signal.SIGKILL)
        return item["x"]

    return act


@pytest.mark.parametrize("mapped", [False, True])
def test_a_shard_whose_worker_died_is_run_again_if_that_is_the_same(tmp_path, mapped):
    act = idempotent(dies_at_first(tmp_path))
    act = vmap(act) if mapped else act
    assert on_two(act)(inputs={"x": [1, 2, 3, 4]}) == [1, 2, 3, 4]
    made = {file.name: file.read_text() for file in tmp_path.iterdir()}
    assert made == {"1": "+", "2": "+", "3": "++", "4": "+"}, "what another shard did stands"


def test_nothing_is_made_again_unless_that_is_declared(tmp_path):
    with pytest.raises(WorkerError, match="declare it `idempotent`"):
        on_two(dies_at_first(tmp_path))(inputs={"x": [1, 2, 3, 4]})
    assert (tmp_path / "3").read_text() == "+"


def test_a_shard_is_not_run_again_for_ever(tmp_path):
    @idempotent
    def die(item):
        with open(tmp_path / str(item["x"]), "a") as file:
            file.write("+")
        if item["x"] == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return item["x"]

    with pytest.raises(
        WorkerError, match="died of SIGKILL .* so did those of 2 more tries"
    ) as caught:
        on_two(die)(inputs={"x": [1, 2, 3, 4]})
    assert caught.value.partial_results == {0: 1, 1: 2}
    assert (tmp_path / "3").read_text() == "+++"


def test_progress_counts_an_item_once_however_often_it_was_made(tmp_path):
    ticks = []
    shards = split([{"x": x} for x in (1, 2, 5, 3)], 1)
    work = Work(idempotent(dies_at_first(tmp_path)), by_key=True)
    (outcome,) = workers.on_processes(work, shards, "test", lambda: ticks.append(None))
    assert outcome.done == [1, 2, 5, 3]
    assert len(ticks) == 4


def test_an_idle_worker_that_is_killed_is_replaced():
    def where(item):
        return os.getpid()

    for pid in set(on_two(where)(inputs={"x": [1, 2]})):
        os.kill(pid, signal.SIGKILL)
    for worker in list(workers._all):
        worker.process.wait(30)
    assert len(set(on_two(where)(inputs={"x": [1, 2]}))) == 2


def test_results_that_cannot_be_pickled():
    def locked(item):
        import threading

        return threading.Lock() if item["x"] == 2 else item["x"]

    with pytest.raises(ShippingError, match="the result of item 1 cannot be pickled") as caught:
        on_two(locked)(inputs={"x": [1, 2, 3, 4]})
    assert caught.value.partial_results == {0: 1, 2: 3, 3: 4}


def test_exceptions_that_cannot_be_pickled():
    def fails(item):
        class Stubborn(Exception):
            def __init__(self, a, b):
                super().__init__(a)

        raise Stubborn(1, 2)

    with pytest.raises(ShippingError, match="an exception cannot be sent back") as caught:
        on_two(fails)(inputs={"x": [1, 2]})
    assert caught.value.__notes__ == ["in item 0"]
    assert "Stubborn" in str(caught.value)


def test_functions_that_cannot_be_pickled_run_nowhere():
    lock = threading.Lock()
    with pytest.raises(ShippingError, match="shard 0"):
        on_two(lambda item: lock)(inputs={"x": [1]})


def test_without_cloudpickle(monkeypatch):
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    with pytest.raises(ShippingError, match=r"ember-jit\[processes\]"):
        on_two(lambda item: item["x"])(inputs={"x": [1]})
    assert pmap(lambda item: item["x"])(inputs={"x": [1, 2]}) == [1, 2]


@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_come_and_go_and_may_be_written(order):
    data = np.asfortranarray(np.arange(40_000.0).reshape(4, 10_000))
    data = np.array(data, order=order)
    shared = np.ones(10_000)
    before = data.copy()

    def double(item):
        item["a"] *= 2  # on the copy that the worker has
        return {"a": item["a"] * item["b"].all(), "b": item["b"]}

    found = on_two(double)(inputs={"a": data, "b": [shared] * 4})
    np.testing.assert_array_equal(found["a"], before * 2)
    np.testing.assert_array_equal(data, before)
    found["a"][0][:] = 0
    np.testing.assert_array_equal(found["b"], np.ones((4, 10_000)))


def test_an_array_that_all_shards_share_is_written_once():
    data = np.ones(100_000)
    hold = shipping.Hold()
    parcels = [shipping.pack({"data": data, "k": k}, hold) for k in range(3)]
    assert hold.descriptor is not None
    assert os.fstat(hold.descriptor).st_size == data.nbytes
    for k, parcel in enumerate(parcels):
        found = shipping.unpack(parcel, hold.descriptor)
        assert found["k"] == k
        np.testing.assert_array_equal(found["data"], data)
        found["data"][:] = 7
    hold.close()


def test_auto_takes_processes_only_for_pure_functions_that_compute(monkeypatch):
    monkeypatch.setattr(parallel, "COLD", 0.0)
    monkeypatch.setattr(parallel, "WAITING", 0.0)  # a busy machine makes everything wait

    @pure
    def heavy(item):
        total = 0
        for i in range(100_000):
            total += i
        return os.getpid()

    def noted(item):
        seen.append(item["x"])
        return os.getpid()

    seen = []
    mapped = pmap(heavy, num_workers=2)
    inputs = {"x": list(range(40))}
    assert os.getpid() in mapped(inputs=inputs)
    assert len(set(mapped(inputs=inputs))) == 3  # the first item is measured here
    assert set(pmap(noted, num_workers=2)(inputs=inputs)) == {os.getpid()}
    assert sorted(seen) == inputs["x"]


def test_processes_and_executors_do_not_mix():
    class Remote:
        def submit(self, fn, *args):
            raise AssertionError

    with pytest.raises(BatchError, match="processes"):
        pmap(abs, devices=[Remote()], backend="processes")


SCRIPT = """
    import os, sys, threading
    from ember_jit import pmap

    def block(item):
        os.write(1, b"%d\\n" % os.getpid())  # in one piece
        threading.Event().wait()

    try:
        pmap(block, num_workers=2, backend="processes")(inputs={"x": [1, 2]})
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    """


def blocked() -> tuple[subprocess.Popen[str], list[int]]:
    """A program that waits for two workers that never finish, and their process ids."""
    program = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(SCRIPT)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert program.stdout is not None
    return program, [int(program.stdout.readline()) for _ in range(2)]


def test_an_interrupt_leaves_no_orphans():
    program, pids = blocked()
    program.send_signal(signal.SIGINT)
    out, err = program.communicate(timeout=60)
    assert (out, err) == ("interrupted\n", "")
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_workers_end_with_a_parent_that_is_killed():
    program, _ = blocked()
    program.kill()
    out, err = program.communicate(timeout=60)  # until nobody holds the other end of the pipe
    assert (out, err) == ("", "")
