"""A worker process: computes the shards that it is sent, one at a time, and ends with its parent.

It speaks over one socket, and gets a `Request` with the descriptor of its buffers; it answers with any
number of `Tick`s and a `Reply`.  What cannot be sent back is a failure of the item that it came from.
"""

from __future__ import annotations

import os
import select
import socket
import sys
import threading
import traceback
from collections.abc import Sequence
from typing import Any, NamedTuple

from ember_jit.errors import ShippingError
from ember_jit.transforms.channel import Channel
from ember_jit.transforms.sharding import Outcome, Shard, run_shard
from ember_jit.transforms.shipping import CannotPickleError, Hold, Parcel, pack, unpack


class Request(NamedTuple):
    """A shard to compute: `(work, shard)` packed."""

    parcel: Parcel
    label: str
    ticks: bool


class Tick(NamedTuple):
    """An item is finished."""


class Reply(NamedTuple):
    """The outcome of a shard: `(results, failure, its traceback as text)` packed."""

    parcel: Parcel


def opened(parcel: Parcel, descriptor: int | None) -> Any:
    """What a received parcel holds."""
    try:
        return unpack(parcel, descriptor)
    finally:
        if descriptor is not None:
            os.close(descriptor)


def serve(descriptor: int) -> None:
    """Serve the parent at the other end of a socket until it goes away."""
    channel = Channel(socket.socket(fileno=descriptor))
    threading.Thread(target=_end_with_parent, args=(descriptor,), daemon=True).start()
    while True:
        try:
            request, buffers = channel.receive()
        except (EOFError, ConnectionError):
            channel.close()
            return
        outcome = _computed(request, buffers, channel)
        sys.stdout.flush()
        sys.stderr.flush()
        hold = Hold()
        try:
            channel.send(Reply(_packed(outcome, request.label, hold)), hold.descriptor)
        except ConnectionError:
            channel.close()
            return
        finally:
            hold.close()
        del request, outcome


def _end_with_parent(descriptor: int) -> None:
    watched = select.poll()
    watched.register(descriptor, 0)  # hang-ups alone
    watched.poll()
    os._exit(1)  # in the middle of a shard, too: nobody is left to take the results


def _computed(
    request: Request, buffers: int | None, channel: Channel
) -> tuple[Sequence[Any], Outcome]:
    try:
        work, shard = opened(request.parcel, buffers)
    except Exception as exc:  # noqa: BLE001 - whatever an import or a `__setstate__` of the user's raises
        text = (
            f"{request.label} cannot be unpickled in a worker process: {type(exc).__name__}: {exc}"
        )
        failure = ShippingError(text)
        failure.__cause__ = exc
        return (), Outcome([], failure)
    assert isinstance(shard, Shard)
    tick = (lambda: channel.send(Tick())) if request.ticks else None
    return shard.indices, run_shard(work, shard, tick)


def _packed(found: tuple[Sequence[Any], Outcome], label: str, hold: Hold) -> Parcel:
    """The outcome, or as much of it as can be sent."""
    indices, outcome = found
    failure = outcome.failure
    text = "".join(traceback.format_exception(failure)) if failure is not None else ""
    if failure is not None and not _survives(failure):
        failure = ShippingError(f"{label}: an exception cannot be sent back:\n{text}")
        failure.add_note(f"in item {indices[len(outcome.done)]}")
    try:
        return pack((outcome.done, failure, text), hold)
    except CannotPickleError:
        pass  # one of the results: find the first
    for place, result in enumerate(outcome.done):
        try:
            pack(result, Hold())
        except CannotPickleError as exc:
            failure = ShippingError(f"{label}: the result of item {indices[place]} {exc}")
            failure.add_note(f"in item {indices[place]}")
            return pack((outcome.done[:place], failure, ""), hold)
    raise AssertionError("each result can be pickled, but not all together")


def _survives(failure: BaseException) -> bool:
    """Whether an exception comes out of a pickle as what it was."""
    hold = Hold()
    try:
        return type(unpack(pack(failure, hold), hold.descriptor)) is type(failure)
    except Exception:  # noqa: BLE001 - whatever an exception's constructor makes of the wrong arguments
        return False
    finally:
        hold.close()
