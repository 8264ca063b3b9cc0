"""Every Python snippet of the documentation runs.

    >>> ...            a doctest: what it prints is compared
    # name.py          a file, for the commands further down on the page (`test_commands`)
    anything else      is run, one block after the other; what it assumes is in `surroundings/`

The error pages are in `test_error_pages`, the dumps of the tour in `test_tour`.
"""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

from tests.docs.pages import ALL, Block, blocks, title
from tests.docs.running import is_error_page, run_block, space_for

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def snippets(page: Path) -> list[Block]:
    return [
        block
        for block in blocks(page)
        if block.language == "python"
        and not block.file
        and not block.name
        and ">>>" not in block.text
    ]


DOCTESTS = [page for page in ALL if ">>> " in page.read_text(encoding="utf-8")]
RUN = [page for page in ALL if snippets(page) and not is_error_page(page)]


@pytest.mark.parametrize("page", DOCTESTS, ids=title)
def test_doctests(page: Path) -> None:
    with space_for(page) as space:
        space["__name__"] = f"doctests_of_{page.stem}"
        failed, tried = doctest.testfile(str(page), False, globs=space, optionflags=FLAGS)
    assert tried
    assert not failed


@pytest.mark.parametrize("page", RUN, ids=title)
def test_snippets(page: Path) -> None:
    with space_for(page) as space:
        for block in snippets(page):
            # examples that have nothing to do with each other may use one name for different things
            run_block(block, dict(space) if space.get("APART") else space)
        if "check" in space:
            space["check"]()
