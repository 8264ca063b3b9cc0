"""Loop sites: one region of a function each, the machine code made for it, and whether that is used.

    _go = K.on and len is K.f0 and ((xs, n),)
    if _go and ((_r := K.entry(*_go[0])) is not K.miss or (_r := K.again(*_go[0])) is not K.miss):
        total = _r
    else:
        for x in xs: ...                # the statements, as they were written

`entry` is machine code that checks its arguments itself and answers `MISS` when they are others, or when
Python has to do it (an int that overflows, an exception).  Nothing has happened then that could be seen.

The cost model: plain until a kind of arguments has meant some work; compiled meanwhile, on another thread; the
first run is made twice, compiled and plain, and has to be the same and not slower; code that is left to Python
too often rests, for longer and longer.
"""

from __future__ import annotations

import itertools
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from ember_jit.runtime import background, logs
from ember_jit.runtime.native.miss import MISS
from ember_jit.runtime.tried import TriedFirst, error_state, missed

if TYPE_CHECKING:
    from ember_jit.runtime.loops.linking import Entry

MOST_KINDS = 8  # of arguments, at one site
UNKNOWN = 256  # calls with arguments of no kind that is compiled, before a site switches itself off


@dataclass(slots=True)
class Policy:
    """When loops are compiled and used.

    Attributes:
        work: how much a kind of arguments has to have meant, counted in items.
        background: compile on another thread.
        patience: calls that code may leave to Python, more or less in a row, before it rests.
        trial: use code only if it was not slower, and the same, when tried.
    """

    work: int = 20_000
    background: bool = True
    trial: bool = True
    patience: int = 4


policy = Policy()


@contextmanager
def at_once(trial: bool = False) -> Iterator[None]:
    """While the block runs, in all threads, loops are compiled in the very call that meets them, whatever that costs.

    Args:
        trial: run each loop in Python too when it is first compiled, compare, and use it only if it is not slower.
    """
    before = replace(policy)
    policy.work, policy.background, policy.trial, policy.patience = 0, False, trial, 1 << 30
    try:
        yield
    finally:
        for each in fields(policy):
            setattr(policy, each.name, getattr(before, each.name))


CALL = 100  # items that one call counts for, whatever it is given
ITEMS = 10_000_000  # that Python goes through in a second, about: the time since the last call counts as well
ENTERED = 4e-7  # seconds: about what the checks around a call cost
NO_SLOWER = 0.95
LONG = 0.25  # seconds: a compiled run of this length is not made again in Python
MOST_COPIED = 1 << 26  # bytes of arrays that a trial copies
GLANCE = 0.005  # seconds between two looks at what is being compiled
FIRST_REST, LONGEST_REST = 64, 1 << 14  # calls


@dataclass(slots=True)
class Made:
    """The code for one kind of arguments.

    Attributes:
        seen: what the arguments are, for the reader.
        entry: the code; None until it is made, and if there is none.
        why: why there is none, or why it is not used.
        ready: it has been tried, and is used.
        work, last: what it has meant so far, in items, and when it was called last.
        speedup: how many times as fast as Python it was when tried.
        details: what the compiler knows of it, for reports.
        warn: tells the user, on the user's own thread, what is missing.
        pause: calls that it rests when it next gets in the way.
        hits: calls that it has done, up to the last that it did not.
        lefts: calls that were left to Python; `lines` has how many on which line.
    """

    seen: str
    entry: Entry | None = None
    why: str = ""
    ready: bool = False
    asked: bool = False
    done: bool = False
    work: int = 0
    last: float = 0.0
    speedup: float | None = None
    details: Any = None
    pause: int = FIRST_REST
    warn: Callable[[], Any] | None = None
    hits: int = 0
    lefts: int = 0
    strikes: int = 0
    lines: dict[int, int] = field(default_factory=dict)


Compile = Callable[["LoopSite", tuple[Any, ...], Made], Callable[[], None]]
"""Looks at arguments and gives the job that compiles for such; the job fills a `Made` in."""


class LoopSite(TriedFirst):
    """The machine code of one region.

    Attributes:
        made: what was compiled, by kinds of arguments.
    """

    unready = (NameError, AttributeError)

    def __init__(
        self,
        region: Any,
        compile_: Compile,
        plain: Callable[[], Callable[..., Any]],
        disabled: ContextVar[bool],
        report: Callable[[Exception], None],
        left_off: Callable[[], None],
    ) -> None:
        super().__init__(region, disabled, report, left_off)
        self.made: dict[Any, Made] = {}
        self._compile = compile_
        self._plain = plain
        self.errors: Callable[[], Any] = _nothing
        self.calm: Any = None
        self._unknown = 0
        self._rest = 0  # calls in which nothing is looked at
        self._until = 0.0  # the same in time, while something is being compiled
        self._current: Made | None = None
        self._lock = threading.Lock()

    # ------------------------------------------------------------------ calls
    def again(self, *args: Any) -> Any:
        """The result by other code, or `MISS`; takes note of what is called, and has it compiled."""
        if self._rest:
            self._rest -= 1
            return MISS
        if self._until and time.perf_counter() < self._until:
            return MISS
        if self._disabled.get():
            return MISS
        key = kind_of(args)
        made = self.made.get(key)
        if made is None:
            made = self._meet(key, args)
            if made is None:
                logs.flush()
                return MISS
        if made.ready and made is self._current and self.entry is not missed:
            self._was_left(made)
            return MISS
        if made.ready:
            return self._switch(made, args)
        if made.done:
            if made.entry is not None:
                return self._try_out(made, args)
            if made.warn is not None:
                warn, made.warn = made.warn, None
                warn()
            found = self._hopeless()
            logs.flush()
            return found
        if made.asked:
            background.tend()
            self._until = time.perf_counter() + GLANCE
            return MISS
        now = time.perf_counter()
        made.work += (
            CALL + sum(map(size_of, args)) + int((now - made.last) * ITEMS if made.last else 0)
        )
        made.last = now
        if made.work >= policy.work:
            self._ask(made, args)
            if made.done and made.entry is not None:
                return self._try_out(made, args)
        return MISS

    def _meet(self, key: Any, args: tuple[Any, ...]) -> Made | None:
        with self._lock:
            found = self.made.get(key)
            if found is not None:
                return found
            if key is None or len(self.made) >= MOST_KINDS:
                self._hopeless()
                return None
            made = self.made[key] = self.ahead(key) or Made(", ".join(key))
            return made

    def ahead(self, key: tuple[str, ...]) -> Made | None:
        """What was made for a kind of arguments before this process (a bundle has it), or why that is not used."""
        return None

    def watch_errors(self) -> bool:
        """Run plain from now on where NumPy is to report an underflow; False if that cannot be told."""
        if self.errors is not _nothing:
            return True
        state = error_state()
        if state is None:
            return False
        self.errors, self.calm = state.get, state.get()
        return True

    def _hopeless(self) -> Any:
        """A call for which there will be no code; many of them, and nobody asks any more."""
        self._unknown += 1
        if self._unknown >= UNKNOWN:
            self._unknown = 0
            if any(each.ready or not each.done for each in self.made.values()):
                self._rest = UNKNOWN
            else:
                reasons = [each.why for each in self.made.values() if each.why]
                self.switch_off(
                    reasons[-1] if reasons else "it is called with values of other types"
                )
        return MISS

    def _tell(self, what: str, made: Made) -> None:
        """Say it now: no lock is held."""
        self.tell(what, made.seen)
        if logs.pending:
            logs.flush()

    def _ask(self, made: Made, args: tuple[Any, ...]) -> None:
        made.asked = True
        job = self._compile(self, args, made)

        def run() -> None:
            try:
                job()
            except Exception as exc:  # noqa: BLE001 - a bug of ours must not end the thread (EMB010)
                made.why = f"internal compiler error: {type(exc).__name__}: {exc} [EMB010]"
                made.details = exc
            made.done = True
            told = f"left to Python: {made.why}" if made.why else f"machine code, {made.details}"
            self._tell(told, made)

        if not (policy.background and background.is_on()):
            run()
        else:
            background.submit(run)

    def _switch(self, made: Made, args: tuple[Any, ...]) -> Any:
        assert made.entry is not None
        result = made.entry.call(*args)
        if result is MISS:
            self._was_left(made)
        else:
            self._current = made
            self.entry = made.entry.call
        return result

    def _was_left(self, made: Made) -> None:
        """Compiled code has left a call to Python; too many of those, and it rests."""
        assert made.entry is not None
        line, hits = made.entry.line, made.entry.take_hits()
        made.hits += hits
        made.lefts += 1
        made.lines[line] = made.lines.get(line, 0) + 1
        made.strikes = made.strikes + 1 if hits < 8 else 1
        self._tell(f"a call was left to Python on line {line}", made)
        if hits >= 64:
            made.pause = FIRST_REST
        if made.strikes >= policy.patience:
            made.strikes = 0
            self.entry = missed
            self._pause(
                made,
                f"it leaves too many calls to Python, most on line {max(made.lines, key=made.lines.__getitem__)}",
            )

    # ------------------------------------------------------------------ trials
    def _try_out(self, made: Made, args: tuple[Any, ...]) -> Any:
        """The first run of new code: made in Python too, as long as that is not too long."""
        assert made.entry is not None
        compiled = made.entry.call
        if not policy.trial:
            self._tell("its machine code is used", made)
            made.ready = True
            return self._switch(made, args)
        copies = _copied(args)
        began = time.perf_counter()
        result = compiled(*args)
        took = time.perf_counter() - began
        if result is MISS:
            made.lefts += 1
            made.lines[made.entry.line] = made.lines.get(made.entry.line, 0) + 1
            self._put_off(made, f"line {made.entry.line} was left to Python when tried")
            return MISS
        if took > LONG or copies is None:
            return self._accept(made, result)
        began = time.perf_counter()
        try:
            wanted = self._plain()(*copies)
        except Exception as exc:  # noqa: BLE001 - Python raises where the code did not: a bug of ours
            return self._differs(args, copies, f"Python raises {type(exc).__name__}", MISS)
        spent = time.perf_counter() - began
        if not same(result, wanted) or not same(args, copies):
            return self._differs(args, copies, f"{result!r:.60} and not {wanted!r:.60}", wanted)
        made.speedup = spent / (took + ENTERED)
        if made.speedup < NO_SLOWER:
            self._put_off(made, f"Python is quicker on such values ({1 / made.speedup:.2f} times)")
            return result
        return self._accept(made, result)

    def _accept(self, made: Made, result: Any) -> Any:
        gain = f", {made.speedup:.1f} times as fast as Python when tried" if made.speedup else ""
        self._tell(f"its machine code is used{gain}", made)
        made.ready = True
        made.why = ""
        self._current = made
        assert made.entry is not None
        self.entry = made.entry.call
        return result

    def _put_off(self, made: Made, why: str) -> None:
        made.why = why
        self._pause(made, why)

    def _pause(self, made: Made, why: str) -> None:
        """Run plain for a while, the longer the more often; at last for good."""
        if made.pause > LONGEST_REST:
            self.switch_off(why)
        self._tell(f"Python runs the next {made.pause} calls: {why}", made)
        self._rest = made.pause
        made.pause *= 4

    def _differs(
        self, args: tuple[Any, ...], copies: tuple[Any, ...], what: str, wanted: Any
    ) -> Any:
        """A bug of ours that a trial has found: nothing of it stays."""
        for ours, theirs in zip(args, copies, strict=True):
            if _is_array(ours) and ours.flags.writeable:
                ours[...] = theirs
        self.switch_off(f"internal compiler error: the compiled loop gives {what} [EMB010]")
        self._report(RuntimeError(f"a compiled loop gives {what}"))
        return wanted


def _nothing() -> None:
    return None


# ---------------------------------------------------------------------- values
_PLAIN = (int, float, bool, str, type(None))
_SAMPLE = 16


def kind_of(args: tuple[Any, ...]) -> tuple[str, ...] | None:
    """What kinds of arguments these are, told cheaply; None if no code could be made for one of them."""
    found = []
    for each in args:
        name = _kind(each, 3)
        if name is None:
            return None
        found.append(name)
    return tuple(found)


def _kind(value: Any, depth: int) -> str | None:
    kind = type(value)
    if kind in _PLAIN:
        return kind.__name__
    if kind is list:
        if not depth:
            return None
        names = set()
        for each in itertools.islice(value, _SAMPLE):
            name = _kind(each, depth - 1)
            if name is None:
                return None
            names.add(name)
        return f"list[{' | '.join(sorted(names))}]"
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return None
    if kind is numpy.ndarray:
        return f"array[{value.dtype.str},{value.ndim}]" if value.dtype.char in "dl" else None
    return f"numpy.{kind.__name__}" if kind in (numpy.float64, numpy.int64) else None


def size_of(value: Any) -> int:
    """About how much work an argument stands for."""
    kind = type(value)
    if kind is int:
        return int(min(abs(value), 1000))
    if kind is list:
        inner = len(value[0]) if value and type(value[0]) is list else 1
        return int(len(value) * max(inner, 1))
    if kind is str:
        return len(value)
    return int(value.size) if _is_array(value) else 1


def _is_array(value: Any) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and type(value) is numpy.ndarray


def _copied(args: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """The arguments with copies of the arrays, which are all that a loop writes to; None if they are too large."""
    arrays = [each for each in args if _is_array(each)]
    if sum(each.nbytes for each in arrays) > MOST_COPIED:
        return None
    made: dict[int, Any] = {id(each): each.copy() for each in arrays}
    return tuple(made.get(id(each), each) for each in args)


def same(left: Any, right: Any) -> bool:
    """Whether two results are the same: types, and bits."""
    if left is right:
        return True
    kind = type(left)
    if kind is not type(right):
        return False
    if kind is float:
        return struct.pack("d", left) == struct.pack("d", right) or (
            left != left and right != right
        )
    if kind in (list, tuple):
        return len(left) == len(right) and all(map(same, left, right))
    if hasattr(left, "tobytes"):
        return bool(
            left.dtype == right.dtype
            and left.shape == right.shape
            and left.tobytes() == right.tobytes()
        )
    return bool(left == right)
