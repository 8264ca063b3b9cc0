"""Which bodies may be chains, told from their statements alone, before anything of what folds them is loaded."""

from __future__ import annotations

import ast

from ember_jit.compiler.source import Source
from ember_jit.ir.syntax import walk

_STATEMENTS = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr, ast.Pass, ast.Return)


def why_no_chain(source: Source) -> str:
    """What in a body is never computed in place, with its line; empty if all of it may be."""
    calls = 0
    for statement in source.node.body:
        if not isinstance(statement, _STATEMENTS):
            return said(type(statement).__name__, statement.lineno, source)
        for node in walk(statement):
            if isinstance(node, ast.Call):
                calls += 1
                if not isinstance(node.func, ast.Attribute):
                    return said("a call", node.lineno, source)
    return "" if calls else "no call of an operator"


def said(what: str, line: int, source: Source) -> str:
    """Why a line cannot be part of a chain."""
    return f"{what}, line {line}: `{source.line(line)}`"
