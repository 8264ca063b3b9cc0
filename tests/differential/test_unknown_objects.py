"""Objects of the program inside an inferred operator: what an operation on one does happens in its turn or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from ember_jit import Operator, structural_jit

LOG: list[str] = []


class Document:
    def strip(self) -> str:
        LOG.append("strip")
        return ""

    def __add__(self, other: object) -> int:
        LOG.append("add")
        return 1

    def __getitem__(self, key: object) -> str:
        LOG.append("getitem")
        return ""

    def __getattr__(self, name: str) -> str:
        LOG.append(f"getattr {name}")
        return ""

    def __bool__(self) -> bool:
        LOG.append("bool")
        return True


SHELF = {"a": Document()}


class Find(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return SHELF[inputs["k"]]


class Fail(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return {}[inputs["k"]]


def strip(document: Any) -> Any:
    return document.strip()


def add(document: Any) -> Any:
    return document + 1


def look(document: Any) -> Any:
    return document["title"]


def read(document: Any) -> Any:
    return document.title


def ask(document: Any) -> Any:
    return 1 if document else 2


class Use(Operator):
    def __init__(self, use: Any) -> None:
        self.find, self.use = Find(), use

    def forward(self, *, inputs: Any) -> Any:
        return self.use(self.find(inputs=inputs))


class UseInline(Operator):
    def __init__(self, _: Any) -> None:
        self.find = Find()

    def forward(self, *, inputs: Any) -> Any:
        document = self.find(inputs=inputs)
        return {"t": document.strip(), "n": document + 1, "x": document.title}


@structural_jit(execution_strategy="parallel")
class Top(Operator):
    def __init__(self, use: Any) -> None:
        self.fail, self.use = Fail(), use

    def forward(self, *, inputs: Any) -> Any:
        first = self.fail(inputs=inputs)
        second = self.use(inputs=inputs)
        return first, second


@pytest.mark.parametrize("kind", [Use, UseInline])
@pytest.mark.parametrize("use", [strip, add, look, read, ask])
def test_nothing_happens_behind_a_call_that_raises(kind: Any, use: Any) -> None:
    LOG.clear()
    top = Top(kind(use))
    for _ in range(3):
        with pytest.raises(KeyError):
            top(inputs={"k": "a"})
    assert LOG == []
