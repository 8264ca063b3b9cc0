"""Shapes in which results go into containers that hold others: the calls must overlap, and must not where others look.

As in `test_overlap_shapes`: leaves meet at a barrier, which they can pass only together.
"""

from __future__ import annotations

import collections
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from typing import Any

import pytest

from ember_jit import Operator, explain, structural_jit
from tests.e2e.test_overlap_shapes import Free, Leaf, Meet, check


class Base(Operator):
    def __init__(self, meet: Meet) -> None:
        self.a, self.free = Leaf(meet, "a"), Free()


def nested_store(self: Any, *, inputs: Any) -> Any:
    found: Any = {"a": {}, "b": {}}
    for x in inputs:
        found["a"][x] = self.a(inputs=x)
    return found


def nested_store_made_on_the_way(self: Any, *, inputs: Any) -> Any:
    found: Any = {}
    for x in inputs:
        if x not in found:
            found[x] = {}
        found[x]["answer"] = self.a(inputs=x)
    return found


def set_default(self: Any, *, inputs: Any) -> Any:
    found: Any = {}
    for x in inputs:
        found.setdefault(x % 2, []).append(self.a(inputs=x))
    return found


def set_default_by_result(self: Any, *, inputs: Any) -> Any:
    found: Any = {}
    for x in inputs:
        answer = self.a(inputs=x)
        found.setdefault(answer["score"], []).append(answer["text"])
    return found


def default_dict(self: Any, *, inputs: Any) -> Any:
    found = defaultdict(list)
    for x in inputs:
        found[x % 2].append(self.a(inputs=x))
    return dict(found)


def default_dict_by_result(self: Any, *, inputs: Any) -> Any:
    found = collections.defaultdict(list)
    for x in inputs:
        answer = self.a(inputs=x)
        found[answer["score"]].append(answer["text"])
    return found, len(found)


def default_dict_of_dicts(self: Any, *, inputs: Any) -> Any:
    found = defaultdict(lambda: defaultdict(list))
    for x in inputs:
        found[x % 2][x].append(self.a(inputs=x))
    return {key: dict(value) for key, value in found.items()}


def counter(self: Any, *, inputs: Any) -> Any:
    scores: Any = Counter()
    for x in inputs:
        scores[x % 2] += self.a(inputs=x)["score"]
    return scores


def counter_by_result(self: Any, *, inputs: Any) -> Any:
    scores: Any = Counter()
    for x in inputs:
        scores[self.a(inputs=x)["score"]] += 1
    return scores


def added_to_an_item(self: Any, *, inputs: Any) -> Any:
    total = {"n": 0}
    for x in inputs:
        total["n"] += self.a(inputs=x)["score"]
    return total


def added_to_a_number_of_a_default_dict(self: Any, *, inputs: Any) -> Any:
    total: Any = defaultdict(int)
    for x in inputs:
        total[x % 2] += self.a(inputs=x)["score"]
    return total


def lists_in_a_dict(self: Any, *, inputs: Any) -> Any:
    found: Any = {"answers": [], "questions": []}
    for x in inputs:
        found["answers"].append(self.a(inputs=x))
        found["questions"].append(x)
    return found


def lists_in_a_list(self: Any, *, inputs: Any) -> Any:
    found: Any = [[], []]
    for x in inputs:
        found[x % 2].append(self.a(inputs=x))
    return found


def a_table(self: Any, *, inputs: Any) -> Any:
    table: Any = [[None] * len(inputs) for _ in range(1)]
    for i, x in enumerate(inputs):
        table[0][i] = self.a(inputs=x)
    return table


def other_containers(self: Any, *, inputs: Any) -> Any:
    first: Any = deque()
    second: Any = OrderedDict()
    for x in inputs:
        answer = self.a(inputs=x)
        first.append(answer)
        second[x] = answer
    return list(first), second


SHAPES: list[Callable[..., Any]] = [
    nested_store,
    nested_store_made_on_the_way,
    set_default,
    set_default_by_result,
    default_dict,
    default_dict_by_result,
    default_dict_of_dicts,
    counter,
    counter_by_result,
    added_to_an_item,
    added_to_a_number_of_a_default_dict,
    lists_in_a_dict,
    lists_in_a_list,
    a_table,
    other_containers,
]


@pytest.mark.parametrize("forward", SHAPES, ids=lambda forward: forward.__name__)
def test_overlaps(forward: Callable[..., Any]) -> None:
    check(structural_jit(type("Op", (Base,), {"forward": forward})), 3, [1, 2, 3])


def inner_list_is_an_argument(self: Any, *, inputs: Any) -> Any:
    found: Any = {"a": inputs, "b": []}
    first = self.free(inputs=1)
    found["a"].append(first)
    return found, self.free(inputs=2)


def inner_list_has_been_handed_out(self: Any, *, inputs: Any) -> Any:
    found: Any = {"a": [], "b": []}
    first = self.free(inputs=found["a"])
    found["a"].append(first)
    return found, self.free(inputs=2)


def outer_dict_has_another_name(self: Any, *, inputs: Any) -> Any:
    found: Any = {"a": [], "b": []}
    other = found
    other["a"] = inputs
    first = self.free(inputs=1)
    found["a"].append(first)
    return found, self.free(inputs=2)


def result_is_changed(self: Any, *, inputs: Any) -> Any:
    found: Any = {}
    found["a"] = self.free(inputs=1)
    found["a"]["text"] = inputs
    return found, self.free(inputs=2)


@pytest.mark.parametrize(
    "forward",
    [
        inner_list_is_an_argument,
        inner_list_has_been_handed_out,
        outer_dict_has_another_name,
        result_is_changed,
    ],
    ids=lambda forward: forward.__name__,
)
def test_a_change_that_others_may_see_is_a_barrier(forward: Callable[..., Any]) -> None:
    op = structural_jit(type("Op", (Base,), {"forward": forward}))(Meet(1))
    assert explain(op).barriers
    check(structural_jit(type("Op", (Base,), {"forward": forward})), 1, [1, 2])
