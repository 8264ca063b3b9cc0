"""Linking: compiled programs become the code of a live function, and functions beside it.

A program is compiled with strings where live objects are to stand (`"<ember_jit unit>"`); `place` puts them in.
The compiler links what it has just made, a bundle what was made ahead of time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import CodeType, FunctionType
from typing import Any

from ember_jit.operators import Operator
from ember_jit.runtime import debugged
from ember_jit.runtime.plan import Plan

#: constants that linking replaces by the objects they stand for
UNIT, TYPE, CALL, CODE, DEFERRED, GETTRACE, TOOL = (
    f"<ember_jit {name}>"
    for name in ("unit", "type", "call", "code", "deferred", "gettrace", "tool")
)
_OPERATOR_CALL = Operator.__call__
STRAIGHT: Mapping[str, Any] = {
    TYPE: type,
    CALL: _OPERATOR_CALL,
    CODE: _OPERATOR_CALL.__code__,
}
"""What straight calls compare with (`compiler.passes.straight`); the code before anything replaced it."""

GETTRACE_IN_TEXT, TOOL_IN_TEXT = (f"({name!r} or {name!r})" for name in (GETTRACE, TOOL))
"""As text to be called: a string that is called makes the compiler warn; what is called here is the constant alone."""

EVERYWHERE: Mapping[str, Any] = {GETTRACE: debugged.gettrace, TOOL: debugged.tool}
"""What is the same in every program."""


def place(code: CodeType, objects: Mapping[str, Any]) -> CodeType:
    """`code` with live objects in place of the strings that stand for them."""
    objects = {**EVERYWHERE, **objects}
    return code.replace(
        co_consts=tuple(
            objects.get(const, const) if type(const) is str else const for const in code.co_consts
        )
    )


def program_file(original: CodeType) -> str:
    """The file name of the issue programs of a function, by its own code."""
    return f"<ember_jit {original.co_filename}:{original.co_firstlineno} {original.co_qualname}>"


def link_programs(
    plan: Plan,
    function: FunctionType,
    original: CodeType,
    codes: Mapping[str, CodeType],
    issues: Sequence[str],
) -> None:
    """Make functions of a plan's issue programs and their parts, in the surroundings of `function`.

    Args:
        plan: takes them, as `parts`, and as `slices`.
        function: whose globals and cells they share.
        original: its code.
        codes: the programs, by name.
        issues: the names of the issue programs, in the order of their slices.
    """
    cells: dict[str, Any] = dict(zip(original.co_freevars, function.__closure__ or (), strict=True))
    for name, code in codes.items():
        closure = tuple(cells[free] for free in code.co_freevars)
        plan.parts[name] = FunctionType(code, function.__globals__, name, None, closure)
    plan.slices = [plan.parts[name] for name in issues]
