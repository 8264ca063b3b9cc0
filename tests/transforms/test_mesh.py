"""`mesh_sharded` computes each item exactly once and gathers in order."""

from __future__ import annotations

import math
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ember_jit import DeviceMesh, PartitionSpec, mesh_sharded, vmap
from ember_jit.errors import BatchError


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1, 3), min_size=1, max_size=3), st.integers(0, 20), st.data())
def test_each_item_once_and_in_order(shape, length, data):
    mesh = DeviceMesh(devices=range(math.prod(shape)), mesh_shape=shape)
    axes = data.draw(st.lists(st.sampled_from(range(len(shape))), unique=True))
    seen, lock = [], threading.Lock()

    def item(item):
        with lock:
            seen.append(item["x"])
        return {"y": item["x"]}

    result = mesh_sharded(item, mesh, PartitionSpec(*axes))(inputs={"x": list(range(length))})
    assert result == ({"y": list(range(length))} if length else {"x": []})
    assert sorted(seen) == list(range(length))


def test_a_batch_is_split_over_the_whole_mesh():
    together = threading.Barrier(4, timeout=30)
    mesh = DeviceMesh(devices=[0, 1, 2, 3], mesh_shape=(2, 2))
    result = mesh_sharded(lambda item: (together.wait(), item["x"])[1], mesh, PartitionSpec(0, 1))(
        inputs={"x": [1, 2, 3, 4]}
    )
    assert result == [1, 2, 3, 4]


def test_the_first_failure_is_raised_and_the_others_are_kept():
    mesh = DeviceMesh(devices=[0, 1], shape=(2,))
    with pytest.raises(ZeroDivisionError) as caught:
        mesh_sharded(lambda item: 6 // item["x"], mesh, PartitionSpec(0))(
            inputs={"x": [1, 0, 2, 3]}
        )
    assert caught.value.__notes__ == ["in item 1"]
    assert caught.value.partial_results == {0: 6, 2: 3, 3: 2}


def test_an_executor_behind_a_slot():
    with ThreadPoolExecutor(1) as pool:
        mesh = DeviceMesh(devices=[pool, 0])
        assert mesh_sharded(lambda item: item["x"], mesh, PartitionSpec(0))(
            inputs={"x": [1, 2]}
        ) == [1, 2]


def test_devices_axes_and_submeshes():
    mesh = DeviceMesh(devices=[0, 1, 2, 3], mesh_shape=(2, 2), axis_names=("rows", "columns"))
    assert mesh.get_device(1, 0) == 2
    assert mesh.submesh(rows=1).devices == (2, 3)
    for mistake in (
        lambda: mesh.get_device(2, 0),
        lambda: mesh.get_device(True, 0),
        lambda: mesh.submesh(depth=0),
        lambda: mesh.submesh(rows=2),
        lambda: mesh_sharded(str, mesh, PartitionSpec("depth")),
        lambda: mesh_sharded(str, mesh, PartitionSpec(0, 0)),
        lambda: mesh_sharded(str, mesh, PartitionSpec(("rows", 0))),
    ):
        with pytest.raises(BatchError, match="rows=2"):
            mistake()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: DeviceMesh([0, 1, 2], (2, 2)), r"\(2, 2\) needs 4 devices, not 3"),
        (lambda: DeviceMesh([]), "devices is empty"),
        (lambda: DeviceMesh(4), "devices=4"),
        (lambda: DeviceMesh(["gpu"]), "'gpu' is no device"),
        (lambda: DeviceMesh([0, 1], ()), "length of each axis"),
        (lambda: DeviceMesh([0, 1], 2), "length of each axis"),
        (lambda: DeviceMesh([0, 1], (2, 0)), "length of each axis"),
        (lambda: DeviceMesh([0, 1], (2,), shape=(1, 2)), "same thing"),
        (lambda: DeviceMesh([0, 1], axis_names=("a", "b")), "1 different axis names"),
        (lambda: DeviceMesh([0, 1], axis_names="x"), "list of names"),
        (lambda: PartitionSpec(0.5), "0.5 is no mesh axis"),
        (lambda: PartitionSpec(["x"]), "no mesh axis"),
        (lambda: mesh_sharded(str, [0, 1], PartitionSpec(0)), "is no mesh"),
        (lambda: mesh_sharded(str, DeviceMesh([0]), 0), "0 is no PartitionSpec"),
        (lambda: mesh_sharded(str, DeviceMesh([0])), "no axis of DeviceMesh"),
        (lambda: mesh_sharded(3, DeviceMesh([0]), PartitionSpec(0)), "cannot be called"),
    ],
)
def test_mistakes_are_named(make, words):
    with pytest.raises(BatchError, match=words):
        make()


def test_a_partition_for_each_key():
    mesh = DeviceMesh(devices=[0, 1, 2, 3], mesh_shape=(2, 2), axis_names=("rows", "columns"))
    data = np.arange(6).reshape(2, 3)
    partition = {"x": PartitionSpec("rows"), "a": PartitionSpec(None, "rows"), "all": None}
    fn = mesh_sharded(
        lambda item: item["x"] + int(item["a"].sum()) + len(item["all"]),
        mesh,
        in_partition=partition,
    )
    inputs = {"x": [10, 20, 30], "a": data, "all": [1, 2]}
    assert fn(inputs=inputs) == [10 + 3 + 2, 20 + 5 + 2, 30 + 7 + 2]


def test_a_mesh_over_vmap_is_vmap():
    mesh = DeviceMesh(devices=[0, 1])
    mapped = vmap(lambda item: item["x"] + len(item["all"]), in_axes={"all": None})
    inputs = {"x": [1, 2, 3], "all": [7, 8]}
    assert mesh_sharded(mapped, mesh, PartitionSpec(0))(inputs=inputs) == mapped(inputs=inputs)
