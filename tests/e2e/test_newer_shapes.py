"""`map`, `match`, `except*`, properties and other shapes in which calls must overlap, and those in which they must not.

As in `test_overlap_shapes`: leaves meet at a barrier, which they can pass only together.
"""

from __future__ import annotations

import functools
import linecache
from collections.abc import Callable
from typing import Any

import pytest

from ember_jit import Operator, disable_structural_jit, query, structural_jit
from ember_jit.testing import record_schedule
from tests.e2e.test_overlap_shapes import Free, Leaf, Meet, check


class Log(Operator):
    """Of unknown effect."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def forward(self, *, inputs: Any) -> Any:
        self.seen.append(inputs)
        return inputs


class Base(Operator):
    def __init__(self, meet: Meet) -> None:
        self.a, self.b, self.free, self.log = Leaf(meet, "a"), Leaf(meet, "b"), Free(), Log()
        self._behind = self.b
        self.part = functools.partial(self.b)

    @property
    def behind(self) -> Any:
        return self._behind


def map_in_a_list(self: Any, *, inputs: Any) -> Any:
    return list(map(lambda doc: self.a(inputs=doc), inputs))


def map_in_a_sum(self: Any, *, inputs: Any) -> Any:
    return sum(map(lambda doc: self.a(inputs=doc)["score"], inputs))


def map_in_a_dict(self: Any, *, inputs: Any) -> Any:
    return dict(map(lambda doc: (doc, self.a(inputs=doc)), inputs))


def map_in_a_join(self: Any, *, inputs: Any) -> Any:
    return ", ".join(map(lambda doc: self.a(inputs=doc)["text"], inputs))


def filter_in_a_list(self: Any, *, inputs: Any) -> Any:
    return list(filter(lambda doc: self.a(inputs=doc)["score"] > 0, inputs))


def map_over_a_filter(self: Any, *, inputs: Any) -> Any:
    kept = list(filter(lambda doc: doc > 0, inputs))
    return list(map(lambda each: self.a(inputs=each), kept))


def match_on_a_literal(self: Any, *, inputs: Any) -> Any:
    match inputs[0]:
        case 1:
            return self.a(inputs=1), self.b(inputs=2)
        case _:
            return None


def match_in_a_loop(self: Any, *, inputs: Any) -> Any:
    out = []
    for doc in inputs:
        match doc:
            case 1 | 2:
                out.append(self.a(inputs=doc))
            case None:
                pass
            case other:
                out.append(self.b(inputs=other))
    return out


def match_on_a_result(self: Any, *, inputs: Any) -> Any:
    out = []
    for doc in inputs:
        found = self.a(inputs=doc)
        match found["score"]:
            case 0:
                out.append(None)
            case _:
                out.append(found["text"])
    return out


def match_between(self: Any, *, inputs: Any) -> Any:
    first = self.a(inputs=1)
    match inputs:
        case [one, *_] if one:
            kind = "list"
        case {"a": _}:
            kind = "dict"
    return first, kind, self.b(inputs=2)


def except_star(self: Any, *, inputs: Any) -> Any:
    try:
        first = self.a(inputs=1)
        second = self.b(inputs=2)
    except* ValueError:
        first = second = None
    return first, second


def property_and_getattr(self: Any, *, inputs: Any) -> Any:
    return getattr(self, "a")(inputs=1), self.behind(inputs=2)  # noqa: B009


def partial_of_an_operator(self: Any, *, inputs: Any) -> Any:
    first = self.a(inputs=1)
    return first, self.part(inputs=2)


def the_rest(self: Any, *, inputs: Any) -> Any:
    first, *rest = inputs
    out = [self.a(inputs=first)]
    for doc in rest:
        out.append(self.a(inputs=doc))
    return out, rest


def behind_a_call_in_arguments(self: Any, *, inputs: Any) -> Any:
    first = self.free(inputs=self.log(inputs=1))
    return first, self.a(inputs=2), self.b(inputs=3)


def handler_with_an_effect(self: Any, *, inputs: Any) -> Any:
    try:
        return self.a(inputs=1), self.b(inputs=2)
    except ValueError:
        return self.log(inputs=3)


def late_body_behind(self: Any, *, inputs: Any) -> Any:
    first, second = self.a(inputs=1), self.b(inputs=2)
    later = (self.log(inputs=doc) for doc in inputs)
    return first, second, list(later)


def function_that_is_only_called(self: Any, *, inputs: Any) -> Any:
    def note(text: Any) -> Any:
        return self.log(inputs=text)

    first, second = self.a(inputs=1), self.b(inputs=2)
    return first, second, note(3)


THREE = [
    map_in_a_list,
    map_in_a_sum,
    map_in_a_dict,
    map_in_a_join,
    filter_in_a_list,
    map_over_a_filter,
    match_in_a_loop,
    match_on_a_result,
    the_rest,
]
TWO = [
    match_on_a_literal,
    match_between,
    except_star,
    property_and_getattr,
    partial_of_an_operator,
    behind_a_call_in_arguments,
    handler_with_an_effect,
    late_body_behind,
    function_that_is_only_called,
]


@pytest.mark.parametrize("forward", THREE, ids=lambda forward: forward.__name__)
def test_three_overlap(forward: Callable[..., Any]) -> None:
    check(structural_jit(type("Op", (Base,), {"forward": forward})), 3, [1, 2, 3])


@pytest.mark.parametrize("forward", TWO, ids=lambda forward: forward.__name__)
def test_two_overlap(forward: Callable[..., Any]) -> None:
    check(structural_jit(type("Op", (Base,), {"forward": forward})), 2, [1, 2, 3])


def map_with_an_effect(self: Any, *, inputs: Any) -> Any:
    first = self.free(inputs=1)
    return first, list(map(lambda doc: self.log(inputs=doc), inputs)), self.free(inputs=2)


def map_that_is_kept(self: Any, *, inputs: Any) -> Any:
    lazy = map(lambda doc: self.free(inputs=doc), inputs)
    return next(lazy)


def map_with_a_variable_of_the_function(self: Any, *, inputs: Any) -> Any:
    doc = 7
    return list(map(lambda doc: self.free(inputs=doc), inputs)), self.free(inputs=doc)


def property_with_code(self: Any, *, inputs: Any) -> Any:
    return self.counted(inputs=1), self.free(inputs=2)


@pytest.mark.parametrize(
    "forward",
    [map_with_an_effect, map_that_is_kept, map_with_a_variable_of_the_function, property_with_code],
    ids=lambda forward: forward.__name__,
)
def test_same_as_plain(forward: Callable[..., Any]) -> None:
    def counted(self: Any) -> Any:
        self.log.seen.append("asked")
        return self.log

    body = {"forward": forward, "counted": property(counted)}
    make = structural_jit(execution_strategy="parallel")(type("Op", (Base,), body))
    op, other = make(Meet(1)), make(Meet(1))
    with disable_structural_jit():
        plain = op(inputs=[1, 2, 3]), op.log.seen
    assert (other(inputs=[1, 2, 3]), other.log.seen) == plain


class Nothing(list[Any]):
    """Holds nothing, and calls nobody."""

    def __call__(self, *, inputs: Any) -> Any:
        return None


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("map", "return list(map(lambda m: self.a(inputs=m), inputs))"),
        ("list", "return list(map(lambda m: self.a(inputs=m), inputs))"),
        ("list", "return list(self.a(inputs=m) for m in inputs)"),
        ("getattr", "return getattr(self, 'a')(inputs=1), self.b(inputs=2)"),
    ],
)
def test_a_builtin_that_is_something_else_later(name: str, body: str) -> None:
    @query
    class Count(Operator):
        made = 0

        def forward(self, *, inputs: Any) -> Any:
            Count.made += 1
            return inputs

    text = f"class Op(Operator):\n    def __init__(self): self.a, self.b = Count(), Count()\n    def forward(self, *, inputs):\n        {body}\n"
    filename = f"<{name} {hash(body)}>"
    linecache.cache[filename] = (len(text), None, text.splitlines(True), filename)
    space: dict[str, Any] = {"Operator": Operator, "Count": Count}
    exec(compile(text, filename, "exec"), space)
    op = structural_jit(execution_strategy="parallel")(space["Op"])()
    with record_schedule() as schedule:
        op(inputs=[1, 2])
    assert len(schedule.log.calls) == 2
    space[name] = lambda *given: Nothing()
    Count.made = 0
    op(inputs=[1, 2])
    assert Count.made == (1 if name == "getattr" else 0)
    del linecache.cache[filename]
