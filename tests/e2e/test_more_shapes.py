"""More shapes of ordinary Python in which calls must overlap, and those beside them in which they must not.

As in `test_overlap_shapes`: leaves meet at a barrier, which they can pass only together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ember_jit import Operator, disable_structural_jit, pure, structural_jit
from tests.e2e.test_overlap_shapes import Free, Leaf, Meet, check


class Base(Operator):
    """Two leaves that meet, one that waits for nobody."""

    def __init__(self, meet: Meet) -> None:
        self.a, self.b, self.free = Leaf(meet, "a"), Leaf(meet, "b"), Free()
        self.names = ["p", "q"]


def two_lists(self: Any, *, inputs: Any) -> Any:
    texts, scores = [], []
    for doc in inputs:
        found = self.a(inputs=doc)
        texts.append(found["text"])
        scores.append(found["score"])
    return texts, scores


def slots_filled_by_index(self: Any, *, inputs: Any) -> Any:
    out = [None] * len(inputs)
    for i in range(len(inputs)):
        out[i] = self.a(inputs=inputs[i])
    return out


def continue_on_a_result(self: Any, *, inputs: Any) -> Any:
    kept = []
    for doc in inputs:
        found = self.a(inputs=doc)
        if found["score"] > 100:
            continue
        kept.append(found["text"])
    return kept


def continue_on_a_result_then_a_call(self: Any, *, inputs: Any) -> Any:
    kept = []
    for doc in inputs:
        found = self.free(inputs=doc)
        if found["score"] > 100:
            continue
        kept.append(self.a(inputs=found["text"]))
    return kept


def two_continues(self: Any, *, inputs: Any) -> Any:
    kept = []
    for doc in inputs:
        if not doc:
            continue
        found = self.a(inputs=doc)
        if found["score"] > 100:
            kept.append("long")
            continue
        if found["score"] < 0:
            kept.append("short")
            continue
        kept.append(found["text"])
    return kept


def nested_targets(self: Any, *, inputs: Any) -> Any:
    out = []
    for i, (name, doc) in enumerate(zip(self.names, inputs, strict=True)):
        out.append((i, self.a(inputs=(name, doc))))
    return out


def nested_targets_in_a_comprehension(self: Any, *, inputs: Any) -> Any:
    return [self.a(inputs=(i, n, d)) for i, (n, d) in enumerate(zip(self.names, inputs))]


def sorted_items(self: Any, *, inputs: Any) -> Any:
    numbered = {doc: i for i, doc in enumerate(inputs)}
    return {key: self.a(inputs=(key, value)) for key, value in sorted(numbered.items())}


def while_with_an_else(self: Any, *, inputs: Any) -> Any:
    i, out = 0, []
    while i < len(inputs):
        out.append(self.a(inputs=inputs[i]))
        i += 1
    else:
        last = self.free(inputs="last")
    return out, last


OVERLAPPING = [
    while_with_an_else,
    two_lists,
    slots_filled_by_index,
    continue_on_a_result,
    continue_on_a_result_then_a_call,
    two_continues,
    nested_targets,
    nested_targets_in_a_comprehension,
    sorted_items,
]


@pytest.mark.parametrize("forward", OVERLAPPING, ids=lambda forward: forward.__name__)
def test_overlaps(forward: Callable[..., Any]) -> None:
    made = structural_jit(type("Op", (Base,), {"forward": forward}))
    check(made, 2, inputs=["x", "y"])


# ---------------------------------------------------------------------- and what must not
LOG: list[Any] = []


@pure
class Same(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return inputs


class Count(Operator):
    """Its effect is unknown: it must be called as often as the program says."""

    def forward(self, *, inputs: Any) -> Any:
        LOG.append(inputs)
        return inputs


class Watching(Operator):
    def __init__(self) -> None:
        self.same, self.count = Same(), Count()


def pairs_that_are_kept(self: Any, *, inputs: Any) -> Any:
    out = []
    for _, pair in enumerate(zip(inputs, inputs, strict=True)):
        out.append(self.same(inputs=pair) is pair)
    for pair in list(enumerate(inputs)):
        out.append(self.same(inputs=pair) is pair)
    for pair in sorted({"k": 1, "l": 2}.items()):
        out.append(self.same(inputs=pair) is pair)
    first = list(zip(inputs, inputs, strict=True))[0]
    return out, self.same(inputs=first) is first


def parts_that_are_shared(self: Any, *, inputs: Any) -> Any:
    out = []
    for _, (left, right) in enumerate([([1], [2]), ([3], [4])]):
        out.append((self.same(inputs=left) is left, self.same(inputs=right) is right))
    return out


def effects_behind_a_continue(self: Any, *, inputs: Any) -> Any:
    out = []
    for doc in inputs:
        found = self.same(inputs=doc)
        if found == "x":
            continue
        out.append(self.count(inputs=found))
        out.append(self.same(inputs=found))
    return out


def lists_that_are_one(self: Any, *, inputs: Any) -> Any:
    x = y = []
    for doc in inputs:
        x.append(self.same(inputs=doc))
        y.append(self.same(inputs=x[0]))
    return x, x is y


def swapped(self: Any, *, inputs: Any) -> Any:
    x, y = [], inputs
    for doc in list(inputs):
        r = self.same(inputs=y)
        y.append(doc)
        x.append(list(r))
    return x


def a_count_that_is_none(self: Any, *, inputs: Any) -> Any:
    class Odd:
        def __rmul__(self, other: Any) -> Any:
            return inputs

    out = [None] * Odd()
    r = self.same(inputs=list(out))
    out.append(1)
    return r, self.same(inputs=list(out)), inputs


def a_while_that_is_left(self: Any, *, inputs: Any) -> Any:
    i, out = 0, []
    while i < len(inputs):
        found = self.same(inputs=inputs[i])
        out.append(found)
        if found == "y":
            break
        i += 1
    else:
        out.append(self.count(inputs="else"))
    out.append(self.count(inputs="last"))
    return out


KEPT = [
    a_while_that_is_left,
    pairs_that_are_kept,
    parts_that_are_shared,
    effects_behind_a_continue,
    lists_that_are_one,
    swapped,
    a_count_that_is_none,
]


@pytest.mark.parametrize("forward", KEPT, ids=lambda forward: forward.__name__)
def test_stays_the_same_program(forward: Callable[..., Any]) -> None:
    made = structural_jit(execution_strategy="parallel")(
        type("Op", (Watching,), {"forward": forward})
    )
    op = made()
    with disable_structural_jit():
        LOG.clear()
        plain, log = op(inputs=["x", "y", "z"]), list(LOG)
    for _ in range(3):
        LOG.clear()
        assert op(inputs=["x", "y", "z"]) == plain
        assert log == LOG
