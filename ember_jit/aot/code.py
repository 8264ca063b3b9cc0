"""Code objects in a bundle: without the path of a file, in bytes that are the same whenever they are made.

homeless(code)  ->  marshal.dumps  ->  ...  ->  at_home(code, "/where/it/is/now.py")
"""

from __future__ import annotations

import marshal
from collections.abc import Mapping
from types import CodeType
from typing import Any

#: the last version of the format that writes no references, which depend on who else holds an object
_PLAIN = 2
_SLICE = "<ember_jit slice>"  # constants of 3.14 that version 2 has no word for


def dumped(
    code: CodeType,
    programs: Mapping[str, CodeType],
    plains: Mapping[str, CodeType] | None = None,
) -> bytes:
    """An entry: the code that replaces a function's own, its issue programs, and its regions as functions, by name."""
    parts = [
        tuple((name, homeless(each)) for name, each in some.items())
        for some in (programs, plains or {})
    ]
    return marshal.dumps((homeless(code), *parts), _PLAIN)


def homeless(code: CodeType) -> CodeType:
    """`code` without the name of its file, all through."""
    return code.replace(co_filename="", co_consts=tuple(map(_stored, code.co_consts)))


def at_home(code: CodeType, filename: str) -> CodeType:
    """`code` as if it stood in this file, all through."""
    consts = tuple(_found(const, filename) for const in code.co_consts)
    return code.replace(co_filename=filename, co_consts=consts)


def _stored(const: Any) -> Any:
    if isinstance(const, CodeType):
        return homeless(const)
    if type(const) is tuple:
        return tuple(map(_stored, const))
    return (_SLICE, const.start, const.stop, const.step) if type(const) is slice else const


def _found(const: Any, filename: str) -> Any:
    if isinstance(const, CodeType):
        return at_home(const, filename)
    if type(const) is tuple:
        if len(const) == 4 and const[0] == _SLICE and type(const[0]) is str:
            return slice(*const[1:])
        return tuple(_found(each, filename) for each in const)
    return const
