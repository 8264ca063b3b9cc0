"""The test in front of statements that machine code may do, as far as regions and loops share it.

    K.on and gettrace() is None and ... and np.exp is K.f0

`K` is the region's site (`runtime.tried.TriedFirst`).  Whoever follows the lines of this thread (a debugger, a
tracer, a measurement of coverage) is to see each of them: then the statements run.  The question is put to
functions in C alone, for one in Python would itself be followed.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence
from typing import Any

from ember_jit.ir.syntax import copied, is_
from ember_jit.runtime.debugged import LINE_TOOLS
from ember_jit.runtime.linking import GETTRACE, TOOL

GO, RESULT = "_go", "_r"


def part(marker: str, name: str) -> ast.expr:
    """An attribute of the site for which `marker` stands until linking."""
    return ast.Attribute(ast.Constant(marker), name, ast.Load())


def guards(marker: str, functions: Sequence[tuple[ast.expr, Any]]) -> list[ast.expr]:
    """That the site is on, nobody follows the lines, and the functions that the region names are live as they were."""
    found = [part(marker, "on"), _is_none(_call(GETTRACE))]
    if sys.version_info >= (3, 12):
        for number in LINE_TOOLS:
            found.append(_is_none(_call(TOOL, ast.Constant(number))))
    for number, (function, _) in enumerate(functions):
        found.append(is_(copied(function, {}), part(marker, f"f{number}")))
    return found


def _call(name: str, *args: ast.expr) -> ast.expr:
    """A call of what stands for `name`: written so that no string is called, of which the compiler would warn."""
    either = ast.BoolOp(ast.Or(), [ast.Constant(name), ast.Constant(name)])
    return ast.Call(either, list(args), [])


def _is_none(node: ast.expr) -> ast.expr:
    return is_(node, ast.Constant(None))
