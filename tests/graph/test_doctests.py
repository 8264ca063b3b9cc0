"""The examples in the docstrings."""

from __future__ import annotations

import doctest
import importlib

import pytest

MODULES = [
    "effects",
    "errors",
    "execution",
    "options",
    "xcs",
    "graph.model",
    "graph.recording",
    "report.explain",
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_hold(name: str) -> None:
    module = importlib.import_module(f"ember_jit.{name}")
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


def test_every_error_has_its_page() -> None:
    from pathlib import Path

    import ember_jit
    from ember_jit import errors

    pages = Path(ember_jit.__file__).parents[1] / "docs" / "errors"
    index = (pages / "index.md").read_text()
    for each in vars(errors).values():
        if isinstance(each, type) and issubclass(each, errors.EmberError) and each.code != "EMB000":
            assert (pages / f"{each.code}.md").read_text().startswith(f"# {each.code}")
            assert f"[{each.code}]({each.code}.md)" in index
