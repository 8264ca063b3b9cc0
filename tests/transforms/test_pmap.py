"""`pmap` gives the results of the loop, in order, from shards that run at the same time."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ember_jit import pmap, vmap
from ember_jit.errors import BatchError


def divide(item):
    return 6 // item["x"]


def test_shards_run_at_the_same_time():
    together = threading.Barrier(3, timeout=30)

    def meet(item):
        together.wait()
        return item["x"]

    assert pmap(meet, num_workers=3)(inputs={"x": [1, 2, 3]}) == [1, 2, 3]


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(-3, 3), min_size=1), st.integers(1, 5))
def test_results_and_failures_are_those_of_the_loop(values, workers):
    mapped = pmap(divide, num_workers=workers, backend="threads")
    if 0 not in values:
        assert mapped(inputs={"x": values}) == [6 // x for x in values]
        return
    with pytest.raises(ZeroDivisionError) as caught:
        mapped(inputs={"x": values})
    first = values.index(0)
    assert caught.value.__notes__ == [f"in item {first}"]
    finished = caught.value.partial_results
    assert set(range(first)) <= set(finished)
    assert all(finished[i] == 6 // values[i] for i in finished)


def test_shards_are_contiguous():
    shards, lock = {}, threading.Lock()

    def note(item):
        with lock:
            shards.setdefault(threading.get_ident(), []).append(item["x"])

    pmap(note, num_workers=3)(inputs={"x": list(range(10))})
    assert all(part == list(range(part[0], part[-1] + 1)) for part in shards.values())


def test_pmap_of_vmap_is_vmap():
    mapped = vmap(lambda item: {"y": item["x"] + len(item["all"])}, in_axes={"all": None})
    inputs = {"x": [1, 2, 3], "all": [7, 8]}
    assert pmap(mapped, num_workers=2)(inputs=inputs) == mapped(inputs=inputs)


def test_a_failure_in_pmap_of_vmap():
    with pytest.raises(ZeroDivisionError) as caught:
        pmap(vmap(divide), num_workers=2)(inputs={"x": [1, 2, 3, 0]})
    assert caught.value.__notes__ == ["in item 3"]
    assert caught.value.partial_results == {0: 6, 1: 3, 2: 2}


def test_a_pmap_in_a_pmap_runs_in_line():
    threads = set()

    def inner(item):
        threads.add(threading.get_ident())
        return item["x"]

    nested = pmap(pmap(inner, num_workers=4), num_workers=1)
    assert nested(inputs={"x": [[1, 2], [3, 4]]}) == [[1, 2], [3, 4]]
    assert len(threads) == 1


def test_arrays_by_position():
    data = np.arange(6).reshape(3, 2)
    np.testing.assert_array_equal(pmap(lambda row: row * 2, num_workers=2)(data), data * 2)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"num_workers": 0}, "num_workers"),
        ({"backend": "gpus"}, "backend"),
        ({"devices": []}, "devices"),
        ({"devices": ["gpu"]}, "submit"),
    ],
)
def test_mistakes_are_named(arguments, words):
    with pytest.raises(BatchError, match=words):
        pmap(divide, **arguments)


def test_progress_is_shown_on_request(capsys):
    pytest.importorskip("rich")
    assert pmap(divide, num_workers=2, progress=True)(inputs={"x": [1, 2]}) == [6, 3]
    assert "pmap(divide)" in capsys.readouterr().err


class Broken:
    """An executor that forgets what it was given."""

    def submit(self, fn, *args):
        return None


def test_an_executor_that_returns_no_future():
    with pytest.raises(BatchError, match=r"shard 0 .* returned None, which has no `result\(\)`"):
        pmap(len, devices=[Broken()])([["a"]])
