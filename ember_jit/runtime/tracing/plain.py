"""Plain data: private copies, comparison by structure, and whether a result leads back to a copy.

A prefetched call gets copies of the containers among its arguments, so that nobody can change them while it
runs; the values inside are the program's own objects.  When the program arrives, its arguments are *the same* if
the containers have the same exact types, order and sharing, and the values are identical objects.
"""

from __future__ import annotations

import gc
from types import CellType, FunctionType, ModuleType
from typing import Any

from ember_jit.kinds import is_a

ATOMS: frozenset[type] = frozenset(
    {int, str, bytes, bool, float, complex, type(None), type(...), range}
)
_MOST = 4096


class Opaque:
    """Stands in a copy for what is not plain data."""

    __slots__ = ()


OPAQUE: Any = Opaque()


def copied(value: Any, memo: dict[int, Any] | None = None, depth: int = 0) -> Any:
    """`value` with containers copied and everything that is not plain left out (`OPAQUE`)."""
    kind = type(value)
    if kind in ATOMS:
        return value
    if kind not in (dict, list, tuple) or depth > 24:
        return OPAQUE
    memo = {} if memo is None else memo
    if id(value) in memo:
        return memo[id(value)]
    if len(memo) + len(value) > _MOST:
        return OPAQUE
    if kind is tuple:
        made: Any = tuple([copied(each, memo, depth + 1) for each in value])
        memo[id(value)] = made
        return made
    made = memo[id(value)] = kind()
    if kind is list:
        made.extend([copied(each, memo, depth + 1) for each in value])
        return made
    for key, each in list(value.items()):
        if type(key) not in ATOMS:
            return OPAQUE
        made[key] = copied(each, memo, depth + 1)
    return made


def is_whole(value: Any, depth: int = 0) -> bool:
    """Whether a copy left nothing out."""
    if value is OPAQUE or depth > 24:
        return False
    if type(value) is dict:
        return all(is_whole(each, depth + 1) for each in value.values())
    if type(value) in (list, tuple):
        return all(is_whole(each, depth + 1) for each in value)
    return True


def same(mine: Any, theirs: Any, pairs: dict[int, int], back: dict[int, int]) -> bool:
    """Whether two values are the same data, sharing included; `pairs` collects which copy stands for what."""
    kind = type(mine)
    if mine is theirs and kind in ATOMS:
        return True
    if type(theirs) is not kind or kind not in (dict, list, tuple):
        return False
    if id(mine) in pairs or id(theirs) in back:
        return pairs.get(id(mine)) == id(theirs) and back.get(id(theirs)) == id(mine)
    pairs[id(mine)], back[id(theirs)] = id(theirs), id(mine)
    if len(mine) != len(theirs):
        return False
    if kind is dict:
        keys = zip(mine, theirs, strict=True)
        return all(a is b and same(mine[a], theirs[b], pairs, back) for a, b in keys)
    return all(same(a, b, pairs, back) for a, b in zip(mine, theirs, strict=True))


def leads_to(value: Any, wanted: dict[int, int]) -> bool:
    """Whether `value` may lead to one of the objects in `wanted`; true when that cannot be seen."""
    seen: dict[int, Any] = {}
    stack = [value]
    while stack:
        current = stack.pop()
        if id(current) in wanted:
            return True
        kind = type(current)
        if kind in ATOMS or id(current) in seen or is_a(current, type | ModuleType):
            continue
        if len(seen) > _MOST:
            return True
        seen[id(current)] = current
        if kind is FunctionType:
            stack += [*(current.__closure__ or ()), *(current.__defaults__ or ())]
            stack += [current.__kwdefaults__, current.__dict__]
        elif kind is CellType or gc.is_tracked(current) or kind in (dict, tuple, list):
            stack += gc.get_referents(current)
        elif (
            kind.__module__ == "numpy"
            and getattr(getattr(current, "dtype", None), "kind", "O") == "O"
        ):
            return True
    return False
