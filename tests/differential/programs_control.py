"""Programs about control: loops, branches, handlers.  (class, inputs, calls overlap)"""

from __future__ import annotations

from typing import Any

from ember_jit import structural_jit
from tests.differential.leaves import Program

compiled = structural_jit(execution_strategy="parallel")


@compiled
class FirstError(Program):
    """The first exception in program order, however late it comes."""

    def forward(self, *, inputs: Any) -> Any:
        a = self.ask(inputs=inputs[0])
        b = self.other(inputs=inputs[1])
        c = self.ask(inputs={"q": inputs[2], "a": a["text"]})
        return a, b, c


@compiled
class BreakAndElse(Program):
    def forward(self, *, inputs: Any) -> Any:
        out = []
        for doc in inputs:
            s = self.ask(inputs=doc)
            if s["score"] > 0.7:
                out.append(("break", doc))
                break
            if len(doc) == 3:
                continue
            out.append(self.other(inputs=doc))
        else:
            out.append(self.ask(inputs="else"))
        return out, doc if inputs else None


@compiled
class WhileOnResults(Program):
    def forward(self, *, inputs: Any) -> Any:
        n, trace = len(inputs), []
        while n > 0:
            s = self.ask(inputs=n)
            t = self.other(inputs=n)
            trace.append((s["score"], t["score"]))
            if s["score"] == t["score"]:
                n -= 2
                continue
            n -= 1
        else:
            trace.append("done")
        return trace, n


@compiled
class HandlersAndFinally(Program):
    def forward(self, *, inputs: Any) -> Any:
        out = []
        for doc in inputs:
            try:
                a = self.ask(inputs=doc)
                b = self.other(inputs=doc)
            except ValueError as exc:
                out.append(("caught", exc.args))
                b = self.size(inputs=doc)
            else:
                out.append(a["text"])
            finally:
                out.append(self.size(inputs=len(out)))
            out.append(b)
        return out


@compiled
class AssignedInFinally(Program):
    """The `finally` gives the next iteration, and what follows, other arguments."""

    def forward(self, *, inputs: Any) -> Any:
        out, text = [], inputs
        for number in range(2):
            try:
                out.append(self.ask(inputs=text))
            finally:
                text = number
                self.other(inputs=number)
            out.append(self.ask(inputs=text))
        return out, self.ask(inputs=text)


@compiled
class RaiseFromHandler(Program):
    def forward(self, *, inputs: Any) -> Any:
        a = self.other(inputs="fine")
        try:
            b = self.ask(inputs=inputs)
            c = self.other(inputs=inputs)
        except ValueError as exc:
            if a["score"] < 5:
                raise RuntimeError("wrapped", inputs) from exc
            raise
        return a, b, c


@compiled
class ErrorInHandler(Program):
    """The second error has the first as its context."""

    def forward(self, *, inputs: Any) -> Any:
        a = self.other(inputs=1)
        try:
            return self.ask(inputs=inputs), self.other(inputs=2)
        except ValueError:
            x = self.other(inputs=a["text"])
            y = self.ask(inputs={"again": inputs})
            return x, y
        finally:
            self.count += 1


@compiled
class GlueRaises(Program):
    """An operation on results fails between calls."""

    def forward(self, *, inputs: Any) -> Any:
        a = self.ask(inputs=inputs)
        b = self.other(inputs=inputs)
        n = 10 // (len(inputs) - 1)
        k = a[inputs] if inputs in ("text", "nope") else a["items"][len(inputs) - 4]
        c = self.ask(inputs=(n, str(k)))
        assert b["score"] != 5, "no"
        return c


@compiled
class ShortCircuits(Program):
    def forward(self, *, inputs: Any) -> Any:
        a = self.ask(inputs=inputs)
        b = a["score"] > 0.5 and self.other(inputs=inputs)
        c = self.size(inputs=inputs) if a["score"] > 0.3 else self.other(inputs="small")
        d = inputs or self.other(inputs="empty")
        e = 0 < self.size(inputs=a) < self.size(inputs=inputs) < self.size(inputs="never")
        f = any(self.ask(inputs=x)["score"] > 0.5 for x in inputs)
        return a, b, c, d, e, f


@compiled
class EarlyReturn(Program):
    def forward(self, *, inputs: Any) -> Any:
        for index, doc in enumerate(inputs):
            left, right = self.ask(inputs=doc), self.other(inputs=doc)
            if left["score"] < right["score"]:
                return index, left, right
            try:
                if doc == "skip":
                    continue
            finally:
                self.count += 1
        return None


@compiled
class NestedLoops(Program):
    """The inner loop carries, the outer does not."""

    def forward(self, *, inputs: Any) -> Any:
        out = []
        for doc in inputs:
            answer = doc
            for _ in range(3):
                answer = self.ask(inputs=answer)["text"][-20:]
            out.append((answer, [m(inputs=answer) for m in self.members]))
        return out


DOCS = ["one", "two", "three", "four!"]
PROGRAMS: dict[str, tuple[Any, list[Any], bool]] = {
    "first error": (
        FirstError,
        [["a", "b", "c"], ["a", "bad", "bad"], ["bad", "bad", "c"], ["a", "b", "bad"]],
        True,
    ),
    "break and else": (BreakAndElse, [DOCS, [], ["abc"], ["a", "bad"], ["abcdef", "b"]], False),
    "while on results": (WhileOnResults, [DOCS, []], True),
    "handlers and finally": (HandlersAndFinally, [DOCS, ["a", "bad", "b"], ["bad"]], True),
    "assigned in finally": (AssignedInFinally, ["text", "bad"], False),
    "raise from handler": (RaiseFromHandler, ["fine", "bad"], True),
    "error in handler": (ErrorInHandler, ["fine", "bad"], True),
    "glue raises": (GlueRaises, ["text", "nope", "x", "four", "much longer"], True),
    "short circuits": (ShortCircuits, ["", "a", "bcd", "bad"], True),
    "early return": (EarlyReturn, [DOCS, [], ["skip", "bad"], ["skip", "skip"]], True),
    "nested loops": (NestedLoops, [DOCS, [], ["a", "bad"]], True),
}
