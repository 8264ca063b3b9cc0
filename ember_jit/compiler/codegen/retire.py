"""The retire program: the user's function, in program order, taking the outcomes of issued calls.

    s = self.summ(inputs={"d": doc})
        -->
    s = _w.take(0) if _w.has(0) else _w.done(0, self.summ(inputs={"d": doc}))

Everything else stays as it is, with its own line numbers: exceptions, handlers, `finally`, prints and
stores are the sequential program's own.  The untouched body stands in front, for runs that do not overlap.
"""

from __future__ import annotations

import ast
from typing import Any

from ember_jit.compiler.codegen.issue import Issue
from ember_jit.compiler.passes.regions import AheadRegion
from ember_jit.compiler.source import Source
from ember_jit.ir.ops import Function
from ember_jit.ir.syntax import copied, put_on_line, unplaced, walk
from ember_jit.runtime.linking import GETTRACE_IN_TEXT as _GETTRACE
from ember_jit.runtime.linking import TOOL_IN_TEXT as _TOOL
from ember_jit.runtime.linking import UNIT

_SCOPES = (ast.Global, ast.Nonlocal)
FOLLOWED = f"{_TOOL}(0) or {_GETTRACE}() is not None"
"""Whether anybody is shown the lines of this thread: a debugger or coverage measurement."""
DEBUGGED = (
    f"{_TOOL}(0) or ({_GETTRACE}() is not None and {UNIT!r}.watched[{_GETTRACE}().__class__])"
)
NOWHERE = -1  # the line of what has none of its own: whatever came before


def retire_program(
    source: Source,
    function: Function,
    regions: list[AheadRegion],
    issues: list[Issue],
    first: int,
) -> ast.FunctionDef:
    """The definition of the retire program; the constant `UNIT` stands for the function's unit.

    What is added in front stands on the line `first`, on which the body begins: a debugger stops there once.
    """
    memo: dict[int, Any] = {}
    node: ast.FunctionDef = copied(source.node, memo)
    rewriter = _Rewriter(memo, function, regions, issues)
    rewriter.rewrite(node)
    head, body = _split_docstring(node.body)
    _, untouched = _split_docstring(source.node.body)
    scopes, body = _hoist(body)
    if scopes:
        untouched = _hoist([copied(statement, {}) for statement in untouched])[1]
    owner = function.params[0] if function.is_method else "None"
    opened, branch = unplaced(
        f"_w = None if {DEBUGGED} else {UNIT!r}.open({owner})\n"
        "if _w is None: pass\n"
        "else:\n try: pass\n finally: _w.close()"
    )
    assert isinstance(branch, ast.If)
    guarded = branch.orelse[0]
    assert isinstance(guarded, ast.Try)
    close = guarded.finalbody[0]
    branch.body, guarded.body = untouched, body
    put_on_line(close, NOWHERE)
    put_on_line(opened, first)
    put_on_line(branch, first)
    node.body = [*head, *scopes, opened, branch]
    return node


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
    if not any(isinstance(node, _SCOPES) for statement in body for node in walk(statement)):
        return scopes, body or [ast.Pass()]

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
                names = [_at(ast.Name(name, ast.Load()), statement) for name in issue.params]
                out.append(_run(_hook(statement, "ahead", number, *names)))
            loop = self.loops.get(id(statement))
            if loop is not None and isinstance(statement, ast.While):
                nothing = _at(ast.Constant(None), statement)
                out.append(_run(_hook(statement, "loop", loop, nothing)))
            out.append(self._statement(statement, loop))
        return out

    def _statement(self, node: ast.stmt, loop: int | None) -> ast.stmt:
        self._children(node)
        if loop is not None and isinstance(node, ast.For | ast.While):
            if isinstance(node, ast.For):
                node.iter = _hook(node.iter, "loop", loop, node.iter)
            node.body.insert(0, _run(_hook(node.body[0], "step", loop)))
        return node

    def _children(self, node: ast.AST) -> None:
        for field in node._fields:
            value = getattr(node, field, None)
            if type(value) is list:
                if value and isinstance(value[0], ast.stmt):
                    setattr(node, field, self._block(value))
                else:
                    value[:] = [self._any(item) for item in value]
            elif isinstance(value, ast.AST):
                setattr(node, field, self._any(value))

    def _any(self, node: Any) -> Any:
        if isinstance(node, ast.stmt):
            return self._statement(node, self.loops.get(id(node)))
        if not isinstance(node, ast.AST):
            return node
        self._children(node)
        if isinstance(node, ast.comprehension):
            loop = self.loops.get(id(node))
            if loop is not None:
                node.iter = _hook(node.iter, "loop", loop, node.iter)
                node.ifs.insert(0, _hook(node.iter, "step", loop))
        if not isinstance(node, ast.expr):
            return node
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Lambda):
            self._step_in(node, node.args[0])
        number = self.calls.get(id(node))
        if id(node) in self.entered and isinstance(node, ast.Call):
            self._enter(node)
        if number is not None:
            return self._take(number, node, _hook(_reported(node), "done", number, node))
        number = self.kept.get(id(node))
        return node if number is None else self._take(number, node, node)

    def _step_in(self, node: ast.Call, function: ast.Lambda) -> None:
        """`map(lambda x: f(x), xs)`: the lambda is the body of a loop."""
        loop = self.loops.get(id(function))
        if loop is not None:
            node.args[1] = _hook(node.args[1], "loop", loop, node.args[1])
            step = _hook(function.body, "step", loop)
            function.body = _at(ast.BoolOp(ast.And(), [step, function.body]), function.body)

    def _enter(self, node: ast.Call) -> None:
        place = _reported(node)
        node.lineno, node.col_offset = place.lineno, place.col_offset  # a method call no longer
        node.func = _hook(node.func, "enter", None, node.func)

    def _take(self, number: int, node: ast.expr, otherwise: ast.expr) -> Any:
        place = _reported(node)
        has = _hook(place, "reach" if number in self.reached else "has", number)
        return _at(ast.IfExp(has, _hook(place, "take", number), otherwise), place)


def _hook(place: ast.expr | ast.stmt, name: str, number: int | None, *args: ast.expr) -> ast.expr:
    """A call of the run's method `name`, at `place`: lines and carets are those of the user's code."""
    run = _at(ast.Name("_w", ast.Load()), place)
    method = _at(ast.Attribute(run, name, ast.Load()), place)
    # a method call is reported at its attribute's last line
    method.end_lineno, method.end_col_offset = method.lineno, method.col_offset + 1
    numbers = [] if number is None else [_at(ast.Constant(number), place)]
    made: ast.expr = _at(ast.Call(method, [*numbers, *args], []), place)
    return made


def _run(call: ast.expr) -> ast.stmt:
    made: ast.stmt = _at(ast.Expr(call), call)
    return made


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


def _at(node: Any, place: ast.expr | ast.stmt) -> Any:
    """`node`, one of ours, placed at `place`."""
    node.lineno, node.col_offset = place.lineno, place.col_offset
    node.end_lineno, node.end_col_offset = place.end_lineno, place.end_col_offset
    return node
