"""Numeric sites: one region of a compiled function each, and the kernels that have been made for it.

    y = (x * a + b) * c     -->   if K.on and K.errors() is K.calm and (_r := K.entry(x, a, b, c)) is not K.miss ...
                                  or (_r := K.again(x, a, b, c)) is not K.miss: y = _r
                                  else: y = (x * a + b) * c

`entry` is the kernel that was right last time; it checks its arguments itself and answers `MISS` when they are
others.  `again` looks for one that fits, or has one made: machine code in the background, while the plain
statements run; then a call with such values at hand tries it out.  That is done twice: code that is soon there first, and
better code, which then takes its place.  A site that only misses switches itself off.

Invariants: nothing that can be seen has happened when the answer is `MISS`; a site never imports NumPy, it
begins with the first array that it meets; what a kernel is made of, the compiler knows (`specialise`).
"""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from ember_jit.errors import DependencyWarning
from ember_jit.runtime import background, logs
from ember_jit.runtime.class_tags import class_tag
from ember_jit.runtime.native.miss import MISS
from ember_jit.runtime.tried import TriedFirst, error_state, is_underflow_ignored, missed

MISSES = 64  # in a row, before a site switches itself off
REST = 256  # calls: then one that has kernels looks again
MOST_KERNELS = 8  # of one site
_NUMBERS = (bool, int, float)


@dataclass(frozen=True, slots=True)
class Kernel:
    """One specialisation.

    Attributes:
        entry: takes the inputs; returns the result, a tuple of several, or `MISS`.
        seen: what the inputs were, for the reader.
        details: what the compiler knows of it, for reports and bundles.
        slow: why it is not used: NumPy is quicker; or empty.
    """

    entry: Callable[..., Any]
    seen: tuple[str, ...]
    details: Any
    slow: str = ""


class Making(Protocol):
    """A kernel that is being made."""

    def make(self) -> None:
        """Make its machine code; knows the values' types, not the values, and may run on any thread."""

    def finish(self, args: tuple[Any, ...]) -> Kernel | str:
        """The kernel, tried out on `args`, or why there is none."""

    def quick(self) -> Making:
        """The same, sooner and worse."""

    def better(self, quick: Kernel) -> Kernel | None:
        """The kernel in place of a quick one, which has been tried out; None if there is none."""


Specialise = Callable[["Site", tuple[Any, ...]], "Making | Kernel | str"]
"""A kernel that need not be made, or one that has to be, or why there is none."""


class _Pending:
    """A kernel that is being made, and a quick one before it.

    The thread that compiles takes no lock of ours: a fork waits for it, from within whatever holds one.  So whoever sets
    the second of `kernel` and `made` lets the better one take its place (`turn` is taken once).

    Attributes:
        kernel: the quick one, if it is used.
        tried: the quick one has been tried out.
        made: the better one is there, or has failed (`error`).
    """

    __slots__ = ("error", "kernel", "made", "making", "quick", "quick_job", "seen", "tried", "turn")

    def __init__(self, making: Making, seen: tuple[str, ...]) -> None:
        self.making = making
        self.seen = seen
        self.quick = making.quick()
        self.quick_job = background.submit(self.quick.make)
        self.kernel: Kernel | None = None
        self.tried = False
        self.made = False
        self.error: Exception | None = None
        self.turn = [True]


_PENDING: Any = object()


class Site(TriedFirst):
    """The kernels of one region; `entry` is that which was right last time.

    Attributes:
        kernels: what was made.
        refused: what was not, and why, by what the inputs were.
        met: all that was made, used or not, by `key_text` of what it was made for.
    """

    type_of = type
    mapping = dict
    unready = (NameError, AttributeError, KeyError, IndexError)

    def __init__(
        self,
        region: Any,
        specialise: Specialise,
        disabled: ContextVar[bool],
        report: Callable[[Exception], None],
        left_off: Callable[[], None],
    ) -> None:
        super().__init__(region, disabled, report, left_off)
        self.kernels: list[Kernel] = []
        self.refused: dict[tuple[str, ...], str] = {}
        self.met: dict[str, Kernel] = {}
        self.flagged = 0  # calls whose arithmetic raised a flag: NumPy made them again
        self.ndarray: Any = None
        self.calm: Any = self  # the error state in which an underflow is ignored
        self.errors: Callable[[], Any] = missed
        self._specialise = specialise
        self._known: dict[tuple[Any, ...], Kernel | _Pending | None] = {}
        self._misses = 0
        self._rest = 0
        self._lock = threading.RLock()
        numpy = sys.modules.get("numpy")
        if numpy is not None:
            self.ndarray = numpy.ndarray
            self._watch_errors()

    def watch_owner(self, kind: type) -> bool:
        """Have fields of an instance of `kind` read ahead; False if a change of the class could not be seen."""
        tag = class_tag(kind)
        if tag is None:
            return False
        self.kind = weakref.ref(kind)
        self.tag, self.stamp = tag, tag.value
        return True

    def _watch_errors(self) -> None:
        """Know NumPy's default error state again: it is one object for the whole process."""
        state = error_state()
        if state is not None:
            self.errors, self.calm = state.get, state.get()

    # ------------------------------------------------------------------ calls
    def again(self, *args: Any) -> Any:
        """The result by another kernel, made if need be; or `MISS`."""
        if self._rest:
            self._rest -= 1
            return MISS
        if self._disabled.get():
            return MISS
        try:
            found = self._again(args)
        except DependencyWarning:
            raise  # the user has turned it into an error
        except RecursionError:
            return MISS  # no room on the stack to compile
        except Exception as exc:  # noqa: BLE001 - a bug of ours must not break the user's call (EMB010)
            self.switch_off(f"internal compiler error: {type(exc).__name__}: {exc} [EMB010]")
            self._report(exc)
            return MISS
        if found is _PENDING:
            return MISS
        if found is MISS:
            self._misses += 1
            if self._misses >= MISSES:
                self._misses = 0
                if self.kernels and not self.flagged >= MISSES:
                    self._rest = REST
                else:
                    self.switch_off(self._why_missed())
        else:
            self._misses = 0
        if logs.pending:
            logs.flush()
        return found

    def _again(self, args: tuple[Any, ...]) -> Any:
        if self.ndarray is None or not any(type(each) is self.ndarray for each in args):
            return MISS
        if not is_underflow_ignored():
            return MISS
        tried = self.entry
        for kernel in self.kernels:
            if kernel.entry is tried and self.errors() is self.calm:
                continue
            found = kernel.entry(*args)
            if found is not MISS:
                self.entry = kernel.entry
                return found
        key = key_of(args, self.ndarray)
        known = self._known.get(key, _PENDING)
        if known is None or isinstance(known, Kernel):
            if known is not None:
                self._flags_were_raised(args)
            return MISS
        made = self._make(key, args)
        if made is _PENDING or made is None:
            return MISS if made is None else made
        found = made.entry(*args)
        if found is MISS:
            self._flags_were_raised(args)
        return found

    def _flags_were_raised(self, args: tuple[Any, ...]) -> None:
        self.flagged += 1
        self.tell("NumPy makes it again: its arithmetic raised flags", ", ".join(describe(args)))

    def _make(self, key: tuple[Any, ...], args: tuple[Any, ...]) -> Any:
        """The kernel for such values, None if there is none, or `_PENDING`."""
        with self._lock:
            known = self._known.get(key, _PENDING)
            if known is _PENDING:
                if len(self.kernels) >= MOST_KERNELS or len(self._known) >= 4 * MOST_KERNELS:
                    return None
                return self._settle(key, args, self._begin(key, args))
            if not isinstance(known, _Pending):
                return known
            if known.made and known.kernel is None:
                if known.error is not None:
                    raise known.error
                return self._settle(key, args, known.making.finish(args))
            if known.quick_job.done and not known.tried:
                known.tried = True
                if known.quick_job.error is not None:
                    raise known.quick_job.error
                quick = known.quick.finish(args)
                if isinstance(quick, Kernel) and not quick.slow:
                    self._use(key, quick)
                    known.kernel = quick
                    self._replace(key, known)
                    return quick
            background.tend()
            return known.kernel or _PENDING

    def _begin(self, key: tuple[Any, ...], args: tuple[Any, ...]) -> Kernel | str | None:
        """Have a kernel made; None if that goes on in the background."""
        made = self._specialise(self, args)
        if isinstance(made, Kernel | str):
            return made  # from the cache, or refused
        if background.is_on():
            pending = self._known[key] = _Pending(made, describe(args))
            background.submit(partial(self._improve, key, pending), later=True)
            return None
        made.make()
        return made.finish(args)

    def _settle(
        self, key: tuple[Any, ...], args: tuple[Any, ...], made: Kernel | str | None
    ) -> Any:
        if made is None:
            return _PENDING
        if isinstance(made, Kernel):
            self.met[key_text(key)] = made
        if isinstance(made, str) or made.slow:
            why = made if isinstance(made, str) else made.slow
            self.refused[describe(args)] = why
            self.tell(f"left to NumPy: {why}", ", ".join(describe(args)))
            self._known[key] = None
            return None
        self._known[key] = made
        self._use(key, made)
        return made

    def _use(self, key: tuple[Any, ...], made: Kernel) -> None:
        details = f", {made.details}" if made.details is not None else " from a bundle"
        self.tell(f"a kernel{details}", ", ".join(made.seen))
        self.met[key_text(key)] = made
        self.kernels.append(made)
        self.entry = made.entry

    def _improve(self, key: tuple[Any, ...], pending: _Pending) -> None:
        """Make better code, in the background."""
        try:
            pending.making.make()
        except Exception as exc:  # noqa: BLE001 - a bug of ours: a later call reports it, or the quick code stays (EMB010)
            pending.error = exc
        pending.made = True
        self._replace(key, pending)

    def _replace(self, key: tuple[Any, ...], pending: _Pending) -> None:
        """Let better code take the place of the quick one, if that is used and both are there."""
        quick = pending.kernel
        if quick is None or not pending.made:
            return
        try:
            pending.turn.pop()
        except IndexError:
            return
        better = None
        if pending.error is None:
            better = pending.making.better(quick)
        else:
            why = f"internal compiler error: {type(pending.error).__name__}: {pending.error}"
            self.refused[(*quick.seen, "in better code")] = f"{why} [EMB010]"
        if better is not None:
            self.met[key_text(key)] = better
            self.kernels[self.kernels.index(quick)] = better
            if self.entry is quick.entry:
                self.entry = better.entry
        self._known[key] = better or quick

    def pending(self) -> list[tuple[str, ...]]:
        """What kernels are being made for, to read."""
        waiting = [each for each in self._known.values() if isinstance(each, _Pending)]
        return [each.seen for each in waiting if each.kernel is None]

    def _why_missed(self) -> str:
        if self.flagged:
            return f"its arithmetic raised floating-point flags, {MISSES} times in a row"
        reasons = list(self.refused.values())
        return reasons[-1] if reasons else f"its values were no arrays, {MISSES} times in a row"


def key_of(args: tuple[Any, ...], array: type) -> tuple[Any, ...]:
    """What kernels are made for: types, layouts, and which lengths are equal; not the lengths."""
    lengths: dict[int, int] = {}
    found: list[Any] = []
    for each in args:
        kind = type(each)
        if kind is array:
            shape = tuple(
                -n if n <= 1 else lengths.setdefault(n, 1 + len(lengths)) for n in each.shape
            )
            found.append((each.dtype, shape, each.flags.num & 0x101))
        else:
            found.append(kind)
    return tuple(found)


def key_text(key: tuple[Any, ...]) -> str:
    """A key as text that is the same in every process."""
    words = []
    for each in key:
        if isinstance(each, type):
            words.append(f"{each.__module__}.{each.__qualname__}")
        else:
            dtype, shape, flags = each
            words.append(f"{dtype.str}{dtype.char}[{','.join(map(str, shape))}]{flags:x}")
    return " ".join(words)


def describe(args: tuple[Any, ...]) -> tuple[str, ...]:
    """What the inputs are, to read."""
    found = []
    for each in args:
        name = type(each).__name__
        shape = getattr(each, "shape", ())
        dtype = getattr(each, "dtype", None)
        found.append(f"{dtype}{list(shape)}" if dtype is not None and shape else name)
    return tuple(found)
