"""The examples of `docs/debugging.md` run as they stand."""

from __future__ import annotations

import doctest
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "debugging.md"


def test_the_examples_of_the_page_hold() -> None:
    globs = {"__name__": "debugging_page"}
    failed, tried = doctest.testfile(str(PAGE), module_relative=False, globs=globs)
    assert tried > 10
    assert not failed
