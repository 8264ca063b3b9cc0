"""What can be done about it: from what the compiler says of an effect to a change of one line.

stores to the attribute `self.last`  ->  return the value instead of storing it, or store it after the last call
"""

from __future__ import annotations

from dataclasses import dataclass

_FIXES: tuple[tuple[str, str], ...] = (
    ("stores to the attribute", "return the value instead of storing it, or store it after the last call"),
    ("stores to `", "return the value instead of storing it, or store it after the last call"),
    ("which it did not make", "copy it first (`dict(...)`, `list(...)`) and return the copy"),
    ("stores into", "copy it first (`dict(...)`, `list(...)`), or store after the last call"),
    ("assigns the global", "return the value instead, or assign it after the last call"),
    ("assigns the outer variable", "return the value instead, or assign it after the last call"),
    ("which was not made here", "make the list or dict inside the function, or change it after the last call"),
    ("something else has got hold of it", "hand the calls a copy (`seen = list(...)`), or change it after the last call"),
    ("may change", ""),
    ("context manager", "move the calls that do not need it out of the `with` block"),
    ("uses up an iterator", "make a list of it before the first call"),
    ("iterates over", "iterate over a list, tuple, dict, set or range"),
    ("deletes", "delete it after the last call"),
    ("method of an object made here", "make the object in `__init__`, or label its class `@pure` or `@query`"),
    (".forward` is not known before it runs", "call the operator itself: `op(inputs=...)`, not `op.forward(inputs=...)`"),
    ("is not known before it runs", "keep it in an attribute, or in a list of operators, that exists when the operator is made"),
    ("through a hook of", "store the attribute on the operator itself"),
    ("has no usable source", "label it `@query` or `@pure` if that is what it is"),
    ("strict", 'label it, or leave out effects="strict"'),
    ("a generator expression with effects", "write a list comprehension"),
)  # fmt: skip

#: what a label could not do away with: whoever does so is neither `pure` nor a `query`
_STORES = (
    "stores to ",
    "stores into",
    "assigns the ",
    "deletes the ",
    "changes the list",
    "changes the dict",
    "changes the set",
    "changes its argument",
)


@dataclass(frozen=True, slots=True)
class Why:
    """Why something stays in order.

    Attributes:
        reason: what holds it.
        place: `file:line` of the reason's root, where that is somewhere else; or "".
        fix: the change that would free it, in one line; or "".
    """

    reason: str
    place: str = ""
    fix: str = ""


def fix_for(text: str) -> str:
    """The change that would do away with the reason `text`; empty if none is known."""
    return next((fix for part, fix in _FIXES if part in text), "")


def is_store(text: str) -> bool:
    """Whether the reason `text` is that something is stored, assigned or deleted."""
    return any(part in text for part in _STORES)
