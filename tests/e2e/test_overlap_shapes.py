"""Every shape of ordinary Python in which calls must overlap, proved with barriers; and those in which they must not.

A leaf declared `query` waits at a `threading.Barrier`: a program whose calls do not overlap breaks it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from ember_jit import Operator, disable_structural_jit, effects, query, structural_jit

TIMEOUT = 10


class Meet:
    """A barrier that `parties` calls must reach together; passes plain runs through."""

    def __init__(self, parties: int) -> None:
        self.barrier = threading.Barrier(parties, timeout=TIMEOUT)
        self.active = True

    def wait(self) -> None:
        if self.active:
            self.barrier.wait()


@query
class Leaf(Operator):
    def __init__(self, meet: Meet, name: str = "") -> None:
        self.meet, self.name = meet, name

    def forward(self, *, inputs: Any) -> Any:
        self.meet.wait()
        return {"text": f"{self.name}{inputs}", "score": len(str(inputs)), "hits": [1, 2]}


@query
class Free(Operator):
    """A leaf that waits for nobody."""

    def forward(self, *, inputs: Any) -> Any:
        return {"text": f"<{inputs}>", "score": len(str(inputs)), "hits": [1, 2]}


def check(make: Callable[[Meet], Any], parties: int, inputs: Any = "x") -> Any:
    """Run plain and compiled: the same result, and the barrier was reached by all parties together."""
    meet = Meet(parties)
    meet.active = False
    op = make(meet)
    with disable_structural_jit():
        plain = op(inputs=inputs)
    meet.active = True
    assert op(inputs=inputs) == plain
    assert op(inputs=inputs) == plain
    return plain


def test_straight_line() -> None:
    @structural_jit
    class Op(Operator):
        def __init__(self, meet: Meet) -> None:
            self.a, self.b, self.c = Leaf(meet, "a"), Leaf(meet, "b"), Leaf(meet, "c")

        def forward(self, *, inputs: Any) -> Any:
            x = self.a(inputs=inputs)
            y = self.b(inputs=inputs)
            z = self.c(inputs=inputs)
            return x, y, z

    check(Op, 3)


def test_one_expression() -> None:
    @structural_jit
    class Op(Operator):
        def __init__(self, meet: Meet) -> None:
            self.a, self.b = Leaf(meet, "a"), Leaf(meet, "b")

        def forward(self, *, inputs: Any) -> Any:
            return f"{self.a(inputs=inputs)['text']} and {self.b(inputs=inputs)['text']}"

    check(Op, 2)


def test_interleaved_chains_with_glue() -> None:
    """The second steps meet although glue on pending values stands between them."""

    @structural_jit
    class Op(Operator):
        def __init__(self, meet: Meet) -> None:
            self.first = Free()
            self.a, self.b = Leaf(meet, "a"), Leaf(meet, "b")

        def forward(self, *, inputs: Any) -> Any:
            a = self.first(inputs=inputs)
            question = f"{a['text'].upper()}!"
            a = self.a(inputs={"q": question})
            b = self.first(inputs=inputs)
            b = self.b(inputs={"q": b["text"] + "?", "n": b["score"] * 2})
            return a, b

    check(Op, 2)


@pytest.mark.parametrize("kind", ["list", "set", "dict", "generator", "nested"])
def test_comprehensions(kind: str) -> None:
    @structural_jit
    class Op(Operator):
        def __init__(self, meet: Meet) -> None:
            self.leaf = Leaf(meet)

        def forward(self, *, inputs: Any) -> Any:
            if inputs == "list":
                return [self.leaf(inputs=x)["text"] for x in (1, 2, 3)]
            if inputs == "set":
                return {self.leaf(inputs=x)["text"] for x in (1, 2, 3)}
            if inputs == "dict":
                return {x: self.leaf(inputs=x)["text"] for x in (1, 2, 3)}
            if inputs == "generator":
                return sum(self.leaf(inputs=x)["score"] for x in (1, 2, 3))
            return [[self.leaf(inputs=(x, y)) for y in range(x)] for x in (1, 2)]

    check(Op, 3, kind)


@pytest.mark.parametrize("consumer", [max, min, list, tuple, sorted, sum])
def test_generator_consumers(consumer: Any) -> None:
    @structural_jit
    class Op(Operator):
        def __init__(self, meet: Meet) -> None:
            self.leaf = Leaf(meet)

        def forward(self, *, inputs: Any) -> Any:
            if inputs is max:
                return max(self.leaf(inputs=x)["score"] for x in (1, 22, 333))
            if inputs is min:
                return min(self.leaf(inputs=x)["score"] for x in (1, 22, 333))
            if inputs is list:
                return list(self.leaf(inputs=x) for x in (1, 22, 333))
            if inputs is tuple:
                return tuple(self.leaf(inputs=x) for x in (1, 22, 333))
            if inputs is sorted:
                return sorted(self.leaf(inputs=x)["text"] for x in (1, 22, 333))
            return sum(self.leaf(inputs=x)["score"] for x in (1, 22, 333))

    check(Op, 3, consumer)


def test_loop_with_appends() -> None:
    @structural_jit
    class Op(Operator):
        def __init__(self, meet: Meet) -> None:
            self.leaf = Leaf(meet)

        def forward(self, *, inputs: Any) -> Any:
            parts = []
            for doc in inputs["docs"]:
                s = self.leaf(inputs={"q": doc})
                if s["score"] > 3:
                    parts.append(s["text"])
            return " ".join(parts)

    check(Op, 4, {"docs": ["a", "b", "c", "d"]})


def test_loop_result_feeds_a_last_call() -> None:
    @structural_jit
    class Op(Operator):
        def __init__(self, meet: Meet) -> None:
            self.leaf, self.join = Leaf(meet), Free()

        def forward(self, *, inputs: Any) -> Any:
            parts = []
            for doc in inputs:
                parts.append(self.leaf(inputs=doc)["text"])
            return self.join(inputs={"all": parts})

    check(Op, 3, ["a", "b", "c"])


def test_dict_store_and_counter() -> None:
    @structural_jit
    class Op(Operator):
        def __init__(self, meet: Meet) -> None:
            self.leaf = Leaf(meet)

        def forward(self, *, inputs: Any) -> Any:
            found = {}
            total = 0
            for name in inputs:
                r = self.leaf(inputs=name)
                found[name] = r["text"]
                total += r["score"]
            return found, total

    check(Op, 3, ["a", "b", "c"])


def test_enumerate_zip_items() -> None:
    @structural_jit
    class Op(Operator):
        def __init__(self, meet: Meet) -> None:
            self.leaf = Leaf(meet)

        def forward(self, *, inputs: Any) -> Any:
            out = []
            for i, x in enumerate(inputs["l"]):
                out.append(self.leaf(inputs={"i": i, "x": x}))
            for x, y in zip(inputs["l"], inputs["l"]):
                out.append(self.leaf(inputs=[x, y]))
            for k, v in inputs["d"].items():
                out.append(self.leaf(inputs=f"{k}={v}"))
            return out

    check(Op, 6, {"l": ["a", "b"], "d": {"p": 1, "q": 2}})


def test_chains_of_hundreds_of_operators() -> None:
    @query
    class Next(Operator):
        def forward(self, *, inputs: Any) -> Any:
            return len(inputs) * "x"

    @structural_jit(max_workers=256)  # the window is four times that
    class Op(Operator):
        def __init__(self, meet: Meet) -> None:
            self.chains = [[Leaf(meet), *[Next() for _ in range(200)]] for _ in range(4)]

        def forward(self, *, inputs: Any) -> Any:
            ends = []
            for chain in self.chains:
                x = inputs
                for op in chain:
                    x = op(inputs=x)
                ends.append(x)
            return ends

    check(Op, 4)


def test_nested_loops() -> None:
    @structural_jit
    class Op(Operator):
        def __init__(self, meet: Meet) -> None:
            self.leaf = Leaf(meet)

        def forward(self, *, inputs: Any) -> Any:
            out = []
            for x in inputs:
                row = []
                for y in inputs:
                    row.append(self.leaf(inputs=x + y)["text"])
                out.append(row)
            return out

    check(Op, 4, ["a", "b"])


def test_while_with_a_counter() -> None:
    @structural_jit
    class Op(Operator):
        def __init__(self, meet: Meet) -> None:
            self.leaf = Leaf(meet)

        def forward(self, *, inputs: Any) -> Any:
            out = []
            i = 0
            while i < inputs:
                out.append(self.leaf(inputs=i))
                i += 1
            return out

    check(Op, 4, 4)


def test_calls_before_in_and_after_a_branch() -> None:
    """The call behind the branch does not wait for the branch's condition."""

    @structural_jit
    class Op(Operator):
        def __init__(self, meet: Meet) -> None:
            self.a, self.b, self.c = Leaf(meet, "a"), Free(), Leaf(meet, "c")

        def forward(self, *, inputs: Any) -> Any:
            x = self.a(inputs=inputs)
            if x["score"] > 100:
                y = self.b(inputs=x)
            else:
                y = None
            z = self.c(inputs=inputs)
            return x, y, z

    check(Op, 2)


def test_calls_in_a_decided_branch() -> None:
    @structural_jit
    class Op(Operator):
        def __init__(self, meet: Meet) -> None:
            self.a, self.b = Leaf(meet, "a"), Leaf(meet, "b")

        def forward(self, *, inputs: Any) -> Any:
            if inputs["both"]:
                x = self.a(inputs=1)
                y = self.b(inputs=2)
            else:
                x = y = None
            return x, y

    check(Op, 2, {"both": True})


def test_calls_in_branches_of_several_iterations() -> None:
    """Each iteration's branch hangs on its own call; the calls in the branches meet."""

    @structural_jit
    class Op(Operator):
        def __init__(self, meet: Meet) -> None:
            self.first, self.second = Free(), Leaf(meet)

        def forward(self, *, inputs: Any) -> Any:
            out = []
            for doc in inputs:
                s = self.first(inputs=doc)
                if s["score"] > 0:
                    t = self.second(inputs=s["text"])
                    out.append(t["text"])
                else:
                    out.append(None)
            return out

    check(Op, 3, ["a", "b", "c"])


def test_conditional_expression_feeds_a_call() -> None:
    @structural_jit
    class Op(Operator):
        def __init__(self, meet: Meet) -> None:
            self.first, self.second = Free(), Leaf(meet)

        def forward(self, *, inputs: Any) -> Any:
            out = []
            for doc in inputs:
                s = self.first(inputs=doc)
                best = s["text"] if s["score"] > 1 else doc
                out.append(self.second(inputs=best))
            return out

    check(Op, 3, ["a", "bb", "c"])


def test_early_return_that_is_decided() -> None:
    @structural_jit
    class Op(Operator):
        def __init__(self, meet: Meet) -> None:
            self.a, self.b = Leaf(meet, "a"), Leaf(meet, "b")

        def forward(self, *, inputs: Any) -> Any:
            if not inputs["go"]:
                return "empty"
            x = self.a(inputs=1)
            y = self.b(inputs=2)
            return x, y

    check(Op, 2, {"go": True})


def test_early_return_on_a_result_then_overlap() -> None:
    @structural_jit
    class Op(Operator):
        def __init__(self, meet: Meet) -> None:
            self.gate, self.a, self.b = Free(), Leaf(meet, "a"), Leaf(meet, "b")

        def forward(self, *, inputs: Any) -> Any:
            g = self.gate(inputs=inputs)
            if g["score"] == 0:
                return "empty"
            x = self.a(inputs=g["text"])
            y = self.b(inputs=2)
            return x, y

    check(Op, 2)


def test_try_in_a_loop_with_appends_in_body_and_handler() -> None:
    @query
    class Fails(Operator):
        def __init__(self, meet: Meet) -> None:
            self.meet = meet

        def forward(self, *, inputs: Any) -> Any:
            self.meet.wait()
            if inputs == "bad":
                raise ValueError(inputs)
            return {"text": inputs}

    @structural_jit
    class Op(Operator):
        def __init__(self, meet: Meet) -> None:
            self.leaf = Fails(meet)

        def forward(self, *, inputs: Any) -> Any:
            out = []
            for doc in inputs:
                try:
                    r = self.leaf(inputs=doc)
                    out.append(r["text"])
                except ValueError as e:
                    out.append(str(e) + "!")
            return out

    assert check(Op, 4, ["a", "bad", "c", "bad"]) == ["a", "bad!", "c", "bad!"]


def test_try_with_finally_and_else() -> None:
    @structural_jit
    class Op(Operator):
        def __init__(self, meet: Meet) -> None:
            self.a, self.b, self.c = Leaf(meet, "a"), Leaf(meet, "b"), Leaf(meet, "c")

        def forward(self, *, inputs: Any) -> Any:
            done = []
            try:
                x = self.a(inputs=inputs)
            except KeyError:
                done.append("failed")
            else:
                y = self.b(inputs=inputs)
                done.append(y["text"])
            finally:
                done.append("end")
            return x, done, self.c(inputs=inputs)

    check(Op, 3)


def test_helper_method_and_helper_function() -> None:
    def prepare(text: str) -> dict[str, str]:
        return {"q": text.strip().lower()}

    @structural_jit
    class Op(Operator):
        def __init__(self, meet: Meet) -> None:
            self.a, self.b = Leaf(meet, "a"), Leaf(meet, "b")

        def ask(self, leaf: Any, text: str) -> Any:
            return leaf(inputs=prepare(text))

        def forward(self, *, inputs: Any) -> Any:
            x = self.a(inputs=prepare(inputs))
            y = self.b(inputs=prepare(inputs + "!"))
            return x, y

    check(Op, 2)


def test_helper_methods_that_call_leaves() -> None:
    @structural_jit
    class Op(Operator):
        def __init__(self, meet: Meet) -> None:
            self.a, self.b = Leaf(meet, "a"), Leaf(meet, "b")

        def left(self, text: str) -> Any:
            return self.a(inputs={"q": text})

        def right(self, text: str) -> Any:
            return self.b(inputs={"q": text})

        def forward(self, *, inputs: Any) -> Any:
            x = self.left(inputs)
            y = self.right(inputs)
            return x["text"] + y["text"]

    check(Op, 2)


def test_a_helper_method_overlaps_inside() -> None:
    @structural_jit
    class Op(Operator):
        def __init__(self, meet: Meet) -> None:
            self.a, self.b = Leaf(meet, "a"), Leaf(meet, "b")

        def both(self, text: str) -> Any:
            x = self.a(inputs={"q": text})
            y = self.b(inputs={"q": text})
            return x, y

        def forward(self, *, inputs: Any) -> Any:
            return self.both(inputs)

    check(Op, 2)


def test_nested_operators_three_deep() -> None:
    """Only the outermost is decorated; its parts are transparent."""

    class Pair(Operator):
        def __init__(self, meet: Meet) -> None:
            self.a, self.b = Leaf(meet, "a"), Leaf(meet, "b")

        def forward(self, *, inputs: Any) -> Any:
            x = self.a(inputs=inputs)
            y = self.b(inputs=inputs)
            return x["text"] + y["text"]

    class Middle(Operator):
        def __init__(self, meet: Meet) -> None:
            self.left, self.right = Pair(meet), Pair(meet)

        def forward(self, *, inputs: Any) -> Any:
            x = self.left(inputs=inputs)
            y = self.right(inputs=inputs)
            return x + y

    @structural_jit
    class Outer(Operator):
        def __init__(self, meet: Meet) -> None:
            self.one, self.two = Middle(meet), Middle(meet)

        def forward(self, *, inputs: Any) -> Any:
            x = self.one(inputs=inputs)
            y = self.two(inputs=inputs)
            return x + y

    check(Outer, 8)


def test_a_single_nested_operator_overlaps_inside() -> None:
    class Pair(Operator):
        def __init__(self, meet: Meet) -> None:
            self.a, self.b = Leaf(meet, "a"), Leaf(meet, "b")

        def forward(self, *, inputs: Any) -> Any:
            x = self.a(inputs=inputs)
            y = self.b(inputs=inputs)
            return x["text"] + y["text"]

    @structural_jit
    class Outer(Operator):
        def __init__(self, meet: Meet) -> None:
            self.pair = Pair(meet)

        def forward(self, *, inputs: Any) -> Any:
            return self.pair(inputs=inputs).upper()

    check(Outer, 2)


def test_lists_and_dicts_of_operators() -> None:
    @structural_jit
    class Op(Operator):
        def __init__(self, meet: Meet) -> None:
            self.members = [Leaf(meet, "a"), Leaf(meet, "b")]
            self.tools = {"x": Leaf(meet, "x"), "y": Leaf(meet, "y")}

        def forward(self, *, inputs: Any) -> Any:
            out = [m(inputs=inputs) for m in self.members]
            for name, tool in self.tools.items():
                out.append((name, tool(inputs=inputs)))
            return out

    check(Op, 4)


def test_operators_picked_by_key() -> None:
    @structural_jit
    class Op(Operator):
        def __init__(self, meet: Meet) -> None:
            self.tools = {"x": Leaf(meet, "x"), "y": Leaf(meet, "y")}

        def forward(self, *, inputs: Any) -> Any:
            a = self.tools["x"](inputs=inputs)
            b = self.tools["y"](inputs=inputs)
            return a, b

    check(Op, 2)


def test_plain_function_with_star_arguments() -> None:
    meet = Meet(3)
    leaf = Leaf(meet)

    @structural_jit
    def ask(first: str, *rest: str, sep: str = " ", **more: str) -> str:
        parts = [leaf(inputs=first)["text"]]
        for text in rest:
            parts.append(leaf(inputs=text)["text"])
        return sep.join(parts) + str(more)

    assert ask("a", "b", "c", sep="-", k="v") == "a-b-c{'k': 'v'}"


def test_declared_function_leaves() -> None:
    meet = Meet(2)

    @query
    def fetch(url: str) -> str:
        meet.wait()
        return url + "!"

    @structural_jit
    def both(a: str, b: str) -> str:
        return fetch(a) + fetch(b)

    assert both("x", "y") == "x!y!"


def test_declared_third_party_method() -> None:
    meet = Meet(2)

    class Client:
        def complete(self, prompt: str) -> str:
            meet.wait()
            return prompt[::-1]

    client = Client()
    effects.declare(client.complete, query)

    @structural_jit
    def both(a: str, b: str) -> list[str]:
        x = client.complete(a)
        y = client.complete(b)
        return [x, y]

    assert both("ab", "cd") == ["ba", "dc"]


def test_inherited_label() -> None:
    class Remote(Operator):
        __effects__ = query

    class Ask(Remote):
        def __init__(self, meet: Meet) -> None:
            self.meet = meet

        def forward(self, *, inputs: Any) -> Any:
            self.meet.wait()
            return inputs

    @structural_jit
    class Op(Operator):
        def __init__(self, meet: Meet) -> None:
            self.a, self.b = Ask(meet), Ask(meet)

        def forward(self, *, inputs: Any) -> Any:
            return [self.a(inputs=inputs), self.b(inputs=inputs)]

    check(Op, 2)


def test_assume_stateless() -> None:
    class Opaque(Operator):
        def __init__(self, meet: Meet) -> None:
            self.meet = meet

        def forward(self, *, inputs: Any) -> Any:
            self.meet.wait()
            return inputs

    @structural_jit(assume="stateless")
    class Op(Operator):
        def __init__(self, meet: Meet) -> None:
            self.a, self.b = Opaque(meet), Opaque(meet)

        def forward(self, *, inputs: Any) -> Any:
            return [self.a(inputs=inputs), self.b(inputs=inputs)]

    check(Op, 2)


def test_overlap_on_both_sides_of_an_effect() -> None:
    log: list[str] = []

    @structural_jit
    class Op(Operator):
        def __init__(self, meet: Meet) -> None:
            self.a, self.b = Leaf(meet, "a"), Leaf(meet, "b")

        def forward(self, *, inputs: Any) -> Any:
            x = self.a(inputs=inputs)
            y = self.b(inputs=inputs)
            log.append("between")
            z = self.a(inputs=x)
            w = self.b(inputs=y)
            return z, w

    check(Op, 2)
    assert log == ["between"] * 3


def test_overlap_inside_a_with_block() -> None:
    lock = threading.Lock()

    @structural_jit
    class Op(Operator):
        def __init__(self, meet: Meet) -> None:
            self.a, self.b = Leaf(meet, "a"), Leaf(meet, "b")

        def forward(self, *, inputs: Any) -> Any:
            with lock:
                x = self.a(inputs=inputs)
                y = self.b(inputs=inputs)
            return x, y

    check(Op, 2)


def test_instances_of_one_class_with_different_leaves() -> None:
    """The first instance has a leaf with an effect; that of the next one can still overlap."""
    log: list[Any] = []

    class Logs(Operator):
        def forward(self, *, inputs: Any) -> Any:
            log.append(inputs)
            return {"text": str(inputs)}

    @structural_jit
    class Op(Operator):
        def __init__(self, a: Any, b: Any) -> None:
            self.a, self.b = a, b

        def forward(self, *, inputs: Any) -> Any:
            x = self.a(inputs=inputs)
            y = self.b(inputs=inputs)
            return x["text"] + y["text"]

    slow = Op(Logs(), Logs())
    assert [slow(inputs=n) for n in range(6)] == ["00", "11", "22", "33", "44", "55"]
    assert log == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    meet = Meet(2)
    assert Op(Leaf(meet, "a"), Leaf(meet, "b"))(inputs=1) == "a1b1"


class Watch:
    """Counts how many calls run at once."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.now = self.most = 0
        self.calls: list[Any] = []

    def __call__(self, inputs: Any) -> None:
        with self.lock:
            self.calls.append(inputs)
            self.now += 1
            self.most = max(self.most, self.now)
        threading.Event().wait(0.005)
        with self.lock:
            self.now -= 1


@query
class Watched(Operator):
    def __init__(self, watch: Watch) -> None:
        self.watch = watch

    def forward(self, *, inputs: Any) -> Any:
        self.watch(inputs)
        return inputs + 1


def run_watched(op_class: Any, inputs: Any) -> tuple[Any, Watch, Watch]:
    plain, compiled = Watch(), Watch()
    with disable_structural_jit():
        expected = op_class(plain)(inputs=inputs)
    assert op_class(compiled)(inputs=inputs) == expected
    return expected, plain, compiled


def test_a_carried_value_does_not_run_ahead() -> None:
    @structural_jit
    class Op(Operator):
        def __init__(self, watch: Watch) -> None:
            self.leaf = Watched(watch)

        def forward(self, *, inputs: Any) -> Any:
            q = inputs
            for _ in range(4):
                q = self.leaf(inputs=q)
            return q

    _, plain, compiled = run_watched(Op, 1)
    assert compiled.most == 1
    assert compiled.calls == plain.calls


def test_break_on_a_result_does_not_run_ahead() -> None:
    @structural_jit
    class Op(Operator):
        def __init__(self, watch: Watch) -> None:
            self.leaf = Watched(watch)

        def forward(self, *, inputs: Any) -> Any:
            out = []
            for x in inputs:
                r = self.leaf(inputs=x)
                out.append(r)
                if r > 2:
                    break
            return out

    _, plain, compiled = run_watched(Op, [1, 2, 3, 4])
    assert compiled.calls == plain.calls == [1, 2]


def test_while_on_a_result_does_not_run_ahead() -> None:
    @structural_jit
    class Op(Operator):
        def __init__(self, watch: Watch) -> None:
            self.leaf = Watched(watch)

        def forward(self, *, inputs: Any) -> Any:
            n = 0
            while self.leaf(inputs=n) < 3:
                n += 1
            return n

    _, plain, compiled = run_watched(Op, 0)
    assert compiled.calls == plain.calls


def test_short_circuits_and_lazy_conditionals_do_not_run_ahead() -> None:
    @structural_jit
    class Op(Operator):
        def __init__(self, watch: Watch) -> None:
            self.leaf = Watched(watch)

        def forward(self, *, inputs: Any) -> Any:
            a = self.leaf(inputs=-1) or self.leaf(inputs=10)
            b = self.leaf(inputs=-1) and self.leaf(inputs=20)
            c = self.leaf(inputs=30) if inputs else self.leaf(inputs=40)
            d = any(self.leaf(inputs=x) > 5 for x in (1, 9, 50))
            e = all(self.leaf(inputs=x) < 5 for x in (1, 9, 60))
            f = next((x for x in (1, 9, 70) if self.leaf(inputs=x) > 5), None)
            return a, b, c, d, e, f

    _, plain, compiled = run_watched(Op, True)
    assert sorted(compiled.calls) == sorted(plain.calls)
    assert not {20, 40, 50, 60, 70} & set(compiled.calls)


def test_early_return_on_a_result_does_not_run_ahead() -> None:
    @structural_jit
    class Op(Operator):
        def __init__(self, watch: Watch) -> None:
            self.leaf = Watched(watch)

        def forward(self, *, inputs: Any) -> Any:
            r = self.leaf(inputs=inputs)
            if r == 2:
                return "early"
            x = self.leaf(inputs=100)
            y = self.leaf(inputs=200)
            return x, y

    _, _, compiled = run_watched(Op, 1)
    assert compiled.calls == [1]


def test_effects_in_a_branch_hold_back_what_follows() -> None:
    log: list[str] = []

    class Logs(Operator):
        def forward(self, *, inputs: Any) -> Any:
            log.append(f"effect {inputs}")
            return inputs

    @query
    class Ask(Operator):
        def forward(self, *, inputs: Any) -> Any:
            log.append(f"ask {inputs}")
            return inputs

    @structural_jit
    class Op(Operator):
        def __init__(self) -> None:
            self.ask, self.logs = Ask(), Logs()

        def forward(self, *, inputs: Any) -> Any:
            x = self.ask(inputs=1)
            if x == 1:
                self.logs(inputs=2)
            y = self.ask(inputs=3)
            z = self.ask(inputs=4)
            return x, y, z

    assert Op()(inputs=0) == (1, 3, 4)
    assert log[:2] == ["ask 1", "effect 2"]
