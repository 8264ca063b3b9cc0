"""Settling: how the cells of a run wait for one another and are resolved.

A cell counts down what it waits for (`_depend`); once resolved (`_settle`) it forms the values that hung
on it, makes calls ready, and lets the issue programs go on that waited for it (`_pump`).

Invariants:
- All of this happens under the run's `lock`; no user code runs under it.
- A cell is resolved once; whatever hangs on a cell that raised or was given up is given up too.
- The caller's thread sleeps on one cell at most (`waiting`); whoever wakes it (`_wake`) clears `waiting`
  first, so that it is woken once.
"""

from __future__ import annotations

import linecache
import threading
from collections import deque
from typing import Any

from ember_jit.runtime import events, guarded, logs
from ember_jit.runtime.cells import (
    LOST,
    OK,
    PENDING,
    RAISED,
    READY,
    Cell,
    Walk,
    lost,
    value_of,
)
from ember_jit.runtime.ledger import Ledger
from ember_jit.runtime.outcomes import is_interruption
from ember_jit.runtime.plan import Plan

INLINE = lost()  # the retire program has passed this call instance and made the call itself


class StopWalk(Exception):
    """The issue program has come to something that it may not run ahead of."""


class Park:
    """A request of an issue program: wait until the retire program has made the call `key`."""

    __slots__ = ("key",)

    def __init__(self, key: Any) -> None:
        self.key = key


class SettlingRun:
    """The cells of a run, and the issue programs that wait for them (`Run` sets the state up)."""

    __slots__ = (
        "__weakref__",
        "_parked",
        "_queue",
        "_wake",
        "active",
        "cells",
        "epoch",
        "ledger",
        "lock",
        "paused",
        "plan",
        "recorded",
        "resuming",
        "settled",
        "waiting",
    )

    plan: Plan
    lock: threading.Lock
    cells: list[dict[Any, Cell]]  # for each slice: the call instances that were claimed, by name
    epoch: int  # grows when an issue program starts and when all is given up; older walks are over
    active: int  # issue programs of this epoch that are alive
    paused: list[Walk]  # issue programs that found the window full
    ledger: (
        Ledger | None
    )  # what stands in front of each call, where the issue program keeps it (`ordering`)
    waiting: Cell | None  # what the caller's thread sleeps on
    resuming: bool  # an issue program goes on that waited for a call which the retire program has just made
    recorded: events.Run | None  # where somebody records: what is noted of this run
    settled: events.Call | None  # ... and the call whose end is being settled
    _parked: dict[Any, Walk]  # issue programs in front of a call with effects, by its name
    _queue: deque[Cell]  # calls that are ready and that nobody has taken
    _wake: threading.Lock

    def _make_ready(self, cell: Cell, job: Any) -> None:
        if self.ledger is not None and self.ledger.hold(cell, job):
            return
        cell.state = READY
        cell.job = job
        cell.thunk = None
        cell.deps = ()
        if cell.event is not None:
            cell.event.issued, cell.event.cause = events.clock(), self.settled
        self._queue.append(cell)

    def _depend(self, cell: Cell, deps: tuple[Any, ...]) -> bool:
        """Make `cell` wait for the unresolved of `deps`; False if there is nothing to wait for (or it is lost)."""
        missing = 0
        for dep in deps:
            if type(dep) is Cell and dep.state != OK:
                if dep.state in (RAISED, LOST):
                    cell.state = LOST
                    return False
                missing += 1
        if not missing:
            return False
        cell.missing = missing
        cell.deps = deps
        for dep in deps:
            if type(dep) is Cell and dep.state < OK:
                if dep.dependents is None:
                    dep.dependents = []
                dep.dependents.append(cell)
        return True

    def _pump(self, walk: Walk, value: Any) -> None:
        """Let an issue program go on until it waits, pauses, stops or ends."""
        try:
            while True:
                request = walk.generator.send(value)
                if request is None:
                    self.paused.append(walk)
                    return
                if type(request) is Park:
                    if not self.resuming and self._is_passed(request.key):
                        break
                    self._parked[request.key] = walk
                    return
                if type(request) is not Cell or request.state == OK:
                    value = value_of(request)
                    continue
                if request.state in (RAISED, LOST):
                    break
                if request.walks is None:
                    request.walks = []
                request.walks.append(walk)
                return
        except StopIteration as end:
            self._finish(walk, end.value)
            return
        except StopWalk:
            self._finish(walk, None)
            return
        except guarded.Unsafe as refused:
            _log_refusal(self.plan.name, refused)
            self._finish(walk, None)
            return
        except Exception as exc:
            self._finish(walk, None)
            if is_interruption(exc):
                raise  # not ours: a signal handler of the user's raised while the caller's thread was here
            return
        except BaseException:
            self._finish(walk, None)
            raise
        walk.generator.close()
        self._finish(walk, None)

    def _give_up_parked(self) -> bool:
        """Give up what hangs on calls that issue programs wait for; whether there was any.

        For when nothing else can move: the retire program waits for a value behind such a call, so it has left the
        call out (an exception was handled), and nobody will report it.
        """
        found = {key: walk for key, walk in self._parked.items() if walk.outputs}
        for key, walk in found.items():
            del self._parked[key]
            walk.generator.close()
            self._finish(walk, None)
        return bool(found)

    def _is_passed(self, key: Any) -> bool:
        """Whether the retire program may have made this call already, so that nobody will report it.

        Not to be asked while `resuming`: the program is right behind a call that has just been made, and what has
        been claimed further on is a call whose arguments that call stands in.
        """
        site = key[0] if type(key) is tuple else key
        return key in self.cells[self.plan.site_slice[site]]

    def _finish(self, walk: Walk, results: tuple[Any, ...] | None) -> None:
        if walk.epoch == self.epoch:
            self.active -= 1
        for index, output in enumerate(walk.outputs):
            result = results[index] if results is not None else None
            if results is None or (type(result) is Cell and result.state in (RAISED, LOST)):
                self._settle(output, LOST, None)
            elif type(result) is Cell and result.state != OK:
                output.thunk = _same
                self._depend(output, (result,))
            else:
                self._settle(output, OK, value_of(result))

    def _settle(self, cell: Cell, state: int, value: Any) -> None:
        """Resolve `cell` and everything that this makes resolvable."""
        work = [(cell, state, value)]
        while work:
            cell, state, value = work.pop()
            if cell.state >= OK:
                continue
            if state == LOST and cell.walks and cell.walks[0].generator is None:
                self._finish(cell.walks.pop(), None)
            cell.state, cell.value = state, value
            cell.drop_inputs()
            dependents, cell.dependents = cell.dependents, None
            walks, cell.walks = cell.walks, None
            if self.waiting is cell:
                self._wake_caller()
            for dependent in dependents or ():
                if dependent.state != PENDING:
                    continue
                if state != OK:
                    work.append((dependent, LOST, None))
                    continue
                dependent.missing -= 1
                if dependent.missing:
                    continue
                work.extend(self._form(dependent))
            for walk in walks or ():
                if walk.generator is None:
                    continue
                if state == OK:
                    self._pump(walk, value)
                else:
                    walk.generator.close()
                    self._finish(walk, None)
        if self.ledger is not None:
            self._release()

    def _release(self) -> None:
        """Let go what may start now (`ordering`)."""

    def _form(self, cell: Cell) -> list[tuple[Cell, int, Any]]:
        """Evaluate a cell whose inputs are there: a value, or a call that becomes ready."""
        thunk, deps = cell.thunk, cell.deps
        assert thunk is not None
        try:
            result = thunk(*[value_of(dep) for dep in deps])
        except Exception as exc:
            if is_interruption(exc):
                raise
            _log_refusal(self.plan.name, exc)
            return [(cell, LOST, None)]
        if cell.context is None:
            return [(cell, OK, result)]
        self._make_ready(cell, result)
        if self.waiting is cell:
            self._wake_caller()
        return []

    def _salvage(self, cell: Cell, state: int, value: Any) -> None:
        """After an internal error: this outcome stands, everything that hung on others is given up."""
        cell.state, cell.value = state, value
        for cells in self.cells:
            for each in list(cells.values()):  # the retire program claims names without the lock
                if each.state == PENDING:
                    each.state = LOST
        self.epoch += 1
        self._wake_caller()

    def _wake_caller(self) -> None:
        """Have the caller's thread look again, if it sleeps."""
        if self.waiting is not None:
            self.waiting = None
            self._wake.release()


def _same(value: Any) -> Any:
    return value


def _log_refusal(name: str, refused: Exception) -> None:
    """Say what an issue program could not look at, if it is to be said; the lock is held, so later."""
    if not logs.wanted("guards"):
        return
    trace = refused.__traceback__
    while trace is not None and not trace.tb_frame.f_code.co_filename.startswith("<ember_jit "):
        trace = trace.tb_next
    if trace is not None:
        filename = trace.tb_frame.f_code.co_filename
        place = filename.removeprefix("<ember_jit ").rpartition(" ")[0]
        line = linecache.getline(filename, trace.tb_lineno).strip()
        why = "what depends on it is not started ahead, for it is no plain value, or fails"
        logs.later("guards", f"{name} ({place}): {why}: {line}")
