"""Names of a package that are imported when they are first asked for (PEP 562).

__getattr__, __dir__ = lazily(__name__, {"vmap": "ember_jit.transforms.vectorise"})
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def lazily(
    module: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The `__getattr__` and the `__dir__` of a module.

    Args:
        module: the name of the module; its `__all__` is what it shows.
        homes: for each name the module that has it.
    """

    def get(name: str) -> Any:
        home = homes.get(name)
        if home is None:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(home), name)
        vars(sys.modules[module])[name] = value  # from now on it is there
        return value

    def show() -> list[str]:
        return sorted(sys.modules[module].__all__)

    return get, show
