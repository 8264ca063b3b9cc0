"""Issuing: what the issue programs of a run may ask of it.

An *issue program* walks ahead of the retire program and issues calls (`call`, `call_later`), forms values
from unfinished ones (`glue`), and forks what hangs on them (`defer`).  A call that may not run early is
answered with the run itself: the program waits in front of it (`parked`).  Where it cannot go on at all
the walk ends (`StopWalk`, `guarded.Unsafe`), and the retire program does the rest.

Invariants:
- All of this happens under the run's `lock`; no user code runs under it: values are formed by guarded
  operations.
- `cells.setdefault` on the name of a call instance decides who makes the call; a walk that comes second
  has been overtaken and stops.
- `outstanding` counts what was issued or kept and not yet retired; the program pauses at `window`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextvars import Context
from types import FunctionType, MethodType
from typing import Any

from ember_jit.runtime import events, guarded
from ember_jit.runtime.asking import DEEP, answers, permits
from ember_jit.runtime.cells import LOST, OK, RAISED, READY, RUNNING, Cell, Walk, lost, value_of
from ember_jit.runtime.ending import ends
from ember_jit.runtime.makers import is_genuine, is_own_container, makes_containers
from ember_jit.runtime.outcomes import is_interruption
from ember_jit.runtime.plain import is_plain
from ember_jit.runtime.plan import UNKNOWN
from ember_jit.runtime.settling import INLINE, Park, StopWalk
from ember_jit.runtime.working import WorkingRun

FUEL = 20_000  # turns of a loop: a few milliseconds
_lookup = object.__getattribute__
IssueProgram = Generator[Any, Any, Any]


class IssuingRun(WorkingRun):
    """A run as its issue programs see it (lock held)."""

    __slots__ = (
        "context",
        "fuel",
        "issued_any",
        "outstanding",
        "type_verdicts",
        "verdicts",
        "window",
    )

    context: Context  # the caller's, for the calls that are issued
    window: int  # calls that may have been issued and not yet retired
    outstanding: int  # calls (and kept values) that have been
    issued_any: bool
    fuel: int  # turns of loops that may still go by without a call being issued
    verdicts: dict[int, tuple[Any, Any]]  # what `plan.classify` said of a receiver, by its identity
    type_verdicts: dict[int, tuple[type, Any, FunctionType]]  # a whole class's, with its `forward`

    def call(self, key: Any, callee: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Issue one call whose arguments are known."""
        verdict = self._verdict_at(key, callee)
        if not (verdict.schedulable or verdict.once) or (
            verdict.plain_arguments and not (is_plain(args) and is_plain(kwargs))
        ):
            return self
        if verdict.once:
            self.verdicts[id(callee)] = (callee, UNKNOWN)
        cell = Cell(READY)
        if verdict.journal:
            cell.journal = []
        return self._issue(key, cell, (verdict.enter or callee, args, kwargs))

    def call_later(self, key: Any, callee: Any, form: Callable[..., Any], *deps: Any) -> Any:
        """Issue one call whose arguments `form(*values)` wait for cells."""
        verdict = self._verdict_at(key, callee)
        if not (verdict.schedulable or verdict.once):
            return self
        if verdict.once:
            self.verdicts[id(callee)] = (callee, UNKNOWN)
        prepare = prepared(verdict, callee, form)
        cell = Cell()
        if verdict.journal:
            cell.journal = []
        cell.thunk = prepare
        if self._depend(cell, deps):
            issued = self._issue(key, cell, None)
            if issued is not cell and verdict.plain_arguments:
                raise StopWalk  # nobody has looked at the arguments
            return issued
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

    def inline(self, key: Any, callee: Any) -> Any:
        """A call that the retire program will make itself: nothing to issue, but is it without effect?"""
        return lost() if self._verdict_at(key, callee).schedulable else self

    def parked(self, key: Any) -> Park:
        """What an issue program yields in front of a call with effects: it goes on when that call is done."""
        return Park(key)

    def require(self, *callees: Any) -> None:
        """Stop unless all of these may be run ahead of."""
        if not self.clear(*callees):
            raise StopWalk

    def trust(self, callee: Any) -> None:
        """As `require`, for a callee whose result is taken for a plain value."""
        verdict = self._verdict(callee)
        if not (verdict.schedulable and verdict.plain):
            raise StopWalk

    def vouched(self, callee: Any) -> None:
        """Stop if what is known of a callee is only known for plain arguments."""
        if self._verdict(callee).plain_arguments:
            raise StopWalk

    def makes(self, *makers: Any) -> None:
        """Stop unless these are what makes containers, and not something else under such a name."""
        if not all(map(makes_containers, makers)):
            raise StopWalk

    def genuine(self, *functions: Any) -> None:
        """Stop unless these are the builtins that they were taken for, and not something else of that name."""
        if not all(map(is_genuine, functions)):
            raise StopWalk

    def owns(self, container: Any) -> None:
        """Stop unless this is a container of one of these kinds, made before the region."""
        if not is_own_container(container):
            raise StopWalk

    def asked(self, level: int, value: Any) -> None:
        """Stop if what the program does to `value` in its turn may run code of the program (`asking`)."""
        if not permits(value, level):
            raise StopWalk

    def ask(self, level: int, method: str | None, form: Callable[..., Any], *values: Any) -> None:
        """The same for a value that is still to be looked up; `method` is the method that will be called on it."""
        try:
            value = form(*values)
        except guarded.Unsafe:
            if method is None and all(permits(each, DEEP) for each in values):
                return  # whatever hangs on them
            raise StopWalk from None
        except Exception as exc:
            if is_interruption(exc):
                raise
            return  # there is no such value: the program does not come to it, or raises there
        if not (permits(value, level) if method is None else answers(value, method, level)):
            raise StopWalk

    def clear(self, *callees: Any) -> bool:
        """Whether all of these may be run ahead of."""
        return all(self._verdict(callee).schedulable for callee in callees)

    def helper(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a pure function early, on plain arguments; the run itself if it might not come to an end."""
        if not ends(function):
            return self
        if not (is_plain(args) and is_plain(kwargs)):
            raise guarded.Unsafe
        try:
            return function(*args, **kwargs)
        except Exception as exc:
            raise guarded.Unsafe from exc

    def helper_later(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """The same for arguments that were pending: there is nothing to park then, and the value is given up."""
        value = self.helper(function, *args, **kwargs)
        if value is self:
            raise guarded.Unsafe
        return value

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
        if value is self:
            return self
        kept = self.keep_pending(key, slice_number, value)
        if type(kept) is Cell and kept.state == LOST:
            raise StopWalk
        return kept

    def keep_pending(self, key: Any, slice_number: int, value: Any) -> Any:
        """The same where the issue program is ready for a value that is not there."""
        cell = value
        if type(cell) is not Cell:
            cell = Cell(OK)
            cell.value = value
        if self.cells[slice_number].setdefault(key, cell) is not cell:
            return lost()  # overtaken: the retire program has made an object of its own
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
        """Whether the window is full: the issue program should pause.  Asked once in each turn of a loop."""
        self.fuel -= 1
        if self.fuel < 0:
            raise StopWalk  # the program may never come to this loop, and the loop may have no end
        return self.outstanding >= self.window

    def burn(self) -> None:
        """One turn of a loop in which no call stands; stops those that may have no end."""
        self.fuel -= 1
        if self.fuel < 0:
            raise guarded.Unsafe

    # ------------------------------------------------------------------ internals
    def _verdict_at(self, key: Any, callee: Any) -> Any:
        """The verdict on the receiver of a call; the walk ends if it is not what the program was written for."""
        verdict = self._verdict(callee)
        if not verdict.plain and (key[0] if type(key) is tuple else key) in self.plan.trusted:
            raise StopWalk
        return verdict

    def _verdict(self, callee: Any) -> Any:
        kind = type(callee)
        by_class = self.type_verdicts.get(id(kind))
        if by_class is not None:
            # not `__dict__`: asking for it slows every later read of an attribute of the instance (3.11, 3.12)
            method = _lookup(callee, "forward")
            if (
                type(method) is MethodType
                and method.__func__ is by_class[2]
                and method.__self__ is callee
            ):
                return by_class[1]
        found = self.verdicts.get(id(callee))
        if found is None:
            # the object is kept beside its verdict: a bound method made for one call must not leave its id to another
            verdict = self.plan.classify(callee)
            forward = getattr(kind, "forward", None) if verdict.by_class else None
            if type(forward) is FunctionType:
                self.type_verdicts[id(kind)] = (kind, verdict, forward)
            else:
                self.verdicts[id(callee)] = (callee, verdict)
            return verdict
        return found[1]

    def _issue(self, key: Any, cell: Cell, job: Any) -> Cell:
        if self.closed:
            raise StopWalk
        site = key[0] if type(key) is tuple else key
        if self.cells[self.plan.site_slice[site]].setdefault(key, cell) is not cell:
            # overtaken: the retire program makes this call, or is at its arguments; others may come behind it
            if self.ledger is not None:
                raise StopWalk
            return lost()
        self.outstanding += 1
        self.issued_any = True
        self.fuel = FUEL
        if events.recording():
            cell.event = events.Call(
                self.plan.site_names[site],
                self.plan.site_lines[site],
                key,
                0.0,
                owner=self.plan.name,
                run=self.recorded,
            )
            events.note(cell.event)
        cell.context = self.context  # copied when the call is made on a thread
        if job is not None:
            self._make_ready(cell, job)
        return cell

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
                if cell is INLINE:
                    continue
                if cell.state == RUNNING:
                    cell.dependents = cell.walks = None
                elif cell.state < RUNNING:
                    self._settle(cell, LOST, None)
        self._queue.clear()


def prepared(verdict: Any, callee: Any, form: Callable[..., Any]) -> Callable[..., Any]:
    """What forms the job of a call once the cells in its arguments are there."""
    target = verdict.enter or callee
    check = verdict.plain_arguments

    def prepare(*values: Any) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
        args, kwargs = form(*values)
        if check and not (is_plain(args) and is_plain(kwargs)):
            raise guarded.Unsafe
        return target, args, kwargs

    return prepare
