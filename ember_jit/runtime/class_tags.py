"""Version tags: a number that CPython keeps in each class, and that differs after every change of it or its bases.

Comparing it is the cheapest way to know that reading `self.w` still runs no code.  The place of the number is
tried out before it is believed; where it does not behave there is no tag, and fields are not read ahead.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from functools import lru_cache
from typing import Any

_OFFSET = 384  # of `tp_version_tag`, on 64-bit CPython 3.11 to 3.14


def class_tag(kind: type) -> Any:
    """CPython's version tag of a class, a `ctypes` number that differs after every change; None if not sure."""
    import ctypes

    if not _behaves():
        return None
    with suppress(
        AttributeError
    ):  # a look-up gives the class its tag, and of such a name it runs no code
        type.__getattribute__(kind, "<ember_jit>")
    tag = ctypes.c_uint.from_address(id(kind) + _OFFSET)
    return tag if tag.value else None


@lru_cache(maxsize=1)
def _behaves() -> bool:
    """Whether the tag is where it should be: tried out on a class of our own."""
    import ctypes

    size: int = vars(type)["__basicsize__"].__get__(type)
    if sys.implementation.name != "cpython" or size < _OFFSET + 4 or object.__basicsize__ != 16:
        return False

    class Base:
        pass

    class Probe(Base):
        pass

    seen: set[int] = set()
    tag = ctypes.c_uint.from_address(id(Probe) + _OFFSET)
    for changed in (Probe, Base, Probe):
        getattr(Probe, "field", None)
        before = tag.value
        if not before or before in seen:
            return False
        seen.add(before)
        changed.field = before  # type: ignore[attr-defined]
        if tag.value == before:
            return False
    return True
