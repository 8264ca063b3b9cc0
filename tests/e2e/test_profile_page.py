"""The examples of `docs/profile.md` run as they stand."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "profile.md"


def test_the_examples_of_the_page_hold() -> None:
    pytest.importorskip("opentelemetry.sdk")
    globs = {"__name__": "profile_page"}
    failed, tried = doctest.testfile(str(PAGE), module_relative=False, globs=globs)
    assert tried > 15
    assert not failed
