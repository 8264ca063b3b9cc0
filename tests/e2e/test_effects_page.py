"""The examples of `docs/effects.md` run as they stand."""

from __future__ import annotations

import doctest
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "effects.md"


def test_the_examples_of_the_page_hold() -> None:
    globs = {"__name__": "effects_page"}
    failed, tried = doctest.testfile(str(PAGE), module_relative=False, globs=globs)
    assert tried > 10
    assert not failed
