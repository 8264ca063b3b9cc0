"""The pages of the documentation, taken apart: fenced blocks, links and headings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
# What GitHub shows as well, and people read first.
ALL = [*sorted(ROOT.glob("*.md")), *PAGES]
_parser = MarkdownIt("commonmark").enable("table")


@dataclass(frozen=True)
class Block:
    """A fenced block: the language and the name behind its fence, its text, and its first line in the page."""

    page: Path
    language: str
    name: str
    text: str
    line: int

    @property
    def file(self) -> str:
        """The file that the block is, if its first line says so (`# answers.py`), or an empty string."""
        found = re.match(r"# ([\w/]+\.py)\n", self.text)
        return found[1] if found else ""

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def title(page: Path) -> str:
    return str(page.relative_to(ROOT))


def _tokens(page: Path) -> list[Token]:
    return _parser.parse(page.read_text(encoding="utf-8"))


def blocks(page: Path, section: str = "") -> list[Block]:
    """The fenced blocks of a page, or of its sections of that heading."""
    found, inside = [], not section
    tokens = _tokens(page)
    for number, token in enumerate(tokens):
        if token.type == "heading_open" and section:
            inside = tokens[number + 1].content == section
        if token.type == "fence" and inside:
            language, _, name = token.info.strip().partition(" ")
            found.append(Block(page, language, name, token.content, token.map[0] + 2))
    return found


def links(page: Path) -> list[str]:
    """Where the links of a page lead."""
    inline = [child for token in _tokens(page) for child in token.children or ()]
    return [str(each.attrs["href"]) for each in inline if each.type == "link_open"] + [
        str(each.attrs["src"]) for each in inline if each.type == "image"
    ]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as forges and MyST make them."""
    found: set[str] = set()
    tokens = _tokens(page)
    for number, token in enumerate(tokens):
        if token.type == "heading_open":
            text = "".join(child.content for child in tokens[number + 1].children or ())
            slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
            name, again = slug, 0
            while name in found:
                again += 1
                name = f"{slug}-{again}"
            found.add(name)
    return found
