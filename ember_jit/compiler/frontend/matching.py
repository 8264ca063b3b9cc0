"""`match` statements as branches.

    match x["kind"]:                     _t1 = x["kind"]
        case "a" | "b":                  if _t1 == "a" or _t1 == "b":
            y = self.a(inputs=x)             y = self.a(inputs=x)
        case [first, *_]:                else: if <not known>:
            y = first                        first = <not known>; y = first
        case _:                              else:
            y = None                             y = None

Patterns of literals are tests; of all others an issue program does not know whether they match, so it starts nothing in
their cases, and goes on behind the statement.  A pattern compares the subject and looks into it, so the subject is asked
for as much; patterns that could run code of the program all the same (classes, values with a state) make a barrier.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ember_jit.compiler.frontend.bindings import stored_names
from ember_jit.compiler.frontend.expressions import is_simple
from ember_jit.compiler.frontend.statements import SimpleStatements
from ember_jit.ir.ops import Op, Region, base
from ember_jit.ir.syntax import walk

if TYPE_CHECKING:
    from collections.abc import Callable

_REASON = (
    "a match statement may run the patterns' `__match_args__`, `__eq__` and `__instancecheck__`"
)


class Matching(SimpleStatements):
    """Lowers `match` statements; `_block` is the whole lowering's."""

    _block: Callable[[list[ast.stmt], str], Region]

    def _stmt_Match(self, node: ast.Match) -> None:
        if not self._is_followed(node):
            self._barrier(node, _REASON, tuple(sorted(stored_names(node))))
            self._bound -= stored_names(node)
            return
        value = self._expr(node.subject)
        temp = self._temp()
        self._emit("glue", node, (temp,), value, target=ast.Name(temp, ast.Store()), value=value)
        subject = ast.copy_location(ast.Name(temp, ast.Load()), node.subject)
        asked = ast.Compare(subject, [ast.Eq()], [ast.Constant(None)])
        self._emit("glue", node, (), asked, value=asked)
        before = set(self._bound)
        self._case(node, 0, subject)
        self._bound = before - stored_names(node)

    def _is_followed(self, node: ast.Match) -> bool:
        heads: list[ast.AST] = [case.pattern for case in node.cases]
        guards = [case.guard for case in node.cases if case.guard is not None]
        if any(
            inner in self.facts.effect_nodes for head in (*heads, *guards) for inner in walk(head)
        ):
            return False
        return all(is_simple(guard, self.facts) for guard in guards)

    def _case(self, node: ast.Match, index: int, subject: ast.Name) -> None:
        """The cases from `index` on, of which the first that matches is taken."""
        if index == len(node.cases):
            return
        case = node.cases[index]
        if case.guard is None and _matches_all(case.pattern):
            self._ops.extend(self._body(case, subject).ops)
            return
        if case.guard is not None:
            asked = ast.IfExp(case.guard, ast.Constant(None), ast.Constant(None))
            self._emit("glue", case.guard, (), asked, value=asked)
        test = _test(case.pattern, subject) if case.guard is None else None
        value = test if test is not None else self._lost(case.pattern)
        bound = set(self._bound)
        then = self._body(case, subject)
        self._bound = set(bound)
        outer, self._ops = self._ops, []
        self._case(node, index + 1, subject)
        other, self._ops = Region(tuple(self._ops), "else"), outer
        self._bound = bound
        inside = (*then.ops, *other.ops)
        names = {base(made) for op in inside for made in op.defs}
        defs = tuple(sorted(name for name in names if not name.startswith("_t")))
        self._emit("if", node, defs, [value, subject], value=value, regions=(then, other))

    def _body(self, case: ast.match_case, subject: ast.Name) -> Region:
        outer, self._ops = self._ops, []
        pattern = case.pattern
        names = stored_names(pattern)
        if isinstance(pattern, ast.MatchAs) and pattern.pattern is None and pattern.name:
            target = ast.Name(pattern.name, ast.Store())
            self._emit("glue", pattern, (pattern.name,), subject, target=target, value=subject)
        elif names:
            self._emit("glue", pattern, tuple(sorted(names)), (), value=None)
        self._bound |= names
        captured: tuple[Op, ...] = tuple(self._ops)
        self._ops = outer
        return Region((*captured, *self._block(case.body, "then").ops), "then")


def _matches_all(pattern: ast.pattern) -> bool:
    return isinstance(pattern, ast.MatchAs) and pattern.pattern is None


def _test(pattern: ast.pattern, subject: ast.Name) -> ast.expr | None:
    """A pattern of literals as a test; None for any other."""
    if isinstance(pattern, ast.MatchValue) and isinstance(pattern.value, ast.Constant):
        made: ast.expr = ast.Compare(subject, [ast.Eq()], [pattern.value])
    elif isinstance(pattern, ast.MatchSingleton):
        made = ast.Compare(subject, [ast.Is()], [ast.Constant(pattern.value)])
    elif isinstance(pattern, ast.MatchOr):
        parts = [_test(each, subject) for each in pattern.patterns]
        known = [part for part in parts if part is not None]
        if len(known) < len(parts):
            return None
        made = ast.BoolOp(ast.Or(), known)
    else:
        return None
    return ast.copy_location(made, pattern)
