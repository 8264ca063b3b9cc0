"""Growth: whether an operation may take long, or make something large, whatever its operands are.

The program may never come to an operation that an issue program comes to (a call before it may raise), so an
issue program performs none that could hold it up or fill the memory (`guarded`).

    of_operator("**", 2, 10)        True
    of_operator("**", 10, 10**9)    False     a number of three billion bits
    of_method("x", "ljust", (10**9,))   False
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ember_jit.runtime.plain import PLAIN_LIMIT, is_plain

_MOST_BITS = 4_096
_LARGEST_ARGUMENT = 256  # of calls that grow with it faster than any power
#: a width or precision that a format may pad to
_WIDE = re.compile(r"[0-9]{6}")
_CALLS: frozenset[str] = frozenset({"pow", "factorial", "comb", "perm"})
_METHODS: frozenset[str] = frozenset(
    {"ljust", "rjust", "center", "zfill", "expandtabs", "replace", "format", "format_map"}
)


def of_operator(symbol: str, left: Any, right: Any) -> bool:
    """Whether `left <symbol> right` stays small and short."""
    look = _OPERATORS.get(symbol)
    return look is None or look(left, right)


def of_call(function: Any, args: tuple[Any, ...]) -> bool:
    """Whether a call of a function that the registry knows does."""
    if not all(is_short(value) for value in args):
        return False
    if getattr(function, "__name__", "") in _CALLS:
        return all(type(value) is float or abs(value) <= _LARGEST_ARGUMENT for value in args)
    if function is format and len(args) > 1:
        return type(args[1]) is str and is_narrow(args[1])
    return True


def of_method(owner: Any, name: str, args: tuple[Any, ...]) -> bool:
    """Whether `owner.name(*args)` does, for a method of a builtin type."""
    if name not in _METHODS:
        return True
    if type(owner) in (str, bytes) and not is_narrow(owner):
        return False
    if any(type(value) in (int, bool) and value > PLAIN_LIMIT for value in args):
        return False
    return name != "replace" or len(owner) <= PLAIN_LIMIT // 16


def is_short(value: Any) -> bool:
    """Whether going through `value` ends soon."""
    return type(value) is not range or not value or abs(value[-1] - value[0]) <= PLAIN_LIMIT


def is_narrow(text: Any) -> bool:
    """Whether a format asks for no padding to speak of."""
    return _WIDE.search(text if type(text) is str else str(text)) is None


def _power(left: Any, right: Any) -> bool:
    if type(left) not in (int, bool) or type(right) not in (int, bool):
        return True
    return bool(abs(left) <= 1 or left.bit_length() * right <= _MOST_BITS)


def _shift(left: Any, right: Any) -> bool:
    del left
    return type(right) is not int or right <= _MOST_BITS


def _product(left: Any, right: Any) -> bool:
    for times, repeated in ((left, right), (right, left)):
        if type(times) in (int, bool) and type(repeated) in (list, tuple, str, bytes):
            return bool(times * len(repeated) <= PLAIN_LIMIT)
    return True


def _format(left: Any, right: Any) -> bool:
    if type(left) not in (str, bytes):
        return True
    return is_narrow(left) and ((type(left) is str and "*" not in left) or is_plain(right, 0))


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "**": _power,
    "<<": _shift,
    "*": _product,
    "%": _format,
}
