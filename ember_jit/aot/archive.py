"""The container of a bundle: a zip file in one canonical form, written and read here.

Any unzip shows it, but only what `encode` would have written is taken: entries stored as they are (nothing can
unfold into something larger), sorted, with one fixed date, no comments, and no byte between them.  So the same
entries give the same bytes, and a reader that encodes what it has decoded and compares has seen every byte.

    encode({"a": b"1"})  ->  bytes          decode(encode(entries)) == entries
"""

from __future__ import annotations

import re
import struct
from binascii import crc32
from collections.abc import Mapping
from itertools import islice

from ember_jit.errors import BundleError

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_VERSION, _UNIX, _MIDNIGHT, _FIRST_DAY, _MODE = 20, 3 << 8 | 20, 0, 0x21, 0o100644 << 16
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)?")
MOST_ENTRIES = 0xFFFE


def encode(entries: Mapping[str, bytes]) -> bytes:
    """The zip file with these entries.

    Raises:
        BundleError: a name is not one that a bundle may hold, or there is more than a zip file holds.
    """
    for name in entries:
        if not _NAME.fullmatch(name):
            raise BundleError(f"{name!r} is no name for an entry of a bundle")
    return _encoded(entries, {name: crc32(data) for name, data in entries.items()})


def _encoded(entries: Mapping[str, bytes], sums: Mapping[str, int]) -> bytes:
    """The zip file, with the checksums of its entries given."""
    out: list[bytes] = []
    directory: list[bytes] = []
    place = 0
    for name in sorted(entries):
        data, title = entries[name], name.encode("ascii")
        crc, size = sums[name], len(data)
        common = (_VERSION, 0, 0, _MIDNIGHT, _FIRST_DAY, crc, size, size, len(title), 0)
        head = _LOCAL.pack(b"PK\x03\x04", *common) + title
        directory.append(
            _CENTRAL.pack(b"PK\x01\x02", _UNIX, *common, 0, 0, 0, _MODE, place) + title
        )
        out += (head, data)
        place += len(head) + size
    if len(entries) > MOST_ENTRIES or place > 0xFFFF_0000:
        raise BundleError("it would be larger than a zip file can be; make several bundles")
    listed = b"".join(directory)
    count = len(entries)
    end = _END.pack(b"PK\x05\x06", 0, 0, count, count, len(listed), place, 0)
    return b"".join((*out, listed, end))


def decode(data: bytes) -> dict[str, bytes]:
    """The entries of a zip file that `encode` wrote.

    Raises:
        BundleError: it is not one; the message names the entry where there is one to name.
    """
    if data[:2] != b"PK":
        raise BundleError("it is not a bundle: not a zip file")
    if len(data) < _END.size or data[-_END.size : -_END.size + 4] != b"PK\x05\x06":
        raise BundleError("it is cut short, or something follows its end")
    *_, count, listed, start, comment = _END.unpack(data[-_END.size :])
    if start + listed + _END.size != len(data) or comment:
        raise BundleError("its directory of entries is damaged")
    entries: dict[str, bytes] = {}
    sums: dict[str, int] = {}
    at = start
    for _ in range(count):
        if at + _CENTRAL.size > len(data):
            raise BundleError("its directory of entries is damaged")
        fields = _CENTRAL.unpack_from(data, at)
        method, crc, packed, size, length, place = *fields[4:5], *fields[7:11], fields[16]
        raw = data[at + _CENTRAL.size : at + _CENTRAL.size + length]
        at += _CENTRAL.size + length + fields[11] + fields[12]
        name = raw.decode("ascii", "backslashreplace")
        if not _NAME.fullmatch(name):
            raise BundleError(f"it holds an entry named {name[:80]!r}, which no bundle does")
        if name in entries:
            raise BundleError(f"it holds {name} twice")
        if method or packed != size:
            raise BundleError(f"{name} is compressed, which no entry of a bundle is")
        body = place + _LOCAL.size + length
        if body + size > start:
            raise BundleError(f"{name} does not lie where the directory says")
        found = entries[name] = data[body : body + size]
        sums[name] = crc32(found)
        if sums[name] != crc:
            raise BundleError(f"{name} is damaged")
    again = _encoded(entries, sums)
    if again != data:
        raise BundleError(f"it is not as it was written{_place_of(entries, data, again)}")
    return entries


def _place_of(entries: Mapping[str, bytes], data: bytes, again: bytes) -> str:
    """The first entry whose head differs, in words."""
    pairs = enumerate(zip(data, again, strict=False))
    differs = next(islice((at for at, (a, b) in pairs if a != b), 1), min(len(data), len(again)))
    place = 0
    for name in sorted(entries):
        place += _LOCAL.size + len(name) + len(entries[name])
        if differs < place:
            return f": the head of {name} is damaged"
    return ": its directory of entries is damaged"
