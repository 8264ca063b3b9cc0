"""One run of a compiled function: the meeting place of its retire program and its issue programs.

The *retire program* is the user's function, on the caller's thread, in program order.  It starts issue
programs (`ahead`), counts iterations (`loop`, `step`), and asks at each call site whether the call has
been issued (`has`) and for its outcome (`take`).  An *issue program* walks ahead of it and issues calls
(`call`), forms values from unfinished ones (`glue`), and forks what hangs on them (`defer`).

Invariants:
- A call instance is named by its site and iteration numbers.  `cells.setdefault` decides, atomically,
  who makes the call: the first to claim the name.  So each call is made exactly once.
- Everything but the calls themselves happens under `lock`; no user code runs under it.
- A waiter may claim a READY call and run it itself, so a bounded pool cannot deadlock.
- Outcomes are delivered by `take` alone, hence in program order (DESIGN 2.2).
"""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextvars import Context, copy_context
from time import perf_counter, thread_time
from types import FrameType, TracebackType
from typing import Any

from ember_jit.config import config
from ember_jit.runtime import events, guarded, journal
from ember_jit.runtime.cells import (
    LOST,
    OK,
    PENDING,
    RAISED,
    READY,
    RUNNING,
    Cell,
    Walk,
    lost,
    value_of,
)
from ember_jit.runtime.plan import Plan
from ember_jit.runtime.pool import shared_pool
from ember_jit.runtime.watch import watch

BRISK_SECONDS = 50e-6  # a call this short is not worth waking a thread for
BRISK_CALLS = 64  # such calls in a row before they are taken to be all like that
_INLINE = lost()  # the retire program has passed this call instance and made the call itself
_PACKAGE = __file__.rsplit("runtime", 1)[0]

IssueProgram = Generator[Any, Any, Any]


class StopWalk(Exception):
    """The issue program has come to something that it may not run ahead of."""


class Run:
    """The state of one call of a compiled function."""

    __slots__ = (
        "__weakref__",
        "_cell",
        "_parked",
        "_queue",
        "_wake",
        "active",
        "cells",
        "closed",
        "context",
        "epoch",
        "issued_any",
        "limit",
        "lock",
        "lowest",
        "outstanding",
        "paused",
        "plan",
        "positions",
        "progress",
        "running",
        "type_verdicts",
        "unleashed",
        "verdicts",
        "waiting",
        "watched",
        "window",
    )

    def __init__(self, plan: Plan, limit: int, window: int) -> None:
        self.plan = plan
        self.limit = limit
        self.window = window
        self.issued_any = False
        self.lock = threading.Lock()
        self.cells: list[dict[Any, Cell]] = [{} for _ in plan.slices]
        self.positions = [-1] * plan.loop_count
        self.paused: list[Walk] = []
        self.outstanding = 0
        self.running = 0
        self.active = 0
        self.epoch = 0
        self.closed = False
        self.context = copy_context()
        self.waiting: Cell | None = None
        self.verdicts: dict[int, Any] = {}
        self.type_verdicts: dict[type, Any] = {}
        self.progress = 0
        self.unleashed = False
        self.watched = False
        self._parked: dict[Any, Walk] = {}
        self._queue: deque[Cell] = deque()
        self._wake = threading.Lock()
        self._wake.acquire()
        self._cell: Cell = _INLINE

    # ------------------------------------------------------------------ for the retire program
    def ahead(self, number: int, *values: Any) -> None:
        """Start issue program `number` here, with the retire program's own variables."""
        with self.lock:
            if self.epoch:
                self._abandon()
                self.context = copy_context()
            self.epoch += 1
            self.active = 1
            self._pump(Walk(self.plan.slices[number](self, guarded, *values), self.epoch), None)
            jobs = self._collect()
        self._start(jobs)

    def loop(self, number: int, iterable: Any) -> Any:
        """Enter loop `number`; hands `iterable` through."""
        self.positions[number] = -1
        return iterable

    def step(self, number: int) -> bool:
        """Begin the next iteration of loop `number`; always true, so that it can stand in a comprehension."""
        self.positions[number] += 1
        return True

    def has(self, site: int) -> bool:
        """Whether the outcome of this call instance is at hand; waits for it (or makes the call) if it was issued."""
        plan = self.plan
        loops = plan.site_loops[site]
        key = (site, *[self.positions[loop] for loop in loops]) if loops else site
        cells = self.cells[plan.site_slice[site]]
        # while an issue program is alive it could claim the name at this very moment: `setdefault` decides
        cell = cells.setdefault(key, _INLINE) if self.active else cells.get(key, _INLINE)
        if cell is _INLINE:
            return False
        if cell.state < OK:
            self._await(cell)
        del cells[key]
        if cell.state == LOST:
            self.outstanding -= 1
            return False
        self._cell = cell
        if site in plan.groups:
            self._retire_group(cells, key, plan.groups[site])
        return True

    def _retire_group(self, cells: dict[Any, Cell], key: Any, sites: frozenset[int]) -> None:
        """A value is taken whole: the calls inside its expression are retired with it."""
        outer = key[1:] if type(key) is tuple else ()
        retired = []
        with self.lock:
            for each in list(cells):
                site, *loops = each if type(each) is tuple else (each,)
                if site in sites and tuple(loops[: len(outer)]) == outer:
                    retired.append(cells.pop(each))
                    self.outstanding -= 1
        for cell in retired:
            if cell.event is not None:
                cell.event.retired = events.clock()
            if cell.journal:
                journal.replay(cell.journal)

    def take(self, site: int) -> Any:
        """The outcome of the call that `has(site)` found: its value, or its exception raised here."""
        cell, self._cell = self._cell, _INLINE
        if cell.event is not None:
            cell.event.retired = events.clock()
        with self.lock:
            self.outstanding -= 1
            resume = self.paused and self.outstanding <= self.window // 2
            jobs = self._resume_paused() if resume else None
        if jobs:
            self._start(jobs)
        if cell.journal:
            journal.replay(cell.journal)
        if cell.state == OK:
            return cell.value
        exc, trace = cell.value, cell.trace
        cell.value = cell.trace = None
        context, handled = exc.__context__, sys.exception()
        try:
            raise exc
        finally:
            # CPython honours these when it re-raises: the call's own frames alone, and the context
            # that the exception would have had if it had been raised here.
            _repair(exc, trace, context, handled)
            del exc, trace, context, handled, cell

    def done(self, site: int, value: Any) -> Any:
        """A call was made inline: an issue program that stopped in front of it may go on."""
        if self._parked:
            loops = self.plan.site_loops[site]
            key = (site, *[self.positions[loop] for loop in loops]) if loops else site
            with self.lock:
                walk = self._parked.pop(key, None)
                if walk is None or walk.epoch != self.epoch:
                    return value
                self.verdicts.clear()
                self.type_verdicts.clear()
                self.context = copy_context()
                self._pump(walk, value)
                jobs = self._collect()
            self._start(jobs)
        return value

    def enter(self, callee: Any) -> Any:
        """A compiled stand-in for an undecorated composite that is called inline, or `callee` itself."""
        return self.plan.enter(callee)

    def close(self) -> None:
        """Leave the function: what has not started never will; what runs is let go."""
        with self.lock:
            self.closed = True
            self.epoch += 1
            self._abandon()

    def measured(self, seconds: float, cpu: float) -> None:
        """One issued call took so many seconds, and kept a core busy for so many (lock held)."""
        del cpu
        self.progress += 1
        if seconds < BRISK_SECONDS:
            self.plan.brisk += 1
        elif seconds > 4 * BRISK_SECONDS:
            self.plan.brisk = 0
            self.unleashed = True
        else:
            self.plan.brisk = max(0, self.plan.brisk - BRISK_CALLS // 4)

    def stalled(self, progress: int) -> int:
        """For the watch: if nothing has moved since `progress` and calls are waiting, start them all; -1 when over."""
        with self.lock:
            if self.closed:
                return -1
            if not self._queue or self.progress != progress:
                return self.progress
            self.unleashed = True
            jobs = self._collect()
        self._start(jobs)
        return self.progress

    # ------------------------------------------------------------------ for the issue programs (lock held)
    def call(self, key: Any, callee: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Issue one call whose arguments are known."""
        verdict = self._verdict(callee)
        if not verdict.schedulable or (
            verdict.plain_arguments and not (guarded.is_plain(args) and guarded.is_plain(kwargs))
        ):
            return self
        cell = Cell(READY)
        if verdict.journal:
            cell.journal = []
        return self._issue(key, cell, (verdict.enter or callee, args, kwargs))

    def call_later(self, key: Any, callee: Any, form: Callable[..., Any], *deps: Any) -> Any:
        """Issue one call whose arguments `form(*values)` wait for cells."""
        verdict = self._verdict(callee)
        if not verdict.schedulable:
            return self
        target = verdict.enter or callee
        check = verdict.plain_arguments

        def prepare(*values: Any) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
            args, kwargs = form(*values)
            if check and not (guarded.is_plain(args) and guarded.is_plain(kwargs)):
                raise guarded.Unsafe
            return target, args, kwargs

        cell = Cell()
        if verdict.journal:
            cell.journal = []
        cell.thunk = prepare
        if self._depend(cell, deps):
            return self._issue(key, cell, None)
        if cell.state == LOST:
            return cell
        return self._issue(key, cell, prepare(*[value_of(dep) for dep in deps]))

    def glue(self, form: Callable[..., Any], *deps: Any) -> Any:
        """A value formed from others: now if they are there, else when they are."""
        cell = Cell()
        if self._depend(cell, deps):
            cell.thunk = form
            return cell
        if cell.state == LOST:
            return cell
        return form(*[value_of(dep) for dep in deps])

    def gather(self, form: Callable[[list[Any]], Any], parts: list[Any]) -> Any:
        """The container of a comprehension: `form` of the values of `parts`, in order."""
        return self.glue(lambda *values: form(list(values)), *parts)

    def inline(self, callee: Any) -> Any:
        """A call that the retire program will make itself: nothing to issue, but is it without effect?"""
        return lost() if self._verdict(callee).schedulable else self

    def parked(self, key: Any) -> _Park:
        """What an issue program yields in front of a call with effects: it goes on when that call is done."""
        return _Park(key)

    def require(self, *callees: Any) -> None:
        """Stop unless all of these may be run ahead of."""
        if not self.clear(*callees):
            raise StopWalk

    def clear(self, *callees: Any) -> bool:
        """Whether all of these may be run ahead of."""
        return all(self._verdict(callee).schedulable for callee in callees)

    def helper(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a pure function early, on plain arguments."""
        if not (guarded.is_plain(args) and guarded.is_plain(kwargs)):
            raise guarded.Unsafe
        try:
            return function(*args, **kwargs)
        except Exception as exc:
            raise guarded.Unsafe from exc

    def stop(self) -> None:
        """End the walk: what follows cannot be run ahead of."""
        raise StopWalk

    @property
    def nothing(self) -> Cell:
        """A value that is given up."""
        return lost()

    @property
    def parts(self) -> dict[str, Callable[..., Any]]:
        """The parts of the issue programs, by name."""
        return self.plan.parts

    def keep(self, key: Any, slice_number: int, value: Any) -> Any:
        """Offer `value` to the retire program, so that both programs hold the same object."""
        cell = value
        if type(cell) is not Cell:
            cell = Cell(OK)
            cell.value = value
        cells = self.cells[slice_number]
        if cells.setdefault(key, cell) is not cell:
            return lost()
        self.outstanding += 1
        return value

    def defer(
        self, part: Callable[..., IssueProgram], count: int, gate: Any, *captured: Any
    ) -> Any:
        """Walk `part(run, gate value, *captured)` once `gate` is known; hands back cells for its `count` results."""
        outputs = tuple(Cell() for _ in range(count))
        if type(gate) is Cell and gate.state != OK:
            if gate.state in (RAISED, LOST):
                return tuple(lost() for _ in range(count))
            starter = Cell()
            epoch = self.epoch
            starter.thunk = lambda value: self._pump(
                Walk(part(self, guarded, value, *captured), epoch, outputs), None
            )
            self._depend(starter, (gate,))
            starter.walks = [Walk(None, epoch, outputs)]
            self.active += 1
        else:
            self.active += 1
            self._pump(
                Walk(part(self, guarded, value_of(gate), *captured), self.epoch, outputs), None
            )
        return tuple(value_of(cell) if cell.state == OK else cell for cell in outputs)

    def each(self, iterable: Any) -> Iterator[tuple[int, Any]]:
        """Numbered iteration over a container whose iteration nobody can see."""
        return enumerate(guarded.iterate(iterable))

    @property
    def full(self) -> bool:
        """Whether the window is full: the issue program should pause."""
        return self.outstanding >= self.window

    # ------------------------------------------------------------------ internals (lock held unless said)
    def _verdict(self, callee: Any) -> Any:
        kind = type(callee)
        verdict = self.type_verdicts.get(kind)
        if verdict is not None and "forward" not in callee.__dict__:
            return verdict
        verdict = self.verdicts.get(id(callee))
        if verdict is None:
            verdict = self.plan.classify(callee)
            if verdict.by_class:
                self.type_verdicts[kind] = verdict
            else:
                self.verdicts[id(callee)] = verdict
        return verdict

    def _issue(self, key: Any, cell: Cell, job: Any) -> Cell:
        if self.closed:
            raise StopWalk
        site = key[0] if type(key) is tuple else key
        if self.cells[self.plan.site_slice[site]].setdefault(key, cell) is not cell:
            raise StopWalk  # the retire program is past this point: the walk has been overtaken
        self.outstanding += 1
        self.issued_any = True
        if events.recording():
            cell.event = events.Call(
                self.plan.site_names[site],
                self.plan.site_lines[site],
                key,
                0.0,
                owner=self.plan.name,
            )
            events.note(cell.event)
        cell.context = self.context.copy()
        if job is not None:
            self._make_ready(cell, job)
        return cell

    def _make_ready(self, cell: Cell, job: Any) -> None:
        cell.state = READY
        cell.job = job
        cell.thunk = None
        cell.deps = ()
        if cell.event is not None:
            cell.event.issued = events.clock()
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
                if type(request) is _Park:
                    if self._is_passed(request.key):
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
        except (StopWalk, guarded.Unsafe):
            self._finish(walk, None)
            return
        except Exception as exc:
            self._finish(walk, None)
            if _is_interruption(exc):
                raise  # not ours: a signal handler of the user's raised while the caller's thread was here
            return
        except BaseException:
            self._finish(walk, None)
            raise
        walk.generator.close()
        self._finish(walk, None)

    def _is_passed(self, key: Any) -> bool:
        """Whether the retire program has made this call already, so that nobody will report it."""
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
                self.waiting = None
                self._wake.release()
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

    def _form(self, cell: Cell) -> list[tuple[Cell, int, Any]]:
        """Evaluate a cell whose inputs are there: a value, or a call that becomes ready."""
        thunk, deps = cell.thunk, cell.deps
        assert thunk is not None
        try:
            result = thunk(*[value_of(dep) for dep in deps])
        except Exception as exc:
            if _is_interruption(exc):
                raise
            return [(cell, LOST, None)]
        if cell.context is None:
            return [(cell, OK, result)]
        self._make_ready(cell, result)
        if self.waiting is cell:
            self.waiting = None
            self._wake.release()
        return []

    def _salvage(self, cell: Cell, state: int, value: Any) -> None:
        """After an internal error: this outcome stands, everything that hung on others is given up."""
        cell.state, cell.value = state, value
        for cells in self.cells:
            for each in cells.values():
                if each.state == PENDING:
                    each.state = LOST
        self.epoch += 1
        if self.waiting is not None:
            self.waiting = None
            self._wake.release()

    def _resume_paused(self) -> list[Cell]:
        walks, self.paused = self.paused, []
        for walk in walks:
            self._pump(walk, None)
        return self._collect()

    def _collect(self) -> list[Cell]:
        """Take from the queue what may start now.

        While calls have been brisk (tens of microseconds), a thread would cost more than it saves: they
        are left to the caller's thread, and the watch starts the rest if one of them takes long after all.
        """
        jobs: list[Cell] = []
        if self.plan.brisk >= BRISK_CALLS and not self.unleashed:
            if self._queue and not self.watched:
                self.watched = True
                watch(self)
            return jobs
        while self._queue and self.running < self.limit:
            cell = self._queue.popleft()
            if cell.state == READY:
                self.running += 1
                jobs.append(cell)
        return jobs

    def _abandon(self) -> None:
        """Give up everything that was issued and not retired; what runs is let go, and wakes nothing."""
        for walk in self.paused:
            walk.generator.close()
        self.paused = []
        for walk in self._parked.values():
            walk.generator.close()
        self._parked.clear()
        self.verdicts.clear()
        self.type_verdicts.clear()
        self.outstanding = 0
        for number, cells in enumerate(self.cells):
            if not cells:
                continue
            self.cells[number] = {}
            for cell in cells.values():
                if cell is _INLINE:
                    continue
                if cell.state == RUNNING:
                    cell.dependents = cell.walks = None
                elif cell.state < RUNNING:
                    self._settle(cell, LOST, None)
        self._queue.clear()

    # ------------------------------------------------------------------ calls (lock not held)
    def _start(self, jobs: list[Cell]) -> None:
        """Hand calls to threads; those that no thread takes go back to the queue, for whoever waits."""
        pool = shared_pool()
        for index, cell in enumerate(jobs):
            if not pool.submit(_Job(self, cell)):
                with self.lock:
                    self.running -= len(jobs) - index
                    self._queue.extendleft(reversed(jobs[index:]))
                    if self.waiting is not None:
                        self.waiting = None
                        self._wake.release()
                return

    def work(self, cell: Cell | None) -> None:
        """On a worker: make `cell`'s call, then go on with what it made ready."""
        while cell is not None:
            with self.lock:
                claimed = cell.state == READY
                if claimed:
                    cell.state = RUNNING
                    jobs: list[Cell] = []
                else:
                    self.running -= 1
                    jobs = self._collect()
            if claimed:
                jobs = self._make(cell, inline=False)
            cell = jobs.pop(0) if jobs else None
            if jobs:
                self._start(jobs)

    def _make(self, cell: Cell, inline: bool) -> list[Cell]:
        """Make the call of a claimed cell and settle it; hands back what may start now."""
        assert cell.job is not None
        assert cell.context is not None
        callee, args, kwargs = cell.job
        context = cell.context
        cell.drop_inputs()
        if cell.event is not None:
            cell.event.thread = threading.current_thread().name
            cell.event.started = events.clock()
        cpu = thread_time()
        began = perf_counter()
        try:
            if cell.journal is not None:
                value = self._make_quietly(cell.journal, context, inline, callee, args, kwargs)
            elif inline:
                value = callee(*args, **kwargs)
            else:
                value = context.run(callee, *args, **kwargs)
            state = OK
        except BaseException as exc:  # noqa: BLE001 - whatever a call raises is its outcome, delivered by `take`
            value, state = exc, RAISED
            cell.trace = _user_part(exc.__traceback__)
        seconds = perf_counter() - began
        del callee, args, kwargs
        if cell.event is not None:
            cell.event.ended = events.clock()
        with self.lock:
            self.measured(seconds, thread_time() - cpu)
            self.running -= 1
            try:
                self._settle(cell, state, value)
            except Exception:
                self._salvage(cell, state, value)
                if config().strict_internal:
                    raise
            # the exception's frames lead back to this one (`f_back`): naming it here would make a cycle
            del value, cell, context
            return self._collect() if self._queue else []

    def _make_quietly(
        self,
        entries: list[Any],
        context: Context,
        inline: bool,
        callee: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        """Make a call whose output waits for its turn."""
        if not inline:
            context.run(journal.begin, entries)
            return context.run(callee, *args, **kwargs)
        token = journal.begin(entries)
        try:
            return callee(*args, **kwargs)
        finally:
            journal.end(token)

    def _await(self, cell: Cell) -> None:
        """On the caller's thread: wait until `cell` is resolved, working instead where work is left lying."""
        while True:
            mine: Cell | None = None
            jobs: list[Cell] = []
            sleep = False
            with self.lock:
                if cell.state >= OK:
                    return
                if cell.state == READY:
                    mine = cell
                elif self._queue and self.running < self.limit:
                    mine = self._next_queued()
                elif cell.state == PENDING and self.paused:
                    # the window may be full of later calls: let the issue programs go on regardless
                    jobs = self._resume_paused()
                else:
                    self.waiting = cell
                    sleep = True
                if mine is not None:
                    mine.state = RUNNING
                    self.running += 1
            if mine is not None:
                jobs = self._make(mine, inline=True)
            if jobs:
                self._start(jobs)
            if sleep:
                self._sleep()

    def _sleep(self) -> None:
        """Wait for the bell; an interruption (a signal handler that raises) leaves the run consistent."""
        try:
            self._wake.acquire()
        except BaseException:
            with self.lock:
                if self.waiting is None:
                    self._wake.acquire(blocking=False)
                self.waiting = None
            raise

    def _next_queued(self) -> Cell | None:
        while self._queue:
            cell = self._queue.popleft()
            if cell.state == READY:
                return cell
        return None


class _Park:
    """A request of an issue program: wait until the retire program has made the call `key`."""

    __slots__ = ("key",)

    def __init__(self, key: Any) -> None:
        self.key = key


class _Job:
    """What a pool thread is handed: one call of one run."""

    __slots__ = ("cell", "run")

    def __init__(self, run: Run, cell: Cell) -> None:
        self.run = run
        self.cell = cell

    def __call__(self) -> None:
        run, cell = self.run, self.cell
        del self.run, self.cell
        run.work(cell)
        del run, cell  # this frame may live on as the `f_back` of an exception's


def _same(value: Any) -> Any:
    return value


def _frame_is_ours(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith((_PACKAGE, "<ember_jit "))


def _user_part(trace: TracebackType | None) -> TracebackType | None:
    """A traceback without the runtime's own frames at its top."""
    while trace is not None and _frame_is_ours(trace.tb_frame):
        trace = trace.tb_next
    return trace


def _is_interruption(exc: Exception) -> bool:
    """Whether `exc` is a signal handler's of the user's, and not an issue program that failed.

    Handlers run on the main thread alone; an issue program fails in frames of ours.
    """
    if isinstance(exc, guarded.Unsafe) or threading.current_thread() is not threading.main_thread():
        return False
    trace = exc.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and not _frame_is_ours(trace.tb_frame)


def _repair(
    exc: BaseException,
    trace: TracebackType | None,
    context: BaseException | None,
    handled: BaseException | None,
) -> None:
    """Undo what `raise` did to `exc`, and chain it to the exception that is being handled at its call."""
    exc.__context__ = context
    if handled is not None and handled is not exc:
        tail, seen = exc, {id(exc)}
        while (deeper := tail.__context__) is not None and id(deeper) not in seen:
            if deeper is handled:
                break
            tail = deeper
            seen.add(id(tail))
        else:
            if deeper is None:
                tail.__context__ = handled
    if not config().full_traceback:
        exc.__traceback__ = trace
