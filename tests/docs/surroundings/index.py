"""What the snippet of docs/index.md assumes: a run in which the call has been issued."""

from types import SimpleNamespace

site, inputs = 0, "why?"
w = SimpleNamespace(has=lambda site: True, take=lambda site: "outcome")
