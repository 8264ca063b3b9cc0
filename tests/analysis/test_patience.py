"""What is looked into again and again in vain is looked into ever less often, and never given up for good."""

from __future__ import annotations

from typing import Any

from ember_jit.compiler.analysis.infer import Inference
from ember_jit.compiler.analysis.patience import TRIES, Patience, alike


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
    assert TRIES <= inference.read <= 2 * TRIES


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
    patience, kind = Patience(), alike(Writer(0).write)
    assert kind is not None
    for _ in range(TRIES):
        assert not patience.is_spent(kind)
        patience.looked(kind, in_vain=True)
    spent = [patience.is_spent(kind) for _ in range(100)]
    assert spent.count(False) == 4  # 8, 16, 32, 64
    patience.looked(kind, in_vain=False)
    assert not patience.is_spent(kind)
