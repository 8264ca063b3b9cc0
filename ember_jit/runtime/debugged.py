"""Whether somebody steps through this thread's code: then compiled functions run as they are written.

Calls that overlap run on other threads, where a trace function of this thread does not see them, and between the
user's lines stand calls of ours, into which `step` would lead.  So the generated code asks first, with nothing but
what is implemented in C, for a function in Python would be stepped into:

    tool(0) or gettrace() is not None and unit.watched[gettrace().__class__]

Coverage measurement also sets a trace function, but only notes which lines have run.  Those are the same, and what is
tested should be what is shipped; it does not count.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any

_MEASURE = frozenset({"coverage"})
DEBUGGER, COVERAGE = 0, 1  # `sys.monitoring.DEBUGGER_ID`, `COVERAGE_ID`
LINE_TOOLS = (DEBUGGER, COVERAGE)
"""The tools that want to see each line that a thread runs.  Code that stands for lines without running them asks
for these and for any trace function, measurements of coverage included (`compiler.codegen.tried`)."""


class Watched(dict[type, bool]):
    """Whether trace functions of a class step through code, by the class; learnt when one is met."""

    __hash__ = object.__hash__  # type: ignore[assignment]  # it may stand in the constants of code

    def __missing__(self, kind: type) -> bool:
        steps = self[kind] = kind.__module__.partition(".")[0] not in _MEASURE
        return steps


watched = Watched({type(None): False, FunctionType: True, MethodType: True})
gettrace: Callable[[], Any] = sys.gettrace
_monitoring: Any = getattr(sys, "monitoring", None)
tool: Callable[[int], Any] = {}.get if _monitoring is None else _monitoring.get_tool
"""The name of the tool that monitors events under this id, or None (3.12; before, there are none)."""


def is_debugged() -> bool:
    """Whether a debugger follows the calling thread."""
    return watched[type(gettrace())] or bool(tool(DEBUGGER))
