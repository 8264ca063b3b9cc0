"""Expressions: the calls are taken out of them in evaluation order, and what is left is glue.

    f(self.a(inputs=x), y and self.b(inputs=y))        %1.1 = call#0   self.a(inputs=x)
                                                       %2.1 = glue     y
                                                       %2.2 = if       %2.1
                                                                 then:  %3.1 = call#1  self.b(inputs=y)
                                                                        %2.2 = glue    %3.1
                                                       what is left:    f(%1, %2)

A method `_expr_X` lowers a node of kind X and returns what stands in its place.
"""

from __future__ import annotations

import ast
import copy
from dataclasses import replace

from ember_jit.compiler.analysis.body import BodyAnalysis
from ember_jit.compiler.analysis.call_facts import CallFact
from ember_jit.compiler.analysis.calls import attribute_read
from ember_jit.compiler.analysis.nests import place
from ember_jit.compiler.frontend.bindings import FULL_CONSUMERS
from ember_jit.compiler.frontend.comprehensions import Comprehensions
from ember_jit.compiler.frontend.later import mapped
from ember_jit.ir.ops import Region, Site
from ember_jit.ir.syntax import walk

_NEVER_SIMPLE = (ast.NamedExpr, ast.Await, ast.Yield, ast.YieldFrom, ast.Lambda)
_SITE_ROLES = frozenset({"site", "dynamic", "labelled"})


class Expressions(Comprehensions):
    """Lowers expressions."""

    def _expr(self, node: ast.expr) -> ast.expr:
        """Emit the calls of `node` in evaluation order; what remains, with temporaries in their place."""
        if is_simple(node, self.facts):
            return node
        method = getattr(self, "_expr_" + type(node).__name__, None)
        if method is not None:
            lowered: ast.expr = method(node)
            return lowered
        if node in self.facts.effect_nodes:
            self._leave(node)
            return self._lost(node)
        clone = copy.copy(node)
        for field, value in ast.iter_fields(node):
            if isinstance(value, ast.expr):
                setattr(clone, field, self._expr(value))
            elif isinstance(value, list):
                setattr(
                    clone,
                    field,
                    [self._expr(item) if isinstance(item, ast.expr) else item for item in value],
                )
        return clone

    def _lost(self, node: ast.expr | ast.pattern) -> ast.expr:
        """A temporary whose value the issue program never learns."""
        temp = self._temp()
        self._emit("glue", node, (temp,), (), value=None)
        return ast.copy_location(ast.Name(temp, ast.Load()), node)

    def _expr_Attribute(self, node: ast.Attribute) -> ast.expr:
        value = self._expr(node.value)
        if node in self.facts.effect_nodes:
            self._barrier(node, self._why(node))
            return self._lost(node)
        return ast.copy_location(ast.Attribute(value, node.attr, node.ctx), node)

    def _expr_NamedExpr(self, node: ast.NamedExpr) -> ast.expr:
        self._named += 1
        value = self._expr(node.value)
        target = node.target
        if target in self.facts.effect_nodes:
            self._barrier(node, self._why(node), (target.id,))
        else:
            self._emit(
                "glue",
                node,
                (target.id,),
                value,
                target=ast.Name(target.id, ast.Store()),
                value=value,
            )
            if not self._lazy:
                self._bound.add(target.id)
        return ast.copy_location(ast.Name(target.id, ast.Load()), node)

    def _expr_Lambda(self, node: ast.Lambda) -> ast.expr:
        name = ""
        if isinstance(self._stmt, ast.Assign) and self._stmt.value is node:
            target = self._stmt.targets[0]
            name = target.id if isinstance(target, ast.Name) else ""
        self._note_later(node, name)
        if any(
            isinstance(inner, ast.Call) and self._role(inner) not in ("glue", "local")
            for inner in walk(node)
        ):
            return self._lost(node)
        return node

    # ------------------------------------------------------------------ what may be skipped
    def _expr_IfExp(self, node: ast.IfExp) -> ast.expr:
        test = self._expr(node.test)
        temp = self._temp()
        regions = tuple(
            self._lazy_value(part, temp, label)
            for part, label in ((node.body, "then"), (node.orelse, "else"))
        )
        self._emit("if", node, (temp,), test, value=test, regions=regions)
        return ast.copy_location(ast.Name(temp, ast.Load()), node)

    def _expr_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        temp = self._temp()
        first = self._expr(node.values[0])
        self._emit(
            "glue", node.values[0], (temp,), first, target=ast.Name(temp, ast.Store()), value=first
        )
        for part in node.values[1:]:
            name = ast.copy_location(ast.Name(temp, ast.Load()), part)
            then = self._lazy_value(part, temp, "then")
            empty = Region((), "else")
            regions = (
                (then, empty)
                if isinstance(node.op, ast.And)
                else (replace(empty, label="then"), replace(then, label="else"))
            )
            self._emit("if", part, (temp,), name, value=name, regions=regions)
        return ast.copy_location(ast.Name(temp, ast.Load()), node)

    def _lazy_value(self, node: ast.expr, temp: str, label: str) -> Region:
        """A region that gives `temp` the value of `node`, if it is evaluated at all."""
        outer, self._ops = self._ops, []
        self._lazy += 1
        value = self._expr(node)
        self._emit("glue", node, (temp,), value, target=ast.Name(temp, ast.Store()), value=value)
        self._lazy -= 1
        region = Region(tuple(self._ops), label)
        self._ops = outer
        return region

    def _expr_Compare(self, node: ast.Compare) -> ast.expr:
        left = self._expr(node.left)
        comparators = [self._expr(node.comparators[0])]
        for later in node.comparators[1:]:
            if is_simple(later, self.facts):
                comparators.append(later)
                continue
            temp = self._temp()
            region = self._lazy_value(later, temp, "then")
            unknown = self._lost(later)
            self._emit(
                "if", later, (temp,), unknown, value=unknown, regions=(region, Region((), "else"))
            )
            comparators.append(ast.copy_location(ast.Name(temp, ast.Load()), later))
        return ast.copy_location(ast.Compare(left, node.ops, comparators), node)

    def _expr_GeneratorExp(self, node: ast.GeneratorExp) -> ast.expr:
        """A generator that nobody is known to consume here: it is lazy, so its calls are not certain."""
        self._note_later(node)
        for inner in walk(node):
            if isinstance(inner, ast.Call) and self._role(inner) in (
                "barrier",
                "dynamic",
                "labelled",
                "mutate",
            ):
                self._barrier(node, "a generator expression with effects is consumed elsewhere")
                break
        return self._lost(node)

    # ------------------------------------------------------------------ calls
    def _role(self, node: ast.Call) -> str:
        """What the analysis takes a call for."""
        fact = self.facts.calls.get(node)
        return fact.role if fact is not None else "barrier"

    def _expr_Call(self, node: ast.Call) -> ast.expr:
        named = self._named
        fact = self.facts.calls.get(node)
        role = self._role(node)
        if role == "attribute":
            read = attribute_read(self.facts, node)
            assert read is not None
            self._emit("glue", node, (), (), value=None, relies_on=(node.func,))
            return self._expr(read)
        if role == "barrier" and fact is not None and self._hangs_on_self(node.func):
            role = "dynamic"
        if role == "labelled" and self._aside:
            role = "barrier"  # it may never be reached: nothing can be said of what follows it
        if self._consumes_generator(node, role):
            generator = node.args[0]
            listed = (
                self._comprehension(generator, node.func)
                if isinstance(generator, ast.GeneratorExp)
                else self._mapped(generator, node.func)
            )
            rest = [self._expr(arg) for arg in node.args[1:]]
            keywords = [ast.keyword(k.arg, self._expr(k.value)) for k in node.keywords]
            func = self._expr(node.func)
            made = ast.copy_location(ast.Call(func, [listed, *rest], keywords), node)
            made._ember_origin = node  # type: ignore[attr-defined]
            return made
        if role == "mutate" and self._changes_nested(node):
            return self._lost(node)
        func = (
            self._expr(node.func)
            if not isinstance(node.func, ast.Attribute)
            else self._callee(node.func)
        )
        args = [self._expr(arg) for arg in node.args]
        keywords = [
            ast.copy_location(ast.keyword(k.arg, self._expr(k.value)), k) for k in node.keywords
        ]
        clone = ast.copy_location(ast.Call(func, args, keywords), node)
        clone._ember_origin = node  # type: ignore[attr-defined]
        if role in ("glue", "local", "print"):
            return clone
        if role in _SITE_ROLES or role == "helper":
            return self._site(node, clone, fact, role, self._named > named)
        if (
            role == "mutate"
            and isinstance(func, ast.Attribute)
            and isinstance(func.value, ast.Name)
            and func.value.id in self._made_here
        ):
            self._emit("mutate", node, (func.value.id,), clone, value=clone)
            return self._lost(node)
        if role == "opaque":
            return self._lost(node)
        reason = (
            fact.effect.reasons[0].text
            if fact is not None and fact.effect.reasons
            else "has an effect"
        )
        if role == "wait":
            reason = (
                f"`{ast.unparse(node.func)}` waits on purpose: what follows starts when it ends"
            )
        if fact is not None and fact.effect.kind == "unknown" and node in self.facts.effect_nodes:
            reason = self.facts.effect_nodes[node].text
        self._barrier(node, reason)
        return self._lost(node)

    def _changes_nested(self, node: ast.Call) -> bool:
        """`found[k].append(x)`, where only `found` leads to the list: it is lowered here."""
        func = node.func
        if not isinstance(func, ast.Attribute) or not self.facts.is_nested(func.value):
            return False
        name, _ = place(func.value)
        if name not in self._made_here:
            return False
        path = self._way_to(func.value)
        self._look_up(func.value, path)
        args = [self._expr(arg) for arg in node.args]
        keywords = [ast.keyword(k.arg, self._expr(k.value)) for k in node.keywords]
        clone = ast.copy_location(
            ast.Call(ast.Attribute(path, func.attr, ast.Load()), args, keywords), node
        )
        self._emit("mutate", node, (name,), clone, value=clone)
        return True

    def _way_to(self, node: ast.expr) -> ast.expr:
        """A path from a container made here, with temporaries in place of the calls in its subscripts."""
        if isinstance(node, ast.Subscript):
            owner = self._way_to(node.value)
            return ast.copy_location(ast.Subscript(owner, self._expr(node.slice), ast.Load()), node)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = ast.Attribute(self._way_to(node.func.value), node.func.attr, ast.Load())
            made = ast.Call(owner, [self._expr(arg) for arg in node.args], [])
            made._ember_origin = node  # type: ignore[attr-defined]
            return ast.copy_location(made, node)
        return node

    def _look_up(self, node: ast.expr, path: ast.expr) -> None:
        """Going along a path hashes its subscripts, before anything that stands behind it."""
        asked = ast.Set([step.slice for step in walk(path) if isinstance(step, ast.Subscript)])
        asked.elts += [
            step.args[0] for step in walk(path) if isinstance(step, ast.Call) and step.args
        ]
        self._emit(
            "glue", node, (), [*asked.elts, path], value=ast.Tuple([asked, path], ast.Load())
        )

    def _callee(self, node: ast.Attribute) -> ast.expr:
        if node in self.facts.effect_nodes:
            return self._expr(node)
        return ast.copy_location(ast.Attribute(self._expr(node.value), node.attr, node.ctx), node)

    def _hangs_on_self(self, func: ast.expr) -> bool:
        """Whether the receiver is an attribute of `self`: for another instance it may be something else."""
        while isinstance(func, ast.Attribute | ast.Subscript):
            func = func.value
        return (
            isinstance(func, ast.Name)
            and bool(self.facts.params)
            and func.id == self.facts.params[0]
            and self.facts.owner is not None
        )

    def _consumes_generator(self, node: ast.Call, role: str) -> bool:
        if role != "glue" or not node.args:
            return False
        if not isinstance(node.args[0], ast.GeneratorExp) and not mapped(node.args[0], self.facts):
            return False
        func = node.func
        if isinstance(func, ast.Name):
            return func.id in FULL_CONSUMERS
        return isinstance(func, ast.Attribute) and func.attr == "join"

    def _site(
        self, node: ast.Call, clone: ast.Call, fact: CallFact | None, role: str, binds: bool
    ) -> ast.expr:
        temp = self._temp()
        number = len(self.sites)
        effect = fact.effect if fact is not None else None
        self.sites.append(
            Site(
                number,
                node,
                node.lineno,
                effect.name if effect is not None else "unknown",
                effect.evidence if effect is not None else "",
                tuple(self._loop_stack),
                bool(self._lazy),
                effect.label if effect is not None and role == "labelled" else None,
            )
        )
        kind = "helper" if role == "helper" else "call"
        self._emit(kind, node, (temp,), clone, value=clone, site=number, binds=binds)
        return ast.copy_location(ast.Name(temp, ast.Load()), node)


def is_simple(node: ast.expr, facts: BodyAnalysis) -> bool:
    """Whether an expression holds nothing that must be taken out of it."""
    if isinstance(node, ast.Name | ast.Constant):
        return node not in facts.effect_nodes
    for inner in walk(node):
        if isinstance(inner, _NEVER_SIMPLE):
            return False
        if inner in facts.effect_nodes:
            return False
        if isinstance(inner, ast.Call):
            fact = facts.calls.get(inner)
            if fact is None or fact.role not in ("glue", "local", "print"):
                return False
    return True
