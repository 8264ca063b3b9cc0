"""The loop over the items, as operators that the structural compiler compiles like any other.

Nothing is scheduled here: a mapped call is `out.append(self.item(each))` in a loop, and the compiler and its
runtime do what they do with every loop.  So items overlap under the effect rules within the bounded window,
items of unknown effect run in order, and composites stream: one item may be in its first stage while another
is in its third.

The index of a failing item is the length of what was retired before it: outcomes are delivered in program order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ember_jit.api import structural_jit


@structural_jit(
    execution_strategy="parallel"
)  # what one mapped function gains says nothing of another
class ItemLoop:
    """`fn(item)` for each item."""

    def __init__(self, item: Callable[..., Any]) -> None:
        self.item = item

    def forward(self, inputs: list[Any], first: int = 0) -> list[Any]:
        """The results, in order; `first` is the index of the first item."""
        out = []
        try:
            for each in inputs:
                out.append(self.item(each))
        except Exception as exc:
            exc.add_note(f"in item {first + len(out)}")
            exc.partial_results = dict(enumerate(out, first))  # type: ignore[attr-defined]
            raise
        return out


@structural_jit(
    execution_strategy="parallel"
)  # what one mapped function gains says nothing of another
class InputsLoop:
    """`fn(inputs=item)` for each item."""

    def __init__(self, item: Callable[..., Any]) -> None:
        self.item = item

    def forward(self, inputs: list[Any], first: int = 0) -> list[Any]:
        """The results, in order; `first` is the index of the first item."""
        out = []
        try:
            for each in inputs:
                out.append(self.item(inputs=each))
        except Exception as exc:
            exc.add_note(f"in item {first + len(out)}")
            exc.partial_results = dict(enumerate(out, first))  # type: ignore[attr-defined]
            raise
        return out


@structural_jit(
    execution_strategy="parallel"
)  # what one mapped function gains says nothing of another
class PositionalLoop:
    """`fn(*item)` for each item."""

    def __init__(self, item: Callable[..., Any]) -> None:
        self.item = item

    def forward(self, inputs: list[Any], first: int = 0) -> list[Any]:
        """The results, in order; `first` is the index of the first item."""
        out = []
        try:
            for each in inputs:
                out.append(self.item(*each))
        except Exception as exc:
            exc.add_note(f"in item {first + len(out)}")
            exc.partial_results = dict(enumerate(out, first))  # type: ignore[attr-defined]
            raise
        return out
