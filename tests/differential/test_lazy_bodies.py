"""Calls in lambdas, generators and nested functions happen where those are run, on whatever instance it is.

What was compiled for an instance whose operators may overlap must hold for one whose operators have effects.
"""

from __future__ import annotations

import time
from typing import Any

import pytest

from ember_jit import Operator, disable_structural_jit, structural_jit

compiled = structural_jit(execution_strategy="parallel")


class Peek(Operator):
    """Inferred: reads its state, then takes a while."""

    def __init__(self) -> None:
        self.state = {"n": 0}

    def forward(self, *, inputs: Any) -> Any:
        seen = self.state["n"]
        time.sleep(0.005)
        return seen, inputs


class Bump(Operator):
    """Changes the state that a `Peek` reads."""

    def __init__(self, peek: Peek) -> None:
        self.peek = peek

    def forward(self, *, inputs: Any) -> Any:
        self.peek.state["n"] += 1
        return inputs


class Base(Operator):
    def __init__(self, first: Operator, peek: Peek) -> None:
        self.first, self.peek, self.again = first, peek, peek


def generator() -> type[Base]:
    @compiled
    class Program(Base):
        def forward(self, *, inputs: Any) -> Any:
            lazy = (self.first(inputs=each) for each in inputs)
            x = self.peek(inputs=1)
            ran = list(lazy)
            return x, ran, self.again(inputs=2)

    return Program


def key() -> type[Base]:
    @compiled
    class Program(Base):
        def forward(self, *, inputs: Any) -> Any:
            x = self.peek(inputs=1)
            ran = sorted(inputs, key=lambda each: self.first(inputs=each))
            return x, ran, self.again(inputs=2)

    return Program


def nested() -> type[Base]:
    @compiled
    class Program(Base):
        def forward(self, *, inputs: Any) -> Any:
            def run(each: Any) -> Any:
                return self.first(inputs=each)

            x = self.peek(inputs=1)
            ran = run(inputs[0])
            return x, ran, self.again(inputs=2)

    return Program


def behind_a_barrier() -> type[Base]:
    @compiled
    class Program(Base):
        def forward(self, *, inputs: Any) -> Any:
            lazy = (self.first(inputs=each) for each in inputs)
            self.count = 1
            x = self.peek(inputs=1)
            ran = list(lazy)
            return x, ran, self.again(inputs=2)

    return Program


PROGRAMS = [generator, key, nested, behind_a_barrier]


@pytest.mark.parametrize("make", PROGRAMS)
@pytest.mark.parametrize("warm", [True, False], ids=["compiled for another", "compiled for itself"])
def test_effects_in_lazy_bodies(make: Any, warm: bool) -> None:
    program = make()
    if warm:
        program(Peek(), Peek())(inputs=[1, 2])
    with disable_structural_jit():
        peek = Peek()
        plain = program(Bump(peek), peek)(inputs=[1, 2])
    for _ in range(3):
        peek = Peek()
        assert program(Bump(peek), peek)(inputs=[1, 2]) == plain
