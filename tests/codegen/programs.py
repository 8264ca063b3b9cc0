"""Operators whose generated programs are compared with `golden/`.  Lines are in the files: append at the end."""

from __future__ import annotations

from typing import Any

from ember_jit import Operator, query


@query
class Ask(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return {"text": str(inputs), "score": 1}


class Tell(Operator):
    def forward(self, *, inputs: Any) -> Any:
        with open(inputs, "a") as file:
            file.write("told")


class Base(Operator):
    def __init__(self) -> None:
        self.ask, self.other, self.tell = Ask(), Ask(), Tell()
        self.members = [Ask(), Ask()]
        self.__prefix = "p"
        self.count = 0


class StraightLine(Base):
    def forward(self, *, inputs: Any) -> Any:
        """Its docstring stays."""
        web = self.ask(inputs=inputs)
        notes = self.other(inputs=inputs)
        return self.ask(inputs={"web": web["text"], "notes": notes["text"]})


class ConditionalAppend(Base):
    def forward(self, *, inputs: Any) -> Any:
        parts = []
        for doc in inputs["docs"]:
            s = self.ask(inputs={"d": doc})
            if s["score"] > 0.5:
                parts.append(s["text"])
        return self.other(inputs=" ".join(parts))


class Comprehensions(Base):
    def forward(self, *, inputs: Any) -> Any:
        found = {q: self.ask(inputs=q) for q in inputs if q}
        scores = [m(inputs=inputs)["score"] for m in self.members]
        return found, sum(self.other(inputs=s)["score"] for s in scores)


class NestedLoops(Base):
    def forward(self, *, inputs: Any) -> Any:
        out = []
        for index, doc in enumerate(inputs):
            answer = doc
            for _ in range(3):
                answer = self.ask(inputs=answer)["text"]
            out.append((index, answer))
        return out


class BreakOnResult(Base):
    def forward(self, *, inputs: Any) -> Any:
        best = None
        for doc in inputs:
            left, right = self.ask(inputs=doc), self.other(inputs=doc)
            if left["score"] > right["score"]:
                best = doc
                break
        else:
            best = self.ask(inputs="else")
        return best


class Barriers(Base):
    def forward(self, *, inputs: Any) -> Any:
        a = self.ask(inputs=inputs)
        b = self.other(inputs=inputs)
        self.count += 1
        c = self.ask(inputs=a["text"])
        d = self.other(inputs=b["text"])
        return c, d


class Effects(Base):
    def forward(self, *, inputs: Any) -> Any:
        a = self.ask(inputs=inputs)
        self.tell(inputs=inputs)
        b = self.other(inputs=inputs)
        return self.ask(inputs=(a, b))


class Handlers(Base):
    def forward(self, *, inputs: Any) -> Any:
        try:
            a = self.ask(inputs=inputs)
            b = self.other(inputs=inputs)
        except ValueError as exc:
            return exc.args
        finally:
            c = self.ask(inputs="finally")
        return a, b, c


class WhileCounter(Base):
    def forward(self, *, inputs: Any) -> Any:
        n = 0
        texts = []
        while n < len(inputs):
            text = self.ask(inputs=inputs[n])["text"].strip() + self.__prefix
            texts = [*texts, text]
            n += 1
        return texts, self.other(inputs=n)


class Conditional(Base):
    def forward(self, *, inputs: Any) -> Any:
        a = self.ask(inputs=inputs)
        b = self.other(inputs=a["text"]) if a["score"] > 1 else self.other(inputs=inputs)
        c = self.ask(inputs=1) and self.other(inputs=2)
        (x, y), z = (a, b), c
        return x, y, z


class Helper(Base):
    def forward(self, *, inputs: Any) -> Any:
        a = self.ask(inputs=shorten(inputs))
        b = self.other(inputs=shorten(a["text"], 3))
        c = self.other(inputs={**inputs, "k": [*inputs["k"], -inputs["n"]]})
        return a, b, c


def shorten(text: str, length: int = 10) -> str:
    return text[:length].strip()


OPERATORS: list[type[Base]] = [
    StraightLine,
    ConditionalAppend,
    Comprehensions,
    NestedLoops,
    BreakOnResult,
    Barriers,
    Effects,
    Handlers,
    WhileCounter,
    Conditional,
    Helper,
]
