"""How often things that are alike are looked into, when nothing ever comes of it.

A program may make an object, call its methods and drop it, thousands of times.  What is inferred holds for one
object, for it rests on what that holds, and takes milliseconds.  After some objects of a class of whose method
nothing could be inferred, the next ones are taken to be like them: they run in order, as they are written.
Now and then another is looked into, in ever longer intervals: nothing is given up for good.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import FunctionType, MethodType
from typing import Any, Generic, TypeVar

from ember_jit.kinds import is_a
from ember_jit.runtime.mapping import innermost

Alike = tuple[int, int]
"""Identities of a code object (or callable) and of a class; 0 where there is none.

Identities may be given again: a wrong count costs a look, or one that is not taken.
"""

TRIES = 4
INHERITED_TRIES = 2 * TRIES
A_LOOK = 1e-3  # seconds that looking into a callable takes at least, about
_DEAREST = 4.0
_MOST = 4096
Answer = TypeVar("Answer")
Count = TypeVar("Count")


def alike(obj: Any) -> Alike | None:
    """What `obj` has in common with others that are called like it; None if it is looked into in any case.

    Of a mapped function that is what it maps: nothing else of it is ever looked into.
    """
    obj = innermost(obj)
    if type(obj) is MethodType:
        return _code(obj.__func__), id(type(obj.__self__))
    if type(obj) is FunctionType:
        return (_code(obj), 0) if obj.__closure__ else None
    if is_a(obj, type) or type(obj).__module__ == "builtins":
        return None
    return 0, id(type(obj))


def runs(obj: Any) -> Alike:
    """What calling `obj` runs, whatever it is bound to."""
    if type(obj) is MethodType:
        return _code(obj.__func__), 0
    if is_a(obj, type) or type(obj).__module__ == "builtins":
        return _code(obj), 0
    return 0, id(type(obj))


def _code(function: Any) -> int:
    return id(function.__code__ if type(function) is FunctionType else function)


@dataclass(slots=True)
class _Vain(Generic[Answer]):
    """Looks at things that are alike, all in vain.

    Attributes:
        count: how many; once there were enough of them, things that were passed over count too.
        last: what the last one came to.
    """

    count: int = 0
    last: Answer | None = None


class Patience(Generic[Answer]):
    """Counts, for things alike, how many were looked into in vain since one was not, and what the last one came to.

    A method counts as one of its class and, as many classes may inherit it, as one of all.
    """

    def __init__(self) -> None:
        self._kinds: dict[Alike, _Vain[Answer]] = {}

    def spent(self, kind: Alike) -> Answer | None:
        """What others of its kind came to, if the next one should not be looked into."""
        for each, tries in _levels(kind):
            found = self._kinds.get(each)
            if found is not None and found.count >= tries:
                found.count += 1
                count = found.count - 1
                if count & (count - 1):  # at 4, 8, 16, ... one is looked into
                    return found.last
        return None

    def looked(self, kind: Alike, answer: Answer, in_vain: bool) -> None:
        """One was looked into."""
        for each, tries in _levels(kind):
            if not in_vain:
                self._kinds.pop(each, None)
                continue
            found = self._kinds.get(each) or _add(self._kinds, each, _Vain[Answer]())
            found.last = answer
            if found.count < tries:
                found.count += 1


def _levels(kind: Alike) -> Iterator[tuple[Alike, int]]:
    yield kind, TRIES
    if all(kind):
        yield (kind[0], 0), INHERITED_TRIES


@dataclass(slots=True)
class _Rent:
    """Calls that are alike, and how long they have taken since the last look at one."""

    seconds: float = 0.0
    price: float = A_LOOK
    hopeful: bool = False


class Thrift:
    """Lets a look at a callable wait until calls like it have taken as long as the look would.

    So all the looks of a program together take, about, no longer than what they are about (as who rents skis until the
    rent has come to their price).  Each look in vain at least doubles the price of the next.
    """

    def __init__(self) -> None:
        self._kinds: dict[Alike, _Rent] = {}

    def affords(self, kind: Alike, seconds: float) -> bool:
        """Whether a look is due, after one more call that took `seconds`."""
        found = self._kinds.get(kind) or _add(self._kinds, kind, _Rent())
        found.seconds += seconds
        return found.hopeful or found.seconds >= found.price

    def looked(self, kind: Alike, price: float, in_vain: bool) -> None:
        """A look was taken, and took `price` seconds."""
        found = self._kinds.get(kind) or _add(self._kinds, kind, _Rent())
        found.hopeful = not in_vain
        found.seconds = 0.0
        found.price = min(2 * max(found.price, price), _DEAREST) if in_vain else A_LOOK


def _add(kinds: dict[Alike, Count], kind: Alike, count: Count) -> Count:
    if len(kinds) > _MOST:
        kinds.clear()
    kinds[kind] = count
    return count
