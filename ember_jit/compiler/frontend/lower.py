"""Lowering: a function's syntax tree and the facts about its calls become IR.

    y = self.a(inputs=x) + f(self.b(inputs=x))        %1.1 = call#0   self.a(inputs=x)
                                                      %2.1 = call#1   self.b(inputs=x)
                                                      barrier         f(%2)
                                                      y.1  = glue     %1 + %3

Calls are taken out of their expressions in evaluation order; what is left is glue.  Parts that a short
circuit may skip become `if` ops, so that certainty is a matter of structure.  Every statement and
expression of Python is either lowered or listed in `nodes.LEFT_ALONE` with the reason.

Here are the function and the compound statements, whose blocks become regions.
"""

from __future__ import annotations

import ast

from ember_jit.compiler.frontend.bindings import joined, leaves, stored_in, stored_names, unbound_by
from ember_jit.compiler.frontend.matching import Matching
from ember_jit.ir.ops import Function, Op, Region
from ember_jit.ir.syntax import walk


class Lowering(Matching):
    """Lowers one function.

    Args:
        source: the checked source.
        facts: what each call is.
        name: what the function is called.
    """

    def run(self) -> Function:
        """The IR of the function."""
        body = list(self.source.node.body)
        if (
            body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
            and isinstance(body[0].value.value, str)
        ):
            body = body[1:]
        region = self._block(body, "body")
        return Function(
            self.name,
            self.facts.params,
            region,
            tuple(self.sites),
            tuple(self.loops),
            tuple(self.left_alone),
            self.bound_at,
            self.within,
            self._later_everywhere(),
            self.facts.owner is not None,
        )

    def _block(self, body: list[ast.stmt], label: str) -> Region:
        outer, self._ops = self._ops, []
        outer_stmt = self._stmt
        for statement in body:
            self._stmt = statement
            self.bound_at[statement] = frozenset(self._bound)
            self.within[statement] = tuple(self._loop_stack)
            self._statement(statement)
        self._stmt = outer_stmt
        region = Region(tuple(self._ops), label)
        self._ops = outer
        return region

    def _statement(self, node: ast.stmt) -> None:
        method = getattr(self, "_stmt_" + type(node).__name__, None)
        if method is None:
            self._leave(node)
        else:
            method(node)
        self._bound -= unbound_by(node)

    # ------------------------------------------------------------------ compound statements
    def _stmt_If(self, node: ast.If) -> None:
        test = self._expr(node.test)
        before = set(self._bound)
        then = self._block(node.body, "then")
        after_then, self._bound = self._bound, set(before)
        other = self._block(node.orelse, "else")
        self._bound = joined(after_then, leaves(then), self._bound, leaves(other))
        defs = tuple(sorted(stored_in(node.body) | stored_in(node.orelse)))
        self._emit("if", node, defs, test, value=test, regions=(then, other))

    def _stmt_For(self, node: ast.For) -> None:
        iterable = self._expr(node.iter)
        if node.iter in self.facts.effect_nodes:
            self._barrier(node.iter, self._why(node.iter))
        loop = self._new_loop(node)
        before = set(self._bound)
        names = stored_names(node.target)
        plain_target = not any(
            isinstance(n, ast.Attribute | ast.Subscript) for n in walk(node.target)
        )
        self._bound |= names
        targets = tuple(self._define(name) for name in sorted(names))
        body = self._block(node.body, "body")
        self._loop_stack.pop()
        if not plain_target:
            body = Region(
                (
                    self._loose_barrier(node.target, "the loop stores to an attribute or item"),
                    *body.ops,
                ),
                "body",
            )
        self._bound = set(before)
        orelse = self._block(node.orelse, "else")
        self._bound = set(before)
        defs = tuple(sorted((stored_in(node.body) | stored_in(node.orelse)) - names))
        self._emit(
            "for",
            node,
            defs,
            iterable,
            made=targets,
            target=node.target,
            value=iterable,
            regions=(body, orelse),
            loop=loop,
        )

    def _loose_barrier(self, node: ast.AST, reason: str) -> Op:
        return Op(
            "barrier",
            getattr(node, "lineno", 0),
            reason=reason,
            stmt=self._stmt,
            origin=node,
        )

    def _stmt_While(self, node: ast.While) -> None:
        loop = self._new_loop(node)
        before = set(self._bound)
        outer, self._ops = self._ops, []
        test = self._expr(node.test)
        test_region = Region(tuple(self._ops), "test")
        self._ops = outer
        body = self._block(node.body, "body")
        self._loop_stack.pop()
        self._bound = set(before)
        orelse = self._block(node.orelse, "else")
        self._bound = set(before)
        defs = tuple(sorted(stored_in(node.body) | stored_in(node.orelse)))
        self._emit(
            "while", node, defs, test, value=test, regions=(body, orelse, test_region), loop=loop
        )

    def _stmt_Try(self, node: ast.Try) -> None:
        before = set(self._bound)
        body = self._block(node.body, "body")
        after_body = set(self._bound)
        handlers = []
        self._aside += 1
        for handler in node.handlers:
            self._bound = set(before) | ({handler.name} if handler.name else set())
            handlers.append(self._block(handler.body, "except"))
        self._aside -= 1
        self._bound = after_body
        orelse = self._block(node.orelse, "else")
        self._bound = set(before)
        self._aside += 1
        final = self._block(node.finalbody, "finally")
        self._aside -= 1
        if not node.handlers:
            self._bound = after_body
        defs = tuple(sorted(stored_names(node)))
        self._emit("try", node, defs, regions=(body, *handlers, orelse, final))

    def _stmt_TryStar(self, node: ast.Try) -> None:
        """Inside the body as any other `try`; what stands behind waits."""
        self._stmt_Try(node)
        self._leave(node)

    def _stmt_With(self, node: ast.With) -> None:
        binds: set[str] = set()
        for item in node.items:
            self._expr(item.context_expr)
            if item.optional_vars is not None:
                binds |= stored_names(item.optional_vars)
        before = set(self._bound)
        self._bound |= binds
        body = self._block(node.body, "body")
        self._bound = before
        self._emit(
            "with",
            node,
            tuple(sorted(binds | stored_in(node.body))),
            regions=(body,),
            reason="a context manager is entered and left in order",
        )
