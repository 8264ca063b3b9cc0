"""What every mapped function is: its arguments taken apart, its items run somewhere, its results put together.

Where the items run is all that `vmap`, `pmap` and `mesh_sharded` add (`run_items`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ember_jit.errors import BatchError
from ember_jit.transforms import batching, joining


def takes_inputs(fn: Any) -> bool:
    """Whether `fn` is called as `fn(inputs=...)`."""
    if isinstance(fn, Mapped) or hasattr(type(fn), "forward"):
        return True
    try:
        return "inputs" in inspect.signature(fn).parameters
    except (TypeError, ValueError):
        return False


def one_item(fn: Callable[..., Any], *, by_key: bool) -> Callable[[Any], Any]:
    """`fn` as a function of one item, which is a dict by key or a tuple of arguments."""
    if not by_key:
        return lambda item: fn(*item)
    if takes_inputs(fn):
        return lambda item: fn(inputs=item)
    return fn


class Mapped:
    """A function of a batch; call it with `inputs=`, or with positional arguments."""

    takes_shards = False  # whether a shard of a batch is handed to it whole

    def __init__(
        self, transform: str, fn: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0
    ) -> None:
        if not callable(fn) and not hasattr(fn, "forward"):
            raise BatchError(f"{transform}: {fn!r} cannot be called")
        self.fn, self.in_axes, self.out_axes = fn, in_axes, out_axes
        self.__name__ = f"{transform}({getattr(fn, '__name__', type(fn).__name__)})"
        self._takes_inputs = takes_inputs(fn)
        self._known: tuple[str, ...] | None = None

    def __call__(self, *args: Any, inputs: Any = None) -> Any:
        """The results of the batch: by key a dict of lists (or a list), by position a stacked array (or a list)."""
        if (
            inputs is None
            and len(args) == 1
            and isinstance(args[0], Mapping)
            and self._takes_inputs
        ):
            inputs, args = args[0], ()
        if inputs is None:
            if not args:
                raise BatchError(
                    f"{self.__name__}: nothing to batch: call it with inputs= or with arguments"
                )
            return self._by_position(args)
        if args:
            raise BatchError(
                f"{self.__name__}: give either inputs= or positional arguments, not both"
            )
        if not isinstance(inputs, Mapping):
            raise BatchError(
                f"{self.__name__}: inputs is a {type(inputs).__name__}; give a mapping of keys to batches"
            )
        return self._by_key(inputs)

    def _by_key(self, inputs: Mapping[str, Any]) -> Any:
        batch = batching.split_mapping(inputs, self.in_axes, self.__name__)
        if not batch:
            return {key: [] for key in (self._known if self._known is not None else batch.keys)}
        joined = self.joined(batch)
        if isinstance(joined, dict):
            self._known = tuple(joined)
        return joined

    def joined(self, batch: batching.Batch) -> Any:
        """The results of a batch by key that is not empty: a dict of lists, or a list."""
        return joining.join(self.run_items(batch.items, batch.indices, by_key=True), self.__name__)

    def _by_position(self, args: tuple[Any, ...]) -> Any:
        batch = batching.split_positional(args, self.in_axes, self.__name__)
        results = self.run_items(batch.items, batch.indices, by_key=False) if batch else []
        if results and batch.arrays:
            return joining.stack(results, self.out_axes)
        return joining.join(results, self.__name__)

    def run_items(self, items: list[Any], indices: Sequence[Any], *, by_key: bool) -> list[Any]:
        """The results of at least one item, in order; `indices` names the items."""
        raise NotImplementedError


def axes_of(fn: Any) -> tuple[Any, Any]:
    """The axes along which a transform that shards `fn` takes batches apart: those of a `vmap`, or 0."""
    if isinstance(fn, Mapped) and fn.takes_shards:
        return fn.in_axes, fn.out_axes
    return 0, 0
