"""What is said about the item that failed: its index in a note, and what came before it in `partial_results`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def name_the_item(exc: BaseException, done: Sequence[Any], indices: Sequence[Any]) -> None:
    """Say that `exc` was raised by the item behind those that are `done`; `indices` names the items in order."""
    add_note(exc, f"in item {indices[len(done)]}")
    keep(exc, dict(zip(indices, done, strict=False)))


def add_note(exc: BaseException, note: str) -> None:
    """As `exc.add_note`, past a `__setattr__` of the user's."""
    notes = vars(exc).get("__notes__")
    if type(notes) is not list:
        notes = []
        BaseException.__setattr__(exc, "__notes__", notes)
    notes.append(note)


def keep(exc: BaseException, finished: dict[Any, Any]) -> None:
    """Hand out what was finished, by index, as `exc.partial_results`."""
    BaseException.__setattr__(exc, "partial_results", finished)
