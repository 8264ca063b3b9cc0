"""What a comprehension over a result makes is known to what follows: plan, answer each part, check each answer."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from ember_jit import Operator, disable_structural_jit, explain, query, structural_jit

TIMEOUT = 10


@query
class Split(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return {"parts": inputs.split()}


@query
class Meets(Operator):
    """All calls for one question meet: each waits for the others."""

    def __init__(self, barrier: threading.Barrier | None = None) -> None:
        self.barrier = barrier

    def forward(self, *, inputs: Any) -> Any:
        if self.barrier is not None:
            self.barrier.wait()
        return {"text": f"{inputs}!"}


class Planner(Operator):
    def __init__(self, parties: int = 0) -> None:
        def meets() -> Meets:
            return Meets(threading.Barrier(parties, timeout=TIMEOUT) if parties else None)

        self.split, self.answer, self.check = Split(), meets(), meets()


class Lists(Planner):
    def forward(self, *, inputs: Any) -> Any:
        parts = self.split(inputs=inputs)["parts"]
        answers = [self.answer(inputs=part) for part in parts]
        return [self.check(inputs=each["text"]) for each in answers]


class Dicts(Planner):
    def forward(self, *, inputs: Any) -> Any:
        answers = {part: self.answer(inputs=part) for part in self.split(inputs=inputs)["parts"]}
        return {part: self.check(inputs=each["text"]) for part, each in answers.items()}


class Nested(Planner):
    def forward(self, *, inputs: Any) -> Any:
        found = [self.split(inputs=line)["parts"] for line in inputs.split(",")]
        answers = [self.answer(inputs=part) for parts in found for part in parts]
        return [self.check(inputs=each["text"]) for each in answers]


class Filled(Planner):
    def forward(self, *, inputs: Any) -> Any:
        found = {}
        for line in inputs.split(","):
            found[line] = self.split(inputs=line)["parts"]
        answers = [self.answer(inputs=part) for parts in found.values() for part in parts]
        return [self.check(inputs=each["text"]) for each in answers]


class Filtered(Planner):
    def forward(self, *, inputs: Any) -> Any:
        parts = self.split(inputs=inputs)["parts"]
        answers = [self.answer(inputs=part) for part in parts if part != "skip"]
        return [self.check(inputs=each["text"]) for each in answers]


SHAPES = {cls: "a b skip c" if cls is Filtered else "a b,c" for cls in (Nested, Filled, Filtered)}
SHAPES |= {Lists: "a b c", Dicts: "a b c"}


@pytest.mark.parametrize("cls", SHAPES, ids=lambda cls: cls.__name__)
def test_the_second_round_overlaps_too(cls: Any) -> None:
    op = structural_jit(execution_strategy="parallel")(type(cls.__name__, (cls,), dict(vars(cls))))(
        3
    )
    with disable_structural_jit():
        expected = cls()(inputs=SHAPES[cls])
    for _ in range(3):
        assert op(inputs=SHAPES[cls]) == expected
    last = explain(op).calls[-1]
    assert last.ahead
    assert last.number in last.overlaps


@query
class Fragile(Operator):
    def __init__(self, name: str) -> None:
        self.name = name

    def forward(self, *, inputs: Any) -> Any:
        if self.name in str(inputs):
            raise LookupError(f"{self.name} at {inputs}")
        return {"text": f"{inputs}"}


class Failing(Operator):
    def __init__(self) -> None:
        self.split, self.answer, self.check = Split(), Fragile("bad"), Fragile("worse")
        self.same = query(type("Same", (Operator,), {"forward": lambda self, *, inputs: inputs})())

    def forward(self, *, inputs: Any) -> Any:
        seen = []
        try:
            parts = self.split(inputs=inputs)["parts"]
            answers = [self.answer(inputs=part) for part in parts]
            seen.append(len(answers))
            checks = [self.check(inputs=each["text"]) for each in answers]
            back = self.same(inputs=answers)
        except LookupError as exc:
            return seen, str(exc)
        answers.append({"text": "more"})
        return seen, checks, back is answers, len(back), back[0] is answers[0]


@pytest.mark.parametrize(
    "inputs", ["a b c", "a bad b", "bad", "a worse b", "worse bad", "bad worse", "a"]
)
def test_failures_and_identity(inputs: str) -> None:
    plain = Failing()(inputs=inputs)
    op = structural_jit(execution_strategy="parallel")(
        type("Failing", (Failing,), dict(vars(Failing)))
    )()
    for _ in range(5):
        assert op(inputs=inputs) == plain
