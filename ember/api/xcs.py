"""`ember.xcs` under the name of the older interface."""

from __future__ import annotations

from typing import Any

from ember_jit import xcs as _xcs

__all__ = list(_xcs.__all__)


def __getattr__(name: str) -> Any:
    """A published name."""
    if name in __all__:
        return getattr(_xcs, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """The published names."""
    return sorted(__all__)
