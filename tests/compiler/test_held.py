"""What the first instance of a class holds does not decide for those that hold something else."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from ember_jit import Operator, explain, get_jit_stats, jit, query, structural_jit, vmap
from ember_jit.runtime import dispatch
from ember_jit.runtime.originals import is_replacement

DECORATORS = {"structural_jit": structural_jit, "jit": jit}


def make(decorate: Any) -> Any:
    class Each(Operator):
        def __init__(self, function: Callable[[Any], Any]) -> None:
            self.function = function

        def forward(self, *, inputs: Any) -> Any:
            """The results."""
            return [self.function(x) for x in inputs]

    return decorate(execution_strategy="parallel")(Each)


def meeting() -> Callable[[Any], Any]:
    """A query that returns once two of its calls are in flight."""
    together = threading.Barrier(2, timeout=30)

    @query
    def meet(x: Any) -> Any:
        if x:
            together.wait()
        return x

    return meet


@pytest.mark.parametrize("name", list(DECORATORS))
@pytest.mark.parametrize("first", [lambda x: x + 1, abs])
def test_another_instance_has_it_compiled(name: str, first: Any) -> None:
    Each = make(DECORATORS[name])
    assert Each(first)(inputs=[1, 2]) == [first(1), first(2)]
    stats = get_jit_stats(Each)
    assert not stats.compiled
    assert "no two of its calls" in stats.reason
    each = Each(meeting())
    assert each(inputs=[0, 0]) == [0, 0], "this call goes on as it is written"
    assert each(inputs=[1, 2]) == [1, 2], "this one overlaps"
    stats = get_jit_stats(Each)
    assert stats.compiled
    assert stats.reason == ""
    assert Each(first)(inputs=[1, 2]) == [first(1), first(2)]


def test_explain_looks_at_the_instance_that_it_is_given() -> None:
    Each = make(structural_jit)
    assert explain(Each(abs)).status == "left alone"
    assert explain(Each(meeting())).status == "compiled"


def test_instances_that_are_alike_are_looked_at_a_few_times() -> None:
    Each = make(structural_jit)
    forward = Each.forward
    own = forward.__code__
    each = Each(abs)
    for _ in range(200):
        each(inputs=[1])
    assert is_replacement(forward.__code__), "one instance, however often it is called"
    for _ in range(dispatch.ALIKE + 2):
        Each(abs)(inputs=[1])
    assert not is_replacement(forward.__code__)
    assert forward.__code__ is not own
    assert not get_jit_stats(Each).compiled


def test_the_look_goes_away_after_many_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "LOOKS", 100)
    Each = make(structural_jit)
    each = Each(abs)
    for _ in range(50):
        assert each(inputs=[-1]) == [1]
    assert is_replacement(Each.forward.__code__)
    for _ in range(100):
        assert each(inputs=[-1]) == [1]
    assert not is_replacement(Each.forward.__code__)


def test_where_nothing_could_overlap_nothing_looks() -> None:
    @structural_jit
    class One(Operator):
        def __init__(self, function: Callable[[Any], Any]) -> None:
            self.function = function

        def forward(self, *, inputs: Any) -> Any:
            return self.function(self.function(inputs))

    assert One(abs)(inputs=-1) == 1
    assert not is_replacement(One.forward.__code__)


def test_methods_of_the_class_are_those_of_all_instances() -> None:
    @structural_jit
    class Own(Operator):
        def double(self, x: Any) -> Any:
            return 2 * x

        def forward(self, *, inputs: Any) -> Any:
            return [self.double(x) for x in inputs]

    assert Own()(inputs=[1]) == [2]
    assert not is_replacement(Own.forward.__code__)


def test_undecorated_composites_are_looked_at_too() -> None:
    class Each(Operator):
        def __init__(self, function: Callable[[Any], Any]) -> None:
            self.function = function

        def forward(self, *, inputs: Any) -> Any:
            return [self.function(x) for x in inputs["x"]]

    assert vmap(Each(abs))(inputs={"x": [[1, 2]]}) == [[1, 2]]
    mapped = vmap(Each(meeting()))
    assert mapped(inputs={"x": [[0, 0]]}) == [[0, 0]]
    assert mapped(inputs={"x": [[1, 2]]}) == [[1, 2]]


def test_tracebacks_and_docstrings_stay() -> None:
    Each = make(structural_jit)

    def fail(x: Any) -> Any:
        return 1 / x

    each = Each(fail)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError) as caught:
            each(inputs=[0])
        names = [entry.name for entry in caught.traceback][1:]
        assert names[-1] == "fail"
        assert "look" not in names
        line = caught.traceback[-3 if "<listcomp>" in names else -2].lineno
        assert caught.traceback[-2].statement is not None
        assert "self.function(x)" in str(caught.traceback[-2].statement)
        assert line is not None
    assert Each.forward.__doc__ == "The results."
