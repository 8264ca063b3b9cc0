"""Results put together: a dict of lists if they are dicts of one kind, and exactly those of the loop."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ember_jit import vmap
from ember_jit.errors import BatchError
from ember_jit.transforms.joining import PART, Joiner, join

LONG = 2 * PART + 3


def mapped_twice(fn):
    """A `vmap` that has found out that `fn` is mapped in the plain loop."""
    mapped = vmap(fn)
    mapped(inputs={"x": [0, 0]})
    return mapped


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.one_of(st.dictionaries(st.sampled_from("ab"), st.integers(), max_size=2), st.integers()),
        min_size=1,
        max_size=5,
    ),
    st.integers(1, LONG),
)
def test_part_by_part_is_all_at_once(kinds, repeated):
    first = kinds[:1] * repeated
    for results in (kinds, first + kinds):
        joiner = Joiner("f")
        for start in range(0, len(results), PART):
            joiner.part += results[start : start + PART]
            joiner.put_away()
        assert joiner.results() == results
        assert outcome(joiner.value) == outcome(lambda results=results: join(results, "f"))


def outcome(make):
    try:
        return make()
    except BatchError as exc:
        return str(exc)


def test_dicts_that_somebody_holds_are_looked_at_when_all_are_there():
    shared = {"n": 0}

    def count(item):
        shared["n"] += item["x"]
        return shared

    assert mapped_twice(count)(inputs={"x": [1] * LONG}) == {"n": [LONG] * LONG}


def test_results_of_several_kinds_are_those_that_were_returned():
    made = []

    def item(item):
        if item["x"] == LONG - 1:
            return None
        made.append({"x": item["x"]})
        return made[-1]

    mapped = mapped_twice(item)
    made.clear()
    found = mapped(inputs={"x": list(range(LONG))})
    assert found[-1] is None
    assert all(one is other for one, other in zip(found, made, strict=False))


def test_other_keys_behind_many_results():
    mapped = mapped_twice(lambda item: {"y" if item["x"] < LONG - 1 else "z": 1})
    with pytest.raises(
        BatchError, match=rf"item {LONG - 1} returned the keys \['z'\], item 0 \['y'\]"
    ):
        mapped(inputs={"x": list(range(LONG))})


@pytest.mark.parametrize("failing", [0, 1, PART - 1, PART, LONG - 1])
def test_what_came_before_a_failure(failing):
    def item(item):
        if item["x"] == failing:
            raise ValueError("no")
        return {"y": item["x"], "z": -item["x"]}

    mapped = vmap(item)
    mapped(inputs={"x": [LONG, LONG]})
    with pytest.raises(ValueError, match="no") as caught:
        mapped(inputs={"x": list(range(LONG))})
    assert caught.value.__notes__ == [f"in item {failing}"]
    assert caught.value.partial_results == {i: {"y": i, "z": -i} for i in range(failing)}


def test_the_first_item_is_among_what_came_before_a_failure():
    with pytest.raises(ZeroDivisionError) as caught:  # the first item is measured
        vmap(lambda item: 1 // item["x"])(inputs={"x": [1, 1, 0]})
    assert caught.value.partial_results == {0: 1, 1: 1}
