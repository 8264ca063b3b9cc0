"""`vmap`: a function of one item, made a function of a batch.

The results, the exception (the first in program order, with its index in a note) and the order of effects are
those of the plain loop.  The loop itself is compiled (`loops`); a function that is inferred to be `pure`
computes and does not wait, so under the GIL overlap cannot pay, and it runs in the plain loop; so does a plain
function of unknown effects, of which nothing may start early.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from time import perf_counter
from types import FunctionType
from typing import Any

from ember_jit.effects import label_of
from ember_jit.runtime.dispatch import Options, disable_structural_jit
from ember_jit.runtime.originals import is_replacement
from ember_jit.transforms.batching import Batch
from ember_jit.transforms.failure import keep, name_the_item
from ember_jit.transforms.joining import Joiner
from ember_jit.transforms.mapped import Mapped, one_item

PLAIN = ("trivial", "ordered")  # ways to run items in the plain loop
PARALLEL = Options(execution_strategy="parallel")
WAITS = 1e-3  # seconds: a pure item that takes longer may hold a declared leaf that waits


def _way(fn: Any) -> str:
    """How the items of `fn` run: "overlapped", "ordered", or "measured" if it only computes, as far as one can see."""
    from ember_jit.compiler.analysis.facts import PURE, UNKNOWN
    from ember_jit.compiler.analysis.infer import Inference
    from ember_jit.compiler.standin import stand_in

    effect = Inference().effect(fn)
    if label_of(fn) is not None:
        return "overlapped"
    if effect.kind == PURE:
        return "measured"
    if effect.kind == UNKNOWN and type(fn) is FunctionType and not is_replacement(fn.__code__):
        # nothing of a plain function may start early, unless calls inside it could: then it has a stand-in
        return "overlapped" if stand_in(fn, effect, PARALLEL) else "ordered"
    return "overlapped"


class Vectorised(Mapped):
    """What `vmap` returns."""

    takes_shards = True
    asks_effects = True

    def __init__(self, fn: Callable[..., Any], in_axes: Any, out_axes: Any) -> None:
        super().__init__("vmap", fn, in_axes, out_axes)
        self._loops: dict[bool, Any] = {}  # by whether items are keyed
        self._way = ""

    @property
    def manner(self) -> str:
        """How a batch is taken apart, in words."""
        axes = "" if self.in_axes == 0 else f", in_axes={self.in_axes!r}"
        return f"for each item of a batch{axes}"

    def joined(self, batch: Batch) -> Any:
        """The results, joined; in the plain loop items are made one after the other, and put away."""
        if self._way not in PLAIN:
            return super().joined(batch)
        out = Joiner(self.__name__)
        with self._plainly(out.results, batch.indices):
            batch.call(self.fn, self._takes_inputs, out)
        return out.value()

    def run_items(self, items: list[Any], indices: Sequence[Any], *, by_key: bool) -> list[Any]:
        """The results, in order."""
        if not items:
            return []
        self._way = self._way or _way(self.fn)
        if self._way == "measured":
            # the first item may always be made first; its time says whether a leaf waits after all
            began = perf_counter()
            head = self._each(items[:1], indices, by_key)
            self._way = "trivial" if perf_counter() - began < WAITS else "overlapped"
            return head + self._rest(items[1:], indices, head, by_key)
        if self._way in PLAIN:
            return self._each(items, indices, by_key)
        loop = self._loops.get(by_key) or self._loops.setdefault(by_key, self._loop(by_key))
        results: list[Any] = loop.forward(items, indices)
        return results

    def _rest(
        self, items: list[Any], indices: Sequence[Any], head: list[Any], by_key: bool
    ) -> list[Any]:
        try:
            return self.run_items(items, indices[1:], by_key=by_key)
        except Exception as exc:
            keep(exc, {indices[0]: head[0], **getattr(exc, "partial_results", {})})
            raise

    def _loop(self, by_key: bool) -> Any:
        """The compiled loop; the compiler is imported here, when something may overlap."""
        from ember_jit.transforms import loops

        if not by_key:
            return loops.loop(loops.of_arguments, self.fn)
        return loops.loop(loops.of_inputs if self._takes_inputs else loops.of_item, self.fn)

    def _each(self, items: list[Any], indices: Sequence[Any], by_key: bool) -> list[Any]:
        out: list[Any] = []
        call = one_item(self.fn, by_key=by_key)
        with self._plainly(lambda: out, indices):
            for item in items:
                out.append(call(item))
        return out

    @contextmanager
    def _plainly(self, done: Callable[[], list[Any]], indices: Sequence[Any]) -> Iterator[None]:
        """Around the plain loop; what a trivial function holds runs plain too."""
        with nullcontext() if self._way == "ordered" else disable_structural_jit():
            try:
                yield
            except Exception as exc:
                name_the_item(exc, done(), indices)
                raise


def vmap(fn: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0) -> Vectorised:
    """Map `fn` over a batch: the results of the plain loop, sooner.

    Args:
        fn: a function of one item, a function or operator of `inputs=`, or a function of arrays.
        in_axes: the batched axis; by key a dict (None: the same value for every item), by position an
            axis, or one, or a pytree of them, for each argument.
        out_axes: where array results called by position are stacked.

    Raises:
        BatchError: nothing to batch, unequal lengths, or a key that is missing.

    Example:
        >>> vmap(lambda item: {"up": item["s"].upper()})(inputs={"s": ["a", "b"], "k": 1})
        {'up': ['A', 'B']}
    """
    return Vectorised(fn, in_axes, out_axes)
