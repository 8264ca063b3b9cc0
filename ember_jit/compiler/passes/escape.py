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
    nests = {
        base(op.defs[0])
        for op in function.walk()
        if op.kind == "mutate" and not isinstance(op.changed, ast.Name)
    }
    body, _ = _Escapes(frozenset(nests)).region(function.body, frozenset())
    return replace(function, body=body)


class _Escapes:
    """One pass over the ops of a function.

    Args:
        nests: containers that hold others which are changed too: who gets hold of a part of one could see it change.
    """

    def __init__(self, nests: frozenset[str]) -> None:
        self.nests = nests

    def region(self, region: Region, escaped: frozenset[str]) -> tuple[Region, frozenset[str]]:
        ops = []
        for op in region.ops:
            op, escaped = self.op(op, escaped)
            ops.append(op)
        return Region(tuple(ops), region.label), escaped

    def op(self, op: Op, escaped: frozenset[str]) -> tuple[Op, frozenset[str]]:
        if op.kind == "mutate":
            owner = base(op.defs[0])
            leaking = self._put(op)
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
                    _, once = self.region(region, once)
            regions = []
            inside = once
            for region in op.regions:
                made, inside = self.region(region, inside)
                regions.append(made)
            return replace(op, regions=tuple(regions)), escaped | inside | self._header(
                op
            )  # a loop may not run at all
        if op.regions:
            out = escaped | self._header(op)
            regions = []
            start = out
            for region in op.regions:
                made, after = self.region(region, start if op.kind == "if" else out)
                regions.append(made)
                out |= after
            return replace(op, regions=tuple(regions)), out
        if op.kind == "glue" and op.value is not None and op.target is not None:
            leaking = self._leaks(op.value)
            if isinstance(op.target, ast.Name) and not isinstance(op.value, ast.Name):
                escaped = escaped - {op.target.id}
            return op, escaped | leaking
        if op.kind in ("call", "helper") and isinstance(op.value, ast.Call):
            return op, escaped | self._handed_over(op.value)
        if op.kind == "glue" and op.value is not None:
            return op, escaped | self._leaks(op.value, dropped=True)
        if op.value is not None:
            return op, escaped | self._leaks(op.value)
        if op.kind == "barrier" and op.origin is not None:
            return op, escaped | frozenset(n.id for n in walk(op.origin) if isinstance(n, ast.Name))
        return op, escaped

    def _header(self, op: Op) -> frozenset[str]:
        if op.value is None or op.kind != "for":
            return frozenset()
        return self._leaks(op.value, iterated=True)

    def _put(self, op: Op) -> frozenset[str]:
        """Names whose object a change puts into the container."""
        if op.target is not None or not isinstance(op.value, ast.Call):
            return self._leaks(op.value)
        parts = [*op.value.args, *[keyword.value for keyword in op.value.keywords]]
        return frozenset().union(*[self._leaks(part) for part in parts])

    def _leaks(
        self, node: ast.expr | None, iterated: bool = False, dropped: bool = False
    ) -> frozenset[str]:
        """Names whose object `node` hands to someone who may keep it."""
        found: set[str] = set()
        if node is not None:
            self._visit(node, not dropped, iterated, found)
        return frozenset(found)

    def _handed_over(self, call: ast.Call) -> frozenset[str]:
        """Names whose object a call of an operator gets, whatever the operator is called."""
        found: set[str] = set(self._leaks(call.func))
        for arg in (*call.args, *[keyword.value for keyword in call.keywords]):
            self._visit(arg, True, False, found)
        return frozenset(found)

    def _visit(self, node: ast.AST, exposed: bool, iterated: bool, found: set[str]) -> None:
        if isinstance(node, ast.Name):
            if exposed and (not iterated or node.id in self.nests):
                found.add(node.id)
            return
        if isinstance(node, ast.Attribute):
            self._visit(node.value, False, False, found)
            return
        if isinstance(node, ast.Subscript):
            self._visit(node.value, exposed, True, found)
            self._visit(node.slice, False, False, found)
            return
        if isinstance(node, ast.BinOp):
            self._visit(node.left, True, True, found)
            self._visit(node.right, True, True, found)
            return
        if isinstance(node, ast.Compare | ast.UnaryOp | ast.FormattedValue | ast.JoinedStr):
            for child in ast.iter_child_nodes(node):
                self._visit(child, False, False, found)
            return
        if isinstance(node, ast.Starred):
            self._visit(node.value, True, True, found)
            return
        if isinstance(node, ast.comprehension):
            self._visit(node.iter, True, True, found)
            for condition in node.ifs:
                self._visit(condition, False, False, found)
            return
        if isinstance(node, ast.Call):
            self._visit_call(node, exposed, iterated, found)
            return
        for child in ast.iter_child_nodes(node):
            self._visit(child, exposed, False, found)

    def _visit_call(self, node: ast.Call, exposed: bool, iterated: bool, found: set[str]) -> None:
        """An operation on values; what is iterated over hands on its elements, but not itself."""
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        if isinstance(node.func, ast.Attribute):
            self._visit(node.func.value, exposed, iterated or method not in _VIEWS, found)
        observed = name in _OBSERVING or method == "join"
        copied = name in _COPYING and not (name in ("min", "max") and len(node.args) > 1)
        for index, arg in enumerate(node.args):
            through = (copied and index == 0) or (name in _ITERATING and iterated)
            self._visit(arg, not observed, through, found)
        for keyword in node.keywords:
            self._visit(keyword.value, not observed, keyword.arg is None, found)
