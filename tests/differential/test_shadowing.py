"""Names that a comprehension, or an assignment inside one, has in common with the function around it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ember_jit import Operator, disable_structural_jit, query, structural_jit


@query
class Ask(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return {"n": inputs}


def twice(number: int) -> int:
    return number * 2


class Base(Operator):
    def __init__(self) -> None:
        self.a, self.b = Ask(), Ask()


def a_variable(self: Any, *, inputs: Any) -> Any:
    x = inputs[0]
    found = [self.a(inputs=x) for x in inputs]
    return found, self.b(inputs=x)


def a_result(self: Any, *, inputs: Any) -> Any:
    x = self.a(inputs=7)
    found = {x: self.a(inputs=x) for x in inputs}
    return found, self.b(inputs=x["n"])


def the_parameter(self: Any, *, inputs: Any) -> Any:
    found = [self.a(inputs=inputs) for inputs in inputs]
    return found, self.b(inputs=inputs)


def nested(self: Any, *, inputs: Any) -> Any:
    x, y = 5, 6
    found = [[self.a(inputs=(x, y)) for y in (x, 2)] for x in inputs]
    return found, self.b(inputs=(x, y))


def two_loops(self: Any, *, inputs: Any) -> Any:
    x, y = 5, 6
    found = [self.a(inputs=(x, y)) for x in inputs for y in inputs]
    return found, self.b(inputs=(x, y))


def unpacked(self: Any, *, inputs: Any) -> Any:
    i, x = 5, 6
    found = [self.a(inputs=(i, x)) for i, x in enumerate(inputs)]
    return found, self.b(inputs=(i, x))


def in_a_loop(self: Any, *, inputs: Any) -> Any:
    out = []
    for x in inputs:
        out.append([self.a(inputs=x) for x in (8, 9)])
        out.append(self.b(inputs=x))
    return out


def in_a_condition(self: Any, *, inputs: Any) -> Any:
    x = 5
    if all([self.a(inputs=x)["n"] for x in inputs]):
        return self.a(inputs=x), self.b(inputs=x)
    return self.a(inputs=x), self.b(inputs=x)


def assigned_inside(self: Any, *, inputs: Any) -> Any:
    last = 5
    found = [self.a(inputs=(last := x)) for x in inputs]
    return found, self.b(inputs=last), self.a(inputs=last)


def assigned_inside_if_at_all(self: Any, *, inputs: Any) -> Any:
    last = 5
    found = [self.a(inputs=x) for x in inputs if (last := x) > 1]
    return found, self.b(inputs=last), self.a(inputs=last)


def assigned_in_arguments(self: Any, *, inputs: Any) -> Any:
    k = 5
    first = self.a(inputs=(k := inputs))
    second = self.b(inputs=[k, (n := self.a(inputs=1))])
    return first, second, k, n, self.b(inputs=k)


def assigned_in_the_arguments_of_a_helper(self: Any, *, inputs: Any) -> Any:
    first = self.a(inputs=twice((k := len(inputs))))
    second = self.b(inputs=k)
    return first, second, k


def assigned_in_a_kept_value(self: Any, *, inputs: Any) -> Any:
    found = [(k := x), 2] if (x := inputs) else [(k := 1)]
    first = self.a(inputs=found)
    return first, found, k, x, self.b(inputs=k), first["n"] is found


def assigned_to_a_result(self: Any, *, inputs: Any) -> Any:
    if (first := self.a(inputs=1))["n"] and (second := self.b(inputs=2)):
        return first, second, self.a(inputs=first)
    return first


def a_generator(self: Any, *, inputs: Any) -> Any:
    x = 5
    found = sum(self.a(inputs=x)["n"] for x in inputs)
    return found, self.b(inputs=x), self.a(inputs=x)


PROGRAMS: list[Callable[..., Any]] = [
    a_variable,
    a_result,
    the_parameter,
    nested,
    two_loops,
    unpacked,
    in_a_loop,
    in_a_condition,
    assigned_inside,
    assigned_inside_if_at_all,
    assigned_in_arguments,
    assigned_in_the_arguments_of_a_helper,
    assigned_in_a_kept_value,
    assigned_to_a_result,
    a_generator,
]


@pytest.mark.parametrize("forward", PROGRAMS, ids=lambda forward: forward.__name__)
def test_same_as_plain(forward: Callable[..., Any]) -> None:
    op = structural_jit(execution_strategy="parallel")(type("Op", (Base,), {"forward": forward}))()
    for inputs in ([1, 2, 3], [], [2]):
        try:
            with disable_structural_jit():
                plain = op(inputs=inputs)
        except IndexError:
            with pytest.raises(IndexError):
                op(inputs=inputs)
            continue
        assert op(inputs=inputs) == plain
