"""The loggers: what each category says, and that nothing is made ready where nobody listens."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ember_jit
from ember_jit import Operator, query, structural_jit
from ember_jit.config import config
from ember_jit.runtime import logs


@query
class Leaf(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return {"v": inputs}


class Notes(Operator):
    def forward(self, *, inputs: Any) -> Any:
        self.last = inputs
        return inputs


SEEN: list[Any] = []


def open_to_anything(*, inputs: Any) -> Any:
    SEEN.append(inputs)
    return {"v": inputs}


def operator() -> type:
    class Pair(Operator):
        def __init__(self) -> None:
            self.a, self.b, self.notes = Leaf(), Leaf(), Notes()

        def forward(self, *, inputs: Any) -> Any:
            a = self.a(inputs=inputs)
            b = self.b(inputs=inputs)
            c = self.a(inputs=a["v"] + b["v"])
            return self.notes(inputs=c)

    return Pair


def said(caplog: pytest.LogCaptureFixture, category: str) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.name == f"ember_jit.{category}"]


def test_what_each_category_says(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "ember_jit")
    cls = structural_jit(execution_strategy="parallel")(operator())
    op = cls()
    op(inputs=1)
    place = f"({__file__}:{cls.forward.__code__.co_firstlineno})"
    (compiled,) = said(caplog, "recompiles")
    assert compiled.startswith(cls.forward.__qualname__)
    assert place in compiled
    assert "overlapping: it was called for the first time" in compiled
    effects, schedule = said(caplog, "effects"), said(caplog, "schedule")
    assert len(effects) == len(schedule) == 4
    assert "self.a(inputs=inputs): query (declared" in effects[0]
    assert "unknown (stores to the attribute `self.last`)" in effects[3]
    assert schedule[0].endswith("self.a(inputs=inputs): starts early, beside self.b(inputs=inputs)")
    assert "stays in order" in schedule[3]
    assert not said(caplog, "guards")

    class Odd(int):
        pass

    op(inputs=Odd(3))
    (guard,) = said(caplog, "guards")
    assert place in guard
    assert "is not started ahead" in guard


def test_left_alone_and_put_back(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "ember_jit")

    class Chain(Operator):
        def __init__(self, leaf: Any) -> None:
            self.a = leaf

        def forward(self, *, inputs: Any) -> Any:
            a = self.a(inputs=inputs)
            return self.a(inputs=a)

    class Other(Leaf):
        def forward(self, *, inputs: Any) -> Any:
            return inputs

    cls = structural_jit(Chain)
    cls(Leaf())(inputs=1)
    other = cls(Other())
    for _ in range(40):
        other(inputs=1)
    (first, second) = said(caplog, "recompiles")
    assert "in order" in first
    assert "its own code was put back" in second
    assert len(said(caplog, "guards")) == 64

    @structural_jit
    def nothing(x: str, y: str) -> list[str]:
        return [x.strip(), y.strip()]

    nothing("a", "b")
    assert "left as it is: no two of its calls" in said(caplog, "recompiles")[-1]


def test_resting_is_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "ember_jit.schedule")
    cls = structural_jit(operator())
    cls()(inputs="x")
    op = cls()
    op.a = op.b = open_to_anything  # nothing of unknown effect starts early
    for _ in range(4):
        op(inputs="x")
    (rest,) = [text for text in said(caplog, "schedule") if "runs plain" in text]
    assert "nothing was started ahead in 3 runs" in rest


def test_nothing_is_made_where_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any) -> None:
        raise AssertionError("a message was made")

    monkeypatch.setattr(logs, "say", never)
    monkeypatch.setattr(logs, "later", never)
    op = structural_jit(execution_strategy="parallel")(operator())()
    for _ in range(5):
        op(inputs=1)


def test_the_overlapping_run_does_not_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether anybody listens is asked where something happens, not at every call."""
    asked: list[str] = []
    op = structural_jit(execution_strategy="parallel")(operator())()
    op(inputs=1)
    op(inputs=1)
    monkeypatch.setattr(logs, "wanted", lambda category: asked.append(category))
    for _ in range(5):
        op(inputs=1)
    assert not asked


@pytest.fixture
def setting(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    yield monkeypatch
    monkeypatch.undo()
    config.cache_clear()
    logs.reset()


def test_the_setting(setting: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    setting.setenv("EMBER_JIT_LOG", " guards , recompiles")
    config.cache_clear()
    logs.reset()
    found = {category: logs.wanted(category) for category in logs.CATEGORIES}
    assert [category for category, wants in found.items() if wants] == ["recompiles", "guards"]


PROGRAM = """
from ember_jit import structural_jit
@structural_jit
def nothing(x, y):
    return [x.strip(), y.strip()]
print(nothing("a", "b"))
"""


def run(tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    root = str(Path(ember_jit.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-W", "error", str(path)],
        env={**os.environ, "PYTHONPATH": root, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "['a', 'b']\n"), done.stderr
    return done


def test_as_a_user_sees_it(tmp_path: Path) -> None:
    assert run(tmp_path).stderr == ""
    (line,) = run(tmp_path, EMBER_JIT_LOG="recompiles").stderr.splitlines()
    assert line.startswith("ember_jit.recompiles: nothing (")
    assert "program.py:3): left as it is: " in line


def test_an_unknown_category_is_refused_once_with_the_list(tmp_path: Path) -> None:
    (line,) = run(tmp_path, EMBER_JIT_LOG="gards,guards").stderr.splitlines()
    assert "no category 'gards'; there are recompiles, guards, effects, schedule, kernels" in line
