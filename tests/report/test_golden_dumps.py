"""Whole dumps of ten operators: `pytest --regenerate-golden` rewrites `golden/`, the diff is reviewed."""

from __future__ import annotations

from pathlib import Path

import pytest

from ember_jit import dump
from tests.codegen.programs import OPERATORS, Base

GOLDEN = Path(__file__).parent / "golden"
ROOT = Path(__file__).parents[2]
TEN = OPERATORS[:10]


def dumped(cls: type[Base], folder: Path) -> str:
    """The files of a dump in one text, without times and without where the repository lies."""
    parts = []
    for path in dump(cls(), folder):
        if path.name != "timings.txt":
            parts.append(f"===== {path.name}\n{path.read_text()}")
    return "\n".join(parts).replace(f"{ROOT}/", "")


@pytest.mark.parametrize("cls", TEN, ids=lambda cls: cls.__name__)
def test_dump(cls: type[Base], tmp_path: Path, request: pytest.FixtureRequest) -> None:
    path = GOLDEN / f"{cls.__name__}.txt"
    text = dumped(cls, tmp_path / "first")
    assert text == dumped(cls, tmp_path / "second"), "the same from run to run"
    if request.config.getoption("--regenerate-golden"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert path.read_text() == text
    assert str(tmp_path) not in text


def test_each_pass_shows_what_it_changed(tmp_path: Path) -> None:
    dump(TEN[0](), tmp_path)
    stages = sorted(path.name for path in tmp_path.glob("ir-*.txt"))
    assert {f"{Path(name).stem}.diff" for name in stages[1:]} == {
        path.name for path in tmp_path.glob("ir-*.diff")
    }
    timings = (tmp_path / "timings.txt").read_text()
    assert "effects" in timings
    assert timings.splitlines()[-1].startswith("all")
