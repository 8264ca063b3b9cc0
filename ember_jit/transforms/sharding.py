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
from operator import itemgetter
from typing import Any

from ember_jit.errors import BatchError
from ember_jit.transforms.failure import add_note, keep
from ember_jit.transforms.mapped import Mapped, one_item

Tick = Callable[[], None]
#: whether this code runs in a shard: what is mapped there in parallel again runs in line
inside: ContextVar[bool] = ContextVar("ember_jit_inside_shard", default=False)


@dataclass(frozen=True, slots=True)
class Shard:
    """Items of a batch, and their indices in it."""

    number: int
    items: list[Any]
    indices: Sequence[Any]
    noun: str = "item"  # what an item is called

    def __str__(self) -> str:
        first, last = self.indices[0], self.indices[-1]
        return f"shard {self.number} ({self.noun}s {first} to {last})"


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
        one_by_one: a `vmap` too is called once for each item.
    """

    fn: Callable[..., Any]
    by_key: bool
    one_by_one: bool = False

    @property
    def of_batches(self) -> bool:
        """Whether `fn` takes all items of a shard at once."""
        return not self.one_by_one and isinstance(self.fn, Mapped) and self.fn.takes_shards

    def run(self, shard: Shard, done: list[Any], tick: Tick | None) -> None:
        """Put the results of the items into `done`, up to the first that fails."""
        fn = self.fn
        if self.of_batches:
            done += fn.run_items(shard.items, shard.indices, by_key=self.by_key)  # type: ignore[attr-defined]
            for _ in shard.items if tick is not None else ():
                tick()  # type: ignore[misc]
            return
        call = one_item(fn, by_key=self.by_key)
        for item in shard.items:
            try:
                done.append(call(item))
            except BaseException as exc:
                add_note(exc, f"in {shard.noun} {shard.indices[len(done)]}")
                raise
            if tick is not None:
                tick()


def bounds(length: int, count: int) -> list[range]:
    """`range(length)` in at most `count` contiguous parts of nearly the same length, none empty."""
    ends = [length * i // count for i in range(count + 1)]
    return [range(a, b) for a, b in pairwise(ends) if a < b]


def split(items: list[Any], count: int, indices: Sequence[Any] | None = None) -> list[Shard]:
    """At most `count` contiguous shards of nearly the same length, none empty."""
    known = range(len(items)) if indices is None else indices
    return [
        Shard(number, items[part.start : part.stop], known[part.start : part.stop])
        for number, part in enumerate(bounds(len(items), count))
    ]


def run_shard(work: Work, shard: Shard, tick: Tick | None = None) -> Outcome:
    """Compute the items of a shard in order, up to the first that fails."""
    outcome = Outcome()
    token = inside.set(True)
    try:
        work.run(shard, outcome.done, tick)
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


def _submitted(executor: Any, work: Work, shard: Shard) -> Any:
    future = executor.submit(run_shard, work, shard)
    if not callable(getattr(future, "result", None)):
        raise BatchError(
            f"{shard}: submit() of {executor!r} returned {future!r}, which has no `result()`: an executor returns a future"
        )
    return future


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
            else _submitted(slot, work, shard)
            for slot, shard in zip(slots, shards, strict=False)
        ]
        return [future.result() for future in futures]
    finally:
        stopped.set()
        local.shutdown(wait=False, cancel_futures=True)


def gather(shards: list[Shard], outcomes: list[Outcome]) -> list[Any]:
    """The results, shard by shard, or the first failure, with those of all shards in `partial_results`, by index."""
    failed = [
        (shard.indices[len(outcome.done)], outcome.failure)
        for shard, outcome in zip(shards, outcomes, strict=True)
        if outcome.failure is not None
    ]
    if not failed:
        return [result for outcome in outcomes for result in outcome.done]
    _, first = min(failed, key=itemgetter(0))
    pairs = zip(shards, outcomes, strict=True)
    finished = [
        pair for shard, each in pairs for pair in zip(shard.indices, each.done, strict=False)
    ]
    keep(first, dict(sorted(finished, key=itemgetter(0))))
    raise first
