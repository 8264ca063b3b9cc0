"""The libraries that ember_jit can do without, each behind one door.

A library that is missing, or that fails while it is imported, costs what it is for and nothing else: `load`
says so once, as a `DependencyWarning` (EMB050), and hands out None; its caller goes on without.

Example:
    >>> load("bytecode") is not None
    True
"""

from __future__ import annotations

import importlib
import sys
import threading
import warnings
from types import ModuleType

from ember_jit.errors import DependencyWarning

#: library -> what is lost without it
LOST: dict[str, str] = {
    "bytecode": "no effects are inferred: only what is declared (`@pure`, `@query`) overlaps",
    "llvmlite": "numeric code runs as it is written: arrays on NumPy, loops in Python",
    "numba": "numeric loops run as they are written, in Python",
    "numpy": "batches of arrays are not stacked: only lists and tuples are batched",
    "optree": "axes are not given as a tree: only as a number, or by key",
    "rich": "reports are plain text, and no progress is shown",
}
_loaded: dict[str, ModuleType | None] = {}
_lock = threading.RLock()
_PACKAGE = __file__.rsplit("dependencies", 1)[0]


def load(name: str, *needed: str) -> ModuleType | None:
    """Import a library, or hand out None where that cannot be done, with a warning the first time.

    Args:
        name: one of `LOST`.
        needed: modules of it that are needed too (`"bytecode.instr"`).
    """
    with _lock:
        if name in _loaded:
            return _loaded[name]
        try:
            found = importlib.import_module(name)
            for each in needed:
                importlib.import_module(each)
        except Exception as exc:  # noqa: BLE001 - a broken library may raise anything when it is imported
            _loaded[name] = None
            trouble = exc
        else:
            _loaded[name] = found
            return found
    missing = isinstance(trouble, ModuleNotFoundError) and trouble.name == name
    state = "is not installed" if missing else f"cannot be imported ({_text(trouble)})"
    message = f"ember_jit does without {name}, which {state}: {LOST[name]}. All else works [EMB050]"
    warnings.warn(message, DependencyWarning, stacklevel=users_level())
    return None


def _text(exc: Exception) -> str:
    return f"{type(exc).__name__}: {exc}"


def users_level() -> int:
    """How far up the stack the user's code is: that is where a warning points."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith((_PACKAGE, "<frozen")):
        level, frame = level + 1, frame.f_back
    return level
