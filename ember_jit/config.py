"""The only reader of the environment.  Values are read once, at first use, and are plain data.

Reading raises nothing and warns of nothing, for it happens anywhere, also while an exception is on its way:
what is wrong is kept (`Config.mistakes`), and said where a warning may be raised (`warned.warn_of_settings`).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from ember_jit.errors import similar

_T = TypeVar("_T")
_PREFIX = "EMBER_JIT_"
_KNOWN = ("MAX_WORKERS", "THREAD_CAP", "DUMP", "LOG", "BUNDLE", "STRICT", "FULL_TRACEBACK", "BUFFERS", "CACHE",
          "CACHE_LIMIT", "BACKGROUND", "THREADS")  # fmt: skip
_ON, _OFF = ("1", "on", "true", "yes"), ("0", "off", "false", "no")


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
        mistakes: what is wrong with the variables, a sentence each; the defaults are in their place.
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
    mistakes: tuple[str, ...] = ()


class _Reader:
    """Reads variables, and notes what cannot be meant."""

    def __init__(self) -> None:
        self.mistakes: list[str] = []

    def positive(self, name: str, default: int) -> int:
        """A whole number of at least 1."""
        text = _text(name)
        if text.isdecimal() and int(text) > 0:
            return int(text)
        return self._or_default(name, default, str(default), "a whole number of at least 1")

    def mebibytes(self, name: str, default: int) -> int:
        """Bytes, of MiB or `off`."""
        text = _text(name)
        if text.lower() == "off":
            return 0
        if text.isdecimal():
            return int(text) << 20
        return self._or_default(name, default << 20, str(default), "a number of MiB, or off")

    def switch(self, name: str, default: bool) -> bool:
        """On or off."""
        text = _text(name).lower()
        if text in _ON or text in _OFF:
            return text in _ON
        return self._or_default(name, default, "on" if default else "off", "1 or on, 0 or off")

    def _or_default(self, name: str, default: _T, shown: str, good: str) -> _T:
        if _text(name):
            self.mistakes.append(
                f"{name}={os.environ[name]!r} is ignored, and {shown} used: write {good}"
            )
        return default

    def unknown(self) -> None:
        """Note the variables that nobody reads: spelled wrongly, or of another version."""
        for name in sorted(os.environ):
            if name.startswith(_PREFIX) and name.removeprefix(_PREFIX) not in _KNOWN:
                near = similar(name.removeprefix(_PREFIX), _KNOWN, most=1)
                hint = f"did you mean {_PREFIX}{near[0]}?" if near else f"there are {_all_names()}"
                self.mistakes.append(f"{name} is ignored: there is no such setting; {hint}")


def _text(name: str) -> str:
    return os.environ.get(name, "").strip()


def _all_names() -> str:
    return ", ".join(_PREFIX + name for name in _KNOWN)


def _cache_dir() -> str | None:
    text = os.environ.get("EMBER_JIT_CACHE", "")
    return None if text.strip().lower() == "off" else text


def _names(name: str) -> tuple[str, ...] | None:
    found = tuple(filter(None, map(str.strip, os.environ.get(name, "").split(","))))
    return found or None


@lru_cache(maxsize=1)
def config() -> Config:
    """The settings of this process, read from `EMBER_JIT_*` environment variables."""
    read = _Reader()
    read.unknown()
    return Config(
        max_workers=read.positive("EMBER_JIT_MAX_WORKERS", 64),
        thread_cap=read.positive("EMBER_JIT_THREAD_CAP", 1024),
        dump_dir=os.environ.get("EMBER_JIT_DUMP") or None,
        log=_names("EMBER_JIT_LOG"),
        bundles=tuple(filter(None, os.environ.get("EMBER_JIT_BUNDLE", "").split(os.pathsep))),
        strict_internal=read.switch("EMBER_JIT_STRICT", False),
        full_traceback=read.switch("EMBER_JIT_FULL_TRACEBACK", False),
        buffers=read.mebibytes("EMBER_JIT_BUFFERS", 256),
        cache_dir=_cache_dir(),
        cache_limit=read.mebibytes("EMBER_JIT_CACHE_LIMIT", 256),
        background=read.switch("EMBER_JIT_BACKGROUND", True),
        threads=read.positive("EMBER_JIT_THREADS", 1),
        mistakes=tuple(read.mistakes),  # the last: what is read above notes them
    )
