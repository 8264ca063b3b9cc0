"""Where the code of a decorated function comes from: a bundle in force, or else the compiler.

    with ember_jit.bundle("app.ember"):      # or `load`, or EMBER_JIT_BUNDLE
        answer(inputs=...)                   # first call: linked from the bundle; no compiler is imported

A function asks once, at its first call (`runtime.dispatch.Unit`).  Importing this module imports neither the
compiler nor the loader of bundles; the first decoration prepares whichever will be asked.
"""

from __future__ import annotations

import importlib
import os
import threading
from types import CodeType
from typing import Any, Protocol

from ember_jit.config import config
from ember_jit.runtime.dispatch import Unit
from ember_jit.runtime.plan import Plan

Code = tuple[CodeType, Plan | None]
_PACKAGE = "ember_jit.compiler"
NOWHERE = "no bundle in force has it, and the compiler is not installed"


class Provider(Protocol):
    """A bundle, as far as it is asked here."""

    def covers(self, unit: Unit) -> bool:
        """Whether it says what becomes of this function."""

    def compile_unit(self, unit: Unit, owner: Any) -> Code | None:
        """The function's code and plan, or None: it is left alone (`unit.stats.left_alone`)."""


_lock = threading.RLock()
_in_force: tuple[Provider, ...] = ()  # the latest first
_prepared = False


def push(provider: Provider) -> None:
    """Ask this bundle first, from now on."""
    global _in_force
    with _lock:
        _in_force = (provider, *_in_force)


def pop(provider: Provider) -> None:
    """Do not ask this bundle any more; what it has given stays."""
    global _in_force
    with _lock:
        found = list(_in_force)
        found.remove(provider)
        _in_force = tuple(found)


def in_force() -> tuple[Provider, ...]:
    """The bundles that are asked, the latest first."""
    return _in_force


def prepare() -> None:
    """At a decoration: load what the first call would otherwise wait for."""
    global _prepared
    if _prepared:
        return
    with _lock:
        if not _prepared:
            _prepared = True
            if config().bundles:
                importlib.import_module("ember_jit.aot.loader").load_configured()
            if not _in_force:
                driver = _driver()
                if driver is not None:
                    driver.warm_up()


def compile_unit(unit: Unit, owner: Any) -> Code | None:
    """The code and plan of a function, from the first bundle that covers it or from the compiler."""
    for provider in _in_force:
        if provider.covers(unit):
            return provider.compile_unit(unit, owner)
    driver = _driver()
    if driver is None:
        unit.stats.left_alone = NOWHERE
        return None
    made: Code | None = driver.compile_unit(unit, owner)
    return made


def _driver() -> Any:
    """The compiler, or None if it is not installed."""
    try:
        return importlib.import_module(f"{_PACKAGE}.driver")
    except ModuleNotFoundError as exc:
        if exc.name is not None and (exc.name == _PACKAGE or exc.name.startswith(f"{_PACKAGE}.")):
            return None
        raise


def _forget_lock() -> None:
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_lock)  # the thread that held it does not exist there
