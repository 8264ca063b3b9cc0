"""How often things that are alike are looked into, when nothing ever comes of it.

A program may make an object, call its methods and drop it, thousands of times.  What is inferred holds for one
object, for it rests on what that holds, and takes milliseconds.  After some objects of a class of whose method
nothing could be inferred, the next ones are taken to be like them: they run in order, as they are written.
Now and then another is looked into, in ever longer intervals: nothing is given up for good.
"""

from __future__ import annotations

from types import FunctionType, MethodType
from typing import Any

Alike = tuple[int, int]

TRIES = 8
_MOST = 4096


def alike(obj: Any) -> Alike | None:
    """What `obj` has in common with others that are called like it; None if it is looked into in any case."""
    if type(obj) is MethodType:
        function = obj.__func__
        code = function.__code__ if type(function) is FunctionType else function
        return id(code), id(type(obj.__self__))
    if type(obj) is FunctionType:
        return (id(obj.__code__), 0) if obj.__closure__ else None
    if isinstance(obj, type) or type(obj).__module__ == "builtins":
        return None
    return 0, id(type(obj))


class Patience:
    """Counts, for things alike, how many were looked into in vain since one was not.

    Names are identities and may be given again: a wrong count costs a look, or one that is not taken.
    """

    def __init__(self) -> None:
        self._vain: dict[Alike, int] = {}

    def is_spent(self, kind: Alike) -> bool:
        """Whether the next one should not be looked into."""
        count = self._vain.get(kind, 0)
        if count < TRIES:
            return False
        self._vain[kind] = count + 1
        return bool(count & (count - 1))  # at 8, 16, 32, ... one is

    def looked(self, kind: Alike, in_vain: bool) -> None:
        """One was looked into."""
        if not in_vain:
            self._vain.pop(kind, None)
        elif (count := self._vain.get(kind, 0)) < TRIES:
            if len(self._vain) > _MOST:
                self._vain.clear()
            self._vain[kind] = count + 1
