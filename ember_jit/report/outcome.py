"""What one run of an operator gave, and whether two runs gave the same."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

from ember_jit.report.survey import find_function
from ember_jit.runtime.dispatch import disable_structural_jit
from ember_jit.runtime.originals import original_code
from ember_jit.runtime.overlays import put_code


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run gave: a value, or an exception."""

    value: Any
    error: BaseException | None

    def __str__(self) -> str:
        if self.error is not None:
            return f"{type(self.error).__name__}: {self.error}"
        return repr(self.value)


def outcome_of(op: Any, inputs: Any) -> Outcome:
    """What `op(inputs=inputs)` returns or raises."""
    try:
        return Outcome(op(inputs=inputs), None)
    except Exception as exc:  # noqa: BLE001 - an operator that raises is compared by what it raises
        return Outcome(None, exc)


def plain_outcome(op: Any, inputs: Any) -> Outcome:
    """What the program as it is written gives; not even the plain branch of a compiled function, which may be edited."""
    function, _, _ = find_function(op)
    code = function.__code__
    put_code(function, original_code(function))
    try:
        with disable_structural_jit():
            return outcome_of(op, inputs)
    finally:
        put_code(function, code)


def same_outcome(a: Outcome, b: Outcome) -> bool:
    """Whether two runs gave the same: value and type at every depth, or exception type and arguments."""
    if a.error is not None or b.error is not None:
        if a.error is None or b.error is None or type(a.error) is not type(b.error):
            return False
        return _same(a.error.args, b.error.args)
    return _same(a.value, b.value)


def _same(a: Any, b: Any) -> bool:
    if a is b:  # also None, which has nothing to look into
        return True
    if type(a) is not type(b):
        return False
    if type(a) is dict:
        return list(a) == list(b) and all(_same(a[key], b[key]) for key in a)
    if type(a) in (list, tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    if type(a) is float:
        return float.hex(a) == float.hex(b)
    if hasattr(a, "dtype") and hasattr(a, "tobytes"):  # arrays: bit by bit
        return bool(a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes())
    if inspect.getattr_static(type(a), "__eq__") is object.__eq__:
        return _same(getattr(a, "__dict__", None), getattr(b, "__dict__", None))
    return bool(a == b)
