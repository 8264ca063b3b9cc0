"""Running the snippets of a page, as a reader would who types them in one after the other.

What the snippets of a page assume, its prose says; here it is code, in `surroundings/PAGE.py`, next to what
they have led to at the end (`def check(): ...`), and the libraries that they need (`NEEDS = ["cloudpickle"]`), without
which the page is skipped.  In a snippet `class Answer: ...` is short for the class of that
name which the page has already.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import DOCS, Block

SURROUNDINGS = Path(__file__).parent / "surroundings"


def surroundings(page: Path) -> Path:
    """The file with what the snippets of `page` assume; it need not exist."""
    return SURROUNDINGS / f"{page.stem.replace('-', '_').lower()}.py"


@contextmanager
def space_for(page: Path) -> Iterator[dict[str, Any]]:
    """The names that the snippets of a page share, as those of a script."""
    space: dict[str, Any] = {"__name__": "__main__"}
    given = surroundings(page)
    if given.exists():
        run(given.read_text(encoding="utf-8"), str(given), space)
    for needed in space.get("NEEDS", ()):
        pytest.importorskip(needed)
    yield space


def run_block(block: Block, space: dict[str, Any]) -> None:
    """Run one block, with its lines where they are in the page."""
    run("\n" * (block.line - 1) + block.text, f"<{block.place}>", space)


def run(text: str, filename: str, space: dict[str, Any]) -> None:
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    tree = Shortened(space).visit(ast.parse(text, filename))
    exec(compile(tree, filename, "exec", dont_inherit=True), space)


class Shortened(ast.NodeTransformer):
    """`@d class Answer: ...` as `Answer = d(Answer)`, if there is an `Answer`."""

    def __init__(self, space: dict[str, Any]) -> None:
        self.space = space

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.stmt:
        if node.name not in self.space or ast.unparse(node.body[0]) != "...":
            return node
        value: ast.expr = ast.Name(node.name, ast.Load())
        for decorator in reversed(node.decorator_list):
            value = ast.Call(decorator, [value], [])
        made = ast.Assign([ast.Name(node.name, ast.Store())], value)
        return ast.fix_missing_locations(ast.copy_location(made, node))


def is_error_page(page: Path) -> bool:
    return page.parent == DOCS / "errors" and page.stem.startswith("EMB")
