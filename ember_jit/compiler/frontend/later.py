"""Bodies that run later: those of nested functions, lambdas and generators, and from where on they may.

    g = (self.a(inputs=x) for x in xs)      from here on, anywhere
    def note(x): self.log(inputs=x)         wherever `note` is called, if it is only ever called
    any(self.a(inputs=x) for x in xs)       here, and never again
    sorted(xs, key=lambda x: self.a(...))   here, and never again

An issue program may not go past a place where such a body may run unless its calls are without effect.
"""

from __future__ import annotations

import ast
from typing import Any

from ember_jit.compiler.analysis.body import BodyAnalysis
from ember_jit.compiler.frontend.bindings import FULL_CONSUMERS
from ember_jit.ir.syntax import walk

_CONSUMERS = FULL_CONSUMERS | {"any", "all", "next"}
_SUSPENDS = (ast.Yield, ast.YieldFrom, ast.Await)
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef, ast.GeneratorExp)


def used_up(nodes: list[ast.AST], facts: BodyAnalysis) -> set[ast.AST]:
    """Lambdas and generators that the very call they stand in uses, and nobody keeps."""
    found: set[ast.AST] = set()
    for call in nodes:
        if not isinstance(call, ast.Call):
            continue
        func = call.func
        if isinstance(func, ast.Lambda):
            found.add(func)
        fact = facts.calls.get(call)
        if isinstance(func, ast.Name) and func.id in _CONSUMERS and fact and fact.role == "glue":
            found.update(call.args)
            found.update(keyword.value for keyword in call.keywords)
    return found


def mapped(node: ast.expr, facts: BodyAnalysis) -> ast.Lambda | None:
    """The lambda of `map(lambda x: ..., xs)` or `filter(...)`, which is called once for each element and never again.

    Only where its parameter is no variable of the function: an issue program has one name for both.
    """
    if not isinstance(node, ast.Call) or len(node.args) != 2 or node.keywords:
        return None
    function, iterable = node.args
    fact = facts.calls.get(node)
    if not isinstance(function, ast.Lambda) or isinstance(iterable, ast.Starred):
        return None
    if fact is None or fact.role != "glue" or facts.live(node.func) not in (map, filter):
        return None
    args = function.args
    plain = not (args.posonlyargs or args.vararg or args.kwonlyargs or args.kwarg or args.defaults)
    if not plain or len(args.args) != 1:
        return None
    bound = sum(
        isinstance(each, ast.arg) and each.arg == args.args[0].arg
        for each in walk(facts.source.node)
    )
    name = args.args[0].arg
    stored = any(
        isinstance(each, ast.Name) and each.id == name and not isinstance(each.ctx, ast.Load)
        for each in walk(facts.source.node)
    )
    return function if bound == 1 and not stored else None


def only_called(function: ast.FunctionDef, nodes: list[ast.AST]) -> dict[str, list[ast.Call]]:
    """Local functions that are called by name and never handed on, with their calls.

    A body with a `yield` runs when somebody asks for its values, so it is not among them; nor is one that another
    body mentions.
    """
    makers: dict[str, list[ast.AST]] = {}
    for node in nodes:
        if isinstance(node, ast.FunctionDef) and node is not function:
            makers.setdefault(node.name, []).append(node)
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda):
            target = node.targets[0]
            if len(node.targets) == 1 and isinstance(target, ast.Name):
                makers.setdefault(target.id, []).append(node.value)
    if not makers:
        return {}
    calls: dict[str, list[ast.Call]] = {name: [] for name in makers}
    for made in makers.values():
        if any(isinstance(inner, _SUSPENDS) for body in made for inner in walk(body)):
            calls.pop(_name_of(made, makers), None)
    _collect(function.body, False, calls)
    return calls


def _name_of(made: list[ast.AST], makers: dict[str, list[ast.AST]]) -> str:
    return next(name for name, each in makers.items() if each is made)


def _collect(nodes: Any, nested: bool, calls: dict[str, list[ast.Call]]) -> None:
    stack: list[tuple[ast.AST, bool]] = [(node, nested) for node in nodes]
    while stack:
        node, inside = stack.pop()
        children = list(ast.iter_child_nodes(node))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if inside:
                calls.pop(node.func.id, None)
            elif node.func.id in calls:
                calls[node.func.id].append(node)
                children.remove(node.func)
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Store):
            calls.pop(node.id, None)
        inner = inside or isinstance(node, _SCOPES)
        stack.extend((child, inner) for child in children)


def statements_of(calls: list[ast.Call], statements: Any) -> list[ast.stmt]:
    """The statements, of those given, that the calls stand in: for each the innermost."""
    wanted = set(map(id, calls))
    found: list[ast.stmt] = []
    for statement in statements:
        stack: list[ast.AST] = [statement]
        while stack:
            node = stack.pop()
            if id(node) in wanted:
                found.append(statement)
                break
            stack.extend(
                child
                for child in ast.iter_child_nodes(node)
                if not isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case)
            )
            stack.extend(part for child in ast.iter_child_nodes(node) for part in _heads(child))
    return found


def _heads(node: ast.AST) -> list[ast.AST]:
    """What a handler or a case evaluates itself."""
    if isinstance(node, ast.ExceptHandler):
        return [node.type] if node.type is not None else []
    if isinstance(node, ast.match_case):
        return [node.pattern, *([node.guard] if node.guard is not None else [])]
    return []
