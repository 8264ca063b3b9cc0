"""What is looked into again and again in vain is looked into ever less often, and never given up for good."""

from __future__ import annotations

from typing import Any

from ember_jit.compiler.analysis.infer import Inference
from ember_jit.compiler.analysis.patience import (
    A_LOOK,
    INHERITED_TRIES,
    TRIES,
    Patience,
    Thrift,
    alike,
    runs,
)
from ember_jit.effects import query
from ember_jit.runtime.effect import Effect, unknown_effect


class Counting(Inference):
    """An inference that counts how often it reads a body."""

    def __init__(self) -> None:
        super().__init__()
        self.read = 0

    def _analyse(self, *arguments: Any) -> Any:
        self.read += 1
        return super()._analyse(*arguments)


LOG: list[int] = []


class Writer:
    def __init__(self, n: int) -> None:
        self.n = n

    def write(self) -> None:
        LOG.append(self.n)

    def double(self) -> int:
        return self.n * 2


def test_methods_of_many_objects_are_read_a_few_times() -> None:
    inference = Counting()
    for n in range(500):
        assert inference.met(Writer(n).write).kind == "unknown"
    assert TRIES <= inference.read <= TRIES + 7  # 4, 8, ... 256


def test_what_can_be_inferred_is_for_each() -> None:
    inference = Counting()
    writers = [Writer(n) for n in range(50)]
    assert {inference.met(each.double).kind for each in writers} == {"pure"}


def test_one_method_says_nothing_of_another() -> None:
    inference = Counting()
    for n in range(50):
        inference.met(Writer(n).write)
    last = Writer(0)
    assert inference.met(last.double).kind == "pure"


def test_now_and_then_another_is_looked_into() -> None:
    patience, kind = Patience[Effect](), alike(Writer(0).write)
    assert kind is not None
    unknown = unknown_effect("writes")
    for _ in range(TRIES):
        assert patience.spent(kind) is None
        patience.looked(kind, unknown, in_vain=True)
    spent = [patience.spent(kind) for _ in range(100)]
    assert spent.count(None) == 5  # 4, 8, 16, 32, 64
    assert spent.count(unknown) == 95
    patience.looked(kind, unknown, in_vain=False)
    assert patience.spent(kind) is None


def test_one_is_taken_to_be_like_the_others() -> None:
    inference = Inference()
    writers = [Writer(n) for n in range(TRIES + 2)]
    effects = [inference.met(each.write) for each in writers]
    assert "as of others of its kind" in effects[-1].evidence
    assert effects[-1].reasons == effects[0].reasons


def test_a_method_that_many_classes_inherit_is_read_a_few_times() -> None:
    inference = Counting()
    for n in range(200):
        inference.met(type(f"Writer{n}", (Writer,), {})(n).write)
    assert inference.read <= INHERITED_TRIES + 5


def test_a_long_look_raises_the_price_of_the_next() -> None:
    thrift, kind = Thrift(), runs(print)
    thrift.looked(kind, 1.0, in_vain=True)
    assert not thrift.affords(kind, 1.5)
    assert thrift.affords(kind, 0.5)


def test_methods_that_a_body_calls_are_read_a_few_times() -> None:
    inference = Counting()
    for n in range(100):
        writer = Writer(n)
        assert inference.met_method(Writer.write, writer).effect.kind == "unknown"
    assert inference.read <= TRIES + 5


def test_a_look_waits_until_calls_have_taken_as_long() -> None:
    thrift, kind = Thrift(), runs(Writer(0).write)
    short = A_LOOK / 4
    assert [thrift.affords(kind, short) for _ in range(4)] == [False, False, False, True]
    thrift.looked(kind, 0.0, in_vain=True)
    assert [thrift.affords(kind, short) for _ in range(8)] == [False] * 7 + [True]
    thrift.looked(kind, 0.0, in_vain=True)
    assert not thrift.affords(kind, 2 * A_LOOK)
    assert thrift.affords(kind, 2 * A_LOOK)
    thrift.looked(kind, 0.0, in_vain=False)
    assert thrift.affords(kind, 0.0)


def test_a_long_call_is_worth_a_look_at_once() -> None:
    thrift, kind = Thrift(), runs(print)
    assert thrift.affords(kind, 2 * A_LOOK)


def test_a_label_is_always_seen() -> None:
    """Closures of one code: of some nothing can be inferred, one is labelled."""

    def leaf(n: int) -> Any:
        def write() -> None:
            LOG.append(n)

        return write

    inference = Counting()
    unlabelled = [leaf(n) for n in range(50)]
    assert {inference.met(each).kind for each in unlabelled} == {"unknown"}
    assert inference.met(query(leaf(0))).kind == "query"
