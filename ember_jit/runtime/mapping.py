"""What a transform maps: a mapped function has the effects of the function that it calls for each item.

The class whose `__call__` maps says so, and nobody has to read that:

    class Mapped:
        __maps__ = "fn"             its instances call what they hold in `fn`, and nothing else of the user's
        settled: bool               its answers no longer hang on the order of its calls
"""

from __future__ import annotations

from typing import Any

from ember_jit.runtime.statics import MISSING, own_attribute


def is_transform(kind: type) -> bool:
    """Whether calling an instance of `kind` calls what it maps."""
    for cls in kind.__mro__:
        if "__call__" in vars(cls):
            return type(vars(cls).get("__maps__")) is str
    return False


def mapped_by(obj: Any) -> Any:
    """The function that `obj` calls for each item, or `MISSING` if it is no mapped function."""
    kind = type(obj)
    return own_attribute(obj, kind.__maps__) if is_transform(kind) else MISSING


def innermost(obj: Any) -> Any:
    """What a mapped function calls in the end, through others that it maps; anything else is itself."""
    while (mapped := mapped_by(obj)) is not MISSING:
        obj = mapped
    return obj


def is_settled(obj: Any) -> bool:
    """Whether calls of the mapped function `obj` may be made in any order, as far as `obj` itself goes."""
    return own_attribute(obj, "settled") is True
