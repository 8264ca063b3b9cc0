"""The answer of an entry that does not apply.  A module of its own: it is all that importing the package needs of entries."""

from __future__ import annotations

from typing import Final


class _Miss:
    """The answer of an entry that does not apply; there is one, `MISS`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "MISS"

    def __reduce__(self) -> str:
        return "MISS"


MISS: Final = _Miss()
"""What an entry returns when a guard fails or the arithmetic raised a flag: run the plain code.

Nothing has happened then that anybody could see.
"""
