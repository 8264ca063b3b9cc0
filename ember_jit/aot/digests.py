"""Digests: of bytes, and of code objects, the same in every process of one Python.

code_digest(f.__code__)  ->  "9f31..."      bytecode, constants, names, lines, recursively; not the file name
"""

from __future__ import annotations

from collections.abc import Iterable
from types import CodeType
from typing import Any

try:  # `hashlib` loads OpenSSL first, which takes longer than all that is hashed here
    from _blake2 import blake2b
except ImportError:  # pragma: no cover - a Python without it
    from hashlib import blake2b

#: by identity: equal code objects may stand on different lines
_codes: dict[int, tuple[CodeType, str]] = {}


def digest(data: bytes) -> str:
    """The digest of some bytes, for a manifest: BLAKE2b, 32 bytes."""
    found: str = blake2b(data, digest_size=32).hexdigest()
    return found


def short(parts: Iterable[bytes]) -> bytes:
    """A digest of parts, each of which counts with its length."""
    made = blake2b(digest_size=16)
    for part in parts:
        made.update(b"%d:" % len(part))
        made.update(part)
    found: bytes = made.digest()
    return found


def code_digest(code: CodeType) -> str:
    """What a code object does and where its lines are, but for the name of its file."""
    found = _codes.get(id(code))
    if found is not None and found[0] is code:
        return found[1]
    if len(_codes) > 4096:
        _codes.clear()
    made = short(_parts(code)).hex()
    _codes[id(code)] = (code, made)
    return made


def _parts(code: CodeType) -> Iterable[bytes]:
    yield code.co_code
    yield code.co_linetable
    yield code.co_exceptiontable
    numbers = (
        code.co_argcount,
        code.co_posonlyargcount,
        code.co_kwonlyargcount,
        code.co_flags,
        code.co_firstlineno,
        code.co_stacksize,
    )
    names = (
        code.co_qualname,
        code.co_names,
        code.co_varnames,
        code.co_freevars,
        code.co_cellvars,
    )
    yield repr((numbers, names)).encode()
    for const in code.co_consts:
        yield _constant(const)


def _constant(const: Any) -> bytes:
    if isinstance(const, CodeType):
        return b"code" + bytes.fromhex(code_digest(const))
    if type(const) is tuple:
        return short((b"tuple", *map(_constant, const)))
    if type(const) is frozenset:
        return short((b"frozenset", *sorted(map(_constant, const))))
    return f"{type(const).__name__} {const!r}".encode()
