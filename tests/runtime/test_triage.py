"""Which functions are left alone for what their code object says."""

from __future__ import annotations

import logging
import sys
import warnings

from ember_jit import explain, jit
from ember_jit.runtime.triage import reason_to_leave


def double(x: int) -> int:
    return x * 2


def warns_by_name(x: int) -> int:
    warnings.warn("old", DeprecationWarning, stacklevel=2)
    return double(x) + double(x + 1)


def warns_by_place(x: int) -> int:
    warnings.warn("old", DeprecationWarning, 2)  # noqa: B028 - by place
    return double(x) + double(x + 1)


def logs(x: int) -> int:
    logging.getLogger(__name__).debug("called", stacklevel=2)
    return double(x) + double(x + 1)


def warns_of_itself(x: int) -> int:
    warnings.warn("old", DeprecationWarning)  # noqa: B028 - its own line
    return double(x) + double(x + 1)


def test_a_function_that_names_its_callers_line_is_left_alone() -> None:
    for function in (warns_by_name, warns_by_place, logs):
        assert "stacklevel" in reason_to_leave(function.__code__)
    assert reason_to_leave(warns_of_itself.__code__) == ""


def test_its_first_warning_names_the_callers_line() -> None:
    compiled = jit(warns_by_name)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        compiled(1)
        line = sys._getframe().f_lineno - 1
    assert [(each.filename, each.lineno) for each in caught] == [(__file__, line)]
    assert "stacklevel" in str(explain(compiled))
