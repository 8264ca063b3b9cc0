"""Ordering: a run whose issue program keeps a ledger, because some of its calls may not start freely.

    a = self.log(inputs=x)           _t1 = _w.call_in_turn(0, ...)       # ordered("log") nothrow: starts
    n = x["n"]                       n = _e.item(x, 'n')                 # worked out: it cannot raise any more
    b = self.save(inputs=n)          _t2 = _w.call_in_turn(1, ...)       # ordered("db"): starts beside `a`

The issue program notes each call, and a fence for whatever may raise; what may start is the ledger's word
(`ledger`).  In the retire program, `reach` stands in place of `has`, and says how far it has come.

Invariants: those of `issuing`; and no call that may not be made in vain is running when the function is left.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ember_jit.runtime.cells import LOST, OK, PENDING, READY, Cell, lost, value_of
from ember_jit.runtime.issuing import IssuingRun, prepared
from ember_jit.runtime.ledger import Entry
from ember_jit.runtime.outcomes import is_interruption
from ember_jit.runtime.plain import is_plain


class OrderingRun(IssuingRun):
    """What the issue programs that keep a ledger ask of a run (lock held), and how it is kept up to date."""

    __slots__ = ("_becalmed",)

    _becalmed: list[Cell]  # issue programs that wait until no writer is under way

    # ------------------------------------------------------------------ what the issue program says
    def call_in_turn(
        self, key: Any, callee: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Issue one call whose arguments are known, as soon as the ledger lets it."""
        verdict = self._verdict_at(key, callee)
        if not self._admits(key, verdict) or (
            verdict.plain_arguments and not (is_plain(args) and is_plain(kwargs))
        ):
            return self
        assert self.ledger is not None
        if verdict.thread_bound:
            self.ledger.add(key, None, verdict, True)
            return lost()
        cell = self._claim(key, Cell(), verdict, True)
        self._make_ready(cell, (verdict.enter or callee, args, kwargs))
        self._release()
        return cell

    def call_later_in_turn(
        self, key: Any, callee: Any, sure: bool, form: Callable[..., Any], *deps: Any
    ) -> Any:
        """Issue one call whose arguments wait for cells; `sure` says that forming them cannot raise."""
        verdict = self._verdict_at(key, callee)
        if not self._admits(key, verdict):
            return self
        assert self.ledger is not None
        if verdict.thread_bound:
            self.ledger.add(key, None, verdict, sure)
            return lost()
        prepare = prepared(verdict, callee, form)
        cell = Cell()
        cell.thunk = prepare
        waits = self._depend(cell, deps)
        if cell.state == LOST:
            self.ledger.add(key, None, verdict, False)
            return cell
        self._claim(key, cell, verdict, sure)
        if not waits:
            self._make_ready(cell, prepare(*[value_of(dep) for dep in deps]))
            self._release()
        return cell

    def fence(self, value: Any = None) -> None:
        """Something may raise here: as long as `value` is a cell without a value, or till it is passed."""
        assert self.ledger is not None
        if value is None or (type(value) is Cell and value.state != OK):
            self.ledger.fence(value)

    def prove(self, form: Callable[[], Any]) -> None:
        """Work out what the retire program will; a fence if that does not go well."""
        try:
            form()
        except Exception as exc:
            if is_interruption(exc):
                raise
            self.fence()

    def stormy(self) -> bool:
        """Whether a call that may change what is read next is still under way."""
        assert self.ledger is not None
        return not self.ledger.calm

    def calm(self) -> Cell:
        """A cell that is there as soon as no such call is under way."""
        cell = Cell()
        self._becalmed.append(cell)
        return cell

    # ------------------------------------------------------------------ internals
    def _admits(self, key: Any, verdict: Any) -> bool:
        if verdict.schedulable:
            return True
        site = key[0] if type(key) is tuple else key
        return bool(verdict.labelled) and site in self.plan.labelled

    def _claim(self, key: Any, cell: Cell, verdict: Any, sure: bool) -> Cell:
        if verdict.journal:
            cell.journal = []
        issued = self.issued_any
        self._issue(key, cell, None)
        self.issued_any = issued  # it has been claimed; whether it starts ahead is to be seen
        assert self.ledger is not None
        self.ledger.add(key, cell, verdict, sure)
        return cell

    def _release(self) -> None:
        """Let go what may start now."""
        assert self.ledger is not None
        for entry in self.ledger.releasable():
            assert entry.cell is not None
            if entry.cell.state == PENDING:
                self.issued_any |= not entry.turn
                self._make_ready(entry.cell, entry.job)
                if entry.turn:  # the caller's thread makes it
                    self._queue.pop()

    def _passed(self) -> None:
        """The retire program has gone on: what does that set free?"""
        self._release()
        assert self.ledger is not None
        if self._becalmed and self.ledger.calm:
            cells, self._becalmed = self._becalmed, []
            for cell in cells:
                self._settle(cell, OK, None)
        self._invite()

    def _arrive(self, site: int, key: Any) -> None:
        """The retire program is in front of a call (lock held)."""
        assert self.ledger is not None
        if site not in self.plan.groups:
            self.ledger.reach(key)
            self._passed()
            return
        # its arguments hold calls of their own, which come first: if it still has to wait for
        # their turn, the retire program makes them one by one
        entry = self.ledger.find(key)
        if entry is not None and entry.held and entry.cell is not None:
            self._give_up(entry, key)

    def _give_up(self, entry: Entry, key: Any) -> None:
        assert entry.cell is not None
        site = key[0] if type(key) is tuple else key
        self.cells[self.plan.site_slice[site]].pop(key, None)
        self.outstanding -= 1
        self._settle(entry.cell, LOST, None)

    def _finish_effects(self) -> None:
        """Wait for the calls that may not be made in vain and have begun; the others never will.

        Control leaves although nothing should have raised: a broken `nothrow`, or an interruption.
        """
        with self.lock:
            ledger, self.ledger = self.ledger, None
            self._becalmed = []
            cells = [cell for cell in ledger.effects() if cell.state < OK] if ledger else []
            for cell in cells:
                if cell.state in (PENDING, READY):
                    self._settle(cell, LOST, None)
        self._catch_up()
        for cell in cells:
            while cell.state < OK:
                with self.lock:
                    sleep = cell.state < OK
                    self.waiting = cell if sleep else None
                if sleep:
                    self._sleep(cell)
                else:
                    self._catch_up()
