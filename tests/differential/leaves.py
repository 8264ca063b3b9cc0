"""Leaves for the differential programs.

Declared ones sleep for a while that the harness draws, so that outcomes arrive in any order; the others
write what they did into a journal.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from typing import Any

from ember_jit import Operator, pure, query


class World:
    """What the leaves of one run share.

    Attributes:
        journal: what the leaves with effects did, in order.
        calls: how often each declared leaf was called.
    """

    def __init__(self, seed: int | None = None) -> None:
        self.journal: list[Any] = []
        self.calls: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._longest = 0.0 if seed is None else 0.003
        self._lock = threading.Lock()

    def work(self, name: str) -> None:
        """Count a call, and take a while."""
        with self._lock:
            self.calls[name] += 1
            wait = self._random.random() * self._longest
        if wait:
            time.sleep(wait)


class Leaf(Operator):
    def __init__(self, world: World, name: str) -> None:
        self.world, self.name = world, name


@query
class Ask(Leaf):
    """Answers with a fresh dict; raises ValueError when asked for "bad"."""

    def forward(self, *, inputs: Any) -> Any:
        self.world.work(self.name)
        if inputs == "bad" or isinstance(inputs, dict) and "bad" in inputs.values():
            raise ValueError(self.name, inputs)
        text = f"{self.name}({inputs})"
        return {"text": text, "score": (len(text) * 7 % 10) / 10, "items": [self.name, len(text)]}


@pure
class Size(Leaf):
    """A number."""

    def forward(self, *, inputs: Any) -> Any:
        self.world.work(self.name)
        return len(str(inputs))


@query
class Same(Leaf):
    """Returns its very argument."""

    def forward(self, *, inputs: Any) -> Any:
        self.world.work(self.name)
        return inputs


@query
class Wrap(Leaf):
    """Returns a new dict with its very argument in it."""

    def forward(self, *, inputs: Any) -> Any:
        self.world.work(self.name)
        return {"docs": inputs, "count": len(inputs)}


class Log(Leaf):
    """Undeclared: writes into the journal; raises KeyError when told "stop"."""

    def forward(self, *, inputs: Any) -> Any:
        self.world.journal.append((self.name, repr(inputs)))
        if inputs == "stop":
            raise KeyError(self.name)
        return inputs


class Keep(Leaf):
    """Undeclared: remembers its argument and changes the ones before."""

    def forward(self, *, inputs: Any) -> Any:
        self.world.journal.append(inputs)
        for earlier in self.world.journal[:-1]:
            if isinstance(earlier, list):
                earlier.append("kept")
        return len(self.world.journal)


class Manager:
    """A context manager that writes into the journal."""

    def __init__(self, world: World, swallow: bool = False) -> None:
        self.world, self.swallow = world, swallow

    def __enter__(self) -> str:
        self.world.journal.append("enter")
        return "entered"

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: Any
    ) -> bool:
        self.world.journal.append(("exit", kind.__name__ if kind else None))
        return self.swallow


class Program(Operator):
    """Base of the programs: two asks, a size, and the rest."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.ask, self.other = Ask(world, "ask"), Ask(world, "other")
        self.size = Size(world, "size")
        self.same, self.wrap = Same(world, "same"), Wrap(world, "wrap")
        self.log, self.keep = Log(world, "log"), Keep(world, "keep")
        self.members = [Ask(world, "m0"), Ask(world, "m1"), Ask(world, "m2")]
        self.count = 0
        self.manager = Manager(world)
