"""One run of a compiled function: the meeting place of its retire program and its issue programs.

The *retire program* is the user's function, on the caller's thread, in program order.  It starts issue
programs (`ahead`), counts iterations (`loop`, `step`), and asks at each call site whether the call has
been issued (`has`) and for its outcome (`take`).  What it asks is here; what the issue programs ask is in
`issuing`, the resolving of what they issued in `settling`, and the making of the calls in `working`.

Invariants:
- A call instance is named by its site and iteration numbers.  `cells.setdefault` decides, atomically,
  who makes the call: the first to claim the name.  So each call is made exactly once.
- Everything but the calls themselves happens under `lock`; no user code runs under it.
- Outcomes are delivered by `take` alone, hence in program order (DESIGN 2.2).
"""

from __future__ import annotations

import sys
import threading
from collections import deque
from contextvars import copy_context
from typing import Any

from ember_jit.runtime import events, guarded, journal, overlays
from ember_jit.runtime.cells import LOST, OK, Cell, Walk
from ember_jit.runtime.issuing import FUEL
from ember_jit.runtime.ledger import Ledger
from ember_jit.runtime.ordering import OrderingRun
from ember_jit.runtime.outcomes import repair
from ember_jit.runtime.plan import Plan
from ember_jit.runtime.settling import INLINE


class Run(OrderingRun):
    """The state of one call of a compiled function, as its retire program sees it."""

    __slots__ = ("_cell", "positions")

    positions: list[int]  # for each loop: the number of the iteration that it is in
    _cell: Cell  # what `has` found, for `take`

    def __init__(self, plan: Plan, limit: int, window: int) -> None:
        # the bases' state too: a constructor of each would be a call more for each run
        self.plan = plan
        self.limit = limit
        self.window = window
        self.issued_any = False
        self.fuel = FUEL
        self.lock = threading.Lock()
        self.cells = [{} for _ in plan.slices]
        self.positions = [-1] * plan.loop_count
        self.paused = []
        self.outstanding = 0
        self.running = 0
        self.active = 0
        self.epoch = 0
        self.closed = False
        self.context = copy_context()
        self.waiting = None
        self.resuming = False
        self.verdicts = {}
        self.type_verdicts = {}
        self.invited = 0
        self._inviter = None
        self.progress = 0
        self.short = 0
        self.busy = 0.0
        self.unleashed = False
        self.ledger = None
        self._becalmed = []
        self.watched = False
        self._parked = {}
        self._queue = deque()
        self._ended = deque()
        self._wake = threading.Lock()
        self._wake.acquire()
        self._cell = INLINE
        self.settled = None
        self.recorded = events.run_begins(plan.name, limit) if events.recording() else None

    def ahead(self, number: int, *values: Any) -> None:
        """Start issue program `number` here, with the retire program's own variables."""
        if self.ledger is not None:
            self._finish_effects()
        if overlays.listening and overlays.heard():
            return  # calls are recorded here, not made
        guarded.vetted.clear()
        with self.lock:
            if self.epoch:
                self._abandon()
                self.context = copy_context()
            if number in self.plan.in_turn:
                self.ledger = Ledger(self.plan.budget)
            self.epoch += 1
            self.active = 1
            self._pump(Walk(self.plan.slices[number](self, guarded, *values), self.epoch), None)
            self._invite()
        self._catch_up()

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
        cell = cells.setdefault(key, INLINE) if self.active else cells.get(key, INLINE)
        if cell is INLINE:
            if self.recorded is not None:
                self._note_turn(site, key)
            return False
        if cell.state < OK:
            self._await(cell)
        del cells[key]
        if cell.state == LOST:
            self.outstanding -= 1
            if self.recorded is not None:
                self._note_turn(site, key)
            return False
        self._cell = cell
        if site in plan.groups:
            self._retire_group(cells, key, plan.groups[site])
        return True

    def _note_turn(self, site: int, key: Any) -> None:
        """For the log: the program is about to make this call itself (or to work out a value, which is no call)."""
        plan, run = self.plan, self.recorded
        name = plan.site_names[site]
        if run is not None and name:
            call = events.Call(
                name,
                plan.site_lines[site],
                key,
                0.0,
                owner=plan.name,
                run=run,
                ahead=False,
            )
            events.made_in_turn(run, call)

    def reach(self, site: int) -> bool:
        """As `has`, where the issue program keeps a ledger: everything in front of the call is passed."""
        if self.ledger is not None:
            loops = self.plan.site_loops[site]
            key = (site, *[self.positions[loop] for loop in loops]) if loops else site
            with self.lock:
                self._arrive(site, key)
            self._catch_up()
        return self.has(site)

    def _retire_group(self, cells: dict[Any, Cell], key: Any, sites: tuple[int, ...]) -> None:
        """An outcome is taken whole: the calls inside its expression are retired with it, in order."""
        outer: tuple[int, ...] = key[1:] if type(key) is tuple else ()
        site_loops = self.plan.site_loops
        retired = []
        with self.lock:
            if all(len(site_loops[site]) == len(outer) for site in sites):
                names = [(site, *outer) if outer else site for site in sites]
            else:  # a comprehension: any number of calls
                names = [each for each in cells if _is_inside(each, sites, outer)]
            for name in names:
                cell = cells.get(name, INLINE)
                if cell is not INLINE:
                    del cells[name]
                    retired.append(cell)
            self.outstanding -= len(retired)
        self._catch_up()
        for cell in retired:
            if cell.event is not None:
                cell.event.retired = events.clock()
            if cell.journal:
                journal.replay(cell.journal)

    def take(self, site: int) -> Any:
        """The outcome of the call that `has(site)` found: its value, or its exception raised here."""
        cell, self._cell = self._cell, INLINE
        if cell.event is not None:
            cell.event.retired = events.clock()
        with self.lock:
            self.outstanding -= 1
            if self.paused and self.outstanding <= self.window // 2:
                self._resume_paused()
            if self.ledger is not None and cell.state == OK and not cell.journal:
                self.ledger.retire(cell=cell)
                self._passed()
        self._catch_up()
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
            repair(exc, trace, context, handled)
            del exc, trace, context, handled, cell

    def done(self, site: int, value: Any) -> Any:
        """A call was made inline: an issue program that stopped in front of it may go on."""
        if self.recorded is not None:
            loops = self.plan.site_loops[site]
            key = (site, *[self.positions[loop] for loop in loops]) if loops else site
            events.turn_is_over(self.recorded, key)
        if self._parked or self.ledger is not None:
            loops = self.plan.site_loops[site]
            key = (site, *[self.positions[loop] for loop in loops]) if loops else site
            with self.lock:
                if self.ledger is not None:
                    self.ledger.retire(key)
                    self._passed()
                walk = self._parked.pop(key, None)
                if walk is not None and walk.epoch == self.epoch:
                    self.verdicts.clear()
                    self.type_verdicts.clear()
                    self.context = copy_context()
                    self.resuming = True
                    self._pump(walk, value)
                    self.resuming = False
                    self._invite()
            self._catch_up()
        return value

    def enter(self, callee: Any) -> Any:
        """A compiled stand-in for an undecorated composite that is called inline, or `callee` itself."""
        if overlays.listening and overlays.heard():
            return callee  # under its own name, where its calls are recorded
        return self.plan.enter(callee)

    def close(self) -> None:
        """Leave the function: what has not started never will; what runs is let go."""
        if self.ledger is not None:
            self._finish_effects()
        with self.lock:
            self.closed = True
            self.epoch += 1
            self._abandon()
        self._catch_up()
        if self.recorded is not None:
            events.run_ends(self.recorded)
        guarded.vetted.clear()


def _is_inside(name: Any, sites: tuple[int, ...], outer: tuple[int, ...]) -> bool:
    """Whether a call instance is of one of `sites`, in the iterations `outer` of the loops around."""
    site, *loops = name if type(name) is tuple else (name,)
    return site in sites and tuple(loops[: len(outer)]) == outer
