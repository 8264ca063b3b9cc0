"""Shards: contiguous parts of a batch that run at the same time, and how their outcomes become one.

A shard stops at its first failing item; the others go on.  So the failure that is raised is the first in the
order of the items, as in the loop, and what its siblings finished is in `partial_results`, by index.

Example:
    >>> [shard.items for shard in split([1, 2, 3, 4, 5], 2)]
    [[1, 2], [3, 4, 5]]
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any

from ember_jit.transforms.mapped import Mapped, one_item

Tick = Callable[[], None]
#: whether this code runs in a shard: what is mapped there in parallel again runs in line
inside: ContextVar[bool] = ContextVar("ember_jit_inside_shard", default=False)


@dataclass(frozen=True, slots=True)
class Shard:
    """Items of a batch, and the index of the first."""

    number: int
    first: int
    items: list[Any]

    def __str__(self) -> str:
        return f"shard {self.number} (items {self.first} to {self.first + len(self.items) - 1})"


@dataclass(slots=True)
class Outcome:
    """What a shard finished, and what stopped it."""

    done: list[Any] = field(default_factory=list)
    failure: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """What is done with the items of a shard.

    Attributes:
        fn: the function of one item; or a `vmap`, which takes all items of the shard at once.
        by_key: whether an item is a dict by key, or a tuple of arguments.
    """

    fn: Callable[..., Any]
    by_key: bool

    @property
    def of_batches(self) -> bool:
        """Whether `fn` takes all items of a shard at once."""
        return isinstance(self.fn, Mapped) and self.fn.takes_shards

    def run(self, items: list[Any], first: int, done: list[Any], tick: Tick | None) -> None:
        """Put the results of `items` into `done`, up to the first that fails."""
        fn = self.fn
        if isinstance(fn, Mapped) and fn.takes_shards:
            done += fn.run_items(items, by_key=self.by_key, first=first)
            for _ in items if tick is not None else ():
                tick()  # type: ignore[misc]
            return
        call = one_item(fn, by_key=self.by_key)
        try:
            for item in items:
                done.append(call(item))
                if tick is not None:
                    tick()
        except BaseException as exc:
            exc.add_note(f"in item {first + len(done)}")
            raise


def split(items: list[Any], count: int, first: int = 0) -> list[Shard]:
    """At most `count` contiguous shards of nearly the same length, none empty; `first`: the first item's index."""
    bounds = [len(items) * i // count for i in range(count + 1)]
    parts = [(a, b) for a, b in pairwise(bounds) if a < b]
    return [Shard(number, first + a, items[a:b]) for number, (a, b) in enumerate(parts)]


def run_shard(work: Work, shard: Shard, tick: Tick | None = None) -> Outcome:
    """Compute the items of a shard in order, up to the first that fails."""
    outcome = Outcome()
    token = inside.set(True)
    try:
        work.run(shard.items, shard.first, outcome.done, tick)
    except BaseException as exc:  # noqa: BLE001 - delivered by `gather`, in the order of the items
        found = getattr(exc, "partial_results", None) if work.of_batches else None
        if type(found) is dict:
            outcome.done = list(found.values())
        outcome.failure = exc
    finally:
        inside.reset(token)
    return outcome


class _Interrupted(BaseException):
    """The caller no longer waits."""


def on_slots(
    slots: Sequence[Any], work: Work, shards: list[Shard], tick: Tick | None = None
) -> list[Outcome]:
    """Run each shard on its slot: a local thread where that is an integer, else what `submit` leads to."""
    stopped = threading.Event()

    def local_tick() -> None:
        if stopped.is_set():
            raise _Interrupted
        if tick is not None:
            tick()

    local = ThreadPoolExecutor(len(shards), thread_name_prefix="ember-jit-shard")
    try:
        futures = [
            local.submit(copy_context().run, partial(run_shard, work, shard, local_tick))
            if type(slot) is int
            else slot.submit(run_shard, work, shard)
            for slot, shard in zip(slots, shards, strict=False)
        ]
        return [future.result() for future in futures]
    finally:
        stopped.set()
        local.shutdown(wait=False, cancel_futures=True)


def gather(shards: list[Shard], outcomes: list[Outcome]) -> list[Any]:
    """The results in order, or the first failure with those of all shards in `partial_results`, by index."""
    for outcome in outcomes:
        if outcome.failure is not None:
            finished = {
                shard.first + place: result
                for shard, each in zip(shards, outcomes, strict=True)
                for place, result in enumerate(each.done)
            }
            outcome.failure.partial_results = finished  # type: ignore[attr-defined]
            raise outcome.failure
    return [result for outcome in outcomes for result in outcome.done]
