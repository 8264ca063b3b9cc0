"""Programs about values: containers, aliasing, identity, scopes.  (class, inputs, calls overlap)"""

from __future__ import annotations

from typing import Any

from ember_jit import structural_jit
from tests.differential.leaves import Program

compiled = structural_jit(execution_strategy="parallel")


@compiled
class ConditionalAppend(Program):
    def forward(self, *, inputs: Any) -> Any:
        parts = []
        for doc in inputs:
            s = self.ask(inputs=doc)
            if s["score"] > 0.4:
                parts.append(s["text"])
        return self.other(inputs=" ".join(parts))


@compiled
class ReadsBetweenAppends(Program):
    def forward(self, *, inputs: Any) -> Any:
        parts = []
        lengths = []
        for doc in inputs:
            s = self.ask(inputs=doc)
            lengths.append(len(parts))
            if s["score"] > 0.4:
                parts.append(s["text"])
            if parts:
                lengths.append(self.size(inputs=parts[-1]))
        return self.other(inputs=" ".join(parts)), lengths, parts


@compiled
class ReturnedArgument(Program):
    def forward(self, *, inputs: Any) -> Any:
        docs = [d for d in inputs]
        result = self.wrap(inputs=docs)
        again = self.same(inputs=docs)
        assert result["docs"] is docs
        assert again is docs
        return result, again, docs, self.same(inputs=inputs) is inputs


@compiled
class GrowsAfterCall(Program):
    def forward(self, *, inputs: Any) -> Any:
        docs = []
        first = self.wrap(inputs=docs)
        docs.append(inputs[0])
        second = self.wrap(inputs=docs)
        docs.append("last")
        return (
            first,
            second,
            docs,
            self.ask(inputs=first["count"]),
            self.ask(inputs=second["count"]),
        )


@compiled
class HiddenAliases(Program):
    """Constructors and builtins hand their arguments' elements on."""

    def forward(self, *, inputs: Any) -> Any:
        inner = []
        d = dict(k=inner)
        t = list((inner, inputs))
        m = max([inner], default=inner)
        inner.append(1)
        x = self.ask(inputs=d)
        y = self.other(inputs=t)
        inner.append(2)
        z = self.same(inputs=d)
        return x, y, z, d, t, m, inner, d["k"] is inner, t[0] is inner, m is inner


@compiled
class LongestList(Program):
    def forward(self, *, inputs: Any) -> Any:
        a, b = [1], []
        b = [2, 3]
        longest = max(b, a)
        b.append(4)
        x = self.ask(inputs=longest)
        y = self.other(inputs=inputs)
        return x, y, longest, b, longest is b


@compiled
class MaybeMadeAnew(Program):
    """After a loop that may not run, a container may still be the one that was handed out."""

    def forward(self, *, inputs: Any) -> Any:
        a = []
        holder = [a]
        for doc in inputs:
            a = [doc]
        a.append(1)
        x = self.ask(inputs=holder)
        y = self.other(inputs=a)
        return x, y, holder, a, holder[0] is a


@compiled
class NamedLikeBuiltins(Program):
    """An operator may be called `list` or `join`."""

    def __init__(self, world: Any) -> None:
        super().__init__(world)
        self.list, self.join, self.dict = self.same, self.wrap, self.ask

    def forward(self, *, inputs: Any) -> Any:
        parts = []
        a = self.list(inputs=parts)
        parts.append("x")
        b = self.join(inputs=parts)
        parts.append("y")
        c = self.dict(inputs=parts)
        d = self.other(inputs=inputs)
        return a, b, c, d, parts, a is parts, b["docs"] is parts


@compiled
class DictOfResults(Program):
    def forward(self, *, inputs: Any) -> Any:
        scores: dict[str, Any] = {}
        seen = set()
        for doc in inputs:
            s = self.ask(inputs=doc)
            scores[s["text"]] = s["score"]
            seen.add(doc)
            scores.setdefault("docs", []).append(doc)
        total = sum(self.size(inputs=doc) for doc in inputs)
        return scores, sorted(map(str, seen)), {k: self.other(inputs=k) for k in scores}, total


@compiled
class Scopes(Program):
    """Comprehension variables stay inside, walrus variables do not."""

    def forward(self, *, inputs: Any) -> Any:
        x = "outer"
        found = [self.ask(inputs=x) for x in inputs]
        kept = [last := self.other(inputs=y) for y in inputs if y]
        pairs = {x: self.size(inputs=(x, z)) for x in inputs for z in range(2)}
        last = None if not kept else last
        return x, found, kept, pairs, last, kept[-1] is last if kept else None


@compiled
class StarArguments(Program):
    def forward(self, *, inputs: Any) -> Any:
        first, *rest = [self.ask(inputs=d) for d in inputs]
        extra = {"inputs": [*rest, first]}
        a = self.other(**extra)
        b = self.same(**{"inputs": (first, *inputs)})
        return first, rest, a, b, b[0] is first


@compiled
class SharedInputs(Program):
    """Parts of arguments come back as themselves."""

    def forward(self, *, inputs: Any) -> Any:
        a = self.same(inputs=inputs[0])
        b = self.wrap(inputs=inputs)
        pair = (a, inputs[-1])
        c = self.same(inputs=pair)
        return a is inputs[0], b, c is pair, pair, [inputs, inputs], inputs


@compiled
class Unpacking(Program):
    def forward(self, *, inputs: Any) -> Any:
        (a, b), c = (self.ask(inputs=inputs), self.other(inputs=inputs)), self.size(inputs=inputs)
        a, b = b, a
        x = self.same(inputs=[a["items"], b["items"]])
        (p, q), *r = x[0], c
        a["items"] += ["more"]
        return a, b, c, x, p, q, r, x[0] is a["items"]


DOCS = ["one", "two", "three", "four!"]
PROGRAMS: dict[str, tuple[Any, list[Any], bool]] = {
    "conditional append": (ConditionalAppend, [DOCS, [], ["a", "bad", "c"]], True),
    "reads between appends": (ReadsBetweenAppends, [DOCS, [], ["a", "bad"]], True),
    "returned argument": (ReturnedArgument, [DOCS, []], True),
    "grows after call": (GrowsAfterCall, [DOCS, [], ["bad"]], False),
    "hidden aliases": (HiddenAliases, [DOCS], False),
    "longest list": (LongestList, [DOCS], False),
    "maybe made anew": (MaybeMadeAnew, [DOCS, []], False),
    "named like builtins": (NamedLikeBuiltins, [DOCS, "bad"], False),
    "dict of results": (DictOfResults, [DOCS, [], ["a", "a"], ["bad"]], True),
    "scopes": (Scopes, [DOCS, [], ["a", "bad", ""]], True),
    "star arguments": (StarArguments, [DOCS, [], ["a"], ["a", "bad"]], True),
    "shared inputs": (SharedInputs, [[["a"], {"k": 1}], [[1]]], True),
    "unpacking": (Unpacking, ["x", "bad"], True),
}
