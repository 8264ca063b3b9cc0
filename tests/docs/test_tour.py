"""The dumps in `docs/tour.md` are what the compiler writes today; `--regenerate-golden` puts them there."""

from __future__ import annotations

from pathlib import Path

import pytest

from ember_jit import dump
from tests.docs.pages import DOCS, ROOT, blocks
from tests.pipeline import namespace

FILE = "examples/digest.py"
PAGE = DOCS / "tour.md"


def test_the_dumps_are_those_of_the_compiler(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    # from text, under a short name: where the repository lies must not change how lines are broken
    space = namespace((ROOT / FILE).read_text(), filename=FILE)
    shown = {path.name: path.read_text() for path in dump(space["Digest"](), tmp_path)}
    shown["explain.txt"] = shown["explain.txt"].partition("\nso far\n")[0]  # times
    named = [block for block in blocks(PAGE) if block.name]
    assert {block.name for block in named} <= shown.keys()
    if request.config.getoption("--regenerate-golden"):
        lines = PAGE.read_text().splitlines(keepends=True)
        for block in reversed(named):
            end = block.line - 1 + block.text.count("\n")
            lines[block.line - 1 : end] = [shown[block.name]]
        PAGE.write_text("".join(lines))
        named = [block for block in blocks(PAGE) if block.name]
    for block in named:
        assert block.text == shown[block.name], f"{block.place}: {block.name} has changed"
