"""What every mapped function is: its arguments taken apart, its items run somewhere, its results put together.

Where the items run is all that `vmap`, `pmap` and `mesh_sharded` add (`run_items`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ember_jit.errors import BatchError
from ember_jit.operators import Operator
from ember_jit.runtime.frames import leave_no_trace
from ember_jit.transforms import batching, joining


def takes_inputs(fn: Any) -> bool:
    """Whether `fn` is called as `fn(inputs=...)`."""
    if isinstance(fn, Mapped) or hasattr(type(fn), "forward"):
        return True
    try:
        return "inputs" in inspect.signature(fn).parameters
    except (TypeError, ValueError):
        return False


def _only_by_name(fn: Any) -> bool:
    """Whether `fn` can only be called as `fn(inputs=...)`."""
    try:
        parameters = inspect.signature(fn).parameters.values()
    except (TypeError, ValueError):
        return False
    positional = (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.VAR_POSITIONAL,
    )
    return not any(each.kind in positional for each in parameters)


def one_item(fn: Callable[..., Any], *, by_key: bool) -> Callable[[Any], Any]:
    """`fn` as a function of one item, which is a dict by key or a tuple of arguments."""
    if not by_key:
        return lambda item: fn(*item)
    if takes_inputs(fn):
        return lambda item: fn(inputs=item)
    return fn


class Mapped(Operator):
    """A function of a batch; call it with `inputs=`, or with positional arguments.

    It is an operator, so a recording (`ember_jit.graph`) sees it as one call, and none of its items.  To whoever
    compiles code that calls it, it has the effects of `fn`, once it is settled (`runtime.mapping`).

    Attributes:
        settled: whether it is known what an empty batch gives: the first batch that is not empty tells.  From
            then on no call hangs on those before it.
    """

    __maps__ = "fn"
    takes_shards = False  # whether a shard of a batch is handed to it whole
    asks_effects = False  # whether items overlap only where the effects of `fn` let them

    def __init__(
        self, transform: str, fn: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0
    ) -> None:
        if not callable(fn) and not hasattr(fn, "forward"):
            raise BatchError(f"{transform}: {fn!r} cannot be called")
        if isinstance(fn, type) and hasattr(fn, "forward"):
            raise BatchError(
                f"{transform}: {fn.__name__} is a class of operators; map one of them: {transform}({fn.__name__}())"
            )
        self.fn, self.in_axes, self.out_axes = fn, in_axes, out_axes
        self.__name__ = f"{transform}({getattr(fn, '__name__', type(fn).__name__)})"
        self.__qualname__, self.__module__ = self.__name__, getattr(fn, "__module__", __name__)
        self._takes_inputs = takes_inputs(fn)
        self._known: tuple[str, ...] | None = None  # the keys of results
        self.settled = False

    def __repr__(self) -> str:
        return f"<{self.__name__}>"

    @property
    def manner(self) -> str:
        """How a batch is taken apart and where its items run, in words."""
        return "for each item"

    def __call__(self, *args: Any, inputs: Any = None, **unknown: Any) -> Any:
        """The results of the batch: by key a dict of lists (or a list), by position a stacked array (or a list)."""
        if unknown:
            name = next(iter(unknown))
            raise BatchError(
                f"{self.__name__}: there is no argument {name!r}; give batches by key, as inputs={{{name!r}: ...}}, "
                "or by position"
            )
        try:
            return self._mapped(args, inputs)
        except BaseException:
            leave_no_trace()  # an item's own frames stand beneath the call of the batch, as in the loop
            raise

    def _mapped(self, args: tuple[Any, ...], inputs: Any) -> Any:
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
        return self._noted(self.joined(batch))

    def joined(self, batch: batching.Batch) -> Any:
        """The results of a batch by key that is not empty: a dict of lists, or a list."""
        return joining.join(self.run_items(batch.items, batch.indices, by_key=True), self.__name__)

    def _by_position(self, args: tuple[Any, ...]) -> Any:
        self._check_position()
        batch = batching.split_positional(args, self.in_axes, self.__name__)
        results = self.run_items(batch.items, batch.indices, by_key=False) if batch else []
        if results and batch.arrays:
            return self._noted(joining.stack(results, self.out_axes))
        joined = joining.join(results, self.__name__)
        return self._noted(joined) if results else joined

    def _check_position(self) -> None:
        """Refuse positional arguments where nothing but batches by key can be meant."""
        if self._takes_inputs and not isinstance(self.fn, Mapped) and _only_by_name(self.fn):
            raise BatchError(
                f"{self.__name__}: what it maps takes `inputs` by name alone; give batches by key: "
                f"{self.__name__}(inputs={{...}})"
            )

    def _noted(self, joined: Any) -> Any:
        """What a batch that is not empty gives; the first one tells what an empty one does."""
        if not self.settled:
            self._known = tuple(joined) if isinstance(joined, dict) else None
            self.settled = True
        return joined

    def run_items(self, items: list[Any], indices: Sequence[Any], *, by_key: bool) -> list[Any]:
        """The results of at least one item, in order; `indices` names the items."""
        raise NotImplementedError


def axes_of(fn: Any) -> tuple[Any, Any]:
    """The axes along which a transform that shards `fn` takes batches apart: those of a `vmap`, or 0."""
    if isinstance(fn, Mapped) and fn.takes_shards:
        return fn.in_axes, fn.out_axes
    return 0, 0
