"""`print` and `logging` in calls that run ahead: emitted on the caller's thread, in program order, or never."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest

from ember_jit import Operator, disable_structural_jit, query, structural_jit
from ember_jit.runtime import events

log = logging.getLogger("ember_jit_tests")


class Speaks(Operator):
    """Inferred: sleeps, prints, logs."""

    def __init__(
        self, name: str, after: threading.Event | None = None, then: threading.Event | None = None
    ) -> None:
        self.name = name

    def forward(self, *, inputs: Any) -> Any:
        import time

        print("start", self.name, inputs)
        time.sleep(0.001)
        log.warning("in %s", self.name)
        print("end", self.name, sep="-")
        return self.name + str(inputs)


@structural_jit
class Both(Operator):
    def __init__(self) -> None:
        self.a, self.b = Speaks("a"), Speaks("b")

    def forward(self, *, inputs: Any) -> Any:
        x = self.a(inputs=inputs)
        print("between")
        y = self.b(inputs=inputs)
        return x + y


def test_inferred_leaves_overlap_and_their_output_keeps_its_order(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    op = Both()
    with disable_structural_jit():
        plain = op(inputs=1)
    expected, records = (
        capsys.readouterr().out,
        [(r.message, r.lineno, r.threadName) for r in caplog.records],
    )
    caplog.clear()
    for _ in range(3):
        with events.record() as seen:
            assert op(inputs=1) == plain
        assert seen.overlapped("self.a", "self.b")
        assert capsys.readouterr().out == expected
        assert [(r.message, r.lineno, r.threadName) for r in caplog.records] == records
        caplog.clear()


def test_declared_leaves_keep_the_order_of_their_output_whoever_ends_first(
    capsys: pytest.CaptureFixture[str],
) -> None:
    second_done = threading.Event()

    @query
    class First(Operator):
        def forward(self, *, inputs: Any) -> Any:
            assert second_done.wait(10)
            print("first", inputs)
            return 1

    @query
    class Second(Operator):
        def forward(self, *, inputs: Any) -> Any:
            print("second", inputs)
            second_done.set()
            return 2

    @structural_jit
    class Op(Operator):
        def __init__(self) -> None:
            self.first, self.second = First(), Second()

        def forward(self, *, inputs: Any) -> Any:
            outs = [op(inputs=inputs) for op in (self.first, self.second)]
            return outs

    assert Op()(inputs="x") == [1, 2]
    assert capsys.readouterr().out == "first x\nsecond x\n"


def test_output_of_a_call_that_is_never_reached_is_dropped(
    capsys: pytest.CaptureFixture[str],
) -> None:
    started = threading.Event()

    @query
    class Fails(Operator):
        def forward(self, *, inputs: Any) -> Any:
            assert started.wait(10)
            raise ValueError(inputs)

    @query
    class Prints(Operator):
        def forward(self, *, inputs: Any) -> Any:
            print("never")
            started.set()
            return inputs

    @structural_jit
    class Op(Operator):
        def __init__(self) -> None:
            self.a, self.b = Fails(), Prints()

        def forward(self, *, inputs: Any) -> Any:
            x = self.a(inputs=inputs)
            y = self.b(inputs=inputs)
            return x, y

    with pytest.raises(ValueError, match="7"):
        Op()(inputs=7)
    assert capsys.readouterr().out == ""
