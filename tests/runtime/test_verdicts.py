"""What was found out about a callable is kept from run to run, and forgotten when what it rests on changes."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

from ember_jit import Operator, effects, pure, query, structural_jit
from ember_jit.runtime.effect import Effect
from ember_jit.runtime.plan import Verdict
from ember_jit.testing import record_schedule
from ember_jit.verdicts import Verdicts


def make_leaf() -> type[Operator]:
    @query
    class Leaf(Operator):
        def forward(self, *, inputs: Any) -> Any:
            return inputs

    return Leaf


BY_CLASS = Verdict(True, by_class=True)
DECLARED = Effect("query", "declared", declared=True)


class Asked(Verdicts):
    """Counts how often a verdict had to be found out."""

    def __init__(self, verdict: Verdict, effect: Effect = DECLARED) -> None:
        super().__init__(lambda callee: self.effect, self.found)
        self.times = 0
        self.verdict = verdict
        self.effect = effect

    def found(self, callee: Any, effect: Effect) -> Verdict:
        self.times += 1
        return self.verdict


def replace_forward(leaf: Any) -> None:
    def forward(self: Any, *, inputs: Any) -> Any:
        return [inputs]

    type(leaf).forward = forward


def replace_code(leaf: Any) -> None:
    type(leaf).forward.__code__ = (lambda self, *, inputs: [inputs]).__code__


def hide_forward(leaf: Any) -> None:
    leaf.forward = lambda *, inputs: [inputs]


def take_forward_away(leaf: Any) -> None:
    del type(leaf).forward


def relabel(leaf: Any) -> None:
    effects.declare(type(leaf), pure)


def label_another_object(leaf: Any) -> None:
    leaf.other = type(leaf)()  # as long as it lives, so does its label
    effects.declare(leaf.other, pure)


def look_up_in_another_way(leaf: Any) -> None:
    type(leaf).__getattribute__ = lambda self, name: object.__getattribute__(self, name)


def inherit_from_another(leaf: Any) -> None:
    class Base(Operator):
        def forward(self, *, inputs: Any) -> Any:
            return inputs

    type(leaf).__bases__ = (Base,)


def test_one_look_serves_every_instance_and_every_run() -> None:
    leaf, asked = make_leaf(), Asked(BY_CLASS)
    assert all(asked(leaf()) is BY_CLASS for _ in range(5))
    assert asked.times == 1


@pytest.mark.parametrize(
    "change",
    [
        replace_forward,
        replace_code,
        hide_forward,
        take_forward_away,
        relabel,
        label_another_object,
        look_up_in_another_way,
        inherit_from_another,
    ],
)
def test_a_change_is_seen_at_the_next_look(change: Any) -> None:
    leaf, asked = make_leaf()(), Asked(BY_CLASS)
    asked(leaf)
    asked(leaf)
    assert asked.times == 1
    change(leaf)
    asked(leaf)
    assert asked.times == 2


def test_a_verdict_on_one_object_is_not_that_on_another() -> None:
    leaf, asked = make_leaf(), Asked(Verdict(True), Effect("query", "inferred"))
    first, second = leaf(), leaf()
    for _ in range(3):
        assert asked(first) is asked(second) is asked.verdict
    assert asked.times == 2


def test_a_verdict_on_an_object_goes_with_the_effect_that_it_was_given_for() -> None:
    leaf, asked = make_leaf()(), Asked(Verdict(True), Effect("query", "inferred"))
    asked(leaf)
    asked.effect = Effect("query", "inferred anew")
    asked(leaf)
    assert asked.times == 2


@pytest.mark.parametrize("verdict", [BY_CLASS, Verdict(True)])
def test_what_nobody_needs_is_let_go(verdict: Verdict) -> None:
    leaf = make_leaf()
    asked = Asked(verdict, DECLARED if verdict.by_class else Effect("query", "inferred"))
    asked(leaf())
    alive = weakref.ref(leaf)
    del leaf
    gc.collect()
    assert alive() is None
    assert not asked._of_classes
    assert not asked._of_objects


@pytest.mark.parametrize("how", ["taken back", "changed"])
def test_a_label_that_is_taken_back_holds_its_calls_back(how: str) -> None:
    order: list[str] = []

    class Leaf(Operator):
        def __init__(self, name: str) -> None:
            self.name = name

        def forward(self, *, inputs: Any) -> Any:
            order.append(self.name)
            return inputs

    query(Leaf)

    @structural_jit
    class Pair(Operator):
        def __init__(self) -> None:
            self.first, self.second = Leaf("first"), Leaf("second")

        def forward(self, *, inputs: Any) -> Any:
            return self.first(inputs=inputs), self.second(inputs=inputs)

    pair = Pair()
    for ahead in (True, False):
        with record_schedule() as schedule:
            pair(inputs=1)
        assert any(call.ahead for call in schedule.calls) is ahead
        if ahead and how == "changed":
            effects.declare(Leaf, effects.ordered("list"))
        elif ahead:
            del Leaf.__effects__
