"""The pages of the error codes: what, why, what happens instead, how to mend it; the example does it, the fix mends it."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import pytest

from ember_jit import errors
from tests.docs.pages import DOCS, Block, blocks, title
from tests.docs.running import is_error_page, run_block, space_for

INDEX = DOCS / "errors" / "index.md"
PAGES = sorted(page for page in INDEX.parent.glob("*.md") if is_error_page(page))
SECTIONS = ["Example", "Why", "What happens instead", "Fix"]
SHOWN = {"EMB010"}  # examples that are not run: a bug of ours has no code of the user's to show


def snippets(page: Path, section: str) -> list[Block]:
    """What is run here; doctests are left to `test_snippets`."""
    return [
        block
        for block in blocks(page, section)
        if block.language == "python" and ">>>" not in block.text
    ]


def codes() -> set[str]:
    """The codes of the errors and warnings that there are."""
    found = set()
    for each in vars(errors).values():
        if isinstance(each, type) and issubclass(each, Exception):
            found |= {getattr(each, "code", "")} | set(re.findall(r"EMB\d+", each.__doc__ or ""))
    return found - {"", "EMB000"}


def test_every_code_has_a_page_and_the_other_way_round() -> None:
    assert {page.stem for page in PAGES} == codes()


@pytest.mark.parametrize("page", PAGES, ids=title)
def test_its_sections(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {page.stem}: ")
    assert re.findall(r"^## (.*)", text, re.M) == SECTIONS
    assert f"[{page.stem}]({page.stem}.md)" in INDEX.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=title)
def test_its_example_and_its_fix(page: Path) -> None:
    """Commands are left to `test_commands`: that a page has some is enough here."""
    if any(block.language == "console" for block in blocks(page, "Example")):
        return
    if page.stem in SHOWN:
        return
    with space_for(page) as space:
        with pytest.raises((errors.EmberError, UserWarning), match=rf"\[{page.stem}\]"):
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                for block in snippets(page, "Example"):
                    run_block(block, space)
        with warnings.catch_warnings():
            for block in snippets(page, "Fix"):
                run_block(block, space)
