"""Programs about effects: order, closures, managers, nested operators.  (class, inputs, calls overlap)"""

from __future__ import annotations

from typing import Any

from ember_jit import Operator, structural_jit
from tests.differential.leaves import Ask, Manager, Program, Size, World

compiled = structural_jit(execution_strategy="parallel")


@compiled
class LogsBetween(Program):
    def forward(self, *, inputs: Any) -> Any:
        a = self.ask(inputs=inputs)
        b = self.other(inputs=inputs)
        self.log(inputs=("first", a["text"]))
        c = self.ask(inputs=a["text"])
        d = self.other(inputs=b["text"])
        self.log(inputs="stop" if inputs == "stop" else ("second", c["score"]))
        return c, d, self.ask(inputs="last")


@compiled
class CountsItself(Program):
    """The state of `self` at every program point."""

    def forward(self, *, inputs: Any) -> Any:
        self.count += 1
        a, b = self.ask(inputs=(self.count, inputs)), self.other(inputs=self.count)
        self.count *= 2
        self.extra = a["items"]
        c, d = self.ask(inputs=self.count), self.other(inputs=self.extra)
        self.extra.append(d["score"])
        return a, b, c, d, self.extra is a["items"]


@compiled
class KeepsArguments(Program):
    """A call with effects changes what earlier calls were given."""

    def forward(self, *, inputs: Any) -> Any:
        one = [1]
        two = [2]
        a = self.wrap(inputs=one)
        b = self.wrap(inputs=two)
        self.keep(inputs=one)
        c = self.wrap(inputs=one)
        d = self.ask(inputs=two)
        self.keep(inputs=two)
        return a, b, c, d, self.ask(inputs=one), self.other(inputs=two), one, two


@compiled
class Managers(Program):
    def forward(self, *, inputs: Any) -> Any:
        before = self.ask(inputs="before"), self.other(inputs="before")
        with self.manager as value:
            a = self.ask(inputs=inputs)
            b = self.other(inputs=value)
        with Manager(self.world, swallow=True):
            c = self.ask(inputs=inputs), self.other(inputs="bad" if inputs == "late" else inputs)
        return before, a, b, locals_of(c) if inputs != "late" else None


def locals_of(value: Any) -> Any:
    return [value]


@compiled
class Closures(Program):
    def forward(self, *, inputs: Any) -> Any:
        total = 0
        made = []

        def add(n: int) -> int:
            nonlocal total
            total += n
            return total

        def render(doc: str) -> Any:
            return self.ask(inputs=doc)["text"]

        for doc in inputs:
            s = self.size(inputs=doc)
            t = self.other(inputs=doc)
            add(s)
            made.append(lambda t=t: (t["text"], total))
        return total, [each() for each in made], [render(doc) for doc in inputs]


class Inner(Operator):
    """An undecorated composite."""

    def __init__(self, world: World, name: str) -> None:
        self.left, self.right = Ask(world, name + ".l"), Ask(world, name + ".r")
        self.size = Size(world, name + ".s")

    def forward(self, *, inputs: Any) -> Any:
        left = self.left(inputs=inputs)
        right = self.right(inputs=inputs)
        if left["score"] > right["score"]:
            raise LookupError(inputs, left["score"])
        return {"both": [left, right], "size": self.size(inputs=left["text"] + right["text"])}


@compiled
class Composites(Program):
    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.one, self.two = Inner(world, "one"), Inner(world, "two-")

    def forward(self, *, inputs: Any) -> Any:
        try:
            a = self.one(inputs=inputs)
            b = self.two(inputs=inputs)
        except LookupError as exc:
            return "lookup", exc.args, self.ask(inputs="lookup")
        return a, b, self.one(inputs=a["size"])


@compiled
class LazyCalls(Program):
    """Generators and lambdas whose calls are made elsewhere, or never."""

    def forward(self, *, inputs: Any) -> Any:
        lazy = (self.ask(inputs=d) for d in inputs)
        a = self.other(inputs="a")
        b = self.ask(inputs="b")
        first = next(lazy, None)
        ordered = sorted(inputs, key=lambda d: self.size(inputs=d))
        c = self.other(inputs="c")
        return a, b, first, list(lazy), ordered, c


@compiled
class Prints(Program):
    def forward(self, *, inputs: Any) -> Any:
        for doc in inputs:
            s = self.ask(inputs=doc)
            print("scored", doc, s["score"])
            if s["score"] > 0.5:
                print("kept", s["text"])
        return self.other(inputs=inputs), self.size(inputs=inputs)


DOCS = ["one", "two", "three", "four!"]
PROGRAMS: dict[str, tuple[Any, list[Any], bool]] = {
    "logs between": (LogsBetween, ["x", "stop", "bad"], True),
    "counts itself": (CountsItself, ["x", "bad"], True),
    "keeps arguments": (KeepsArguments, ["x"], True),
    "managers": (Managers, ["x", "bad", "late"], True),
    "closures": (Closures, [DOCS, [], ["a", "bad"]], False),
    "composites": (Composites, ["x", "bad", "abc", "abcd", 7], True),
    "lazy calls": (LazyCalls, [DOCS, [], ["bad"]], True),
    "prints": (Prints, [DOCS, [], ["a", "bad"]], True),
}
