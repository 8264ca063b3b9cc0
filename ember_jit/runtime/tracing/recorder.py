"""The recorder: what a traced function's runs have in common, and what is started ahead in the next.

A call is named by its site and how often the site was reached.  One run records for each call what was
called and where its arguments came from; from the next on, when the program arrives at a call as
recorded, the calls further on whose arguments are known by then are started.

Invariants:
- The original code runs, always; what is handed over has been compared with the program's own call (`flights`).
- All of this happens on the caller's thread; workers make calls and nothing else.  What runs share (`Tracer`)
  changes under a lock; what a run has recorded is not changed after it.
- While a call is in flight, the program changes nothing that it could read: before a store to such an object,
  and before a call with unknown effects, all that is in flight is waited for (DESIGN 3, R4).
- A normal return leaves nothing running; an exception leaves at most what had started (DESIGN 2.5, 2.7).
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType
from typing import Any, NamedTuple

from ember_jit.kinds import is_a
from ember_jit.runtime import events, logs
from ember_jit.runtime.dispatch import is_from_user
from ember_jit.runtime.originals import original_code
from ember_jit.runtime.overlays import put_code
from ember_jit.runtime.statics import type_lookup
from ember_jit.runtime.tracing.flights import Flight, same_callee
from ember_jit.runtime.tracing.plain import is_whole
from ember_jit.runtime.tracing.provenance import Places, Template, Unresolved, narrowed
from ember_jit.runtime.tracing.state import Unseen
from ember_jit.weak import dropping

SHORT_CALL = 30e-6
FRUITLESS = 32  # runs in a row without a prefetch (long ones count more), before the original code is put back
_MOST_OWNERS = 64
_MOST_CALLS = 512  # recorded of one run
_MOST_HOPELESS = 64  # the same, while none of them is one that may be started ahead
Key = tuple[int, int]
_lock = threading.RLock()  # a finalizer, which may run anywhere, may call a traced function


class Standing(NamedTuple):
    """What is known of one live callable that was looked into.

    Attributes:
        known: its effects are known: it changes nothing.
        ahead: it may be started before the program comes to it.
        declared: its label is the user's word.
    """

    known: bool
    ahead: bool
    declared: bool


Classify = Callable[[Any, float | None], Standing | None]


@dataclass(slots=True)
class Entry:
    """One call of a recorded run."""

    name: str
    callee: Callable[[], Any]
    standing: Standing | None  # None: its calls are too short to be worth a look
    args: tuple[Template, ...]
    kwargs: dict[str, Template]
    seconds: float = 0.0


@dataclass(slots=True)
class _Pending:
    """The call that the program is making now."""

    key: Key
    entry: Entry
    began: float
    taken: bool


@dataclass(slots=True)
class Tally:
    """How a traced function has fared."""

    runs: int = 0
    started: int = 0
    hits: int = 0
    misses: int = 0
    by_site: dict[int, list[int]] = field(default_factory=dict)


class Tracer:
    """The tracing fallback of one function.

    Args:
        function: the function, whose code was replaced.
        original: its own code.
        classify: asks the compiler for the standing of a live callable; given how long a call has taken, it
            answers None while looking would cost more than such calls do.
        limit: calls that may be in flight.
        eager: start calls however short they are.
        enabled: whether calls made here and now may be started ahead; asked at each entry, and before each start.
        report: told of the first exception of ours.
    """

    def __init__(
        self,
        function: FunctionType,
        original: CodeType,
        classify: Classify,
        limit: int,
        eager: bool,
        enabled: Callable[[], bool],
        report: Callable[[Exception], None],
    ) -> None:
        self.function = weakref.ref(function)
        self.original = original
        self.code: CodeType | None = None
        self.lines: dict[int, int] = {}
        self.classify = classify
        self.limit = limit
        self.eager = eager
        self.tally = Tally()
        self.retired = ""
        self.broken = False
        self.last: dict[Key, Entry] = {}
        self.constants = frozenset(id(const) for const in original.co_consts)
        self.enabled = enabled
        self._report = report
        self._memories: dict[int, tuple[Any, dict[Key, Entry]]] = {}
        self._last_of_any: dict[Key, Entry] = {}
        self._fruitless = 0

    def begin(self, *args: Any) -> TraceRun | None:
        """The run of one call, or None if this call is not traced."""
        try:
            if not self.enabled():
                return None
            owner = args[0] if args else None
            run = TraceRun(self, owner, self._known(owner))
            for index, value in enumerate(args):
                run.places.add(("input", index), value)
            return run
        except Exception as exc:  # noqa: BLE001 - a bug of ours must not reach the user
            self.failed(exc)
            return None

    def finished(self, run: TraceRun) -> None:
        """Remember what a run that returned has recorded."""
        with _lock:
            self.tally.runs += 1
            self.last = run.recorded
            self._remember(run.owner, run.recorded)
            self._fruitless = 0 if run.started else self._fruitless + 1 + len(run.recorded) // 32
            if self._fruitless >= FRUITLESS:
                self._retire("traced, and in many runs there was nothing to prefetch")

    def _known(self, owner: Any) -> dict[Key, Entry]:
        """What earlier runs with this first argument have recorded; of a function that is no method, the last run."""
        found = self._memories.get(id(owner))
        if found is not None and found[0]() is owner:
            return found[1]
        return {} if self._is_receiver(owner) else self._last_of_any

    def _is_receiver(self, owner: Any) -> bool:
        """Whether the function is a method of `owner`, so that what it calls hangs on it."""
        function = self.function()
        return function is not None and type_lookup(type(owner), function.__name__) is function

    def _remember(self, owner: Any, recorded: dict[Key, Entry]) -> None:
        if not self._is_receiver(owner):
            self._last_of_any = recorded
        key = id(owner)
        try:
            reference = dropping(self._memories, key, owner)
        except TypeError:
            return
        if len(self._memories) >= _MOST_OWNERS:
            self._memories.clear()
        self._memories[key] = (reference, recorded)

    def _retire(self, reason: str) -> None:
        function = self.function()
        self.retired = reason
        if logs.wanted("recompiles"):
            code = self.original
            place = f"{code.co_qualname} ({code.co_filename}:{code.co_firstlineno})"
            logs.say(
                "recompiles", f"{place}: traced no longer, its own code was put back: {reason}"
            )
        if function is not None and original_code(function) is self.original:
            put_code(function, self.original)

    def failed(self, exc: Exception, run: TraceRun | None = None) -> None:
        """An exception came out of a hook: `run` goes on as plain code, and after a bug of ours all later ones do."""
        if is_from_user(exc.__traceback__):
            raise exc
        if run is not None:
            run.abandon()
        if type(exc) in (RuntimeError, RecursionError):
            return  # no room on the stack, or another thread has changed what was read
        with _lock:
            first = not self.broken
            self.broken = True
            self._retire(f"internal error: {type(exc).__name__}: {exc} [EMB010]")
        if first:
            self._report(exc)

    def started(self) -> None:
        """A call has been started ahead."""
        with _lock:
            self.tally.started += 1

    def count(self, site: int, hit: bool) -> None:
        """A prefetched call of `site` was handed over, or thrown away."""
        with _lock:
            tally = self.tally
            tally.hits += hit
            tally.misses += not hit
            tally.by_site.setdefault(site, [0, 0])[not hit] += 1

    def trusts(self, site: int) -> bool:
        """Whether predictions at `site` have been right often enough."""
        hits, misses = self.tally.by_site.get(site, (0, 0))
        return misses <= 1 + hits // 4


class TraceRun:
    """One call of a traced function.

    Attributes:
        ended: nothing more is recorded or started.
    """

    def __init__(self, tracer: Tracer, owner: Any, known: dict[Key, Entry]) -> None:
        self.tracer = tracer
        self.owner = owner
        self.known = known
        self.recorded: dict[Key, Entry] = {}
        self.places = Places(tracer.constants)
        self.flights: dict[Key, Flight] = {}
        self.started = 0
        self.ended = False
        self._most = _MOST_HOPELESS
        self._counts: dict[int, int] = {}
        self._pending: _Pending | None = None

    # ------------------------------------------------------------------ what the hooks report
    def arrive(self, site: int, callee: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The program is about to make a call."""
        try:
            self._pending = None
            if len(self.recorded) >= self._most and not self.flights:
                self.leave()  # what has been seen will do: the rest of the run costs nothing
                return callee
            if type(callee) is BuiltinFunctionType or type(callee) is type:
                if self.flights:
                    self._before_builtin(callee)
                return callee
            number = self._counts.get(site, 0)
            self._counts[site] = number + 1
            key = (site, number)
            flight = self.flights.pop(key, None)
            taken = flight is not None and self._lands(flight, callee, args, kwargs)
            standing = None
            if self.flights or self.tracer.eager:
                standing = self._look(callee)
                assert standing is not None
                if not standing.known:
                    self._join()
            reference = _reference(callee)
            if reference is None or len(self.recorded) >= self._most:
                return callee
            template = self.places.template
            entry = Entry(
                _name(callee),
                reference,
                standing,
                tuple(template(each) for each in args),
                {name: template(each) for name, each in kwargs.items()},
            )
            before = self.known.get(key)
            if before is not None and same_callee(before.callee(), callee):
                self._narrow(entry, before)
                self._ahead()
            self._pending = _Pending(key, entry, perf_counter(), taken)
            if taken:
                assert flight is not None
                entry.seconds = before.seconds if before is not None else 0.0
                return flight.deliver
            return callee
        finally:
            del args, kwargs, callee  # see `hooks.arrive`

    def landed(self, site: int, value: Any) -> None:
        """A call has returned."""
        pending, self._pending = self._pending, None
        if pending is None or pending.key[0] != site:
            return
        entry = pending.entry
        if not pending.taken:
            entry.seconds = perf_counter() - pending.began
        if entry.standing is None and entry.seconds >= SHORT_CALL:
            callee = entry.callee()
            entry.standing = None if callee is None else self._look(callee, entry.seconds)
        self.recorded[pending.key] = entry
        self.places.add(pending.key, value)

    def about_to_change(self, target: Any) -> None:
        """The program is about to store into `target`."""
        if target is None or any(id(target) in each.state.seen for each in self.flights.values()):
            self._join()

    def leave(self) -> None:
        """The program is about to return: nothing that was started stays behind."""
        self._join()
        for flight in self.flights.values():
            self.tracer.count(flight.site, hit=False)
        self.flights.clear()
        self.ended = True
        self.tracer.finished(self)

    def abandon(self) -> None:
        """Go on as plain code: what was started is waited for, and dropped."""
        self.ended = True
        self._join()
        self.flights.clear()

    def _look(self, callee: Any, seconds: float | None = None) -> Standing | None:
        standing = self.tracer.classify(callee, seconds)
        if standing is not None and standing.ahead:
            self._most = _MOST_CALLS
        return standing

    # ------------------------------------------------------------------ what is started
    def _ahead(self) -> None:
        """Start the calls that are known to come, as far as their arguments are known."""
        tracer = self.tracer
        if not tracer.enabled():
            return
        for key, entry in self.known.items():
            site, number = key
            if number < self._counts.get(site, 0) or key in self.flights:
                continue
            if len(self.flights) >= tracer.limit:
                return
            short = entry.seconds < SHORT_CALL and not tracer.eager
            standing = entry.standing
            if short or standing is None or not standing.ahead or not tracer.trusts(site):
                continue
            self._start(key, entry, standing)

    def _start(self, key: Key, entry: Entry, standing: Standing) -> None:
        callee = entry.callee()
        if callee is None or self.tracer.classify(callee, None) != standing:
            return
        try:
            args = tuple(self.places.resolve(each) for each in entry.args)
            kwargs = {name: self.places.resolve(each) for name, each in entry.kwargs.items()}
            if not is_whole((args, kwargs)):
                return
            flight = Flight(key[0], callee, args, kwargs, standing.declared)
        except (
            Unresolved,
            Unseen,
            RuntimeError,
        ):  # RuntimeError: another thread changes what is read
            return
        if events.recording():
            now = events.clock()
            line = self.tracer.lines.get(key[0], 0)
            flight.event = events.Call(entry.name, line, key, now)
            events.note(flight.event)
        if flight.start():
            self.flights[key] = flight
            self.started += 1
            self.tracer.started()

    def _lands(
        self, flight: Flight, callee: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> bool:
        try:
            hit = flight.stands_for(callee, args, kwargs)
        except RuntimeError:  # another thread changes the arguments
            hit = False
        except BaseException:
            self.flights[(-1, flight.site)] = flight  # interrupted while waiting
            raise
        self.tracer.count(flight.site, hit)
        if not hit:
            flight.wait()
        return hit

    def _narrow(self, entry: Entry, before: Entry) -> None:
        if len(entry.args) == len(before.args) and entry.kwargs.keys() == before.kwargs.keys():
            pairs = zip(before.args, entry.args, strict=True)
            entry.args = tuple(narrowed(old, new) for old, new in pairs)
            for name, new in entry.kwargs.items():
                entry.kwargs[name] = narrowed(before.kwargs[name], new)

    # ------------------------------------------------------------------ what has to wait
    def _join(self) -> None:
        for flight in self.flights.values():
            flight.wait()

    def _before_builtin(self, callee: Any) -> None:
        owner = getattr(callee, "__self__", None)
        if type(owner) in (list, dict, set):
            self.about_to_change(owner)
        elif (standing := self.tracer.classify(callee, None)) is None or not standing.known:
            self._join()


def _reference(callee: Any) -> Callable[[], Any] | None:
    """A weak reference to what is called; the program's objects live as long as they would have."""
    try:
        if type(callee) is MethodType:
            return weakref.WeakMethod(callee)
        return weakref.ref(callee)
    except TypeError:
        return None


def _name(callee: Any) -> str:
    name = callee.__qualname__ if is_a(callee, FunctionType | MethodType) else ""
    return name or type(callee).__qualname__


def _forget_lock() -> None:
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_lock)  # the thread that held it does not exist there
