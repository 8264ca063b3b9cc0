"""The retire program: the user's function, in program order, taking the outcomes of issued calls.

    s = self.summ(inputs={"d": doc})
        -->
    s = _w.take(0) if _w.has(0) else _w.done(0, self.summ(inputs={"d": doc}))

Everything else stays as it is, with its own line numbers: exceptions, handlers, `finally`, prints and
stores are the sequential program's own.  The untouched body stands in front, for runs that do not overlap.
"""

from __future__ import annotations

import ast
import copy
from typing import Any

from ember_jit.compiler.codegen.issue import Issue
from ember_jit.compiler.passes.regions import AheadRegion
from ember_jit.compiler.source import Source
from ember_jit.ir.ops import Function

MARKER = "<ember_jit unit>"


def retire_program(
    source: Source, function: Function, regions: list[AheadRegion], issues: list[Issue]
) -> ast.FunctionDef:
    """The definition of the retire program; the constant `MARKER` stands for the function's unit."""
    memo: dict[int, Any] = {}
    node: ast.FunctionDef = copy.deepcopy(source.node, memo)
    plain: ast.FunctionDef = copy.deepcopy(source.node)
    rewriter = _Rewriter(memo, function, regions, issues)
    rewriter.rewrite(node)
    head, body = _split_docstring(node.body)
    _, untouched = _split_docstring(plain.body)
    scopes, body = _hoist(body)
    _, untouched = _hoist(untouched)
    where = node.body[0]
    first = function.params[0] if function.is_method else None
    owner: ast.expr = ast.Name(first, ast.Load()) if first is not None else ast.Constant(None)
    opened = ast.Call(ast.Attribute(ast.Constant(MARKER), "open", ast.Load()), [owner], [])
    prologue: list[ast.stmt] = [
        ast.Assign([ast.Name("_w", ast.Store())], opened),
        ast.If(
            ast.Compare(ast.Name("_w", ast.Load()), [ast.Is()], [ast.Constant(None)]),
            [*untouched, ast.Return(None)],
            [],
        ),
    ]
    close = ast.Expr(
        ast.Call(ast.Attribute(ast.Name("_w", ast.Load()), "close", ast.Load()), [], [])
    )
    guarded = ast.Try(body, [], [], [close])
    for made in (*prologue, guarded):
        _locate(made, node)
    del where
    node.body = [*head, *scopes, *prologue, guarded]
    return node


def _locate(tree: ast.AST, at: ast.AST) -> None:
    """Give nodes of ours, which have no place in the user's file, the place of the `def`."""
    line = getattr(at, "lineno", 1)
    for inner in ast.walk(tree):
        if "lineno" in inner._attributes and not hasattr(inner, "lineno"):
            inner.lineno = inner.end_lineno = line  # type: ignore[attr-defined]
            inner.col_offset = inner.end_col_offset = getattr(at, "col_offset", 0)  # type: ignore[attr-defined]


def _split_docstring(body: list[ast.stmt]) -> tuple[list[ast.stmt], list[ast.stmt]]:
    first = body[0]
    if (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    ):
        return body[:1], body[1:]
    return [], body


def _hoist(body: list[ast.stmt]) -> tuple[list[ast.stmt], list[ast.stmt]]:
    """Move `global` and `nonlocal` to the top: the body stands twice, and they must precede every use."""
    scopes: list[ast.stmt] = []

    class Hoist(ast.NodeTransformer):
        def visit_Global(self, node: ast.Global) -> ast.stmt:
            scopes.append(node)
            return ast.copy_location(ast.Pass(), node)

        visit_Nonlocal = visit_Global  # type: ignore[assignment]

        def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.stmt:
            return node

        visit_AsyncFunctionDef = visit_ClassDef = visit_Lambda = visit_FunctionDef  # type: ignore[assignment]

    changed = [Hoist().visit(statement) for statement in body]
    return scopes, changed or [ast.Pass()]


class _Rewriter:
    """Puts the runtime's hooks into a copy of the user's tree."""

    def __init__(
        self,
        memo: dict[int, Any],
        function: Function,
        regions: list[AheadRegion],
        issues: list[Issue],
    ) -> None:
        self.calls: dict[int, int] = {}
        self.kept: dict[int, int] = {}
        self.reached: set[int] = set()
        self.starts: dict[int, list[tuple[int, Issue]]] = {}
        self.loops: dict[int, int] = {}
        self.entered = {
            id(memo[id(site.node)])
            for site in function.sites
            if not site.evidence.startswith("declared")
        }
        for region, issue in zip(regions, issues, strict=True):
            self.starts.setdefault(id(memo[id(region.start)]), []).append((region.number, issue))
            self.reached |= issue.sites.keys() if region.in_order else set()
            for number in issue.sites:
                self.calls[id(memo[id(function.sites[number].node)])] = number
            for number, (node, _, _) in issue.kept.items():
                self.kept[id(memo[id(node)])] = number
            for number in issue.loops:
                self.loops[id(memo[id(function.loops[number])])] = number

    def rewrite(self, node: ast.FunctionDef) -> None:
        """Rewrite the body of `node` in place."""
        node.body = self._block(node.body)

    def _block(self, body: list[ast.stmt]) -> list[ast.stmt]:
        out: list[ast.stmt] = []
        for statement in body:
            for number, issue in self.starts.get(id(statement), ()):
                names: list[ast.expr] = [ast.Name(name, ast.Load()) for name in issue.params]
                out.append(_at(ast.Expr(_hook("ahead", ast.Constant(number), *names)), statement))
            loop = self.loops.get(id(statement))
            if loop is not None and isinstance(statement, ast.While):
                out.append(
                    _at(ast.Expr(_hook("loop", ast.Constant(loop), ast.Constant(None))), statement)
                )
            out.append(self._statement(statement, loop))
        return out

    def _statement(self, node: ast.stmt, loop: int | None) -> ast.stmt:
        for field, value in ast.iter_fields(node):
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                setattr(node, field, self._block(value))
            elif isinstance(value, list):
                setattr(node, field, [self._any(item) for item in value])
            elif isinstance(value, ast.AST):
                setattr(node, field, self._any(value))
        if loop is not None and isinstance(node, ast.For | ast.While):
            if isinstance(node, ast.For):
                node.iter = _at(_hook("loop", ast.Constant(loop), node.iter), node.iter)
            node.body.insert(0, _at(ast.Expr(_hook("step", ast.Constant(loop))), node.body[0]))
        return node

    def _any(self, node: Any) -> Any:
        if isinstance(node, ast.stmt):
            return self._statement(node, self.loops.get(id(node)))
        if not isinstance(node, ast.AST):
            return node
        loop = self.loops.get(id(node)) if isinstance(node, ast.comprehension) else None
        for field, value in ast.iter_fields(node):
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                setattr(node, field, self._block(value))
            elif isinstance(value, list):
                setattr(node, field, [self._any(item) for item in value])
            elif isinstance(value, ast.AST):
                setattr(node, field, self._any(value))
        if loop is not None and isinstance(node, ast.comprehension):
            node.iter = _at(_hook("loop", ast.Constant(loop), node.iter), node.iter)
            node.ifs.insert(0, _at(_hook("step", ast.Constant(loop)), node.iter))
        if id(node) in self.calls and isinstance(node, ast.expr):
            number = self.calls[id(node)]
            if isinstance(node, ast.Call) and id(node) in self.entered:
                self._enter(node)
            return self._take(number, node, _hook("done", ast.Constant(number), node))
        if id(node) in self.entered and isinstance(node, ast.Call):
            self._enter(node)
            return node
        if id(node) in self.kept and isinstance(node, ast.expr):
            return self._take(self.kept[id(node)], node, node)
        return node

    def _enter(self, node: ast.Call) -> None:
        place = _reported(node)
        node.lineno, node.col_offset = place.lineno, place.col_offset  # a method call no longer
        node.func = _at(_hook("enter", node.func), node.func)

    def _take(self, number: int, node: ast.expr, otherwise: ast.expr) -> Any:
        return _at(
            ast.IfExp(
                _hook("reach" if number in self.reached else "has", ast.Constant(number)),
                _hook("take", ast.Constant(number)),
                otherwise,
            ),
            _reported(node),
        )


def _hook(name: str, *args: ast.expr) -> ast.expr:
    return ast.Call(ast.Attribute(ast.Name("_w", ast.Load()), name, ast.Load()), list(args), [])


def _reported(node: ast.expr) -> ast.expr:
    """Where a traceback says that `node` failed: CPython puts a method call at its attribute's last line."""
    func = node.func if isinstance(node, ast.Call) else None
    if (
        not isinstance(func, ast.Attribute)
        or func.end_lineno == node.lineno
        or not isinstance(node, ast.Call)
    ):
        return node
    if any(isinstance(arg, ast.Starred) for arg in node.args) or any(
        each.arg is None for each in node.keywords
    ):
        return node
    place: ast.expr = ast.copy_location(ast.Constant(None), node)
    if func.end_lineno is not None and func.end_col_offset is not None:
        place.lineno, place.col_offset = func.end_lineno, func.end_col_offset - len(func.attr)
    return place


def _at(node: Any, place: ast.AST) -> Any:
    """Place our nodes at `place`, so that lines and carets are those of the user's call."""
    for inner in ast.walk(node):
        if "lineno" in inner._attributes and not hasattr(inner, "lineno"):
            ast.copy_location(inner, place)
            if isinstance(
                inner, ast.Attribute
            ):  # a hook: its call is reported at the attribute's last line
                inner.end_lineno, inner.end_col_offset = inner.lineno, inner.col_offset + 1
    return node
