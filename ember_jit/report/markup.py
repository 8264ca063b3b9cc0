"""HTML that cannot be broken out of: whatever is not `Markup` is escaped.

    >>> element("b", {"title": 'say "hi"'}, "a < b", element("br"))
    '<b title="say &quot;hi&quot;">a &lt; b<br></b>'

Names of operators, source text and exceptions are the program's; none of it may become markup or script.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from typing import Any

_VOID = frozenset({"br", "hr", "img", "input", "link", "meta"})
Attributes = Mapping[str, object]


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def element(name: str, attributes: Attributes | None = None, *children: object) -> Markup:
    """An element.

    Args:
        name: of the tag; ours, never the program's.
        attributes: False and None leave one out, True gives it without a value.
        children: `Markup`, or text to escape.
    """
    shown = "".join(_attribute(key, value) for key, value in (attributes or {}).items())
    if name in _VOID:
        return Markup(f"<{name}{shown}>")
    return Markup(f"<{name}{shown}>{''.join(map(text, children))}</{name}>")


def text(child: object) -> str:
    """A child as HTML."""
    return child if type(child) is Markup else escape(str(child))


def join(children: list[Markup]) -> Markup:
    """Elements one after the other."""
    return Markup("".join(children))


def json_island(name: str, value: Any) -> Markup:
    """Data for the page's script; no text in it can end the element or begin a comment."""
    body = json.dumps(value, separators=(",", ":"))
    for char in "<>&\u2028\u2029":
        body = body.replace(char, f"\\u{ord(char):04x}")
    return Markup(f'<script type="application/json" id="{name}">{body}</script>')


def _attribute(key: str, value: object) -> str:
    if value is None or value is False:
        return ""
    return f" {key}" if value is True else f' {key}="{escape(str(value))}"'
