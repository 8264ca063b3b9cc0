"""Speculation: what a chain takes for granted, whether it still holds, and what happens when it does not.

A chain (`compiler.passes.chain`) is an attempt that nobody can see until it succeeds.  In front of it stands
its guard (`runtime.guard`), which only reads; when that does not hold, or the attempt is given up, the ordinary code runs, and

    missed(self) looks at everything anew: the attempt is made again from the next call on, if all is as it was
                 when the chain was compiled.  After `MISSES` attempts in vain it is left out for good.
"""

from __future__ import annotations

import opcode
import sys
import weakref
from collections.abc import Callable, Sequence
from types import CodeType, FunctionType
from typing import Any

from ember_jit.runtime import overlays
from ember_jit.runtime.guard import NEVER, Guard, make_guard
from ember_jit.runtime.statics import type_lookup

MISSES = 64  # attempts in vain before a function does without
RENEWALS = 1024  # times that something changed which did not matter
#: the classes whose operators and methods, used on each other, run no code of anybody's; the most frequent first
SCALARS = (int, str, float, bool, type(None), complex)
#: what an attempt may raise: by a key that is not there, arithmetic, or the check of an instance's own `forward`
EXPECTED = (
    ArithmeticError,
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    NameError,
    MemoryError,
)
_MONITORING: Any = getattr(sys, "monitoring", None)  # CPython 3.12+
_RESUME = opcode.opmap["RESUME"]
_INSTRUMENTED = 234  # opcodes from here on report to somebody


class Premises:
    """What compilation saw of classes and functions.

    Attributes:
        owner: the class of the function's own receiver, weakly: our code would keep it alive for ever.
        classes: the classes of the operators.
        members: (class number, name, what was found under it), for everything that an attempt looks up.
        functions: (function, its code), for the bodies that were read.
    """

    def __init__(self, owner: type) -> None:
        self.owner = weakref.ref(owner)
        self.classes: tuple[type, ...] = ()
        self.members: list[tuple[int, str, Any]] = []
        self.functions: list[tuple[FunctionType, CodeType]] = []

    def add(self, cls: type, names: Sequence[str]) -> None:
        """Take the members `names` of a class for granted."""
        number = -1 if cls is self.owner() else self._number(cls)
        for name in names:
            entry = (number, name, type_lookup(cls, name))
            if not any(entry[:2] == each[:2] for each in self.members):
                self.members.append(entry)

    def add_function(self, function: FunctionType) -> None:
        """Take the code of a function for granted."""
        if not any(each is function for each, _ in self.functions):
            self.functions.append((function, function.__code__))

    def _number(self, cls: type) -> int:
        for number, each in enumerate(self.classes):
            if each is cls:
                return number
        self.classes = (*self.classes, cls)
        return len(self.classes) - 1

    def hold(self) -> bool:
        """Whether all is as it was seen."""
        owner = self.owner()
        if owner is None or overlays.listening:
            return False
        if any(function.__code__ is not code for function, code in self.functions):
            return False
        kinds = (*self.classes, owner)
        return all(
            type_lookup(kinds[number], name) is found for number, name, found in self.members
        )


class Speculation:
    """The state of one chain, which rides in the constants of its code.

    Attributes:
        guard: whether the premises hold, and nobody traces, for a receiver (see `runtime.guard`).

    Args:
        premises: what was seen.
        is_disabled: whether compiled code is to run plain in this context.
        give_up: called with the reason when the attempt has failed too often.
    """

    __slots__ = (
        "_code",
        "_give_up",
        "_is_disabled",
        "_misses",
        "_renewals",
        "_resume",
        "guard",
        "premises",
    )

    def __init__(
        self, premises: Premises, is_disabled: Callable[[], bool], give_up: Callable[[str], None]
    ) -> None:
        self.premises = premises
        self.guard: Guard = NEVER
        self._code: Callable[[], CodeType | None] = lambda: None
        self._resume = 0
        self._give_up = give_up
        self._is_disabled = is_disabled
        self._misses = 0
        self._renewals = 0

    def arm(self, code: CodeType) -> bool:
        """Make ready for `code`, in whose constants we are; False if the premises cannot be guarded here."""
        self._code = weakref.ref(code, self._without_code)
        self._resume = code.co_code[::2].index(_RESUME) * 2
        return self._renew()

    def missed(self, receiver: Any) -> None:
        """The attempt was not made, or came to nothing."""
        if self._is_disabled() or overlays.listening or self._is_traced():
            return
        owner = self.premises.owner()
        stale = type(receiver) is owner and not self.guard(receiver)
        if stale and self._renewals < RENEWALS and self._renew():
            self._renewals += 1
            return
        self._misses += 1
        if self._misses == MISSES:
            self._give_up(f"its operators or values were not as expected, {MISSES} times")

    def is_ours(self, exc: Exception) -> bool:
        """Whether the attempt itself raised `exc`, and not a signal handler, or another thread by `PyThreadState_SetAsyncExc`."""
        within = exc.__traceback__ is None or exc.__traceback__.tb_next is None
        return within and type(exc).__module__ == "builtins"

    def _without_code(self, _: object) -> None:
        """Our code is about to be freed, at which the guard looks: a copy of it may still have us."""
        self.guard = NEVER

    def _renew(self) -> bool:
        """Look at everything anew; whether the attempt may be made from now on.

        The guard is made before the looking: it does not hold if anything changes in between, or somebody comes to trace.
        """
        premises, owner, code = self.premises, self.premises.owner(), self._code()
        if owner is None or code is None:
            return False
        guard = make_guard(owner, premises.classes, premises.functions, code)
        if guard is None or self._is_traced() or not premises.hold():
            return False
        self.guard = guard
        return True

    def _is_traced(self) -> bool:
        """Whether anybody may be told of the lines or calls of this function, from 3.12 on in any thread."""
        if sys.gettrace() is not None or sys.getprofile() is not None:
            return True
        if _MONITORING is None:
            return False
        if any(_MONITORING.get_tool(number) is not None for number in range(6)):
            return True
        code: Any = self._code()
        return code is None or code._co_code_adaptive[self._resume] >= _INSTRUMENTED
