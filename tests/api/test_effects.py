"""Labels: where they may stand, how they combine, and `effects.verify`, which checks one call against its label."""

from __future__ import annotations

import collections
import operator
import random
import threading
from typing import Any

import numpy as np
import pytest

from ember_jit import (
    EffectViolation,
    Operator,
    commutes,
    effects,
    idempotent,
    nothrow,
    ordered,
    pure,
    query,
    reads,
    structural_jit,
    thread_bound,
)
from ember_jit.effects import label_of
from ember_jit.errors import NotAnOperatorError, OptionError

TIMEOUT = 10


class Plain(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return inputs


# ---------------------------------------------------------------------- where labels stand
def test_on_a_class_and_its_subclasses() -> None:
    @query
    class Base(Operator):
        def forward(self, *, inputs: Any) -> Any:
            return inputs

    class Inherits(Base):
        pass

    @pure
    class Own(Base):
        pass

    class Written(Operator):
        __effects__ = reads("db")

    assert Base.__name__ == "Base"
    for target in (Base, Base(), Inherits, Inherits()):
        assert label_of(target) == query
    assert label_of(Own()) == query | pure
    assert label_of(Own()).kind == "pure"
    assert label_of(Written()) == reads("db")
    assert label_of(Plain()) is None


def test_on_one_instance() -> None:
    first, second = Plain(), Plain()
    assert query(first) is first
    assert label_of(first) == query
    assert label_of(second) is None
    assert label_of(Plain) is None
    del first
    again = [Plain() for _ in range(100)]  # one of them is likely to have the old identity
    assert all(label_of(each) is None for each in again)


def test_on_functions_bound_methods_and_foreign_callables() -> None:
    @pure
    def double(x: int) -> int:
        return 2 * x

    class Client:
        def complete(self, prompt: str) -> str:
            return prompt

        def delete(self, prompt: str) -> str:
            return prompt

    client, other = Client(), Client()
    effects.declare(client.complete, query)
    assert label_of(double) == pure
    assert label_of(client.complete) == query
    assert label_of(client.delete) is None
    assert label_of(other.complete) is None
    effects.declare(Client.delete, ordered("files"))
    assert label_of(client.delete) == label_of(other.delete) == ordered("files")
    first, second = operator.itemgetter(0), operator.itemgetter(0)
    effects.declare(first, pure)
    assert label_of(first) == pure
    assert label_of(second) is None


def test_labels_combine() -> None:
    assert (query | nothrow).nothrow
    assert (nothrow | query) == (query | nothrow)
    assert (
        str(query | nothrow | idempotent | thread_bound) == "query nothrow idempotent thread_bound"
    )
    assert str(ordered("r")) == "ordered('r')"
    assert (query | pure).kind == "pure"
    assert {pure, query, reads("a"), reads("b"), ordered("a"), commutes("a"), reads("a")} == {
        pure,
        query,
        reads("a"),
        reads("b"),
        ordered("a"),
        commutes("a"),
    }

    @nothrow
    @query
    class Stacked(Operator):
        pass

    op = Stacked()
    effects.declare(op, idempotent)
    assert label_of(Stacked) == query | nothrow
    assert label_of(op).idempotent
    effects.declare(Stacked, thread_bound)
    assert label_of(Stacked) == query | nothrow | thread_bound


@pytest.mark.parametrize("target", [3, "text", None, [1], Ellipsis], ids=repr)
def test_what_cannot_be_called_cannot_be_labelled(target: Any) -> None:
    with pytest.raises(NotAnOperatorError, match=r"cannot be labelled.*\[EMB002\]"):
        effects.declare(target, query)


@pytest.mark.parametrize(
    "label", [thread_bound | query, ordered("r"), commutes("r"), reads("r")], ids=str
)
def test_labels_that_keep_a_call_in_place(label: effects.Label) -> None:
    log: list[Any] = []

    @label
    class Stays(Operator):
        def forward(self, *, inputs: Any) -> Any:
            log.append((inputs, threading.get_ident()))
            return inputs

    @structural_jit
    class Op(Operator):
        def __init__(self) -> None:
            self.stays = Stays()

        def forward(self, *, inputs: Any) -> Any:
            return [self.stays(inputs=x) for x in inputs]

    for _ in range(3):
        log.clear()
        assert Op()(inputs=[1, 2, 3]) == [1, 2, 3]
        assert log == [(x, threading.get_ident()) for x in (1, 2, 3)]


# ---------------------------------------------------------------------- verify
SEEN: list[Any] = []
TABLE = {"a": [1]}


class Thing:
    """No `__eq__`: it never equals its copy."""

    def __init__(self) -> None:
        self.n, self.inner = 1, [1.5, float("nan")]


class Slotted:
    __slots__ = ("empty", "n")

    def __init__(self) -> None:
        self.n = 1


@query
class Keeps(Operator):
    """Holds one of everything and changes none of it."""

    def __init__(self) -> None:
        self.thing, self.slotted = Thing(), Slotted()
        self.cycle: list[Any] = []
        self.cycle.append((self.cycle, self.thing))
        self.array, self.objects = np.array([1.0, np.nan]), np.array([{}, None], dtype=object)
        self.scalar, self.nan, self.text = np.float32(3), float("nan"), "text"
        self.queue, self.counts = collections.deque([Thing(), 2]), collections.Counter("aab")
        self.names = {"a", "b", ("c", 1)}
        self.lock, self.random = threading.Lock(), random.Random(1)
        self.numbers, self.function, self.kind, self.module = iter([1, 2]), len, Thing, np
        self.generator = (x for x in [1])
        self.child = Plain()

    def forward(self, *, inputs: Any) -> Any:
        return len(SEEN) + len(TABLE) + self.thing.n + len(self.array)


def test_an_operator_that_keeps_its_label_passes() -> None:
    op = Keeps()
    for inputs in (
        1,
        "text",
        {"a": [1, {2: Thing()}]},
        np.arange(3),
        [float("nan")],
        {1, 2},
        Thing(),
        (op,),
        TABLE,
        len,
    ):
        assert effects.verify(op, inputs) == op(inputs=inputs)


def test_what_the_operator_returned_or_raised_comes_out() -> None:
    result = Thing()

    @pure
    class Op(Operator):
        def forward(self, *, inputs: Any) -> Any:
            if inputs is None:
                raise LookupError("mine")
            return result

    assert effects.verify(Op(), 1) is result
    with pytest.raises(LookupError, match="mine"):
        effects.verify(Op(), None)


CHANGES = {
    "self.thing": lambda op: setattr(op.thing, "n", 2),
    "self.slotted": lambda op: setattr(op.slotted, "n", 2),
    "self.cycle": lambda op: op.cycle.append(1),
    "self.array": lambda op: op.array.__setitem__(0, 2.0),
    "self.objects": lambda op: op.objects[0].update(a=1),
    "self.text": lambda op: setattr(op, "text", "other"),
    "self.nan": lambda op: setattr(op, "nan", 0.0),
    "self.queue": lambda op: op.queue.append(3),
    "self.counts": lambda op: op.counts.update("z"),
    "self.names": lambda op: op.names.discard("a"),
    "self.random": lambda op: op.random.random(),
    "self.numbers": lambda op: next(op.numbers),
    "self.child": lambda op: setattr(op.child, "cache", {}),
    "self.added": lambda op: setattr(op, "added", 1),
    "self.module": lambda op: delattr(op, "module"),
}


@pytest.mark.parametrize("place", CHANGES)
def test_a_changed_attribute_is_named(place: str) -> None:
    @query
    class Breaks(Keeps):
        def forward(self, *, inputs: Any) -> Any:
            return CHANGES[place](self)

    with pytest.raises(EffectViolation) as info:
        effects.verify(Breaks(), 1)
    for text in ("Breaks", "declared `query`", f"`{place}`", "[EMB020]"):
        assert text in str(info.value)


def test_a_slot_that_is_filled_is_named() -> None:
    @query
    class Op:
        __slots__ = ("memo",)

        def __call__(self, *, inputs: Any) -> Any:
            return self.forward(inputs=inputs)

        def forward(self, *, inputs: Any) -> Any:
            self.memo = inputs

    with pytest.raises(EffectViolation, match="`self.memo`"):
        effects.verify(Op(), 1)


@pytest.mark.parametrize(
    ("inputs", "change"),
    [
        ({"a": 1}, lambda x: x.update(a=2)),
        ({"a": [1]}, lambda x: x["a"].append(2)),
        ([3, 1], lambda x: x.sort()),
        ({"a": 1, "b": 2}, lambda x: x.update(a=x.pop("a"))),
        (np.zeros(3), lambda x: x.fill(1)),
        ([Thing()], lambda x: setattr(x[0], "n", 5)),
        ([threading.Lock(), 1], lambda x: x.pop()),
        (iter([1, 2]), next),
        (bytearray(b"ab"), lambda x: x.extend(b"c")),
    ],
)
def test_a_changed_argument_is_named(inputs: Any, change: Any) -> None:
    @pure
    class Breaks(Operator):
        def forward(self, *, inputs: Any) -> Any:
            change(inputs)

    with pytest.raises(EffectViolation, match=r"declared `pure` but changed its argument `inputs`"):
        effects.verify(Breaks(), inputs)


def test_a_changed_global_or_outer_variable_is_named() -> None:
    count = 0
    kept: list[int] = []

    @query
    class Global(Operator):
        def forward(self, *, inputs: Any) -> Any:
            SEEN.append(inputs)

    @query
    class Inner(Operator):
        def forward(self, *, inputs: Any) -> Any:
            TABLE["a"].append(inputs)

    @query
    class Outer(Operator):
        def forward(self, *, inputs: Any) -> Any:
            kept.append(inputs)

    @structural_jit
    @query
    class Counts(Operator):
        def forward(self, *, inputs: Any) -> Any:
            nonlocal count
            count += 1
            return sum(int(x) for x in (1, 2, count))

    for cls, place in (
        (Global, "the global `SEEN`"),
        (Inner, "the global `TABLE`"),
        (Outer, "the outer variable `kept`"),
        (Counts, "the outer variable `count`"),
    ):
        for _ in range(2):
            with pytest.raises(EffectViolation, match=place):
                effects.verify(cls(), 1)
    SEEN.clear()


@pytest.mark.parametrize("label", [None, ordered("r"), nothrow], ids=str)
def test_there_must_be_a_label_to_verify(label: Any) -> None:
    op = Plain()
    if label is not None:
        effects.declare(op, label)
    with pytest.raises(NotAnOperatorError, match="nothing to verify"):
        effects.verify(op, 1)


def test_clients_with_locks_look_after_themselves() -> None:
    """A pool of connections changes at every call, and that is nobody's business."""

    class Pool:
        def __init__(self) -> None:
            self.lock, self.calls = threading.Lock(), 0

    class Client:
        def __init__(self) -> None:
            self.pool = Pool()

        def get(self) -> int:
            with self.pool.lock:
                self.pool.calls += 1
            return self.pool.calls

    @query
    class Fetch(Operator):
        def __init__(self) -> None:
            self.client = Client()

        def forward(self, *, inputs: Any) -> Any:
            return self.client.get()

    op = Fetch()
    assert [effects.verify(op, 1), effects.verify(op, 1)] == [1, 2]


def test_declared_calls_inside_an_operator_are_verified() -> None:
    """The leaf that breaks its label is named, through undecorated operators and decorated ones."""

    @pure
    class Breaks(Operator):
        def __init__(self) -> None:
            self.seen = 0

        def forward(self, *, inputs: Any) -> Any:
            self.seen += 1
            return inputs

    class Middle(Operator):
        def __init__(self, leaf: Any) -> None:
            self.leaf = leaf

        def forward(self, *, inputs: Any) -> Any:
            return self.leaf(inputs=inputs)

    @structural_jit
    class Outer(Operator):
        def __init__(self, leaf: Any) -> None:
            self.left, self.right, self.calls = Middle(leaf), Middle(Keeps()), 0

        def forward(self, *, inputs: Any) -> Any:
            self.calls += 1  # its own affair: it promises nothing
            return self.left(inputs=inputs), self.right(inputs=inputs)

    with pytest.raises(EffectViolation, match=r"Breaks is declared `pure` but changed `self.seen`"):
        effects.verify(Outer(Breaks()), 1)
    harmless = query(Plain())
    assert effects.verify(Outer(harmless), 1) == (Plain()(inputs=1), Keeps()(inputs=1))


def test_declared_functions_inside_an_operator_are_verified() -> None:
    @query
    def fill(found: list[int], *, more: int) -> int:
        found.append(more)
        raise LookupError

    class Outer(Operator):
        def forward(self, *, inputs: Any) -> Any:
            return fill(inputs, more=1)

    with pytest.raises(
        EffectViolation, match="fill is declared `query` but changed its argument `found`"
    ) as info:
        effects.verify(Outer(), [])
    assert type(info.value.__cause__) is LookupError


def test_what_was_profiling_goes_on_after_verifying() -> None:
    import sys

    def profile(frame: Any, event: str, arg: Any) -> None:
        pass

    sys.setprofile(profile)
    try:
        effects.verify(query(Plain()), 1)
        with pytest.raises(NotAnOperatorError, match="nothing to verify"):
            effects.verify(Plain(), 1)
        assert sys.getprofile() is profile
    finally:
        sys.setprofile(None)


@pytest.mark.parametrize("word", [effects.reads, effects.ordered, effects.commutes])
def test_a_resource_without_a_name_is_refused(word: Any) -> None:
    """`@ordered` without parentheses would put a label in the place of the class."""
    with pytest.raises(OptionError, match=r"takes the name of a resource, .*\('db'\) \[EMB001\]"):
        word(Plain)


def test_a_label_that_is_none_is_refused() -> None:
    with pytest.raises(OptionError, match=r"'query' is no label; give pure, query, .* \[EMB001\]"):
        effects.declare(Plain(), "query")
