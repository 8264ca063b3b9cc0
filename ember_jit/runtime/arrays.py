"""Whether a call has met arrays: asked at the first call of each function, so it loads nothing, NumPy least of all."""

from __future__ import annotations

import sys
from types import CodeType
from typing import Any

from ember_jit.kinds import is_a
from ember_jit.runtime.statics import ATOMIC, own_attribute


def holds_arrays(code: CodeType, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether arrays are among the arguments of a call, the items of dicts, or the attributes that `code` names."""
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return False
    array = numpy.ndarray
    for each in (*args, *kwargs.values()):
        if type(each) is array:
            return True
        if type(each) is dict:
            held = list(each.values())
        elif type(each) in ATOMIC or is_a(each, type):
            continue
        else:
            held = [own_attribute(each, name) for name in code.co_names]
        if any(type(value) is array for value in held):
            return True
    return False
