"""The published XCS interface: re-exports of `ember_jit.xcs`, each imported when it is first asked for."""

from __future__ import annotations

from ember_jit import xcs as _xcs
from ember_jit.lazy import lazily as _lazily

__all__ = list(_xcs.__all__)


__getattr__, __dir__ = _lazily(__name__, dict.fromkeys(__all__, _xcs.__name__))
