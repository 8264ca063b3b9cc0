"""Links between pages, and to headings, lead somewhere: in the README and the decision records too."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.docs.pages import ALL, PAGES, ROOT, anchors, links, title


@pytest.mark.parametrize("page", ALL, ids=title)
def test_links(page: Path) -> None:
    broken = []
    for link in links(page):
        if link.startswith(("https://", "http://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if target.is_dir() and anchor:
            target /= "index.md"
        if not target.exists() or not target.is_relative_to(ROOT):
            broken.append(f"{link}: there is no such file")
        elif anchor and anchor not in anchors(target):
            broken.append(f"{link}: {title(target)} has no such heading")
    assert not broken


def test_what_package_indexes_show_needs_no_file_beside_it() -> None:
    metadata = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    shown = links(ROOT / metadata["project"]["readme"])
    assert [link for link in shown if not link.startswith("https://")] == []


def test_every_page_can_be_reached() -> None:
    """Following links from the README; the pages that show files of the repository are for the site alone."""
    seen, todo = set(), [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        if page in seen:
            continue
        seen.add(page)
        for link in links(page):
            target = (page.parent / link.partition("#")[0]).resolve()
            target = target / "index.md" if target.is_dir() else target
            if target.suffix == ".md" and target.exists():
                todo.append(target)
    apart = {page for page in PAGES if page not in seen and page.parent.name != "project"}
    assert not {title(page) for page in apart}
