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
        log: the categories of messages that are wanted (`EMBER_JIT_LOG`, separated by commas), or None.
        bundles: the bundles that are in force from the start (`EMBER_JIT_BUNDLE`, separated like `PATH`).
        strict_internal: raise internal compiler errors instead of falling back (`EMBER_JIT_STRICT`).
        buffers: bytes of freed outputs that the pool of numeric kernels keeps (`EMBER_JIT_BUFFERS`, in MiB, or `off`).
        cache_dir: where compiled kernels are kept (`EMBER_JIT_CACHE`); "" for the usual place, None for nowhere (`off`).
        cache_limit: bytes that the cache may take (`EMBER_JIT_CACHE_LIMIT`, in MiB).
        background: make kernels beside the plain code that runs, not before it (`EMBER_JIT_BACKGROUND`; `off` for no).
        threads: threads that one large kernel may use (`EMBER_JIT_THREADS`).  One by default: what is large
            enough to divide waits for memory, and more threads were measured to lose.
        full_traceback: keep the runtime's own frames in tracebacks (`EMBER_JIT_FULL_TRACEBACK`).
    """

    max_workers: int = 64
    thread_cap: int = 1024
    dump_dir: str | None = None
    log: tuple[str, ...] | None = None
    bundles: tuple[str, ...] = ()
    strict_internal: bool = False
    full_traceback: bool = False
    buffers: int = 256 << 20
    cache_dir: str | None = ""
    cache_limit: int = 256 << 20
    background: bool = True
    threads: int = 1


def _positive(name: str, default: int) -> int:
    text = os.environ.get(name, "")
    return int(text) if text.isdigit() and int(text) > 0 else default


def _mebibytes(name: str, default: int) -> int:
    text = os.environ.get(name, "").strip().lower()
    if text == "off":
        return 0
    return int(text) << 20 if text.isdigit() else default << 20


def _cache_dir() -> str | None:
    text = os.environ.get("EMBER_JIT_CACHE", "")
    return None if text.strip().lower() == "off" else text


def _names(name: str) -> tuple[str, ...] | None:
    found = tuple(filter(None, map(str.strip, os.environ.get(name, "").split(","))))
    return found or None


@lru_cache(maxsize=1)
def config() -> Config:
    """The settings of this process, read from `EMBER_JIT_*` environment variables."""
    return Config(
        max_workers=_positive("EMBER_JIT_MAX_WORKERS", 64),
        thread_cap=_positive("EMBER_JIT_THREAD_CAP", 1024),
        dump_dir=os.environ.get("EMBER_JIT_DUMP") or None,
        log=_names("EMBER_JIT_LOG"),
        bundles=tuple(filter(None, os.environ.get("EMBER_JIT_BUNDLE", "").split(os.pathsep))),
        strict_internal=os.environ.get("EMBER_JIT_STRICT", "") not in ("", "0"),
        full_traceback=os.environ.get("EMBER_JIT_FULL_TRACEBACK", "") not in ("", "0"),
        buffers=_mebibytes("EMBER_JIT_BUFFERS", 256),
        cache_dir=_cache_dir(),
        cache_limit=_mebibytes("EMBER_JIT_CACHE_LIMIT", 256),
        background=os.environ.get("EMBER_JIT_BACKGROUND", "").strip().lower() not in ("off", "0"),
        threads=_positive("EMBER_JIT_THREADS", 1),
    )
