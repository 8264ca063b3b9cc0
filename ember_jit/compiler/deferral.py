"""Twins of leaves that print or log: the same function, with its output deferred (`runtime.journal`).

    print("asking", q)          -->         <deferred>(print)("asking", q)
    log.info("got %s", r)       -->         <deferred>(log.info)("got %s", r)

Whether `print` is the builtin, and `log` a logger, is decided when the line runs; anything else is
called as it is.  The twin keeps the file, the lines, the globals, the defaults and the cells.
"""

from __future__ import annotations

import ast
import copy
import weakref
from types import CodeType, FunctionType

from ember_jit.compiler.source import NoSource, compile_functions, source_of
from ember_jit.ir.syntax import walk
from ember_jit.runtime.journal import LOGGING, deferred
from ember_jit.runtime.linking import DEFERRED, place
from ember_jit.runtime.originals import is_alike, twin_of
from ember_jit.weak import dropping

_twins: dict[int, tuple[weakref.ref[FunctionType], CodeType, FunctionType | None]] = {}


def deferring_twin(function: FunctionType, code: CodeType) -> FunctionType | None:
    """A twin of `function` (whose original code is `code`) that defers its output, or None."""
    found = _twins.get(id(function))
    if found is not None and found[0]() is function and found[1] is code:
        twin = found[2]
        if twin is None or is_alike(twin, function):
            return twin
    made = _make(function, code)
    key = id(function)
    _twins[key] = (dropping(_twins, key, function), code, made)
    return made


def _make(function: FunctionType, code: CodeType) -> FunctionType | None:
    made = deferring_code(function, code)
    return None if made is None else twin_of(function, place(made, {DEFERRED: deferred}))


def deferring_code(function: FunctionType, code: CodeType) -> CodeType | None:
    """The code of the twin, before anything is placed in its constants."""
    try:
        source = source_of(function, code)
    except NoSource:
        return None
    node = _Defer().visit(copy.deepcopy(source.node))
    compiled = compile_functions(
        [node], code, source.class_name, code.co_freevars, source.imports
    ).get(node.name)
    if compiled is None or compiled.co_freevars != code.co_freevars:
        return None
    return compiled.replace(co_qualname=code.co_qualname, co_flags=code.co_flags)


class _Defer(ast.NodeTransformer):
    """Wraps the callee of every call that may print or log, nested functions left out."""

    depth = 0

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        if self.depth:
            return node
        self.depth += 1
        return self.generic_visit(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        func = node.func
        prints = (isinstance(func, ast.Name) and func.id == "print") or (
            isinstance(func, ast.Attribute) and func.attr in LOGGING
        )
        if prints:
            # `[f][0]`, so that the compiler does not warn of a constant that is called
            wrapper = ast.Subscript(
                ast.List([ast.Constant(DEFERRED)], ast.Load()), ast.Constant(0), ast.Load()
            )
            node.func = ast.Call(wrapper, [func], [])
            for inner in walk(node.func):
                if "lineno" in inner._attributes and not hasattr(inner, "lineno"):
                    ast.copy_location(inner, func)
        return node
