"""Operators that the graph tests share."""

from __future__ import annotations

import threading
from typing import Any

from ember_jit import Operator, jit, pure, query

MADE: list[Any] = []  # what was called, in order


class Plain(Operator):
    """Of unknown effect: it writes down that it was called."""

    def forward(self, *, inputs: Any) -> Any:
        MADE.append(inputs)
        return {"got": inputs, "hits": [{"id": 1}, {"id": 2}]}


@query
class Ask(Operator):
    def forward(self, *, inputs: Any) -> Any:
        MADE.append(inputs)
        return f"<{inputs}>"


@query
class Meet(Operator):
    """Returns only if two calls are in flight at once."""

    def __init__(self, parties: int = 2) -> None:
        self.barrier = threading.Barrier(parties)

    def forward(self, *, inputs: Any) -> Any:
        self.barrier.wait(20)
        return inputs


@query
class Fail(Operator):
    def __init__(self, error: BaseException, wait: threading.Event | None = None) -> None:
        self.error = error
        self.wait = wait
        self.done = threading.Event()

    def forward(self, *, inputs: Any) -> Any:
        if self.wait is not None:
            assert self.wait.wait(20)
        self.done.set()
        raise self.error


@jit
def joined(a: Any, b: Any = "-", *rest: Any, sep: str = "+") -> str:
    return sep.join(map(str, [a, b, *rest]))


@pure
@jit
def doubled(x: Any) -> Any:
    return x * 2


class OwnCall:
    """No subclass of ours: recorded because it is decorated."""

    def __call__(self, *, inputs: Any) -> Any:
        return ("own", self.forward(inputs=inputs))

    def forward(self, *, inputs: Any) -> Any:
        MADE.append(inputs)
        return inputs


OwnCall = jit(OwnCall)  # type: ignore[misc]
