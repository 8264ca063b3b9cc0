"""Linked code cannot be told from the user's by its names."""

from __future__ import annotations

from typing import Any

from ember_jit import Operator, disable_structural_jit, query, structural_jit


@query
class Leaf(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return inputs


def make() -> Any:
    """An operator class that stands in a function, so that its place is part of every name."""

    @structural_jit(execution_strategy="parallel")
    class Names(Operator):
        def __init__(self) -> None:
            self.leaf = Leaf()

        def forward(self, *, inputs: Any) -> Any:
            def nested() -> Any:
                return lambda: None

            x = self.leaf(inputs=1)
            y = self.leaf(inputs=2)
            return (x + y, nested, nested()) if inputs is None else "Names.forward"

    return Names()


def make_with_class() -> Any:
    @structural_jit(execution_strategy="parallel")
    class Names(Operator):
        def __init__(self) -> None:
            self.leaf = Leaf()

        def forward(self, *, inputs: Any) -> Any:
            class Made:
                def method(self) -> str:
                    return "Names.forward"

            x = self.leaf(inputs=1)
            y = self.leaf(inputs=2)
            return x + y, Made, Made.method

    return Names()


def names(made: tuple[Any, ...]) -> list[str]:
    functions = [each for each in made[1:] if hasattr(each, "__code__")]
    return [each.__qualname__ for each in made[1:]] + [
        each.__code__.co_qualname for each in functions
    ]


def test_qualified_names_of_functions_made_inside() -> None:
    op = make()
    with disable_structural_jit():
        plain = op(inputs=None)
    compiled = op(inputs=None)
    assert compiled[1].__code__ is not plain[1].__code__, "it was not compiled"
    assert names(compiled) == names(plain)
    assert names(plain)[0] == "make.<locals>.Names.forward.<locals>.nested"


def test_a_constant_that_looks_like_a_qualified_name() -> None:
    assert make()(inputs=1) == "Names.forward"


def test_qualified_names_of_classes_made_inside() -> None:
    op = make_with_class()
    with disable_structural_jit():
        plain = op(inputs=None)
    compiled = op(inputs=None)
    assert compiled[2].__code__ is not plain[2].__code__, "it was not compiled"
    assert names(compiled) == names(plain)
    assert compiled[1]().method() == "Names.forward"


def test_a_class_that_is_declared_global_has_its_plain_name() -> None:
    @structural_jit(execution_strategy="parallel")
    class Names(Operator):
        def __init__(self) -> None:
            self.leaf = Leaf()

        def forward(self, *, inputs: Any) -> Any:
            global Made

            class Made:
                def method(self) -> None: ...

            x = self.leaf(inputs=1)
            y = self.leaf(inputs=2)
            return x + y, Made, Made.method

    op = Names()
    with disable_structural_jit():
        plain = op(inputs=None)
    compiled = op(inputs=None)
    assert names(compiled) == names(plain)
    assert names(compiled)[0] == "Made"
    del globals()["Made"]
