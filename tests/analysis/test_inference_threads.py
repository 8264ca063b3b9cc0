"""Inference from several threads at once: a callable under inference elsewhere is not a recursive one."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from ember_jit import Operator
from ember_jit.compiler.analysis import infer
from ember_jit.compiler.analysis.infer import Inference

TIMEOUT = 10
LOG: list[Any] = []


class Logs(Operator):
    def forward(self, *, inputs: Any) -> Any:
        LOG.append(inputs)


def test_a_callable_that_another_thread_infers_is_not_taken_for_pure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inside, leave = threading.Event(), threading.Event()
    source_of = infer.source_of

    def slowly(function: Any, code: Any) -> Any:
        if threading.current_thread().name == "first" and function is Logs.forward:
            inside.set()
            assert leave.wait(TIMEOUT)
        return source_of(function, code)

    monkeypatch.setattr(infer, "source_of", slowly)
    inference, leaf = Inference(), Logs()
    found: dict[str, str] = {}

    def ask() -> None:
        found[threading.current_thread().name] = inference.effect(leaf).kind

    first, second = (
        threading.Thread(target=ask, name="first"),
        threading.Thread(target=ask, name="second"),
    )
    first.start()
    assert inside.wait(TIMEOUT)
    second.start()
    second.join(0.2)  # it may wait for the first, or do the work again
    leave.set()
    first.join(TIMEOUT)
    second.join(TIMEOUT)
    assert found == {"first": "unknown", "second": "unknown"}
