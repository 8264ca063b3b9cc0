"""How the documentation is built: Sphinx, with MyST for the Markdown and furo for the looks (`make docs`).

The pages read well without it.  What only Sphinx needs stays here: the README, CONTRIBUTING and the changelog are
pages of the site too, and links to them are turned into links to those pages.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import ember_jit

ROOT = Path(__file__).resolve().parents[1]
# Page of the site: the file of the repository that it shows.
SHOWN = {
    "project/readme": "README.md",
    "project/contributing": "CONTRIBUTING.md",
    "project/changelog": "CHANGELOG.md",
}

project = "ember_jit"
author = "the ember_jit authors"
version = release = ember_jit.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_click",
    "sphinx_copybutton",
]
exclude_patterns = ["_build", "project/package.md"]  # the latter is for package indexes
nitpicky = False  # annotations name private classes, which have no page

myst_heading_anchors = (
    4  # `page.md#heading` as on the forges; a wrong one is a warning, and so an error
)
myst_enable_extensions = ["fieldlist"]
suppress_warnings = [
    "misc.highlighting_failure"
]  # excerpts such as `@jit class Answer: ...` with "…" in them

# Docstrings are written in Google's style, with single backticks for code.
default_role = "literal"
napoleon_google_docstring, napoleon_numpy_docstring = True, False
napoleon_use_ivar = True  # attributes stand in a class's docstring
napoleon_use_rtype = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = f"ember_jit {release}"
html_show_sourcelink = False
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True


def on_the_site(text: str, *, shown: bool) -> str:
    """The text of a page with its links to files of the repository turned into links to pages."""
    up = "" if shown else r"(?:\.\./)+"
    for page, file in SHOWN.items():
        text = re.sub(rf"\]\({up}{re.escape(file)}", f"](/{page}.md", text)
    if shown:
        text = re.sub(r"\]\(docs/", "](/", text)
    return re.sub(r"(\]\([^)#\s]*/)(\)|#)", r"\1index.md\2", text)  # a folder's index


def read(app: Any, page: str, source: list[str]) -> None:
    """Sphinx's `source-read`: the text of a page, before it is parsed."""
    shown = SHOWN.get(page)
    text = (ROOT / shown).read_text(encoding="utf-8") if shown else source[0]
    source[0] = on_the_site(text, shown=shown is not None)


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("source-read", read)
