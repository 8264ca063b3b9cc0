"""Which code objects are ours, and whose they replaced.

A function is compiled by swapping its `__code__`; whoever asks what a function *means* (effect
inference, guards, source retrieval) must see the original.
"""

from __future__ import annotations

import weakref
from types import CodeType, FunctionType

from ember_jit.weak import dropping

_originals: dict[int, tuple[weakref.ref[CodeType], CodeType]] = {}


def remember(replacement: CodeType, original: CodeType) -> None:
    """`replacement` stands for `original` from now on."""
    key = id(replacement)
    _originals[key] = (dropping(_originals, key, replacement), original)


def original_code(function: FunctionType) -> CodeType:
    """The code of `function` as its author wrote it."""
    return code_beneath(function.__code__)


def code_beneath(code: CodeType) -> CodeType:
    """The code that `code` stands for: what its author wrote."""
    found = _originals.get(id(code))
    return code if found is None else found[1]


def twin_of(function: FunctionType, code: CodeType) -> FunctionType:
    """A function that runs `code` with the globals, defaults and cells of `function`."""
    twin = FunctionType(
        code,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    twin.__kwdefaults__ = function.__kwdefaults__
    twin.__qualname__ = function.__qualname__
    twin.__module__ = function.__module__
    return twin


def is_alike(twin: FunctionType, function: FunctionType) -> bool:
    """Whether a twin still has the defaults of its function."""
    return (
        twin.__defaults__ is function.__defaults__
        and twin.__kwdefaults__ == function.__kwdefaults__
    )


def is_replacement(code: CodeType) -> bool:
    """Whether `code` was put in place by us."""
    return id(code) in _originals
