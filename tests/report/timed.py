"""Operators whose leaves take virtual time, for the tests of timelines."""

from __future__ import annotations

import threading
from typing import Any

from ember_jit import Operator, query, structural_jit
from ember_jit.testing import fake_latency


class Echo(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return [type(self).__name__, inputs]


@fake_latency(0.3)
@query
class Search(Echo):
    def forward(self, *, inputs: Any) -> Any:
        return ["search", inputs]


@fake_latency(0.2)
@query
class Recall(Echo):
    def forward(self, *, inputs: Any) -> Any:
        return ["recall", inputs]


@fake_latency(0.1)
@query
class Judge(Echo):
    def forward(self, *, inputs: Any) -> Any:
        return ["judge", inputs]


@fake_latency(0.05)
class Save(Echo):
    """Of unknown effect."""

    def forward(self, *, inputs: Any) -> Any:
        if inputs == "bad":
            raise ValueError(inputs)
        return ["saved", inputs]


class Base(Operator):
    def __init__(self) -> None:
        self.search, self.recall, self.judge, self.save = Search(), Recall(), Judge(), Save()


@structural_jit
class Answer(Base):
    def forward(self, *, inputs: Any) -> Any:
        web = self.search(inputs=inputs)
        notes = self.recall(inputs=inputs)
        return self.judge(inputs=[web, notes])


@structural_jit(max_workers=2)
class Narrow(Base):
    def forward(self, *, inputs: Any) -> Any:
        return [self.recall(inputs=each) for each in inputs]


@structural_jit
class Saves(Base):
    def forward(self, *, inputs: Any) -> Any:
        web = self.search(inputs=inputs)
        notes = self.recall(inputs=inputs)
        self.save(inputs=inputs)
        more = self.recall(inputs=web)
        return self.judge(inputs=[notes, more])


@structural_jit
class SavesInTurn(Base):
    """The save stands among calls that overlap across it, in one region."""

    def forward(self, *, inputs: Any) -> Any:
        web = self.search(inputs=inputs)
        notes = self.recall(inputs=inputs)
        try:
            self.save(inputs=self.judge(inputs=inputs) and inputs)
        except ValueError:
            pass
        return web, notes


@structural_jit
class Locked(Base):
    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()

    def forward(self, *, inputs: Any) -> Any:
        web = self.search(inputs=inputs)
        notes = self.recall(inputs=inputs)
        with self.lock:
            self.save(inputs=inputs)
        more = self.recall(inputs=web)
        return more, self.judge(inputs=notes)


@structural_jit
class Outer(Base):
    def __init__(self) -> None:
        super().__init__()
        self.answer = Answer()

    def forward(self, *, inputs: Any) -> Any:
        first = self.answer(inputs=inputs)
        second = self.recall(inputs=inputs)
        return self.judge(inputs=[first, second])
