"""Which methods of a dataclass are those that `dataclasses` writes, and not the program's.

    @dataclass                          __eq__, __repr__    generated: they ask the fields, and nothing else
    class Doc: ...

    @dataclass
    class Doc:
        def __eq__(self, other): ...    the program's own

A generated method has no mark of its own, so it is compared, code for code, with that of a dataclass of the same
fields which is made for the purpose.  That is the same in every version of Python.
"""

from __future__ import annotations

import dataclasses
from types import CodeType, FunctionType
from typing import Any

_known: dict[int, tuple[FunctionType, bool]] = {}
_MOST = 4096


def is_generated(cls: type, name: str, function: FunctionType) -> bool:
    """Whether `cls.__dict__[name]`, which is `function`, was written by `dataclasses`."""
    if "__dataclass_params__" not in cls.__dict__:
        return False
    found = _known.get(id(function))
    if found is None or found[0] is not function:
        if len(_known) > _MOST:
            _known.clear()
        model = _model(cls)
        theirs = None if model is None else model.__dict__.get(name)
        same = type(theirs) is FunctionType and _same(function, theirs)
        found = _known[id(function)] = (function, same)
    return found[1]


def _model(cls: type) -> type | None:
    """A dataclass with the fields and the options of `cls`, and nothing else."""
    params: Any = cls.__dict__["__dataclass_params__"]
    fields = []
    for field in dataclasses.fields(cls):
        words = {key: getattr(field, key) for key in ("init", "repr", "hash", "compare", "kw_only")}
        fields.append((field.name, object, dataclasses.field(default=None, **words)))
    options = {key: getattr(params, key) for key in ("eq", "order", "frozen", "unsafe_hash")}
    return dataclasses.make_dataclass(cls.__name__, fields, repr=params.repr, **options)


def _same(mine: FunctionType, theirs: FunctionType) -> bool:
    """Whether two functions run the same code, wrappers included."""
    while True:
        if not _same_code(mine.__code__, theirs.__code__):
            return False
        inner, other = getattr(mine, "__wrapped__", None), getattr(theirs, "__wrapped__", None)
        if inner is None or other is None:
            return inner is other
        if type(inner) is not FunctionType or type(other) is not FunctionType:
            return False
        mine, theirs = inner, other


def _same_code(mine: CodeType, theirs: CodeType) -> bool:
    return mine is theirs or (
        mine.co_code == theirs.co_code
        and mine.co_names == theirs.co_names
        and mine.co_varnames == theirs.co_varnames
        and _constants(mine) == _constants(theirs)
    )


def _constants(code: CodeType) -> list[Any]:
    return [each for each in code.co_consts if not isinstance(each, CodeType)]
