"""The worker processes of this process: started on demand, reused by every `pmap`, gone when it is.

Why not `ProcessPoolExecutor`: when one worker dies it cannot say which task did it, spawned workers run the
user's `__main__` again, and Ctrl-C at the terminal reaches them too.  Here each worker has a socket of its own,
runs this package and nothing else, and stands in its own process group: only we end it.  A worker that dies is
an error of its shard, unless the function is `idempotent`: then the shard goes to another one, a few times.  A worker
whose caller is interrupted is killed.
"""

from __future__ import annotations

import atexit
import os
import signal
import socket
import subprocess
import sys
import threading
from typing import Any

from ember_jit.effects import label_of
from ember_jit.errors import ShippingError, WorkerError
from ember_jit.runtime.mapping import innermost
from ember_jit.transforms.channel import Channel, ready
from ember_jit.transforms.sharding import Outcome, Shard, Work
from ember_jit.transforms.sharding import Tick as Ticker
from ember_jit.transforms.shipping import CannotPickleError, Hold, Parcel, pack
from ember_jit.transforms.worker import Request, Tick, opened

GLANCE = 0.5  # seconds between looks at processes whose socket somebody else may hold open
PATIENCE = 5.0  # seconds for a process to end by itself
RETRIES = 2  # how often a shard of an `idempotent` function is sent again when its worker has died


class RemoteTraceback(Exception):
    """The traceback of a failure in a worker process, as the cause of that failure here."""

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


class Worker:
    """One process."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            place = [*map(str, sys.path)]
            program = (
                f"import sys; sys.path[:] = {place!r}; "
                f"from ember_jit.transforms.worker import serve; serve({theirs.fileno()})"
            )
            flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
            self.process = subprocess.Popen(
                [sys.executable, *flags, "-c", program],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                process_group=0,
            )
        self.channel = Channel(ours)

    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return self.process.poll() is None

    def how_it_ended(self) -> str:
        """The signal or exit code of a process that is ending."""
        self.channel.close()
        try:
            code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            return "after it had closed its connection"
        if code >= 0:
            return f"with exit code {code}"
        return f"of {signal.Signals(-code).name}"

    def end(self) -> None:
        """Let an idle process end; it does once its socket is closed."""
        self.channel.close()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End the process now, whatever it does."""
        self.process.kill()
        self.channel.close()
        self.process.wait()

    def forget(self) -> None:
        """In a forked child: this is the parent's worker."""
        self.channel.close()
        self.process.returncode = 0


_lock = threading.Lock()
_idle: list[Worker] = []
_all: set[Worker] = set()


def idle_count() -> int:
    """Workers that wait for work."""
    return len(_idle)


def _take(count: int) -> list[Worker]:
    """That many live workers, old ones first."""
    team: list[Worker] = []
    with _lock:
        while _idle and len(team) < count:
            worker = _idle.pop()
            if worker.is_alive():
                team.append(worker)
            else:
                worker.how_it_ended()
                _all.discard(worker)
    while len(team) < count:
        team.append(Worker())
        _all.add(team[-1])
    return team


@atexit.register
def _end_all() -> None:
    with _lock:
        idle = list(_idle)
        _idle.clear()
    for worker in _all.difference(idle):
        worker.kill()
    for worker in idle:
        worker.channel.close()
    for worker in idle:
        worker.end()
    _all.clear()


def _forget_all() -> None:
    global _lock
    _lock = threading.Lock()
    for worker in _all:
        worker.forget()
    _all.clear()
    _idle.clear()


os.register_at_fork(after_in_child=_forget_all)


def on_processes(
    work: Work, shards: list[Shard], name: str, tick: Ticker | None = None
) -> list[Outcome]:
    """Run each shard on a worker process of its own; one whose worker died is run again if that may be.

    Raises:
        ShippingError: the function or the items of a shard cannot be sent; then nothing was run.
    """
    hold = Hold()
    try:
        parcels = {shard.number: _parcel(work, shard, name, hold) for shard in shards}
        tries = 1 + RETRIES if _is_idempotent(work.fn) else 1
        return _Call(name, parcels, hold, tries, tick).run(shards)
    finally:
        hold.close()


def _parcel(work: Work, shard: Shard, name: str, hold: Hold) -> Parcel:
    try:
        return pack((work, shard), hold)
    except CannotPickleError as exc:
        raise ShippingError(f"{name}, {shard}: {exc}") from exc.__cause__


def _is_idempotent(fn: Any) -> bool:
    """Whether making a call again is declared to be the same as making it once."""
    label = label_of(innermost(fn))
    return label is not None and label.idempotent


class _Call:
    """One batch, in flight on as many workers as it has shards."""

    def __init__(
        self, name: str, parcels: dict[int, Parcel], hold: Hold, tries: int, tick: Ticker | None
    ) -> None:
        self.name, self.parcels, self.hold, self.tick = name, parcels, hold, tick
        self.tries = tries
        self.left = dict.fromkeys(parcels, tries)  # how often each shard may still be sent
        self.ticks = dict.fromkeys(parcels, 0)  # items that its worker has finished
        self.shown = dict.fromkeys(parcels, 0)  # those that were shown
        self.outcomes: dict[int, Outcome] = {}
        self.busy: dict[Channel, tuple[Worker, Shard]] = {}

    def run(self, shards: list[Shard]) -> list[Outcome]:
        """The outcomes, in the order of the shards."""
        team = _take(len(shards))
        try:
            for worker, shard in zip(team, shards, strict=True):
                self.busy[worker.channel] = (worker, shard)
            for worker, shard in list(self.busy.values()):
                self._send(worker, shard)
            while self.busy:
                for channel in ready(self.busy, GLANCE) or self._silently_dead():
                    self._hear(*self.busy[channel])
        finally:
            for worker, _ in self.busy.values():  # interrupted: nobody will take what they compute
                _all.discard(worker)
                worker.kill()
        return [self.outcomes[shard.number] for shard in shards]

    def _send(self, worker: Worker, shard: Shard) -> None:
        self.left[shard.number] -= 1
        self.ticks[shard.number] = 0
        parcel = self.parcels[shard.number]
        request = Request(parcel, f"{self.name}, {shard}", self.tick is not None)
        try:
            worker.channel.send(request, self.hold.descriptor)
        except ConnectionError:
            self._died(worker, shard)

    def _silently_dead(self) -> list[Channel]:
        return [channel for channel, (worker, _) in self.busy.items() if not worker.is_alive()]

    def _hear(self, worker: Worker, shard: Shard) -> None:
        if not ready([worker.channel], 0):  # it is dead, and whoever holds its socket says nothing
            self._died(worker, shard)
            return
        try:
            message, descriptor = worker.channel.receive()
        except (EOFError, ConnectionError):
            self._died(worker, shard)
            return
        if isinstance(message, Tick):
            self._show(shard.number)
            return
        outcome = _outcome(message.parcel, descriptor, f"{self.name}, {shard}")
        self.outcomes[shard.number] = outcome
        del self.busy[worker.channel]
        with _lock:
            _idle.append(worker)

    def _show(self, number: int) -> None:
        """Count a finished item, once: the worker before may have finished it already."""
        self.ticks[number] += 1
        if self.tick is not None and self.ticks[number] > self.shown[number]:
            self.shown[number] += 1
            self.tick()

    def _died(self, worker: Worker, shard: Shard) -> None:
        how = worker.how_it_ended()
        del self.busy[worker.channel]
        _all.discard(worker)
        if self.left[shard.number]:
            (worker,) = _take(1)
            self.busy[worker.channel] = (worker, shard)
            self._send(worker, shard)
            return
        text = f"{self.name}: the worker process of {shard} died {how} before it had finished"
        if self.tries > 1:
            text += f", and so did those of {self.tries - 1} more tries"
        else:
            text += ". If making its calls again is the same as making them once, declare it `idempotent`"
        self.outcomes[shard.number] = Outcome([], WorkerError(text))


def _outcome(parcel: Parcel, descriptor: int | None, label: str) -> Outcome:
    try:
        done, failure, text = opened(parcel, descriptor)
    except Exception as exc:  # noqa: BLE001 - whatever a `__setstate__` of the user's raises
        failure = ShippingError(
            f"{label}: its results cannot be unpickled: {type(exc).__name__}: {exc}"
        )
        failure.__cause__ = exc
        return Outcome([], failure)
    if text and failure.__cause__ is None:
        failure.__cause__ = RemoteTraceback(text)
    return Outcome(done, failure)
