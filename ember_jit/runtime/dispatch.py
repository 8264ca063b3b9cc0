"""Units: one decorated function each, and the decision, call by call, whether it overlaps.

A unit lives in the constants of the code that it puts in place of the function's own: the function
stays the same object, in the same class, and no wrapper frame stands in a traceback.

    decorated  -> stub code: compiles at the first call, then calls again
    compiled   -> retire program; its first line asks `open`, which gives a `Run` or None (run plain)
    left alone -> the original code
"""

from __future__ import annotations

import os
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from time import perf_counter
from types import CodeType, FunctionType, TracebackType
from typing import Any

from ember_jit.errors import InternalCompilerWarning
from ember_jit.runtime import debugged, logs, protocol_frame
from ember_jit.runtime.arrays import holds_arrays
from ember_jit.runtime.frames import leave_no_trace
from ember_jit.runtime.learning import Memory, UnitRun
from ember_jit.runtime.originals import remember, twin_of
from ember_jit.runtime.overlays import offer, put_code
from ember_jit.runtime.plan import Plan
from ember_jit.runtime.run import Run
from ember_jit.warned import warn_of_settings
from ember_jit.weak import dropping

_disabled: ContextVar[bool] = ContextVar("ember_jit_disabled", default=False)
_units: weakref.WeakKeyDictionary[FunctionType, Unit] = weakref.WeakKeyDictionary()
after_compiling: list[Callable[[Unit, FunctionType], None]] = []
"""Called once for each function that was compiled (or left alone), by the thread that compiled it."""
_PACKAGE = __file__.rsplit("runtime", 1)[0]
_STDLIB = threading.__file__.rsplit("threading", 1)[0]

BARREN = 64  # receivers in a row, of one function, with nothing to overlap
ALIKE = 64  # receivers that are looked at, after one for which a function was left alone
LOOKS = 50_000  # calls in which they are
REOPENED = 4  # times that another receiver has such a function compiled again
MISSES = 64  # straight calls that met another class, before a function runs plain for good


class Switch:
    """Whether `disable_structural_jit` has ever been used; until then nobody need ask for its context.

    Attributes:
        used: it has, and some context may have been copied while it was in force.
    """

    __slots__ = ("used",)

    def __init__(self) -> None:
        self.used = False


SWITCH = Switch()


@contextmanager
def disable_structural_jit() -> Iterator[None]:
    """Run every compiled function plain while the block runs.

    Nests, restores what was there before, and is per context: other threads and tasks are not affected.

    Example:
        >>> with disable_structural_jit():
        ...     pass
    """
    SWITCH.used = True
    token = _disabled.set(True)
    try:
        yield
    finally:
        _disabled.reset(token)


def is_disabled() -> bool:
    """Whether `disable_structural_jit` is in force in this context."""
    return _disabled.get()


@dataclass(frozen=True, slots=True)
class Options:
    """How one function is to be compiled and run (see `structural_jit`)."""

    execution_strategy: str = "auto"
    parallel_threshold: int = 2
    max_workers: int | None = None
    effects: str = "infer"
    assume: str | None = None
    max_extra_calls: int | None = None
    speculate: str = "pure"
    trace: bool = False
    force_trace: bool = False
    recursive: bool = True
    numerics: str = "strict"


@dataclass(slots=True)
class Stats:
    """What happened to one function.  Times in seconds."""

    compiled: bool = False
    left_alone: str = ""
    compile_seconds: float = 0.0
    runs: int = 0
    issued: int = 0
    internal_errors: list[str] = field(default_factory=list)


class Unit:
    """One decorated function.

    Attributes:
        disabled: says whether compiled functions run plain in this context.
        watched, gettrace, tool, make: what generated code asks and does where a debugger follows (`debugged`).
        called, through, no_room: the frame that a straight call saves, in a traceback (`protocol_frame`).

    Args:
        function: the function object, whose code is replaced in place.
        options: how to compile and run it.
        compiler: called once, at the first call, with this unit and the call's arguments; returns the
            retire program's code and its plan, or None to leave the function alone.
    """

    disabled = _disabled
    watched = debugged.watched
    gettrace = staticmethod(debugged.gettrace)
    tool = staticmethod(debugged.tool)
    make = FunctionType
    called = staticmethod(protocol_frame.called)
    through = staticmethod(protocol_frame.through)
    no_room = (RecursionError, MemoryError)

    def __init__(
        self,
        function: FunctionType,
        options: Options,
        compiler: CompileUnit,
    ) -> None:
        self.function = weakref.ref(function)
        self.original = function.__code__
        self.name = function.__qualname__
        self.options = options
        self.stats = Stats()
        self.plan: Plan | None = None
        self.artifacts: Any = None
        self.origin = ""  # the bundle that its code is from, if it is from one
        self.tracer: Any = None  # the tracing fallback, where that is what runs
        self.stub: CodeType | None = None
        self.ordinary: CodeType | None = None  # what runs where a chain's attempt does not
        self.attempt_left_out = ""  # why it makes none any more
        self.bound = False  # the first argument is `self`, although the function stands in no class
        self.meets_arrays = False  # its first call had arrays among its arguments
        self._compile = compiler
        self._lock = threading.RLock()
        self._settled = False
        self._memories: dict[int, Memory] = {}
        self._sequential = options.execution_strategy == "sequential"
        self.auto = options.execution_strategy == "auto"
        self.barren = 0
        self._misses = 0
        self.is_alike: Callable[[Any], bool] | None = None  # see `look`
        self._alike: dict[int, weakref.ref[Any]] = {}
        self._looks = self._calls = 0
        self._reopened = 0
        self._placed: CodeType | None = None
        self._limit = 1
        self._window = 4

    # ------------------------------------------------------------------ the first call
    def first(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What the stub does: compile, put the result in place, and make the call."""
        function = self.function()
        assert function is not None
        if _disabled.get():
            return twin_of(function, self.original)(*args, **kwargs)
        self.meets_arrays = holds_arrays(self.original, args, kwargs)
        try:
            self.settle(function, args[0] if args else None)
        except RecursionError:  # no room on the stack to compile: plain this time, the stub stays
            return twin_of(function, self.original)(*args, **kwargs)
        if logs.pending:
            logs.flush()
        return function(*args, **kwargs)

    def settle(self, function: FunctionType, owner: Any) -> None:
        """Compile, once; afterwards the function has its final code."""
        with self._lock:
            if self._settled:
                return
            warn_of_settings()
            began = perf_counter()
            result: tuple[CodeType, Plan | None] | None = None
            try:
                result = self._compile(self, owner)
            except (RecursionError, Warning):
                raise  # a warning of ours that the user has turned into an error: the stub stays for the next call
            except Exception as exc:
                if is_from_user(exc.__traceback__):
                    raise  # a signal handler of the user's raised while we compiled; the stub stays for the next call
                self.internal_error(exc)
            self.stats.compile_seconds = perf_counter() - began
            if result is None:
                put_code(function, self.original)
            else:
                code, plan = result
                if plan is not None:  # else it is its own code, with the tracing fallback's hooks
                    self.plan = plan
                    self._limit = plan.max_workers
                    self._window = plan.window
                    self.stats.compiled = True
                remember(code, self.original)
                self._placed = code
                put_code(function, code)
            self._settled = True
            for observe in after_compiling:
                observe(self, function)
        if logs.wanted("recompiles"):  # in `first`, once no lock is held
            logs.later("recompiles", logs.became(self))

    @contextmanager
    def following(self, strategy: str) -> Iterator[None]:
        """Run by another `execution_strategy` while the block runs, in all threads; by its own, if it is none."""
        before = self._sequential, self.auto
        if strategy in ("sequential", "parallel"):
            self._sequential, self.auto = strategy == "sequential", False
        try:
            yield
        finally:
            self._sequential, self.auto = before

    def where(self) -> str:
        """The function and its place, as messages name it."""
        return f"{self.name} ({self.original.co_filename}:{self.original.co_firstlineno})"

    def internal_error(self, exc: Exception) -> None:
        """A bug of ours: say so once, and run plain."""
        from ember_jit.config import config

        text = f"{type(exc).__name__}: {exc}"
        self.stats.internal_errors.append(text)
        self.stats.left_alone = f"internal compiler error: {text} [EMB010]"
        if config().strict_internal:
            raise exc
        message = f"ember_jit could not compile {self.name} ({text}); the plain code runs instead. This is a bug in ember_jit [EMB010]"
        warnings.warn(message, InternalCompilerWarning, stacklevel=4)

    def trim(self) -> None:
        """Take the stub's frame and ours out of the traceback of the exception that is being handled."""
        leave_no_trace(self.stub)

    # ------------------------------------------------------------------ every call
    def open(self, owner: Any) -> Run | None:
        """The run of one call, or None if this call runs plain."""
        if self._sequential or _disabled.get():
            return None
        memory: Memory | None = None
        if self.auto:  # "parallel" overlaps wherever it may, whether or not that has paid
            memory = self._memories.get(id(owner)) or self._memories.get(0)
            if memory is not None and (memory.skip or memory.until):
                if memory.owner is None or memory.owner() is owner:
                    if memory.skip:
                        memory.skip -= 1
                        return None
                    if perf_counter() < memory.until:
                        return None
                    memory.until = 0.0
                else:
                    memory = None
            if memory is None and self.barren >= BARREN:
                # many receivers, and nothing ever to overlap in any: look at one new one in a while
                self.barren += 1
                if self.barren % BARREN:
                    return None
        assert self.plan is not None
        return UnitRun(self, memory, owner, self.plan, self._limit, self._window)

    def missed(self) -> None:
        """A straight call met another class than it was made for, and is made as it is written."""
        if _disabled.get():
            return
        self._misses += 1
        if logs.wanted("guards"):
            reason = "a receiver was not of the class that it was compiled for"
            logs.say("guards", f"{self.where()}: {reason} ({self._misses} of {MISSES} times)")
        if self._misses >= MISSES:
            self.put_back(
                f"its operators were of other classes than at the first call, {MISSES} times"
            )

    def put_back(self, why: str) -> None:
        """Give the function its own code back, for good."""
        function = self.function()
        if function is None or function.__code__ is not self._placed:
            return
        put_code(function, self.original)
        self.stats.compiled = False
        self.stats.left_alone = why
        if logs.wanted("recompiles"):
            logs.say("recompiles", f"{self.where()}: its own code was put back: {why}")

    def look(self, owner: Any) -> None:
        """A function was left alone for what one receiver holds: compile it if this one holds something else.

        The call at hand goes on as it is written.  After so many receivers that are like the first, or so many calls,
        none is looked at any more: the function is its own code again, and costs what it did.
        """
        self._calls += 1
        if (id(owner) in self._alike and self._calls < LOOKS) or _disabled.get():
            return
        with self._lock:
            function, is_alike = self.function(), self.is_alike
            if function is None or is_alike is None:
                return
            self._looks += 1
            if self._looks > ALIKE or self._calls >= LOOKS or self._reopened >= REOPENED:
                self.is_alike = None
                put_code(function, self.original)
                return
            try:
                if is_alike(owner):
                    self._remember_alike(owner)
                    return
                self._reopened += 1
                self.is_alike = None
                self._alike.clear()
                self._settled = False
                self.settle(function, owner)
            except RecursionError:  # no room on the stack: another time
                self.is_alike, self._settled = is_alike, True

    def _remember_alike(self, owner: Any) -> None:
        key = id(owner)
        try:
            self._alike[key] = dropping(self._alike, key, owner)
        except TypeError:
            pass  # it is looked at again, as often as receivers are

    def without_attempt(self, reason: str) -> None:
        """The chain's attempt has come to nothing too often: put the ordinary code in place."""
        function = self.function()
        if function is None or function.__code__ is not self._placed:
            return
        code = self.ordinary or self.original
        if code is not self.original:
            remember(code, self.original)
        self._placed = code
        put_code(function, code)
        self.attempt_left_out = reason

    def remember(self, owner: Any, memory: Memory | None) -> Memory:
        """The memory of `owner`, made if need be."""
        if memory is not None and (memory.owner is None or memory.owner() is owner):
            return memory
        key = id(owner)
        try:
            reference = dropping(self._memories, key, owner)
        except TypeError:
            reference = None  # an argument that cannot be told apart from others
            key = 0
            found = self._memories.get(key)
            if found is not None:
                return found
        memory = Memory(reference)
        self._memories[key] = memory
        return memory


CompileUnit = Callable[[Unit, Any], tuple[CodeType, Plan | None] | None]
"""Makes the code and the plan of a unit, for its first argument in the call at hand; None leaves it alone."""


def register(function: FunctionType, unit: Unit) -> None:
    """Remember that `function` was decorated; a function that is left alone keeps no other trace of it."""
    _units[function] = unit
    offer(function)


def register_left_alone(function: FunctionType, options: Options, reason: str) -> None:
    """Remember that `function` was decorated, and left as it is for `reason`."""
    if function not in _units:
        unit = Unit(function, options, lambda unit, owner: None)
        unit.stats.left_alone = reason
        unit._settled = True
        register(function, unit)


def unit_of(function: FunctionType) -> Unit | None:
    """The unit of a decorated function, or None if it was never decorated."""
    return _units.get(function)


def unit_at(file: str, line: int) -> tuple[FunctionType, Unit] | None:
    """The decorated function that is defined at a place, with its unit; or None."""
    for function, unit in list(_units.items()):
        if (unit.original.co_filename, unit.original.co_firstlineno) == (file, line):
            return function, unit
    return None


def is_from_user(trace: TracebackType | None) -> bool:
    """Whether an exception that came out of the compiler was raised by code that is neither ours nor Python's."""
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return False
    library = getattr(sys.modules.get("bytecode"), "__file__", None)
    if library and trace.tb_frame.f_code.co_filename.startswith(library.rsplit("__init__", 1)[0]):
        return False
    filename = trace.tb_frame.f_code.co_filename
    return not filename.startswith((_PACKAGE, _STDLIB, "<frozen", "<ember_jit"))


def _renew_locks() -> None:
    """In a forked child: a thread that was compiling does not exist there, and would hold its lock for ever."""
    for unit in list(_units.values()):
        unit._lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)
