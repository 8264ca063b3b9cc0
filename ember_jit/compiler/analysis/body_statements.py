"""What each kind of statement does to the facts of a body.

    xs = []                  xs: a fresh list
    xs.append(x)             nothing: the list was made here
    self.n = 1               effect: stores to the attribute `self.n`
    import os                os: the module, if it is loaded already; an effect otherwise

`STATEMENTS` has one handler for each kind; a statement without one is an effect.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ember_jit.compiler.analysis.values import (
    ARG,
    LOCAL,
    Abstract,
    Arg,
    Fresh,
    Known,
    join,
    static_attribute,
)
from ember_jit.ir.syntax import walk
from ember_jit.kinds import is_a

if TYPE_CHECKING:
    from ember_jit.compiler.analysis.body import BodyAnalysis

_CLEAN_MANAGERS = frozenset({"suppress", "nullcontext", "closing"})


def _assign(body: BodyAnalysis, node: ast.Assign) -> None:
    value = body.expr(node.value)
    for target in node.targets:
        body.bind(target, value)


def _ann_assign(body: BodyAnalysis, node: ast.AnnAssign) -> None:
    if node.value is not None:
        body.bind(node.target, body.expr(node.value))


def _aug_assign(body: BodyAnalysis, node: ast.AugAssign) -> None:
    body.expr(node.value)
    if not isinstance(node.target, ast.Name):
        body.bind(node.target, LOCAL)
        return
    current = body.name(node.target.id)
    if not isinstance(current, Fresh):
        body.effect(
            node,
            f"`{body.text(node)}` may change `{node.target.id}` in place",
            f"write `{node.target.id} = {node.target.id} ...`",
        )
    body.bind(node.target, current if isinstance(current, Fresh) else LOCAL)


def _delete(body: BodyAnalysis, node: ast.Delete) -> None:
    for target in node.targets:
        if not isinstance(target, ast.Name):
            body.bind(target, LOCAL)


def _expr_statement(body: BodyAnalysis, node: ast.Expr) -> None:
    body.expr(node.value)


def _return(body: BodyAnalysis, node: ast.Return) -> None:
    if node.value is not None:
        body.expr(node.value)


def _if(body: BodyAnalysis, node: ast.If | ast.While) -> None:
    body.test(node.test)
    body.block(node.body)
    body.block(node.orelse)


def _for(body: BodyAnalysis, node: ast.For) -> None:
    body.bind(node.target, body.iterate(body.expr(node.iter), node.iter))
    body.block(node.body)
    body.block(node.orelse)


def _try(body: BodyAnalysis, node: Any) -> None:
    body.block(node.body)
    for handler in node.handlers:
        if handler.type is not None:
            body.expr(handler.type)
        if handler.name:
            body.env[handler.name] = join(body.env.get(handler.name), LOCAL)
        body.block(handler.body)
    body.block(node.orelse)
    body.block(node.finalbody)


def _with(body: BodyAnalysis, node: ast.With) -> None:
    for item in node.items:
        value = body.expr(item.context_expr)
        clean = isinstance(value, Fresh) and value.kind == "handle"
        call = item.context_expr
        if isinstance(call, ast.Call):
            callee = body.peek(call.func)
            live = callee.obj if isinstance(callee, Known) else None
            name = getattr(live, "__name__", "")
            known_clean = getattr(live, "__module__", "") == "contextlib"
            clean = clean or (known_clean and name in _CLEAN_MANAGERS)
        if not clean:
            body.effect(
                item.context_expr,
                f"enters the context manager `{body.text(item.context_expr)}`",
            )
        if item.optional_vars is not None:
            body.bind(item.optional_vars, value if isinstance(value, Fresh) else LOCAL)
    body.block(node.body)


def _raise(body: BodyAnalysis, node: ast.Raise) -> None:
    for part in (node.exc, node.cause):
        value = body.expr(part) if part is not None else None
        if isinstance(value, Known) and is_a(value.obj, type):  # `raise Error` makes one
            made = body.inference.of(value.obj)
            body.rest_on(made)
            body.join_effect(made.effect, node, node)


def _assert(body: BodyAnalysis, node: ast.Assert) -> None:
    body.test(node.test)
    if node.msg is not None:
        body.expr(node.msg)


def _import(body: BodyAnalysis, node: ast.Import | ast.ImportFrom) -> None:
    module = node.module if isinstance(node, ast.ImportFrom) else None
    for alias in node.names:
        name = module or alias.name
        live = (
            sys.modules.get(name) if not (isinstance(node, ast.ImportFrom) and node.level) else None
        )
        if live is None:
            body.effect(
                node,
                f"imports `{name}` inside the function",
                "import it at the top of the module",
            )
            return
        if isinstance(node, ast.ImportFrom):
            value: Abstract = static_attribute(live, alias.name) or LOCAL
        else:
            value = Known(live if alias.asname else sys.modules[alias.name.split(".")[0]])
        body.bind(ast.Name(alias.asname or alias.name.split(".")[0], ast.Store()), value)


def _global(body: BodyAnalysis, node: ast.Global) -> None:
    body.globals_declared.update(node.names)


def _pass(body: BodyAnalysis, node: ast.stmt) -> None:
    del node


def _function_def(body: BodyAnalysis, node: ast.FunctionDef) -> None:
    for decorator in node.decorator_list:
        body.effect(decorator, f"applies the decorator `{body.text(decorator)}`")
    defaults = (*node.args.defaults, *[d for d in node.args.kw_defaults if d is not None])
    for default in defaults:
        body.expr(default)
    for default in defaults:
        if not isinstance(default, ast.Constant):
            body.effect(
                default, f"`{node.name}` keeps the default `{body.text(default)}` between calls"
            )
    made = body.nested(node.args, node.body)
    body.env[node.name] = join(body.env.get(node.name), made)


def _match(body: BodyAnalysis, node: Any) -> None:
    subject = body.touch(node.subject, body.expr(node.subject), "matching")
    inner: Abstract = ARG if isinstance(subject, Arg) else LOCAL
    for case in node.cases:
        for pattern in walk(case.pattern):
            name = None
            if isinstance(pattern, ast.MatchClass):
                cls = body.expr(pattern.cls)
                if not (
                    isinstance(cls, Known) and getattr(cls.obj, "__module__", "") == "builtins"
                ):
                    body.effect(pattern, "a class pattern may read properties of what it matches")
            elif isinstance(pattern, ast.MatchValue):
                body.touch(pattern.value, body.expr(pattern.value), "comparing with")
            if isinstance(pattern, ast.MatchAs | ast.MatchStar):
                name = pattern.name
            elif isinstance(pattern, ast.MatchMapping):
                name = pattern.rest
            if name is not None:
                body.env[name] = join(body.env.get(name), inner)
        if case.guard is not None:
            body.test(case.guard)
        body.block(case.body)


STATEMENTS: dict[type[ast.stmt], Callable[[BodyAnalysis, Any], None]] = {
    ast.Assign: _assign,
    ast.AnnAssign: _ann_assign,
    ast.AugAssign: _aug_assign,
    ast.Delete: _delete,
    ast.Expr: _expr_statement,
    ast.Return: _return,
    ast.If: _if,
    ast.While: _if,
    ast.For: _for,
    ast.Try: _try,
    ast.TryStar: _try,
    ast.With: _with,
    ast.Raise: _raise,
    ast.Assert: _assert,
    ast.Import: _import,
    ast.ImportFrom: _import,
    ast.Global: _global,
    ast.Nonlocal: _pass,
    ast.Pass: _pass,
    ast.Break: _pass,
    ast.Continue: _pass,
    ast.FunctionDef: _function_def,
    ast.Match: _match,
}
