"""Mistakes that stop nothing are said once, with their code: settings, and labels that are none."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ember_jit import Operator, effects, query, structural_jit, warned
from ember_jit.config import Config, config
from ember_jit.errors import LabelWarning, SettingWarning


@pytest.fixture(autouse=True)
def anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(warned, "_said", set())
    config.cache_clear()
    yield
    monkeypatch.undo()
    config.cache_clear()


@contextmanager
def heard(category: type[Warning]) -> Iterator[list[warnings.WarningMessage]]:
    """What is warned of in the block: this category alone."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        yield seen
    assert {each.category for each in seen} == {category}


@pytest.mark.parametrize(
    ("name", "value", "field", "words"),
    [
        ("MAX_WORKERS", "zero", "max_workers", "64 used: write a whole number of at least 1"),
        ("MAX_WORKERS", "0", "max_workers", "64 used"),
        ("THREAD_CAP", "-3", "thread_cap", "1024 used"),
        ("THREADS", "1.5", "threads", "1 used"),
        ("BUFFERS", "lots", "buffers", "256 used: write a number of MiB, or off"),
        ("CACHE_LIMIT", "1G", "cache_limit", "256 used"),
        ("BACKGROUND", "never", "background", "on used: write 1 or on, 0 or off"),
        ("STRICT", "2", "strict_internal", "off used"),
    ],
)
def test_a_bad_setting(
    name: str, value: str, field: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"EMBER_JIT_{name}", value)
    assert getattr(config(), field) == getattr(Config(), field)
    with heard(SettingWarning) as seen:
        warned.warn_of_settings()
        warned.warn_of_settings()
    (text,) = [str(each.message) for each in seen]
    assert text.startswith(f"EMBER_JIT_{name}={value!r} is ignored, and ")
    assert words in text
    assert text.endswith("[EMB007]")


@pytest.mark.parametrize("value", ["0", "off", "FALSE", "no", ""])
def test_switches_can_be_off(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STRICT", "FULL_TRACEBACK", "BACKGROUND"):
        monkeypatch.setenv(f"EMBER_JIT_{name}", value)
    made = config()
    assert (made.strict_internal, made.full_traceback) == (False, False)
    assert made.background is (value == "")
    assert made.mistakes == ()


def test_a_setting_that_there_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBER_JIT_MAXWORKERS", "8")
    with pytest.warns(SettingWarning, match="did you mean EMBER_JIT_MAX_WORKERS"):
        warned.warn_of_settings()


def test_it_is_said_at_the_first_call_and_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBER_JIT_MAX_WORKERS", "many")
    both = two(query(leaf()))
    with heard(SettingWarning) as seen:
        assert both(inputs=1) == (1, 1)
        assert both(inputs=2) == (2, 2)
    assert [each.filename for each in seen] == [__file__]


def test_as_an_error_it_comes_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBER_JIT_MAX_WORKERS", "many")
    both = two(query(leaf()))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(SettingWarning):
            both(inputs=1)
        assert both(inputs=1) == (1, 1)


def leaf() -> type:
    class Leaf(Operator):
        def forward(self, *, inputs: Any) -> Any:
            return inputs

    return Leaf


def two(cls: type) -> Any:
    class Both(Operator):
        def __init__(self) -> None:
            self.a, self.b = cls(), cls()

        def forward(self, *, inputs: Any) -> Any:
            return self.a(inputs=inputs), self.b(inputs=inputs)

    return structural_jit(Both)()


@pytest.mark.parametrize("value", ["query", ("query",), [query], None, 3])
def test_what_is_no_label(value: Any) -> None:
    made = leaf()
    made.__effects__ = value  # type: ignore[attr-defined]
    both = two(made)
    with heard(LabelWarning) as seen:
        assert both(inputs=1) == (1, 1)
        assert effects.label_of(made()) is None
    (text,) = [str(each.message) for each in seen]
    assert re.search(r"Leaf.__effects__ = .* is no label .*EMB021", text)


def test_a_base_keeps_its_label_and_a_function_may_be_wrong_too() -> None:
    base = query(leaf())

    class Sub(base):  # type: ignore[misc, valid-type]
        __effects__ = "pure"

    def function(*, inputs: Any) -> Any:
        return inputs

    function.__effects__ = "pure"  # type: ignore[attr-defined]
    with heard(LabelWarning) as seen:
        assert effects.label_of(Sub()) == query
        assert effects.label_of(function) is None
        effects.declare(function, query)
    assert effects.label_of(function) == query
    assert ["Sub" in str(each.message) for each in seen] == [True, False]
