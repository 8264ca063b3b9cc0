"""The examples of `docs/profile.md` and `docs/report.md` run as they stand, and their pictures are there."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(("name", "least"), [("profile", 15), ("report", 8)])
def test_the_examples_of_the_page_hold(name: str, least: int) -> None:
    if name == "profile":
        pytest.importorskip("opentelemetry.sdk")
    globs = {"__name__": f"{name}_page"}
    page = str(DOCS / f"{name}.md")
    failed, tried = doctest.testfile(page, module_relative=False, globs=globs)
    assert tried > least
    assert not failed


def test_the_pictures_are_there_and_small() -> None:
    named = re.findall(r"!\[[^]]+\]\((images/[\w-]+\.png)\)", (DOCS / "report.md").read_text())
    assert len(named) == 6
    assert sorted(named) == sorted(f"images/{each.name}" for each in (DOCS / "images").iterdir())
    assert all((DOCS / each).stat().st_size < 400_000 for each in named)
