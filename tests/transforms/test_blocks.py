"""Batches of several dimensions: a block for each device, and results that do not depend on the mesh."""

from __future__ import annotations

import itertools
import math
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ember_jit import DeviceMesh, PartitionSpec, mesh_sharded, pmap, vmap
from ember_jit.errors import BatchError
from ember_jit.transforms.grid import blocks
from ember_jit.transforms.partition import lay_out

AXES = ("x", "y", "z")
MESH = DeviceMesh(range(6), (2, 3), axis_names=("x", "y"))


@st.composite
def meshes(draw):
    shape = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    return DeviceMesh(range(math.prod(shape)), shape, axis_names=AXES[: len(shape)])


@st.composite
def specs(draw, mesh, most):
    """A specification of at most that many axes: names, numbers, tuples of them, and None."""
    left = draw(st.permutations(range(len(mesh.shape))))
    entries = []
    for _ in range(draw(st.integers(0, most))):
        count = draw(st.integers(0, min(2, len(left))))
        taken, left = left[:count], left[count:]
        named = [mesh.axis_names[axis] if draw(st.booleans()) else axis for axis in taken]
        entries.append((None, named[:1] and named[0], tuple(named))[count])
    return PartitionSpec(*entries)


def nested_vmap(fn, split):
    """`vmap` once for each of the axes that are split: the outermost first."""
    for axis in reversed(split):
        fn = vmap(fn, in_axes=(axis - sum(other < axis for other in split),))
    return fn


@settings(deadline=None, max_examples=80)
@given(st.data())
def test_it_is_vmap_nested_and_each_item_is_computed_once(data):
    mesh = data.draw(meshes())
    array = np.arange(
        math.prod(shape := data.draw(st.lists(st.integers(1, 5), min_size=2, max_size=4)))
    )
    array = array.reshape(shape)
    spec = data.draw(specs(mesh, len(shape)))
    split = [axis for axis, entry in enumerate(spec.axes) if entry not in (None, ())] or [0]
    seen, lock = [], threading.Lock()

    def item(part):
        with lock:
            seen.extend(np.ravel(part).tolist())
        return np.asarray(part) * 2

    found = mesh_sharded(item, mesh, spec)(array)
    assert sorted(seen) == list(range(array.size))
    np.testing.assert_array_equal(
        found, nested_vmap(lambda part: np.asarray(part) * 2, split)(array)
    )
    by_key = mesh_sharded(lambda item: {"y": item["a"] * 2}, mesh, spec)(
        inputs={"a": array, "k": 1}
    )
    np.testing.assert_array_equal(by_key["y"], found)
    assert type(by_key["y"]) is list


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_blocks_are_disjoint_contiguous_and_on_the_devices_that_jax_would_choose(data):
    mesh = data.draw(meshes())
    shape = data.draw(st.lists(st.integers(1, 7), min_size=2, max_size=3))
    spec = data.draw(specs(mesh, len(shape)))
    layout = lay_out({"a": np.zeros(shape)}, {}, spec, mesh, "f, key")
    found = blocks(layout, mesh)
    items = [index for block in found for index in itertools.product(*block.ranges)]
    assert sorted(items) == list(itertools.product(*map(range, layout.lengths)))
    assert len({block.device for block in found}) == len(found)
    for d in range(len(layout.dimensions)):
        sizes = {len(block.ranges[d]) for block in found}
        assert max(sizes) - min(sizes) <= 1
    for (
        block
    ) in found:  # row-major over the mesh axes of each dimension; 0 along those that replicate
        place = [0] * len(mesh.shape)
        for number, dimension in zip(block.place, layout.dimensions, strict=True):
            of = np.unravel_index(number, [mesh.shape[axis] for axis in dimension] or [1])
            for axis, at in zip(dimension, of, strict=False):
                place[axis] = int(at)
        assert block.device == mesh.get_device(*place)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_functions_of_blocks_see_each_element_once_and_are_joined_in_place(data):
    mesh = data.draw(meshes())
    shape = data.draw(st.lists(st.integers(1, 5), min_size=2, max_size=3))
    array = np.arange(math.prod(shape)).reshape(shape)
    spec = data.draw(specs(mesh, len(shape)))
    seen, lock = [], threading.Lock()

    def block(inputs):
        with lock:
            seen.extend(inputs["a"].ravel().tolist())
        return {"y": inputs["a"] * 2}

    found = mesh_sharded(block, mesh, spec, of_blocks=True)(inputs={"a": array})
    np.testing.assert_array_equal(found["y"], array * 2)
    assert sorted(seen) == list(range(array.size))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(-2, 3), min_size=1, max_size=12), st.integers(1, 4), st.data())
def test_the_first_failing_item_in_order_raises(values, columns, data):
    array = np.resize(values, (max(1, len(values) // columns), columns))
    mesh = data.draw(meshes())
    axes = [None, None]
    for axis, name in zip(data.draw(st.permutations([0, 1])), mesh.axis_names, strict=False):
        axes[axis] = name
    mapped = mesh_sharded(lambda value: 6 // int(value.ravel().min()), mesh, PartitionSpec(*axes))
    if None in axes:
        parts = np.moveaxis(array, 0 if axes[0] else 1, 0)
        expected = [int(part.min()) for part in parts]
        names = list(range(len(expected)))
    else:
        expected, names = array.ravel().tolist(), list(np.ndindex(array.shape))
    if 0 not in expected:
        np.testing.assert_array_equal(np.ravel(mapped(array)), [6 // value for value in expected])
        return
    with pytest.raises(ZeroDivisionError) as caught:
        mapped(array)
    first = expected.index(0)
    assert caught.value.__notes__ == [f"in item {names[first]}"]
    finished = caught.value.partial_results
    assert set(names[:first]) <= set(finished)
    assert all(finished[name] == 6 // expected[names.index(name)] for name in finished)
    assert list(finished) == sorted(finished)


def test_a_block_for_each_device():
    together = threading.Barrier(6, timeout=30)
    shapes = []

    def block(part):
        together.wait()  # all six at the same time
        shapes.append(part.shape)
        return part + 1

    array = np.arange(24).reshape(4, 6)
    found = mesh_sharded(block, MESH, PartitionSpec("x", "y"), of_blocks=True)(array)
    np.testing.assert_array_equal(found, array + 1)
    assert shapes == [(2, 2)] * 6


def test_a_tuple_of_names_splits_one_axis_over_both():
    threads, lock = {}, threading.Lock()

    def row(item):
        with lock:
            threads.setdefault(threading.get_ident(), []).append(item["i"])
        return item["a"].sum()

    array = np.arange(24).reshape(6, 4)
    mapped = mesh_sharded(row, MESH, PartitionSpec(("x", "y")))
    assert mapped(inputs={"a": array, "i": list(range(6))}) == array.sum(axis=1).tolist()
    assert sorted(sum(threads.values(), [])) == list(range(6))


def test_a_list_beside_an_array_makes_the_batch_one_dimensional():
    array = np.arange(8).reshape(2, 4)
    mapped = mesh_sharded(
        lambda item: {"s": int(item["a"].sum()), "id": item["id"]}, MESH, PartitionSpec(0, 1)
    )
    assert mapped(inputs={"a": array, "id": ["p", "q"]}) == {"s": [6, 22], "id": ["p", "q"]}


def test_values_without_a_dimension_are_the_same_along_it():
    mapped = mesh_sharded(
        lambda item: item["row"] * item["column"],
        MESH,
        in_partition={"row": PartitionSpec("x"), "column": PartitionSpec("y")},
    )
    assert mapped(inputs={"row": [1, 2], "column": [1, 10, 100]}) == [[1, 10, 100], [2, 20, 200]]


def test_partitions_by_argument():
    mapped = mesh_sharded(
        lambda a, b, k: a * b + k, MESH, in_partition=(PartitionSpec("x"), PartitionSpec("y"), None)
    )
    np.testing.assert_array_equal(
        mapped(np.arange(3), np.arange(4), 1), np.multiply.outer(range(3), range(4)) + 1
    )


def test_keys_without_a_partition_follow_the_only_dimension():
    mapped = mesh_sharded(
        lambda item: item["a"] + item["b"], MESH, in_partition={"a": PartitionSpec("x")}
    )
    assert mapped(inputs={"a": [1, 2], "b": [10, 20]}) == [11, 22]


# ---------------------------------------------------------------------- what comes out
ARRAY = np.arange(24).reshape(4, 6)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (None, ARRAY),
        (PartitionSpec("x", "y"), ARRAY),
        (PartitionSpec("y", "x"), ARRAY.T),
        (PartitionSpec(1, 0), ARRAY.T),
    ],
)
def test_where_the_dimensions_go(spec, expected):
    mapped = mesh_sharded(lambda value: value, MESH, PartitionSpec("x", "y"), out_partition=spec)
    np.testing.assert_array_equal(mapped(ARRAY), expected)
    by_key = mesh_sharded(
        lambda item: {"v": item["a"], "w": -item["a"]},
        MESH,
        PartitionSpec("x", "y"),
        out_partition={"v": spec} if spec else {},
    )(inputs={"a": ARRAY})
    np.testing.assert_array_equal(by_key["v"], expected)
    np.testing.assert_array_equal(by_key["w"], -ARRAY)


def test_behind_an_axis_of_the_results():
    mapped = mesh_sharded(
        lambda row: row * 2, MESH, PartitionSpec("x"), out_partition=PartitionSpec(None, "x")
    )
    np.testing.assert_array_equal(mapped(ARRAY), (ARRAY * 2).T)
    with pytest.raises(BatchError, match=r"DeviceMesh\(x=2, y=3\).*2 axes.*shape \(\)"):
        mesh_sharded(
            lambda row: row.sum(), MESH, PartitionSpec("x"), out_partition=PartitionSpec(None, "x")
        )(ARRAY)


def test_replicated_results_are_computed_once_and_agree():
    calls = []

    def item(item):
        calls.append(item["a"])
        return {"sign": int(np.sign(item["a"])), "nan": math.nan, "all": [1, np.ones(2)]}

    mapped = mesh_sharded(
        item,
        MESH,
        PartitionSpec("x"),
        out_partition={"sign": PartitionSpec(), "nan": PartitionSpec(), "all": PartitionSpec(None)},
    )
    found = mapped(inputs={"a": [3, 4, 5]})
    assert sorted(calls) == [3, 4, 5]  # y replicates, and makes no call
    assert found["sign"] == 1
    assert math.isnan(found["nan"])
    assert found["all"][0] == 1
    with pytest.raises(
        BatchError,
        match=r"leaves out 'x' of DeviceMesh\(x=2, y=3\).*item 0 gave 1 and item 1 gave -1",
    ):
        mapped(inputs={"a": [3, -4, 5]})


def test_results_that_agree_along_one_of_two_dimensions():
    mapped = mesh_sharded(
        lambda item: item["a"] // 10,
        MESH,
        PartitionSpec("x", "y"),
        out_partition=PartitionSpec("x"),
    )
    assert mapped(inputs={"a": np.array([[10, 11], [20, 21], [30, 31]])}) == [1, 2, 3]


def test_a_batch_of_one_axis_takes_the_partition_of_its_inputs():
    both = PartitionSpec(0, 1)
    mapped = mesh_sharded(lambda item: item["x"], MESH, both, out_partition=both)
    assert mapped(inputs={"x": [1, 2, 3]}) == [1, 2, 3]


def test_sums_of_blocks():
    ones = np.ones((4, 6))
    rows = mesh_sharded(lambda block: block.sum(axis=1), MESH, PartitionSpec("x"), of_blocks=True)
    np.testing.assert_array_equal(rows(ones), ones.sum(axis=1))
    columns = mesh_sharded(
        lambda block: (block.sum(axis=0), [block.shape]),
        MESH,
        PartitionSpec(None, "y"),
        of_blocks=True,
        out_partition=PartitionSpec("y"),
    )(ones)
    np.testing.assert_array_equal(columns[0], ones.sum(axis=0))
    assert columns[1] == [(4, 2)] * 3


@pytest.mark.parametrize(
    ("mapped", "words"),
    [
        (
            mesh_sharded(lambda b: b.sum(), MESH, PartitionSpec("x"), of_blocks=True),
            "cannot be joined along axis 0: they are int64",
        ),
        (
            mesh_sharded(lambda b: b[:, : b[0, 0] + 1], MESH, PartitionSpec("x"), of_blocks=True),
            r"cannot be joined along axis 0: their shapes are \(2, 1\), \(2, 6\)",
        ),
        (
            mesh_sharded(
                lambda b: b, MESH, PartitionSpec("x"), of_blocks=True, out_partition=PartitionSpec()
            ),
            "leaves out 'x'.*block 0 gave",
        ),
        (
            mesh_sharded(lambda v: v, MESH, PartitionSpec("x"), out_partition=PartitionSpec("y")),
            r"PartitionSpec\('y'\) has an axis along 'y' of DeviceMesh\(x=2, y=3\), but the batch is split over 'x'",
        ),
        (
            mesh_sharded(lambda v: v, MESH, PartitionSpec(None, None, "x")),
            r"PartitionSpec\(None, None, 'x'\) over DeviceMesh\(x=2, y=3\) splits axis 2, but the shape is \(4, 6\)",
        ),
        (
            mesh_sharded(lambda v: v, MESH, in_partition={"a": PartitionSpec("x")}),
            "by key, but inputs come by position",
        ),
        (
            mesh_sharded(lambda v: v, MESH, in_partition=[None, PartitionSpec("x")]),
            "2 entries for 1 arguments",
        ),
        (
            mesh_sharded(lambda v: np.ones(int(v[0])), MESH, PartitionSpec("x")),
            r"cannot be stacked.*\(0,\), \(6,\)",
        ),
    ],
)
def test_mistakes_name_mesh_axis_and_shape(mapped, words):
    with pytest.raises(BatchError, match=words):
        mapped(ARRAY)


@pytest.mark.parametrize(
    ("partition", "inputs", "words"),
    [
        ({"a": PartitionSpec("x"), "z": None}, {"a": [1], "y": 1}, "names 'z', which inputs lack"),
        ({"a": PartitionSpec("x"), "b": PartitionSpec("x")}, {"a": [1], "b": "text"}, "cannot split a str"),
        ({"a": PartitionSpec("x"), "b": PartitionSpec("x")}, {"a": [1], "b": [1, 2]}, r"along axis 'x' of DeviceMesh\(x=2, y=3\) \('a': 1, 'b': 2\)"),
        ({"a": PartitionSpec("x"), "b": PartitionSpec("y")}, {"a": [1], "b": [1], "c": [1]}, "key 'c': in_partition does not say"),
        ({"a": PartitionSpec("x"), "b": PartitionSpec(("x", "y"))}, {"a": [1], "b": [1]}, r"over the axes \('x', 'y'\), but 'a' is split over axis 'x'"),
    ],
)  # fmt: skip
def test_partitions_that_do_not_fit(partition, inputs, words):
    with pytest.raises(BatchError, match=words):
        mesh_sharded(lambda item: item, MESH, in_partition=partition)(inputs=inputs)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_empty_batches_call_nothing(shape):
    def never(item):
        raise AssertionError

    empty = np.zeros(shape)
    expected = [[] for _ in range(shape[0])]
    assert mesh_sharded(never, MESH, PartitionSpec("x", "y"))(empty) == expected
    assert mesh_sharded(never, MESH, PartitionSpec("x", "y"))(inputs={"a": empty}) == {
        "a": expected
    }


def test_executors_get_blocks():
    with ThreadPoolExecutor(1, thread_name_prefix="mine") as pool:
        mesh = DeviceMesh([0, pool], axis_names=["x"])
        names = mesh_sharded(
            lambda block: [threading.current_thread().name] * len(block),
            mesh,
            PartitionSpec("x"),
            of_blocks=True,
        )(inputs_of := [1, 2, 3, 4])
    assert len(names) == len(inputs_of)
    assert names[2].startswith("mine")
    assert not names[0].startswith("mine")


def test_a_mesh_in_a_shard_runs_in_line():
    threads = set()

    def item(item):
        threads.add(threading.get_ident())
        return item["x"]

    inner = mesh_sharded(item, MESH, PartitionSpec("x"))
    assert pmap(inner, num_workers=1)(inputs={"x": [[1, 2], [3, 4]]}) == [[1, 2], [3, 4]]
    assert len(threads) == 1
