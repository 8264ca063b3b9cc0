"""The ledger of a run: what stands, in program order, in front of a call that may not start freely.

    a = self.log(inputs=x)       entry   ordered("log"), nothrow        running
    n = x["n"] + y["n"]          fence   may raise                      until the program has passed it
    b = self.save(inputs=n)      entry   ordered("db"), nothrow         held
    c = self.search(inputs=x)    entry   query                          running: it is discardable

A call with resources starts once nothing in front of it can raise any more, and nothing unfinished in front
of it has a conflicting claim (DESIGN 3, the third row of the table and R2).  A `query` starts in any case, but
for its claims, unless a budget says how many calls may be made in vain: then it counts while something in
front of it may raise.

Invariants:
- Entries stand in program order; those that the retire program has passed are dropped.
- The call that the retire program has come to is let go: nothing is in front of it.
- Nothing here runs calls or takes locks: the run does, and asks.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from ember_jit.runtime.cells import OK, PENDING, READY, RUNNING, Cell

ANYTHING = "*anything*"  # the resource of a call that may read whatever the program can reach
Claim = tuple[str, str]


def conflict(first: Claim, second: Claim) -> bool:
    """Whether the order of two claims matters: on one resource, unless both read or both commute."""
    (one, here), (other, there) = first, second
    if here != there and ANYTHING not in (here, there):
        return False
    return one != other or one == "ordered"


class Entry:
    """One call, or something that may raise, in program order.

    Attributes:
        key: the name of the call instance; None for what is no call.
        cell: what it waits in, or None if the retire program makes the call itself.
        claims: what it does to which resources.
        nothrow: it cannot raise once it has been started.
        discardable: it may be made in vain.
        sure: finding out its arguments cannot raise.
        held: it may not start yet.
        job: the call, once its arguments are there.
        turn: the retire program has come to it.
        risky: it was let go while something in front of it could raise.
    """

    __slots__ = (
        "cell",
        "claims",
        "discardable",
        "held",
        "job",
        "key",
        "nothrow",
        "risky",
        "sure",
        "turn",
    )

    def __init__(self, key: Any, cell: Cell | None, *, sure: bool = False) -> None:
        self.key = key
        self.cell = cell
        self.sure = sure
        self.claims: tuple[Claim, ...] = ()
        self.nothrow = self.discardable = self.held = self.turn = self.risky = False
        self.job: Any = None

    @property
    def finished(self) -> bool:
        """Whether it has ended well, and nothing of it is still to come."""
        cell = self.cell
        return cell is not None and cell.state == OK and not cell.journal

    @property
    def may_raise(self) -> bool:
        """Whether control may not come past it, or an effect of it (its output) is still to come."""
        cell = self.cell
        if cell is None:
            return not (self.nothrow and self.sure)
        if cell.state == OK:
            return bool(cell.journal)
        if cell.state == PENDING and self.job is None and not self.sure:
            return True
        return cell.state > OK or not self.nothrow or cell.journal is not None


class Ledger:
    """The entries of one issue program.

    Args:
        budget: calls that may have been let go while something in front of them could raise; None: any number.
    """

    def __init__(self, budget: int | None = None) -> None:
        self.budget = budget
        self.entries: deque[Entry] = deque()
        self.strays: list[Entry] = []
        self._by_key: dict[Any, Entry] = {}
        self._by_cell: dict[Cell, Entry] = {}
        self._held = 0

    # ------------------------------------------------------------------ what the issue program writes
    def add(self, key: Any, cell: Cell | None, verdict: Any, sure: bool) -> None:
        """Note a call; one with a cell is held until `releasable` gives it back."""
        entry = Entry(key, cell, sure=sure)
        entry.claims = verdict.claims
        entry.nothrow = verdict.nothrow and not (cell is None and verdict.journal)
        entry.discardable = verdict.discardable
        self.entries.append(entry)
        self._by_key[key] = entry
        if cell is not None:
            entry.held = True
            self._held += 1
            self._by_cell[cell] = entry

    def fence(self, cell: Cell | None = None) -> None:
        """Note something that may raise: until `cell` is there, or until the program has passed it."""
        self.entries.append(Entry(None, cell))

    def hold(self, cell: Cell, job: Any) -> bool:
        """Whether the call of `cell`, whose arguments are there now, may not start yet."""
        entry = self._by_cell.get(cell)
        if entry is None or not entry.held:
            return False
        entry.job = job
        return True

    # ------------------------------------------------------------------ where the retire program is
    def reach(self, key: Any) -> Entry | None:
        """The retire program has come to the call `key`: what is in front of it is passed."""
        entry = self._by_key.get(key)
        if entry is not None:
            while self.entries[0] is not entry:
                self._drop(self.entries.popleft())
            entry.turn = True
        return entry

    def find(self, key: Any) -> Entry | None:
        """The entry of the call `key`."""
        return self._by_key.get(key)

    def retire(self, key: Any = None, cell: Cell | None = None) -> None:
        """The retire program has the outcome of a call: it, and what is in front of it, is passed."""
        entry = self._by_cell.get(cell) if cell is not None else self._by_key.get(key)
        while entry is not None:
            passed = self.entries.popleft()
            self._drop(passed)
            if passed is entry:
                return

    def _drop(self, entry: Entry) -> None:
        if entry.key is None:
            return
        del self._by_key[entry.key]
        self._held -= entry.held
        if entry.cell is not None:
            del self._by_cell[entry.cell]
            if entry.claims and entry.cell.state in (READY, RUNNING):
                self.strays.append(entry)  # its `nothrow` was broken, and control went round it

    # ------------------------------------------------------------------ what follows
    def releasable(self) -> list[Entry]:
        """The held calls that may start now; they are held no more."""
        if not self._held:
            return []
        found: list[Entry] = []
        vain = sum(entry.risky for entry in self.entries) if self.budget is not None else 0
        risky = False
        self.strays = [
            each for each in self.strays if each.cell is not None and each.cell.state < OK
        ]
        active: list[Claim] = [claim for each in self.strays for claim in each.claims]
        under_way = False
        for entry in self.entries:
            # with nothing under way in front of it the program comes to it next, and makes it itself
            if entry.held and entry.job is not None and (entry.turn or under_way):
                free = entry.turn or not any(conflict(a, b) for a in entry.claims for b in active)
                if free and risky and not entry.turn:
                    free = entry.discardable and (self.budget is None or vain < self.budget)
                if free:
                    entry.held = False
                    entry.risky = risky
                    vain += risky
                    self._held -= 1
                    found.append(entry)
            risky = risky or entry.may_raise
            under_way = under_way or not entry.finished
            if entry.claims and not entry.finished:
                active.extend(entry.claims)
        return found

    @property
    def calm(self) -> bool:
        """Whether no call in front of the issue program may still change a resource."""
        return not any(
            word != "reads" and not entry.finished
            for entry in (*self.strays, *self.entries)
            for word, _ in entry.claims
        )

    def effects(self) -> list[Cell]:
        """The cells of the calls that may not be made in vain."""
        return [
            entry.cell
            for entry in (*self.strays, *self.entries)
            if entry.cell is not None and entry.key is not None and not entry.discardable
        ]
