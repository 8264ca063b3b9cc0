"""Asking: may the program do this to that value without running code of its own?

The issue program leaves out, or puts off, what no call depends on; the retire program does it in its turn.  If
that runs code of the program (`if doc`, `f"{doc}"`, `doc["title"]`, where a class answers), its effects are
unknown, and no later call may start before (DESIGN 3, the last row of the table).  So the issue program asks
first, about the very value, and ends where the answer is no.

    permits([1], SHALLOW)      True       a list answers for itself
    permits(Doc(), SHALLOW)    False      if the class has a `__len__` or `__getitem__`
    answers("a", "strip")      True       a method of `str`
"""

from __future__ import annotations

from typing import Any

from ember_jit.runtime.plain import ATOMS, VIEWS, is_plain, is_quiet_class
from ember_jit.runtime.plan import pure_method

PATH, SHALLOW, MEMBER, DEEP, CALLS = range(5)
"""How far an operation looks: nowhere (it was a look-up, which is done by now), at the value itself (`if x`,
`len(x)`, a loop), for a member (`y in x`), at all in it (`x == y`, `f"{x}"`), or it calls what it finds (`map`)."""

_SHALLOW: frozenset[type] = ATOMS | VIEWS | {list, tuple, dict, set, frozenset}
_LIMIT = 1_000_000  # the program looks at as many in its turn: it takes twice as long at most


def permits(value: Any, level: int) -> bool:
    """Whether an operation that looks as far as `level` runs no code of the program on `value`."""
    kind = type(value)
    if level == PATH or kind in ATOMS:
        return True
    if level == CALLS:
        return is_plain(value, _LIMIT)
    if kind in _SHALLOW and (level == SHALLOW or (level == MEMBER and kind is not list)):
        return level == SHALLOW or kind is not tuple or is_plain(value, _LIMIT, in_turn=True)
    if level == SHALLOW and is_quiet_class(kind):
        return True
    return is_plain(value, _LIMIT, in_turn=True)


def answers(owner: Any, name: str, level: int) -> bool:
    """Whether `owner.name(...)` is a method of a plain type that runs no code of the program."""
    kind = type(owner)
    if kind not in _SHALLOW and kind is not bytearray and not pure_method(kind, name):
        return False
    return permits(owner, level)
