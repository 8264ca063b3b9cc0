"""The commands of a page, run in order in a folder with the page's files, print what the page shows.

In what is printed `...` stands for anything, as in doctests.
"""

from __future__ import annotations

import doctest
import os
import re
import shlex
import subprocess
import sys
from itertools import takewhile
from pathlib import Path

import pytest

from tests.docs.pages import ALL, ROOT, Block, blocks, title

PROGRAMS = {"python": [sys.executable], "ember-jit": [sys.executable, "-m", "ember_jit.cli"]}
ASSIGNS = re.compile(r"[A-Z_]+=").match
PAGES = [page for page in ALL if any(block.language == "console" for block in blocks(page))]


def commands(block: Block) -> list[tuple[str, str]]:
    """Each command of a block, and what it is to print."""
    found: list[tuple[str, str]] = []
    for line in block.text.splitlines(keepends=True):
        if line.startswith("$ "):
            found.append((line[2:].strip(), ""))
        else:
            found[-1] = (found[-1][0], found[-1][1] + line)
    return found


@pytest.mark.parametrize("page", PAGES, ids=title)
def test_commands(page: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80"}
    compare = doctest.OutputChecker().check_output
    for block in blocks(page):
        if block.file:
            (tmp_path / block.file).parent.mkdir(exist_ok=True)
            (tmp_path / block.file).write_text(block.text)
        if block.language != "console":
            continue
        for command, wanted in commands(block):
            words = shlex.split(command)
            settings = dict(each.split("=", 1) for each in takewhile(ASSIGNS, words))
            program, *arguments = words[len(settings) :]
            made = subprocess.run(
                [*PROGRAMS[program], *arguments],
                cwd=tmp_path,
                env=environment | settings,
                capture_output=True,
                text=True,
                timeout=600,
            )
            got = made.stdout + made.stderr
            flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
            assert compare(wanted, got, flags), f"{block.place}: {command}\n{got}"
