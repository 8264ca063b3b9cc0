"""The loop over the items, as operators that the structural compiler compiles like any other.

Nothing is scheduled here: a mapped call is `out.append(self.item(each))` in a loop, and the compiler and its
runtime do what they do with every loop.  So items overlap under the effect rules within the bounded window,
items of unknown effect run in order, and composites stream: one item may be in its first stage while another
is in its third.

The three differ in how they call: the call has to stand in the source, for that is what is compiled.  The
failing item is the one behind what was retired: outcomes are delivered in program order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ember_jit.api import structural_jit
from ember_jit.transforms.failure import name_the_item

# not "auto": what one mapped function gains says nothing of another
_compiled = structural_jit(execution_strategy="parallel")


class _Loop:
    def __init__(self, item: Callable[..., Any]) -> None:
        self.item = item


@_compiled
class ItemLoop(_Loop):
    """`fn(item)` for each item."""

    def forward(self, inputs: list[Any], indices: Sequence[Any]) -> list[Any]:
        """The results, in order; `indices` names the items."""
        out: list[Any] = []
        try:
            for each in inputs:
                out.append(self.item(each))
        except Exception as exc:
            name_the_item(exc, out, indices)
            raise
        return out


@_compiled
class InputsLoop(_Loop):
    """`fn(inputs=item)` for each item."""

    def forward(self, inputs: list[Any], indices: Sequence[Any]) -> list[Any]:
        """The results, in order; `indices` names the items."""
        out: list[Any] = []
        try:
            for each in inputs:
                out.append(self.item(inputs=each))
        except Exception as exc:
            name_the_item(exc, out, indices)
            raise
        return out


@_compiled
class PositionalLoop(_Loop):
    """`fn(*item)` for each item."""

    def forward(self, inputs: list[Any], indices: Sequence[Any]) -> list[Any]:
        """The results, in order; `indices` names the items."""
        out: list[Any] = []
        try:
            for each in inputs:
                out.append(self.item(*each))
        except Exception as exc:
            name_the_item(exc, out, indices)
            raise
        return out
