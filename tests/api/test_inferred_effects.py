"""What is inferred of an undeclared leaf, seen from outside: whether two calls of it were issued early.

And that it is no longer once the code, a global, an attribute or a member has been replaced.
"""

from __future__ import annotations

import random
import threading
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from ember_jit import Operator, query, structural_jit
from ember_jit.runtime import events

LOG: list[Any] = []
COUNT = 0


def fan(**options: Any) -> Any:
    @structural_jit(**options)
    class Op(Operator):
        def __init__(self, *members: Any) -> None:
            self.members = list(members)
            self.leaf = members[0]

        def forward(self, *, inputs: Any) -> Any:
            x = self.leaf(inputs=inputs)
            y = self.leaf(inputs=inputs)
            return [x, y]

    return Op


def issued(op: Any, inputs: Any = "x") -> int:
    """How many calls were made early, or at least not in line."""
    with events.record() as log:
        op(inputs=inputs)
    return sum(1 for _ in log.calls)  # one of the tests shadows `len` here


class Pure(Operator):
    def __init__(self) -> None:
        self.factor = 3

    def forward(self, *, inputs: Any) -> Any:
        words = [word.strip() for word in str(inputs).split() if word]
        found = {"words": words}
        found["n"] = len(words) * self.factor
        return found


class Fetch(Operator):
    def forward(self, *, inputs: Any) -> Any:
        if inputs == "x":
            return None
        return urllib.request.urlopen(inputs).read()


class Sleeps(Operator):
    def forward(self, *, inputs: Any) -> Any:
        time.sleep(0)
        return inputs


def helper(x: Any) -> Any:
    return f"<{x}>"


class Helped(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return helper(inputs)


class StoresSelf(Operator):
    def forward(self, *, inputs: Any) -> Any:
        self.last = inputs


class StoresGlobal(Operator):
    def forward(self, *, inputs: Any) -> Any:
        global COUNT
        COUNT += 1


class AppendsGlobal(Operator):
    def forward(self, *, inputs: Any) -> Any:
        LOG.append(inputs)


class StoresArgument(Operator):
    def forward(self, *, inputs: Any) -> Any:
        inputs["seen"] = True


class CallsUnknown(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return inputs["f"]()


class Locks(Operator):
    def __init__(self) -> None:
        self.lock = threading.Lock()

    def forward(self, *, inputs: Any) -> Any:
        with self.lock:
            return inputs


class Clock(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return time.time()


class Draws(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return random.random()


class Opens(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return open(inputs).read() if inputs != "x" else None


class CallsEffect(Operator):
    """The effect is two calls away."""

    def __init__(self) -> None:
        self.inner = AppendsGlobal()

    def helper(self, inputs: Any) -> Any:
        return self.inner(inputs=inputs)

    def forward(self, *, inputs: Any) -> Any:
        return self.helper(inputs)


class HidesBehindAProperty(Operator):
    @property
    def value(self) -> int:
        LOG.append("property")
        return 1

    def forward(self, *, inputs: Any) -> Any:
        return self.value


class Prints(Operator):
    def forward(self, *, inputs: Any) -> Any:
        print(inputs)
        return inputs


@pytest.mark.parametrize("leaf", [Pure, Fetch, Sleeps, Helped])
def test_pure_and_query_leaves_are_issued(leaf: type) -> None:
    op = fan()(leaf())
    assert issued(op) == 2


EFFECTS: list[tuple[type, Any]] = [
    (StoresSelf, "x"),
    (StoresGlobal, "x"),
    (AppendsGlobal, "x"),
    (StoresArgument, {}),
    (CallsUnknown, {"f": list}),
    (Locks, "x"),
    (Clock, "x"),
    (Draws, "x"),
    (Opens, "x"),
    (CallsEffect, "x"),
    (HidesBehindAProperty, "x"),
]


@pytest.mark.parametrize(("leaf", "inputs"), EFFECTS, ids=[leaf.__name__ for leaf, _ in EFFECTS])
def test_leaves_with_effects_are_not_issued(leaf: type, inputs: Any) -> None:
    op = fan()(leaf())
    for _ in range(3):
        assert issued(op, inputs) == 0
    LOG.clear()


def test_a_closure_that_stores_is_not_issued() -> None:
    count, seen = 0, []

    class Counts(Operator):
        def forward(self, *, inputs: Any) -> Any:
            nonlocal count
            count += 1
            return count

    class Appends(Operator):
        def forward(self, *, inputs: Any) -> Any:
            seen.append(inputs)

    assert issued(fan()(Counts())) == issued(fan()(Appends())) == 0
    assert count == len(seen) == 2


def test_prints_come_in_program_order(capsys: pytest.CaptureFixture[str]) -> None:
    @structural_jit
    class Op(Operator):
        def __init__(self) -> None:
            self.prints, self.fails = Prints(), Helped()

        def forward(self, *, inputs: Any) -> Any:
            for n in range(5):
                self.prints(inputs=n)
            return [self.prints(inputs=n) for n in inputs]

    assert Op()(inputs=[5, 6]) == [5, 6]
    assert capsys.readouterr().out.split() == list("0123456")


class Answer:
    """An argument that runs code of the user's when it is looked at."""

    def __str__(self) -> str:
        LOG.append("str")
        return "a b"


@pytest.mark.parametrize(
    "make", [Answer, lambda: [Answer()], lambda: iter("ab"), lambda: (x for x in "ab")]
)
def test_an_inferred_leaf_is_not_run_early_on_arguments_with_a_life_of_their_own(
    make: Callable[[], Any],
) -> None:
    op = fan()(Pure())
    assert issued(op, "plain") == 2
    assert issued(op, make()) == 0
    assert issued(op, "plain") == 2
    LOG.clear()


def test_strict_believes_labels_alone() -> None:
    @query
    class Declared(Pure):
        pass

    assert issued(fan(effects="strict")(Pure())) == 0
    assert issued(fan(effects="strict")(Declared())) == 2
    assert issued(fan(effects="infer")(Pure())) == 2


def test_stateless_operators_count_as_queries() -> None:
    assert issued(fan(assume="stateless")(Clock())) == 2
    assert issued(fan()(Clock())) == 0


# ---------------------------------------------------------------------- what was inferred stops being so
def noisy(self: Any, *, inputs: Any) -> Any:
    LOG.append((inputs, threading.get_ident()))
    return "noisy"


HERE = threading.get_ident


@pytest.fixture(autouse=True)
def _empty_log() -> None:
    LOG.clear()


def in_line() -> bool:
    """Both calls were made, on this thread."""
    return LOG == [("x", HERE()), ("x", HERE())]


def test_forward_replaced_on_the_class(monkeypatch: pytest.MonkeyPatch) -> None:
    op = fan()(Helped())
    assert issued(op) == 2
    monkeypatch.setattr(Helped, "forward", noisy)
    assert issued(op) == 0
    assert in_line()
    monkeypatch.undo()
    assert issued(op) == 2


def test_the_code_of_forward_replaced() -> None:
    class Leaf(Operator):
        def forward(self, *, inputs: Any) -> Any:
            return f"<{inputs}>"

    op = fan()(Leaf())
    assert issued(op) == 2
    Leaf.forward.__code__ = noisy.__code__
    assert issued(op) == 0
    assert in_line()


def test_forward_replaced_on_the_instance() -> None:
    leaf, other = Helped(), Helped()
    op, second = fan()(leaf), fan()(other)
    assert issued(op) == issued(second) == 2
    leaf.forward = lambda *, inputs: noisy(None, inputs=inputs)  # type: ignore[method-assign]
    assert issued(op) == 0
    assert in_line()
    assert issued(second) == 2
    del leaf.forward
    assert issued(op) == 2


def test_forward_replaced_on_a_declared_instance() -> None:
    """The label was given to the class; the call is still the live one."""

    @query
    class Declared(Operator):
        def forward(self, *, inputs: Any) -> Any:
            return inputs

    leaf = Declared()
    op = fan()(leaf)
    assert op(inputs="x") == ["x", "x"]
    leaf.forward = lambda *, inputs: "new"  # type: ignore[method-assign]
    assert op(inputs="x") == ["new", "new"]
    del leaf.forward
    Declared.__call__ = lambda self, *, inputs: "called"  # type: ignore[method-assign]
    assert op(inputs="x") == ["called", "called"]


def test_a_helper_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    op = fan()(Helped())
    assert issued(op) == 2
    monkeypatch.setitem(globals(), "helper", lambda x: noisy(None, inputs=x))
    assert issued(op) == 0
    assert in_line()
    monkeypatch.undo()
    assert issued(op) == 2


def test_a_builtin_shadowed(monkeypatch: pytest.MonkeyPatch) -> None:
    op = fan()(Pure())
    assert issued(op) == 2
    monkeypatch.setitem(globals(), "len", lambda x: LOG.append(x) or 1)
    assert issued(op) == 0
    assert LOG == [["x"], ["x"]]


def test_an_attribute_replaced() -> None:
    op = fan()(Helped())
    assert issued(op) == 2
    op.leaf = AppendsGlobal()
    assert issued(op) == 0
    assert LOG == ["x", "x"]
    op.leaf = Pure()
    assert issued(op) == 2


def test_an_attribute_of_a_leaf_replaced() -> None:
    class Leaf(Operator):
        def __init__(self) -> None:
            self.inner = Helped()

        def forward(self, *, inputs: Any) -> Any:
            return self.inner(inputs=inputs)

    leaf = Leaf()
    op = fan()(leaf)
    assert issued(op) >= 2
    leaf.inner = AppendsGlobal()  # type: ignore[assignment]
    assert issued(op) == 0
    assert LOG == ["x", "x"]


def test_the_class_of_a_leaf_replaced() -> None:
    leaf = Helped()
    op = fan()(leaf)
    assert issued(op) == 2
    leaf.__class__ = AppendsGlobal  # type: ignore[assignment]
    assert issued(op) == 0
    assert LOG == ["x", "x"]


def test_members_of_a_list_changed() -> None:
    @structural_jit
    class Op(Operator):
        def __init__(self) -> None:
            self.members: list[Any] = [Helped(), Helped()]

        def forward(self, *, inputs: Any) -> Any:
            return [member(inputs=inputs) for member in self.members]

    op = Op()
    assert issued(op) == 2
    op.members.append(Pure())
    assert issued(op) == 3
    op.members[1:] = [AppendsGlobal(), AppendsGlobal()]
    op(inputs="x")
    assert LOG == ["x", "x"]
    op.members.clear()
    assert op(inputs="x") == []
    op.members = [Helped(), Helped()]
    assert op(inputs="x") == ["<x>", "<x>"]


def test_a_closure_variable_replaced() -> None:
    choose = helper

    class Leaf(Operator):
        def forward(self, *, inputs: Any) -> Any:
            return choose(inputs)

    op = fan()(Leaf())
    assert issued(op) == 2

    def loud(x: Any) -> Any:
        return noisy(None, inputs=x)

    choose = loud
    assert issued(op) == 0
    assert in_line()
