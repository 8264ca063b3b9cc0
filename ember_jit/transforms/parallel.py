"""`pmap`: a function of one item, made a function of a batch whose shards run at the same time.

Shards are contiguous, results come in the order of the items, and the first failing item in order raises, as
in the loop.  Unlike in `vmap`, shards overlap whatever the effects of the function: asking for `pmap` is the
user's word that this is right.  `pmap(vmap(f))` hands whole shards to `vmap(f)` and gives what `vmap(f)` gives.

Under the GIL only processes compute at the same time, but what a function changes is lost there.  So "auto" takes
them for `pure` functions alone (declared or inferred), and only where an item, measured, is worth it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from time import perf_counter, thread_time
from typing import Any

from ember_jit.errors import BatchError, ShippingError
from ember_jit.runtime.mapping import innermost
from ember_jit.transforms import shipping
from ember_jit.transforms.devices import check_devices
from ember_jit.transforms.failure import keep
from ember_jit.transforms.mapped import Mapped, axes_of
from ember_jit.transforms.progress import showing
from ember_jit.transforms.sharding import (
    Shard,
    Tick,
    Work,
    gather,
    inside,
    on_slots,
    run_shard,
    split,
)

BACKENDS = ("auto", "threads", "processes")
COLD, WARM = 0.15, 0.003  # seconds that a worker costs: to start one, to send it a shard
WAITING = 0.5  # of its time a function must compute for processes to gain anything


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
        self.devices = None if devices is None else check_devices(devices, "pmap")
        if backend == "processes" and any(type(device) is not int for device in self.devices or ()):
            raise BatchError(
                "pmap: devices with an executor of their own need no backend of processes"
            )
        self.num_workers, self.backend, self.progress = num_workers, backend, progress

    @property
    def manner(self) -> str:
        """How a batch is taken apart and where its shards run, in words."""
        count = self.num_workers or (len(self.devices) if self.devices else None)
        shards = "shards" if count is None else f"{count} shards"
        where = "" if self.devices is None else f" on devices {[*self.devices]!r}"
        return f"for each item, in {shards}{where}, backend={self.backend!r}"

    def run_items(self, items: list[Any], indices: Sequence[Any], *, by_key: bool) -> list[Any]:
        """The results, in order."""
        work = Work(self.fn, by_key)
        with showing(self.progress, self.__name__, len(items)) as tick:
            if inside.get():
                whole = Shard(0, items, indices)
                return gather([whole], [run_shard(work, whole, tick)])
            if not self._may_use_processes():
                return self._on_threads(work, items, indices, tick)
            if self.backend == "processes":
                return self._on_processes(work, items, indices, tick)
            return self._measured(work, items, indices, tick)

    def _may_use_processes(self) -> bool:
        if self.backend == "processes":
            return True
        if self.backend == "threads" or self.devices is not None or not _has_gil():
            return False
        return (self.num_workers or cores()) > 1 and shipping.is_possible() and _is_pure(self.fn)

    def _measured(
        self, work: Work, items: list[Any], indices: Sequence[Any], tick: Tick | None
    ) -> list[Any]:
        """Decide by the time of the first item, which is made here."""
        head = Shard(0, items[:1], indices[:1])
        began, computing = perf_counter(), thread_time()
        outcome = run_shard(work, head, tick)
        computing, lasted = thread_time() - computing, perf_counter() - began
        done = gather([head], [outcome])
        if not items[1:]:
            return done
        try:
            busy = computing if computing >= WAITING * lasted else 0.0
            return done + self._rest(work, items[1:], indices[1:], tick, busy)
        except BaseException as exc:
            keep(exc, {indices[0]: done[0], **getattr(exc, "partial_results", {})})
            raise

    def _rest(
        self, work: Work, items: list[Any], indices: Sequence[Any], tick: Tick | None, busy: float
    ) -> list[Any]:
        """The items after the first, of which each keeps a core busy for about so many seconds."""
        from ember_jit.transforms.workers import idle_count

        count = min(self.num_workers or cores(), len(items))
        cost = max(0, count - idle_count()) * COLD + count * WARM
        if busy * len(items) * (1 - 1 / count) > 2 * cost:
            try:
                return self._on_processes(work, items, indices, tick)
            except ShippingError:
                pass  # it is pure, so making it again is as good: threads can do what processes cannot
        return self._on_threads(work, items, indices, tick)

    def _on_processes(
        self, work: Work, items: list[Any], indices: Sequence[Any], tick: Tick | None
    ) -> list[Any]:
        from ember_jit.transforms.workers import on_processes

        count = self.num_workers or (len(self.devices) if self.devices else cores())
        shards = split(items, count, indices)
        return gather(shards, on_processes(work, shards, self.__name__, tick))

    def _on_threads(
        self, work: Work, items: list[Any], indices: Sequence[Any], tick: Tick | None
    ) -> list[Any]:
        devices = self.devices or (0,)
        count = self.num_workers or (len(devices) if self.devices else min(32, cores() + 4))
        shards = split(items, count, indices)
        slots = [devices[shard.number % len(devices)] for shard in shards]
        return gather(shards, on_slots(slots, work, shards, tick))


def _has_gil() -> bool:
    return getattr(sys, "_is_gil_enabled", lambda: True)()


def _is_pure(fn: Any) -> bool:
    """Whether `fn` (of a `vmap`: what it maps) is `pure`, declared or inferred."""
    from ember_jit.compiler.analysis.facts import PURE
    from ember_jit.compiler.analysis.infer import Inference

    return Inference().effect(innermost(fn)).kind == PURE


def pmap(
    fn: Callable[..., Any],
    num_workers: int | None = None,
    devices: Sequence[Any] | None = None,
    backend: str = "auto",
    progress: bool = False,
) -> Parallel:
    """Map `fn` over a batch, in shards that run at the same time.

    Args:
        fn: a function of one item, a function or operator of `inputs=`, a function of arrays, or `vmap` of one.
        num_workers: shards at a time; None: one for each device, or else for each core.
        devices: where shards run: integers are local workers, an object with `submit(fn, *args)` is an
            executor of your own.
        backend: "threads", "processes" (CPU-bound Python gains cores; what `fn` changes there is lost), or
            "auto": processes if `fn` is `pure` and its first item, measured, is worth it, else threads.
        progress: show a progress bar (needs `rich`).

    Raises:
        BatchError: the batch cannot be taken apart, or an argument makes no sense.  Of several failing
            items the first in order is raised, with what was finished in `partial_results`, by index.
        ShippingError: the function, an item, or a result cannot go to a worker process or come back.
        WorkerError: a worker process died.

    Example:
        >>> pmap(lambda item: {"up": item["s"].upper()})(inputs={"s": ["a", "b"], "k": 1})
        {'up': ['A', 'B']}
    """
    return Parallel(fn, num_workers, devices, backend, progress)
