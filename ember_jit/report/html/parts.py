"""What the parts of the page have in common: how calls are named, and the frame of a panel."""

from __future__ import annotations

import re

from ember_jit.report.explanation import Call
from ember_jit.report.markup import Markup, element


def call_id(index: int, call: Call) -> str:
    """The name of a call in the page: `s3` for site 3, `u7` for the seventh that is no site."""
    return f"s{call.number}" if call.number is not None else f"u{index}"


def state(call: Call) -> str:
    """What became of a call: "ahead", "inorder" or "helper"."""
    return "ahead" if call.ahead else "helper" if call.helper else "inorder"


STATES = {
    "ahead": "overlapped",
    "inorder": "in order",
    "helper": "helper",
}


def panel(name: str, title: str, *tools: Markup, body: Markup) -> Markup:
    """A part of the page with its title and what can be done with it; `name` is ours, and becomes its id."""
    heading = element("h2", {"id": f"{name}-title"}, title)
    return element(
        "section",
        {"class": "panel", "id": name, "aria-labelledby": f"{name}-title"},
        element("div", {"class": "bar"}, heading, *tools),
        body,
    )


def word(text: str) -> str:
    """A piece of text as part of a class name."""
    return re.sub(r"[^a-z]+", "-", text.lower()).strip("-")
