"""Operators that the tests of `ember_jit.testing` share."""

from __future__ import annotations

from typing import Any

from ember_jit import Operator, query, structural_jit
from ember_jit.testing import FakeClock


@query
class Sleeper(Operator):
    """A leaf that takes so many seconds of a clock."""

    def __init__(self, clock: FakeClock, seconds: float) -> None:
        self.clock, self.seconds = clock, seconds

    def forward(self, *, inputs: Any) -> Any:
        self.clock.sleep(self.seconds)
        return f"{inputs}+{self.seconds}"


@structural_jit
class Diamond(Operator):
    """0.1 s, then 0.2 s beside 0.3 s, then 0.1 s: the critical path is 0.5 s, the sum 0.7 s."""

    def __init__(self, clock: FakeClock) -> None:
        self.ends, self.left, self.right = (Sleeper(clock, s) for s in (0.1, 0.2, 0.3))

    def forward(self, *, inputs: Any) -> Any:
        top = self.ends(inputs=inputs)
        left = self.left(inputs=top)
        right = self.right(inputs=top)
        return self.ends(inputs=left + right)


@structural_jit
class Fan(Operator):
    """So many calls of 0.1 s."""

    def __init__(self, clock: FakeClock) -> None:
        self.leaf = Sleeper(clock, 0.1)

    def forward(self, *, inputs: int) -> Any:
        return [self.leaf(inputs=n) for n in range(inputs)]
