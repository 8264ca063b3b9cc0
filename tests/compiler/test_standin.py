"""Stand-ins of undecorated composites, when several threads meet them for the first time at once."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from ember_jit import Operator, query, structural_jit
from ember_jit.compiler import building

TIMEOUT = 5


def test_two_threads_that_enter_one_composite_for_the_first_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither runs it plain because the other is still compiling it: all eight leaves meet."""
    meet = threading.Barrier(8, timeout=TIMEOUT)
    find_regions = building.find_regions

    def slowly(function: Any, threshold: int) -> Any:
        if "Pair" in function.name:
            threading.Event().wait(
                0.05
            )  # room for the other thread to come by; the barrier is the proof
        return find_regions(function, threshold)

    monkeypatch.setattr(building, "find_regions", slowly)

    @query
    class Leaf(Operator):
        def forward(self, *, inputs: Any) -> Any:
            meet.wait()
            return inputs

    class Pair(Operator):
        def __init__(self) -> None:
            self.a, self.b = Leaf(), Leaf()

        def forward(self, *, inputs: Any) -> Any:
            x = self.a(inputs=inputs)
            y = self.b(inputs=inputs)
            return x + y

    class Middle(Operator):
        def __init__(self) -> None:
            self.left, self.right = Pair(), Pair()

        def forward(self, *, inputs: Any) -> Any:
            x = self.left(inputs=inputs)
            y = self.right(inputs=inputs)
            return x + y

    @structural_jit
    class Outer(Operator):
        def __init__(self) -> None:
            self.one, self.two = Middle(), Middle()

        def forward(self, *, inputs: Any) -> Any:
            x = self.one(inputs=inputs)
            y = self.two(inputs=inputs)
            return x + y

    assert Outer()(inputs="x") == "x" * 8


def test_a_composite_that_contains_itself() -> None:
    """Compiling it asks for its own stand-in."""

    @query
    class Leaf(Operator):
        def forward(self, *, inputs: Any) -> Any:
            return inputs

    class Tree(Operator):
        def __init__(self, depth: int) -> None:
            self.left = Tree(depth - 1) if depth else Leaf()
            self.right = Tree(depth - 1) if depth else Leaf()

        def forward(self, *, inputs: Any) -> Any:
            x = self.left(inputs=inputs)
            y = self.right(inputs=inputs)
            return x + y

    @structural_jit
    class Top(Operator):
        def __init__(self) -> None:
            self.one, self.two = Tree(4), Tree(4)

        def forward(self, *, inputs: Any) -> Any:
            x = self.one(inputs=inputs)
            y = self.two(inputs=inputs)
            return x + y

    op = Top()
    for _ in range(3):
        assert op(inputs="x") == "x" * 64
