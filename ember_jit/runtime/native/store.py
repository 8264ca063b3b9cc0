"""The cache of machine code on disk.

A file holds everything that one kernel needs to be entered, named by a hash of what it was made from: the
program, the signature, the processor, the layouts of CPython and NumPy, and this package.  A warm
process reads it and runs, without llvmlite.

    magic | hash of the rest | length of the manifest | manifest (JSON) | object code

Files are written elsewhere and renamed into place, so a reader sees all of one or nothing; concurrent
writers write the same.  A file that is cut short, changed, of another format, or not the user's own is as
good as absent, and is replaced.  The least recently used go when the cache is over its limit.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from ember_jit.config import config
from ember_jit.version import __version__

MAGIC: Final = b"ember_jit kernel 1\n"
SUFFIX: Final = ".kernel"
_HASH: Final = hashlib.sha256
_HEAD: Final = len(MAGIC) + _HASH().digest_size + 4
_PLAIN_FILE: Final = (  # no link; no waiting for a pipe's writer
    getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
)
_STALE_SECONDS: Final = 3600.0  # of a file that a writer left half done


class Usage(NamedTuple):
    """What is in the cache: files, and bytes."""

    files: int
    size: int


class Store:
    """A folder of kernels.

    Attributes:
        folder: where they are; made by the first `put`.
        limit: bytes that they may take.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder = folder
        self.limit = limit

    def get(self, key: str) -> dict[str, bytes] | None:
        """The parts that were put under `key`; None if there is no sound file."""
        path = self._path(key)
        data = _read(path)
        parts = None if data is None else _unpack(data, key)
        if parts is not None:
            try:
                os.utime(path)  # now the most recently used
            except OSError:
                pass  # somebody has cleared the cache, or it is read-only
        return parts

    def put(self, key: str, parts: Mapping[str, bytes], about: Mapping[str, str]) -> bool:
        """Keep `parts` under `key`; False if the folder cannot be written.

        Args:
            about: facts for a reader of the file.
        """
        import tempfile  # and much else: most processes only read

        path = self._path(key)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
        except OSError:
            return False
        try:
            with open(handle, "wb") as file:
                file.write(_pack(key, parts, about))
            os.replace(name, path)
        except OSError:
            _remove(Path(name))
            return False
        self._trim()
        return True

    def usage(self) -> Usage:
        """How much there is."""
        sizes = [size for path, size, _ in self._files() if path.suffix == SUFFIX]
        return Usage(len(sizes), sum(sizes))

    def clear(self) -> Usage:
        """Remove everything that this package has put there; what was removed."""
        files = size = 0
        for path, length, _ in list(self._files()):
            if _remove(path) and path.suffix == SUFFIX:
                files += 1
                size += length
        return Usage(files, size)

    def _path(self, key: str) -> Path:
        name = _HASH(key.encode()).hexdigest()
        return self.folder / name[:2] / (name + SUFFIX)

    def _files(self) -> Iterator[tuple[Path, int, float]]:
        """(path, bytes, when it was last used) of each file."""
        for path in self.folder.glob("[0-9a-f][0-9a-f]/*"):
            if path.suffix not in (SUFFIX, ".tmp"):
                continue
            try:
                found = path.stat()
            except OSError:
                continue  # gone in the meantime
            yield path, found.st_size, found.st_mtime

    def _trim(self) -> None:
        """Remove the least recently used files beyond the limit, and what writers have left half done."""
        now = time.time()
        kept = []
        for path, size, used in self._files():
            if path.suffix == SUFFIX:
                kept.append((used, path, size))
            elif used < now - _STALE_SECONDS:
                _remove(path)
        total = sum(size for _, _, size in kept)
        for _, path, size in sorted(kept):
            if total <= self.limit:
                return
            _remove(path)
            total -= size


@lru_cache(maxsize=1)
def store() -> Store | None:
    """The cache of this process (`EMBER_JIT_CACHE`); None if it is switched off."""
    place = config().cache_dir
    if place is None:
        return None
    if place:
        folder = Path(place)
    else:
        import platformdirs

        folder = Path(platformdirs.user_cache_path("ember-jit", appauthor=False))
    return Store(folder / "kernels", config().cache_limit)


@lru_cache(maxsize=1)
def package_mark() -> str:
    """What tells this version of the package from others, edited sources included."""
    root = Path(__file__).parents[2]
    marks = [__version__]
    for folder in (
        root / "compiler" / "kernels",
        root / "compiler" / "loops",
        root / "runtime" / "native",
        root / "ir",
    ):
        try:
            with os.scandir(folder) as entries:
                for each in sorted(entries, key=lambda each: each.name):
                    if each.name.endswith(".py"):
                        found = each.stat()
                        marks.append(f"{each.name}:{found.st_size}:{found.st_mtime_ns}")
        except OSError:
            continue  # not there in this installation
    return _HASH("\n".join(marks).encode()).hexdigest()


def _pack(key: str, parts: Mapping[str, bytes], about: Mapping[str, str]) -> bytes:
    manifest: dict[str, Any] = {
        "key": key,
        "parts": {name: len(data) for name, data in parts.items()},
        "about": dict(about),
    }
    text = json.dumps(manifest, indent=1, sort_keys=False).encode()
    body = len(text).to_bytes(4, "little") + text + b"".join(parts.values())
    return MAGIC + _HASH(body).digest() + body


def _unpack(data: bytes, key: str) -> dict[str, bytes] | None:
    if len(data) < _HEAD or not data.startswith(MAGIC):
        return None
    digest, body = data[len(MAGIC) : _HEAD - 4], data[_HEAD - 4 :]
    if _HASH(body).digest() != digest:
        return None
    length = int.from_bytes(body[:4], "little")
    try:
        manifest = json.loads(body[4 : 4 + length])
        if manifest["key"] != key:
            return None
        parts = {}
        start = 4 + length
        for name, size in manifest["parts"].items():
            parts[name] = body[start : start + size]
            start += size
    except (ValueError, KeyError, TypeError, AttributeError):
        return None  # written by something else, hash and all
    return parts if start == len(body) else None


def _read(path: Path) -> bytes | None:
    """The bytes of a file that only this user can have written."""
    try:
        handle = os.open(path, os.O_RDONLY | _PLAIN_FILE)
    except OSError:
        return None
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            return None
        if hasattr(os, "geteuid") and (
            found.st_uid != os.geteuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        ):
            return None  # machine code from somebody else
        with open(handle, "rb", closefd=False) as file:
            return file.read()
    except OSError:
        return None
    finally:
        os.close(handle)


def _remove(path: Path) -> bool:
    try:
        path.unlink()
    except OSError:
        return False  # another process was quicker, or may not be kept from it
    return True
