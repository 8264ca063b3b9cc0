"""The loop over the items, as operators that the structural compiler compiles like any other.

Nothing is scheduled here: a mapped call is `out.append(self.item(each))` in a loop, and the compiler and its
runtime do what they do with every loop.  So items overlap under the effect rules within the bounded window,
items of unknown effect run in order, and composites stream: one item may be in its first stage while another
is in its third.

The three loops differ in how they call: the call has to stand in the source, for that is what is compiled.  The
failing item is the one behind what was retired: outcomes are delivered in program order.

A function is compiled once, with what the receiver of its first call holds.  Here that must not matter: what the
first mapped function of a process does (nothing but compute, say) tells nothing of the next one's.  So a loop is
compiled on a receiver that holds no item yet, and a copy of it on one whose item is labelled, for the labels that
keep an order (`ordered`, `commutes`, ...) want an issue program of another kind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ember_jit.api import structural_jit
from ember_jit.effects import label_of, ordered
from ember_jit.runtime.dispatch import unit_of
from ember_jit.runtime.originals import twin_of
from ember_jit.transforms.failure import name_the_item

Form = Callable[[Any, list[Any], Sequence[Any]], list[Any]]


class Loop:
    """A loop over items that calls `item`; `forward` is one of the forms below, compiled."""

    forward: Callable[[list[Any], Sequence[Any]], list[Any]]

    def __init__(self, item: Callable[..., Any]) -> None:
        self.item = item


def of_item(self: Any, inputs: list[Any], indices: Sequence[Any]) -> list[Any]:
    """`fn(item)` for each item: the results, in order; `indices` names the items."""
    out: list[Any] = []
    try:
        for each in inputs:
            out.append(self.item(each))
    except Exception as exc:
        name_the_item(exc, out, indices)
        raise
    return out


def of_inputs(self: Any, inputs: list[Any], indices: Sequence[Any]) -> list[Any]:
    """`fn(inputs=item)` for each item."""
    out: list[Any] = []
    try:
        for each in inputs:
            out.append(self.item(inputs=each))
    except Exception as exc:
        name_the_item(exc, out, indices)
        raise
    return out


def of_arguments(self: Any, inputs: list[Any], indices: Sequence[Any]) -> list[Any]:
    """`fn(*item)` for each item."""
    out: list[Any] = []
    try:
        for each in inputs:
            out.append(self.item(*each))
    except Exception as exc:
        name_the_item(exc, out, indices)
        raise
    return out


_made: dict[tuple[Form, bool], type[Loop]] = {}


def loop(form: Form, fn: Callable[..., Any]) -> Loop:
    """The compiled loop of this form that calls `fn`."""
    label = label_of(fn)
    in_turn = label is not None and bool(label.resource)
    cls = _made.get((form, in_turn))
    if cls is None:
        forward = twin_of(form, form.__code__)  # type: ignore[arg-type]
        cls = type("Loop", (Loop,), {"forward": forward})
        # not "auto": what one mapped function gains says nothing of another
        structural_jit(execution_strategy="parallel")(cls)
        unit = unit_of(forward)
        assert unit is not None
        try:
            unit.settle(forward, cls(_in_turn) if in_turn else cls.__new__(cls))
        except RecursionError:
            return cls(fn)  # no room on the stack to compile now: it will be for `fn` alone
        _made[form, in_turn] = cls
    return cls(fn)


@ordered("a resource")
def _in_turn(*args: Any, **kwargs: Any) -> None:
    """An item whose label keeps an order."""
