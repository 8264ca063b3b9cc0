"""`vmap` gives the results, the exception and the order of the plain loop."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ember_jit import Operator, jit, pmap, query, structural_jit, vmap
from ember_jit.effects import commutes, nothrow
from ember_jit.errors import BatchError
from ember_jit.transforms import loops, vectorise


def process_item(item):
    return {"processed": item["data"].upper(), "id": item["id"]}


def test_the_published_example():
    inputs = {"data": ["item1", "item2", "item3"], "id": [1, 2, 3], "options": {"format": "json"}}
    assert vmap(process_item)(inputs=inputs) == {
        "processed": ["ITEM1", "ITEM2", "ITEM3"],
        "id": [1, 2, 3],
    }


def test_items_overlap():
    together = threading.Barrier(3, timeout=30)

    @query
    def meet(item):
        together.wait()
        return {"x": item["x"]}

    assert vmap(meet)(inputs={"x": [1, 2, 3]}) == {"x": [1, 2, 3]}


@pytest.mark.parametrize("form", ["item", "inputs", "arguments"])
def test_what_the_first_mapped_function_does_tells_nothing_of_the_next(form, monkeypatch):
    monkeypatch.setattr(loops, "_made", {})  # as in a fresh process
    monkeypatch.setattr(vectorise, "WAITS", 0.0)  # so loaded that any first item takes long
    together = threading.Barrier(3, timeout=30)

    @query
    def meet(value):
        together.wait()
        return value

    def batch(leaf):
        def by_item(item):
            return leaf(item["x"])

        def by_inputs(inputs):
            return leaf(inputs["x"])

        mapped = vmap({"item": by_item, "inputs": by_inputs, "arguments": leaf}[form])
        return mapped([1, 2, 3]) if form == "arguments" else mapped(inputs={"x": [1, 2, 3]})

    assert batch(lambda value: value + 1) == [2, 3, 4]  # only computes: nothing to overlap
    for _ in range(2):
        assert batch(meet) == [1, 2, 3]


def test_labels_that_keep_an_order_overlap_where_they_may(monkeypatch):
    monkeypatch.setattr(loops, "_made", {})
    together = threading.Barrier(3, timeout=30)

    @commutes("counter")
    @nothrow
    def add(item):
        together.wait()
        return item["x"]

    assert vmap(query(lambda item: item["x"]))(inputs={"x": [1, 2, 3]}) == [1, 2, 3]
    assert vmap(add)(inputs={"x": [1, 2, 3]}) == [1, 2, 3]


def test_many_mapped_functions_with_nothing_to_overlap_tell_nothing_of_the_next():
    seen = []

    class Note(Operator):
        def forward(self, *, inputs):
            seen.append(inputs["x"])
            return inputs["x"]

    for _ in range(100):
        assert vmap(Note())(inputs={"x": [1, 2]}) == [1, 2]
    together = threading.Barrier(2, timeout=30)

    @query
    class Meet(Operator):
        def forward(self, *, inputs):
            together.wait()
            return inputs["x"]

    assert vmap(Meet())(inputs={"x": [1, 2]}) == [1, 2]


def test_unknown_effects_run_in_order():
    seen = []

    def note(item):
        seen.append(item["x"])
        return item["x"]

    assert vmap(note)(inputs={"x": list(range(50))}) == seen == list(range(50))


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(-3, 3), min_size=1))
def test_the_first_failing_item_raises(values):
    def divide(item):
        return 6 // item["x"]

    mapped = vmap(divide)
    for _ in range(2):
        if 0 in values:
            with pytest.raises(ZeroDivisionError) as caught:
                mapped(inputs={"x": values})
            assert caught.value.__notes__ == [f"in item {values.index(0)}"]
        else:
            assert mapped(inputs={"x": values}) == [6 // x for x in values]


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 4), st.integers(1, 4), st.integers(0, 1), st.integers(0, 1))
def test_axes_of_arrays(rows, columns, in_axis, out_axis):
    data = np.arange(rows * columns).reshape(rows, columns)
    result = vmap(lambda row, k: row * k, in_axes=(in_axis, None), out_axes=out_axis)(data, 2)
    items = [row * 2 for row in np.moveaxis(data, in_axis, 0)]
    if items:
        np.testing.assert_array_equal(result, np.stack(items, axis=out_axis))
    else:
        assert result == []


def test_a_pytree_of_axes():
    tree = {"a": np.arange(3), "b": np.ones(2)}
    result = vmap(lambda t: t["a"] + t["b"], in_axes=({"a": 0, "b": None},))(tree)
    np.testing.assert_array_equal(result, [[1, 1], [2, 2], [3, 3]])


def test_none_in_axes_broadcasts_a_list():
    result = vmap(lambda item: item["x"] + len(item["all"]), in_axes={"all": None})(
        inputs={"x": [1, 2], "all": [7, 8, 9]}
    )
    assert result == [4, 5]


@pytest.mark.parametrize(
    ("inputs", "axes", "words"),
    [
        ({"a": [1], "b": [1, 2]}, 0, "a: 1, b: 2"),
        ({"a": 1}, 0, "nothing to batch"),
        ({"a": [1]}, {"z": 0}, "'z'"),
    ],
)
def test_mistakes_are_named(inputs, axes, words):
    with pytest.raises(BatchError, match=words):
        vmap(lambda item: item, in_axes=axes)(inputs=inputs)


def test_batches_of_none_and_of_one():
    mapped = vmap(process_item)
    assert mapped(inputs={"data": [], "id": []}) == {"data": [], "id": []}
    assert mapped(inputs={"data": ["a"], "id": [1]}) == {"processed": ["A"], "id": [1]}
    assert mapped(inputs={"data": [], "id": []}) == {"processed": [], "id": []}


def test_nesting_and_compiled_functions():
    assert vmap(vmap(lambda item: {"y": item["x"] + 1}))(inputs={"x": [[1, 2], [3]]}) == {
        "y": [[2, 3], [4]]
    }

    @jit
    def double(item):
        return item["x"] * 2

    assert vmap(double)(inputs={"x": [1, 2]}) == [2, 4]

    @structural_jit
    class Twice:
        def forward(self, *, inputs):
            return {"y": inputs["x"] * 2}

        def __call__(self, *, inputs):
            return self.forward(inputs=inputs)

    assert vmap(Twice())(inputs={"x": [1, 2]}) == {"y": [2, 4]}


class Echo(Operator):
    def forward(self, *, inputs):
        return inputs


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: vmap(Echo), r"Echo is a class of operators; map one of them: vmap\(Echo\(\)\)"),
        (lambda: pmap(Echo), r"map one of them: pmap\(Echo\(\)\)"),
        (lambda: vmap(len)(text=["a"]), r"no argument 'text'; give batches by key, as inputs="),
        (lambda: vmap(Echo())(["a"]), r"takes `inputs` by name alone; give batches by key"),
        (lambda: vmap(len)({"x": [1]}), r"or batches by key as inputs=\{\.\.\.\}"),
        (lambda: vmap(len, in_axes="a")([[1]]), "in_axes has 'a', which is no axis"),
        (lambda: vmap(len, in_axes={"x": 1.5})(inputs={"x": [1]}), "in_axes has 1.5"),
    ],
)
def test_mistakes_say_what_to_write(call, says):
    with pytest.raises(BatchError, match=says):
        call()


def test_a_pytree_of_arrays_is_no_mistake():
    tree = {"w": [np.ones((2, 3)), np.zeros((2, 1))]}
    assert vmap(lambda t: t["w"][0].sum() + t["w"][1].sum())(tree).tolist() == [3.0, 3.0]
