"""Mutations of containers that may have been seen by someone else become barriers.

    parts = []                                  parts = []
    parts.append(a)                             mutate  parts.append(a)
    r = self.op(inputs=parts)          -->      call    self.op(inputs=parts)     # `parts` escapes
    parts.append(b)                             barrier parts.append(b)

Sound because an unescaped container can be reached by nothing but its name: no call that runs ahead
can see it change.  An escape in a loop also precedes the mutations of the next iteration, unless the
container is made anew in the loop.
"""

from __future__ import annotations

import ast
from dataclasses import replace

from ember_jit.ir.ops import Function, Op, Region, base
from ember_jit.ir.syntax import walk

_OBSERVING = frozenset({"len", "str", "repr", "any", "all", "bool"})
_COPYING = frozenset(
    {"sum", "sorted", "list", "tuple", "set", "frozenset", "dict", "min", "max"}
)  # hand on elements
_ITERATING = frozenset({"enumerate", "zip", "reversed", "iter"})
_VIEWS = frozenset({"items", "keys", "values"})


def mark_escapes(function: Function) -> Function:
    """Turn `mutate` ops that an escape may precede into barriers."""
    body, _ = _region(function.body, frozenset())
    return replace(function, body=body)


def _region(region: Region, escaped: frozenset[str]) -> tuple[Region, frozenset[str]]:
    ops = []
    for op in region.ops:
        op, escaped = _op(op, escaped)
        ops.append(op)
    return Region(tuple(ops), region.label), escaped


def _op(op: Op, escaped: frozenset[str]) -> tuple[Op, frozenset[str]]:
    if op.kind == "mutate":
        owner = base(op.defs[0])
        leaking = _leaks(op.value) | (
            {owner} if op.value is not None and owner in _leaks(op.value) else set()
        )
        if owner in escaped:
            return replace(
                op,
                kind="barrier",
                reason=f"`{owner}` is changed after something else has got hold of it",
            ), escaped | leaking
        return op, escaped | leaking
    if op.kind in ("for", "while", "comp"):
        once = escaped
        for _ in range(2):
            for region in op.regions:
                _, once = _region(region, once)
        regions = []
        inside = once
        for region in op.regions:
            made, inside = _region(region, inside)
            regions.append(made)
        return replace(op, regions=tuple(regions)), escaped | inside | _header(
            op
        )  # a loop may not run at all
    if op.regions:
        out = escaped | _header(op)
        regions = []
        start = out
        for region in op.regions:
            made, after = _region(region, start if op.kind == "if" else out)
            regions.append(made)
            out |= after
        return replace(op, regions=tuple(regions)), out
    if op.kind == "glue" and op.value is not None and op.target is not None:
        leaking = _leaks(op.value)
        if isinstance(op.target, ast.Name) and not isinstance(op.value, ast.Name):
            escaped = escaped - {op.target.id}
        return op, escaped | leaking
    if op.kind in ("call", "helper") and isinstance(op.value, ast.Call):
        return op, escaped | _handed_over(op.value)
    if op.value is not None:
        return op, escaped | _leaks(op.value)
    if op.kind == "barrier" and op.origin is not None:
        return op, escaped | frozenset(n.id for n in walk(op.origin) if isinstance(n, ast.Name))
    return op, escaped


def _header(op: Op) -> frozenset[str]:
    return frozenset() if op.value is None or op.kind != "for" else _leaks(op.value, iterated=True)


def _leaks(node: ast.expr | None, iterated: bool = False) -> frozenset[str]:
    """Names whose object `node` hands to someone who may keep it."""
    found: set[str] = set()
    if node is not None:
        _visit(node, True, iterated, found)
    return frozenset(found)


def _handed_over(call: ast.Call) -> frozenset[str]:
    """Names whose object a call of an operator gets, whatever the operator is called."""
    found: set[str] = set(_leaks(call.func))
    for arg in (*call.args, *[keyword.value for keyword in call.keywords]):
        _visit(arg, True, False, found)
    return frozenset(found)


def _visit(node: ast.AST, exposed: bool, iterated: bool, found: set[str]) -> None:
    if isinstance(node, ast.Name):
        if exposed and not iterated:
            found.add(node.id)
        return
    if isinstance(node, ast.Attribute):
        _visit(node.value, False, False, found)
        return
    if isinstance(node, ast.Subscript):
        _visit(node.value, True, True, found)
        _visit(node.slice, False, False, found)
        return
    if isinstance(node, ast.BinOp):
        _visit(node.left, True, True, found)
        _visit(node.right, True, True, found)
        return
    if isinstance(node, ast.Compare | ast.UnaryOp | ast.FormattedValue | ast.JoinedStr):
        for child in ast.iter_child_nodes(node):
            _visit(child, False, False, found)
        return
    if isinstance(node, ast.Starred):
        _visit(node.value, True, True, found)
        return
    if isinstance(node, ast.comprehension):
        _visit(node.iter, True, True, found)
        for condition in node.ifs:
            _visit(condition, False, False, found)
        return
    if isinstance(node, ast.Call):
        _visit_call(node, iterated, found)
        return
    for child in ast.iter_child_nodes(node):
        _visit(child, exposed, False, found)


def _visit_call(node: ast.Call, iterated: bool, found: set[str]) -> None:
    """An operation on values; what is iterated over hands on its elements, but not itself."""
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    if isinstance(node.func, ast.Attribute):
        _visit(node.func.value, True, iterated or method not in _VIEWS, found)
    observed = name in _OBSERVING or method == "join"
    copied = name in _COPYING and not (name in ("min", "max") and len(node.args) > 1)
    for index, arg in enumerate(node.args):
        through = (copied and index == 0) or (name in _ITERATING and iterated)
        _visit(arg, not observed, through, found)
    for keyword in node.keywords:
        _visit(keyword.value, not observed, keyword.arg is None, found)
