"""What makes the containers that a program may change unasked, as long as nobody else holds them.

    found = defaultdict(list)     makes_containers(defaultdict), makes_containers(list)
    found["a"].append(x)          is_own_container(found): neither the look-up nor the change runs code of the program

The compiler reads a name; what stands under it when the program runs may be something else.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict, deque
from types import BuiltinFunctionType
from typing import Any

_MAKERS: frozenset[Any] = frozenset(
    {
        list,
        dict,
        set,
        sorted,
        defaultdict,
        OrderedDict,
        Counter,
        deque,
        int,
        float,
        str,
        bool,
        tuple,
    }
)
#: what runs a generator to its end, or calls its first argument for each element; and what reads an attribute
_GENUINE: frozenset[Any] = frozenset(
    {sum, list, tuple, set, frozenset, dict, sorted, max, min, map, filter, getattr}
)


def is_genuine(function: Any) -> bool:
    """Whether `function` is one of the builtins whose calls an issue program takes apart."""
    return type(function) in (type, BuiltinFunctionType) and function in _GENUINE


def makes_containers(maker: Any) -> bool:
    """Whether `maker` is one of those under whose name the program was read."""
    return type(maker) in (type, BuiltinFunctionType) and maker in _MAKERS


def is_own_container(value: Any) -> bool:
    """Whether changing `value` runs no code of the program, its elements apart: a container made by one of `_MAKERS`."""
    kind = type(value)
    if kind is defaultdict:
        return makes_containers(value.default_factory)
    return kind in _MAKERS
