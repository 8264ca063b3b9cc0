"""Kinds: what an object is, without asking it.

`isinstance` asks an object for its `__class__`, if its type does not answer already: that may be code of the
program's (a proxy that connects to something when it is first looked at, say), and whoever reads or runs a
program ahead of itself must not run any.
"""

from __future__ import annotations

from typing import Any, TypeGuard, TypeVar, overload

T = TypeVar("T")


@overload
def is_a(value: Any, kind: type[T]) -> TypeGuard[T]: ...
@overload
def is_a(value: Any, kind: Any) -> bool: ...
def is_a(value: Any, kind: Any) -> bool:
    """Whether the type of `value` is `kind` (a builtin class, a tuple or a union of such) or derives from it.

    Example:
        >>> class Proxy:
        ...     @property
        ...     def __class__(self): return dict
        >>> isinstance(Proxy(), dict), is_a(Proxy(), dict)
        (True, False)
    """
    return issubclass(type(value), kind)
