"""The only reader of the environment.  Values are read once, at first use, and are plain data."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Config:
    """Process-wide settings.

    Attributes:
        max_workers: calls that one run may have in flight when no option says otherwise.
        thread_cap: threads that the process-wide pool may hold.
        dump_dir: where every compiled function is dumped (`EMBER_JIT_DUMP`), or None.
        bundles: the bundles that are in force from the start (`EMBER_JIT_BUNDLE`, separated like `PATH`).
        strict_internal: raise internal compiler errors instead of falling back (`EMBER_JIT_STRICT`).
        full_traceback: keep the runtime's own frames in tracebacks (`EMBER_JIT_FULL_TRACEBACK`).
    """

    max_workers: int = 64
    thread_cap: int = 1024
    dump_dir: str | None = None
    bundles: tuple[str, ...] = ()
    strict_internal: bool = False
    full_traceback: bool = False


def _positive(name: str, default: int) -> int:
    text = os.environ.get(name, "")
    return int(text) if text.isdigit() and int(text) > 0 else default


@lru_cache(maxsize=1)
def config() -> Config:
    """The settings of this process, read from `EMBER_JIT_*` environment variables."""
    return Config(
        max_workers=_positive("EMBER_JIT_MAX_WORKERS", 64),
        thread_cap=_positive("EMBER_JIT_THREAD_CAP", 1024),
        dump_dir=os.environ.get("EMBER_JIT_DUMP") or None,
        bundles=tuple(filter(None, os.environ.get("EMBER_JIT_BUNDLE", "").split(os.pathsep))),
        strict_internal=os.environ.get("EMBER_JIT_STRICT", "") not in ("", "0"),
        full_traceback=os.environ.get("EMBER_JIT_FULL_TRACEBACK", "") not in ("", "0"),
    )
