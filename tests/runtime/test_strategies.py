"""`"parallel"` overlaps wherever it is legal, whatever earlier runs were like; what has paid counts for `"auto"`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from ember_jit import Operator, query, structural_jit

SEEN: list[Any] = []


def note(x: Any) -> Any:
    """Of unknown effect: nothing of it may start early."""
    SEEN.append(x)
    return x


def meeting() -> Callable[[Any], Any]:
    """A query that returns once two of its calls are in flight."""
    together = threading.Barrier(2, timeout=30)

    @query
    def meet(x: Any) -> Any:
        together.wait()
        return x

    return meet


@structural_jit(execution_strategy="parallel")
class Each(Operator):
    def __init__(self, leaf: Callable[[Any], Any]) -> None:
        self.leaf = leaf

    def forward(self, *, inputs: Any) -> Any:
        return [self.leaf(x) for x in inputs]


def test_many_instances_with_nothing_to_overlap_tell_nothing_of_the_next() -> None:
    for _ in range(200):
        assert Each(note)(inputs=[1, 2]) == [1, 2]
    assert Each(meeting())(inputs=[1, 2]) == [1, 2]


def test_an_instance_that_had_nothing_to_overlap_is_looked_at_again() -> None:
    each = Each(note)
    for _ in range(50):
        assert each(inputs=[1, 2]) == [1, 2]
    each.leaf = meeting()
    assert each(inputs=[1, 2]) == [1, 2]
