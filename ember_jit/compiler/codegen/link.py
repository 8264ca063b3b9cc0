"""Linking: generated programs become code objects and functions, in the surroundings of the user's function."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Mapping
from types import CodeType, FunctionType
from typing import Any

from ember_jit.compiler.codegen.issue import Issue
from ember_jit.compiler.passes.straight import Straight
from ember_jit.compiler.source import FUTURE_MASK, Source, compile_functions, is_class_body
from ember_jit.ir.verifier import InvalidIR
from ember_jit.runtime.dispatch import Unit
from ember_jit.runtime.linking import STRAIGHT, UNIT, link_programs, place, program_file
from ember_jit.runtime.plan import Plan


def straight_objects(made: Straight) -> dict[str, Any]:
    """The objects that stand in the constants of a straight function, by the string that stands for each."""
    return {**STRAIGHT, **made.classes}


def link_in_place(
    unit: Unit, source: Source, node: ast.FunctionDef, live: Mapping[str, Any]
) -> CodeType | None:
    """The code of a program that replaces the function's own; None if its variables do not fit.

    Args:
        unit: the function's unit; it stands in the constants, in place of `UNIT`.
        source: where the function stands.
        node: the program.
        live: what else is to stand in the constants, by the string that stands for it.
    """
    compiled = compile_in_place(unit.original, source, node)
    return None if compiled is None else place(compiled, {UNIT: unit, **live})


def compile_in_place(original: CodeType, source: Source, node: ast.FunctionDef) -> CodeType | None:
    """The code of a program that replaces `original`, before anything is placed in its constants."""
    compiled = compile_functions(
        [node], original, source.class_name, original.co_freevars, source.imports
    ).get(node.name)
    if compiled is None or compiled.co_freevars != original.co_freevars:
        return None
    if compiled.co_varnames[: _arg_count(original)] != original.co_varnames[: _arg_count(original)]:
        return None
    compiled = _renamed(compiled, compiled.co_qualname, original.co_qualname)
    return compiled.replace(co_flags=original.co_flags, co_firstlineno=original.co_firstlineno)


def _renamed(code: CodeType, ours: str, theirs: str) -> CodeType:
    """`code` and all code in it, with qualified names that start with `theirs` where they started with `ours`."""
    qualname = code.co_qualname
    if qualname == ours or qualname.startswith(f"{ours}."):  # else it is declared `global` there
        qualname = theirs + qualname.removeprefix(ours)
    consts: list[Any] = []
    for const in code.co_consts:
        if isinstance(const, CodeType):
            consts.append(_renamed(const, ours, theirs))
        elif type(const) is str and const == code.co_qualname and is_class_body(code):
            consts.append(qualname)
        else:
            consts.append(const)
    return code.replace(co_consts=tuple(consts), co_qualname=qualname)


def _arg_count(code: CodeType) -> int:
    return (
        code.co_argcount
        + code.co_kwonlyargcount
        + bool(code.co_flags & 4)
        + bool(code.co_flags & 8)
    )


def compile_issue_programs(text: str, filename: str, original: CodeType) -> dict[str, CodeType]:
    """The code of the functions in `text`, by name, with the free variables of `original`."""
    free = [name for name in original.co_freevars if name != "__class__"]
    if free:
        nodes = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
        flags = original.co_flags & ~FUTURE_MASK
        codes = compile_functions(
            nodes, original.replace(co_filename=filename, co_flags=flags), None, free
        )
    else:
        # no trees: a third of the time
        module = compile(text, filename, "exec", dont_inherit=True)
        codes = {each.co_name: each for each in module.co_consts if isinstance(each, CodeType)}
    if not codes:
        raise InvalidIR(f"the issue programs in {filename} do not compile:\n{text}")
    return codes


def program_text(issues: list[Issue]) -> str:
    """The issue programs of one function, as one file."""
    return "\n".join(issue.text for issue in issues)


def link_issue_programs(
    plan: Plan, function: FunctionType, original: CodeType, issues: list[Issue]
) -> None:
    """Make functions of the issue programs; their text is in `linecache`, under a name of its own."""
    if not issues:
        return
    text = program_text(issues)
    filename = program_file(original)
    linecache.cache[filename] = (len(text), None, text.splitlines(True), filename)
    codes = compile_issue_programs(text, filename, original)
    link_programs(plan, function, original, codes, [issue.name for issue in issues])
