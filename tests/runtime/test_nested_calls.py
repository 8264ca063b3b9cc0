"""Calls inside the arguments of calls: all that the inner one did comes with the outer one's outcome."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from ember_jit import Operator, disable_structural_jit, query, structural_jit


class Say(Operator):
    """Prints, hence deferred; the barrier is not for it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def forward(self, *, inputs: Any) -> Any:
        print(self.name, inputs)
        return [inputs, self.name]


@structural_jit(execution_strategy="parallel")
class Nested(Operator):
    def __init__(self) -> None:
        self.inner, self.outer = Say("inner"), Say("outer")

    def forward(self, *, inputs: Any) -> Any:
        kept = []
        for n in inputs:
            kept.append(self.outer(inputs=self.inner(inputs=n)))
        return kept, self.outer(inputs=[self.inner(inputs=n) for n in inputs])


@pytest.mark.parametrize("count", [1, 2, 40])
def test_the_output_of_a_call_inside_an_argument_is_not_lost(
    count: int, capsys: pytest.CaptureFixture[str]
) -> None:
    op = Nested()
    with disable_structural_jit():
        expected = op(inputs=list(range(count)))
    plain = capsys.readouterr().out
    assert plain.count("inner") >= 2 * count
    for _ in range(3):
        assert op(inputs=list(range(count))) == expected
        assert capsys.readouterr().out == plain


@query
class Leaf(Operator):
    def __init__(self) -> None:
        self.one = 1

    def forward(self, *, inputs: Any) -> Any:
        return inputs + self.one


@structural_jit(execution_strategy="parallel")
class Fan(Operator):
    def __init__(self) -> None:
        self.leaves = [Leaf() for _ in range(3)]
        self.last = Leaf()

    def forward(self, *, inputs: Any) -> Any:
        return [leaf(inputs=inputs) for leaf in self.leaves], self.last(inputs=inputs)


def test_looking_at_an_operator_does_not_make_its_dictionary() -> None:
    """CPython keeps an instance's attributes without one until somebody asks, and reads them faster so."""
    op = Fan()
    for _ in range(3):
        assert op(inputs=1) == ([2, 2, 2], 2)
    for each in (op, *op.leaves, op.last):
        assert not [part for part in gc.get_referents(each) if type(part) is dict]
