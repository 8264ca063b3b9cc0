"""`pmap`: a function of one item, made a function of a batch whose shards run at the same time.

Shards are contiguous, results come in the order of the items, and the first failing item in order raises, as
in the loop.  Unlike in `vmap`, shards overlap whatever the effects of the function: asking for `pmap` is the
user's word that this is right.  `pmap(vmap(f))` hands whole shards to `vmap(f)` and gives what `vmap(f)` gives.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from ember_jit.errors import BatchError
from ember_jit.transforms.devices import check_devices
from ember_jit.transforms.mapped import Mapped, axes_of
from ember_jit.transforms.progress import showing
from ember_jit.transforms.sharding import Shard, Work, gather, inside, on_slots, run_shard, split

BACKENDS = ("auto", "threads")


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Parallel(Mapped):
    """What `pmap` returns."""

    def __init__(
        self,
        fn: Callable[..., Any],
        num_workers: int | None,
        devices: Sequence[Any] | None,
        backend: str,
        progress: bool,
    ) -> None:
        super().__init__("pmap", fn, *axes_of(fn))
        if backend not in BACKENDS:
            raise BatchError(f"pmap: backend={backend!r} is not one of {', '.join(BACKENDS)}")
        if num_workers is not None and (type(num_workers) is not int or num_workers < 1):
            raise BatchError(f"pmap: num_workers={num_workers!r} is not a number of at least 1")
        if devices is not None and not len(devices):
            raise BatchError("pmap: devices is empty; give at least one, or None")
        self.devices = None if devices is None else check_devices(devices)
        self.num_workers, self.backend, self.progress = num_workers, backend, progress

    def run_items(self, items: list[Any], *, by_key: bool, first: int = 0) -> list[Any]:
        """The results, in order."""
        work = Work(self.fn, by_key)
        with showing(self.progress, self.__name__, len(items)) as tick:
            if inside.get():
                whole = Shard(0, first, items)
                return gather([whole], [run_shard(work, whole, tick)])
            count = self.num_workers or (len(self.devices) if self.devices else cores())
            shards = split(items, count, first)
            devices = self.devices or (0,)
            slots = [devices[shard.number % len(devices)] for shard in shards]
            return gather(shards, on_slots(slots, work, shards, tick))


def pmap(
    fn: Callable[..., Any],
    num_workers: int | None = None,
    devices: Sequence[Any] | None = None,
    *,
    backend: str = "auto",
    progress: bool = False,
) -> Parallel:
    """Map `fn` over a batch, in shards that run at the same time.

    Args:
        fn: a function of one item, a function or operator of `inputs=`, a function of arrays, or `vmap` of one.
        num_workers: shards at a time; None: one for each device, or else for each core.
        devices: where shards run: integers are local workers, an object with `submit(fn, *args)` is an
            executor of your own.
        backend: "threads"; "auto" is the same.
        progress: show a progress bar (needs `rich`).

    Raises:
        BatchError: the batch cannot be taken apart, or an argument makes no sense.  Of several failing
            items the first in order is raised, with what was finished in `partial_results`, by index.

    Example:
        >>> pmap(lambda item: {"up": item["s"].upper()})(inputs={"s": ["a", "b"], "k": 1})
        {'up': ['A', 'B']}
    """
    return Parallel(fn, num_workers, devices, backend, progress)
