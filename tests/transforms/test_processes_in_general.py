"""Worker processes, whatever the items hold and whatever becomes of them: as the loop, or the error that a model tells."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ember_jit import idempotent, pmap
from ember_jit.errors import ShippingError, WorkerError
from ember_jit.transforms import shipping, workers
from ember_jit.transforms.sharding import split

pytestmark = pytest.mark.skipif(not shipping.is_possible(), reason="needs cloudpickle")

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
shapes = arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=6)
plain = arrays.arrays(
    st.sampled_from(["f8", "f4", "i8", "u1", "?", "c16", "M8[s]", "U3", "i2,f4"]), shapes
)
large = st.integers(2_000, 6_000).map(lambda n: np.arange(n, dtype="f8"))  # beside the pickle
contents = st.recursive(
    scalars | plain | large | large.map(lambda a: a[::-2]) | plain.map(np.asfortranarray),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=2).map(tuple)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
        | st.sets(st.integers(), max_size=3)
    ),
    max_leaves=6,
)
counts = st.integers(1, 3)


def like(a: Any, b: Any) -> bool:
    """Whether two values have the same types and, all the way down, the same contents."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(like, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(like(a[key], b[key]) for key in a)
    return a == b or (a != a and b != b)


@settings(deadline=None, max_examples=25)
@given(st.lists(contents, min_size=1, max_size=7), counts)
def test_contents_come_back_as_they_went(items: list[Any], count: int) -> None:
    fn = pmap(lambda item: [os.getpid(), item["x"]], num_workers=count, backend="processes")
    results = fn(inputs={"x": items})
    assert like([result[1] for result in results], items)
    pids = [result[0] for result in results]
    assert os.getpid() not in pids
    shards = split(items, count)
    assert len(set(pids)) == len(shards)
    assert [pid for shard in shards for pid in [pids[shard.indices[0]]] * len(shard.items)] == pids


@settings(deadline=None, max_examples=15)
@given(st.lists(plain | large, min_size=1, max_size=5), counts)
def test_what_a_worker_changes_stays_there(items: list[Any], count: int) -> None:
    def spoil(item: Any) -> Any:
        item["extra"] = 1
        if item["x"].size and item["x"].dtype.kind != "V":
            item["x"].flat[0] = item["x"].flat[-1]
        return item["x"].flags.writeable

    before = [item.copy() for item in items]
    assert pmap(spoil, num_workers=count, backend="processes")(inputs={"x": items}) == [True] * len(
        items
    )
    assert like(items, before)


class Expected(NamedTuple):
    """What a call gives: results, or the failure's class, its notes' item, and what was finished, by index."""

    results: list[int] | None
    failure: type[BaseException] | None = None
    index: int | None = None
    partial: dict[int, int] | None = None


def model(fates: list[str], count: int) -> Expected:
    """What becomes of a batch, item by item."""
    partial: dict[int, int] = {}
    failures: list[tuple[int, str]] = []
    for shard in split(list(range(len(fates))), count):
        mine = [fates[number] for number in shard.items]
        bad = next((k for k, fate in enumerate(mine) if fate != "ok"), None)
        done = mine if bad is None else mine[:bad]
        # a worker that dies takes all of its shard along; results are packed once the shard has ended
        raised = [k for k, fate in enumerate(mine) if fate in ("raises", "dies")]
        if raised and mine[raised[0]] == "dies":
            done, bad = [], 0
        if bad is not None:
            died = bool(raised) and mine[raised[0]] == "dies"
            failures.append((shard.indices[bad], "dies" if died else mine[bad]))
        partial.update({shard.indices[k]: shard.indices[k] for k in range(len(done))})
    if not failures:
        return Expected(list(range(len(fates))))
    index, fate = min(failures)
    kind = {"raises": ZeroDivisionError, "dies": WorkerError, "cannot come back": ShippingError}
    return Expected(None, kind[fate], index, partial)


def act(item: Any) -> Any:
    if item["fate"] == "raises":
        raise ZeroDivisionError(item["x"])
    if item["fate"] == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    return item["x"] if item["fate"] == "ok" else threading.Lock()


fates = st.lists(
    st.sampled_from(["ok", "ok", "ok", "ok", "raises", "cannot come back", "dies"]),
    min_size=1,
    max_size=8,
)


@settings(deadline=None, max_examples=12)
@given(fates, counts)
def test_failures_are_those_of_the_model(fates: list[str], count: int) -> None:
    fn = pmap(act, num_workers=count, backend="processes")
    inputs = {"x": list(range(len(fates))), "fate": fates}
    expected = model(fates, count)
    if expected.failure is None:
        assert fn(inputs=inputs) == expected.results
    else:
        with pytest.raises(expected.failure) as caught:
            fn(inputs=inputs)
        assert caught.value.partial_results == expected.partial
        if expected.failure is WorkerError:
            assert f"items {expected.index} to" in str(caught.value)
        else:
            assert f"in item {expected.index}" in caught.value.__notes__
    assert all(worker.is_alive() for worker in workers._idle), "and the next call finds workers"
    assert set(workers._idle) == workers._all, "none is left busy"


@settings(deadline=None, max_examples=8)
@given(st.lists(st.booleans(), min_size=1, max_size=6), counts)
def test_an_idempotent_function_survives_workers_that_die_once(
    dying: list[bool], count: int
) -> None:
    with tempfile.TemporaryDirectory() as marks:

        @idempotent
        def once(item: Any) -> Any:
            # at most one death a shard: it is given up after three
            place = os.path.join(marks, str(item["shard"]))
            if item["dies"] and not os.path.exists(place):
                open(place, "x").close()
                os.kill(os.getpid(), signal.SIGKILL)
            return item["x"]

        items = list(range(len(dying)))
        numbers = [shard.number for shard in split(items, count) for _ in shard.items]
        fn = pmap(once, num_workers=count, backend="processes")
        assert fn(inputs={"x": items, "dies": dying, "shard": numbers}) == items
