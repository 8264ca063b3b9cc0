"""Lowering: a function's syntax tree and the facts about its calls become IR.

    y = self.a(inputs=x) + f(self.b(inputs=x))        %1.1 = call#0   self.a(inputs=x)
                                                      %2.1 = call#1   self.b(inputs=x)
                                                      barrier         f(%2)
                                                      y.1  = glue     %1 + %3

Calls are taken out of their expressions in evaluation order; what is left is glue.  Parts that a short
circuit may skip become `if` ops, so that certainty is a matter of structure.  Every statement and
expression of Python is either lowered here or listed in `nodes.LEFT_ALONE` with the reason.
"""

from __future__ import annotations

import ast
import copy
from dataclasses import replace
from typing import Any

from ember_jit.compiler.analysis.body import BodyAnalysis
from ember_jit.compiler.analysis.call_facts import CallFact
from ember_jit.compiler.analysis.values import SCALAR
from ember_jit.compiler.frontend.nodes import LEFT_ALONE
from ember_jit.compiler.source import Source
from ember_jit.ir.ops import Function, Op, Region, Site

_SITE_ROLES = frozenset({"site", "dynamic"})
_FULL_CONSUMERS = frozenset(
    {"sum", "list", "tuple", "set", "frozenset", "dict", "sorted", "max", "min"}
)


class Lowering:
    """Lowers one function.

    Args:
        source: the checked source.
        facts: what each call is.
        instance_sites: also treat calls of unknown effect whose receiver hangs on `self` as sites, because
            another instance may have a receiver that can be scheduled.
    """

    def __init__(self, source: Source, facts: BodyAnalysis, name: str) -> None:
        self.source = source
        self.facts = facts
        self.name = name
        self.sites: list[Site] = []
        self.loops: list[ast.AST] = []
        self.bound_at: dict[ast.stmt, frozenset[str]] = {}
        self.left_alone: list[tuple[int, str]] = []
        self.lazy: list[ast.expr] = []
        self._versions: dict[str, int] = {}
        self._temps = 0
        self._ops: list[Op] = []
        self._stmt: ast.stmt | None = None
        self._loop_stack: list[int] = []
        self._lazy = 0
        self._bound: set[str] = set(facts.params)
        self._made_here = _made_here(source.node, facts)

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
            tuple(self.lazy),
        )

    # ------------------------------------------------------------------ plumbing
    def _block(self, body: list[ast.stmt], label: str) -> Region:
        outer, self._ops = self._ops, []
        outer_stmt = self._stmt
        for statement in body:
            self._stmt = statement
            self.bound_at[statement] = frozenset(self._bound)
            self._statement(statement)
        self._stmt = outer_stmt
        region = Region(tuple(self._ops), label)
        self._ops = outer
        return region

    def _emit(
        self,
        kind: str,
        node: ast.AST,
        defs: tuple[str, ...] = (),
        uses: Any = (),
        made: tuple[str, ...] = (),
        **extra: Any,
    ) -> None:
        """Append an op; `made` are values that were defined before (a loop's targets)."""
        names = sorted(_names_in(uses)) if not isinstance(uses, tuple) else uses
        text = (
            " ".join(ast.unparse(node).split())[:100]
            if kind not in ("if", "for", "while", "try", "with", "comp")
            else _head(node)
        )
        used = tuple(self._use(name) for name in names)
        self._ops.append(
            Op(
                kind,
                getattr(node, "lineno", 0),
                (*made, *(self._define(name) for name in defs)),
                used,
                text,
                stmt=self._stmt,
                origin=node,
                **extra,
            )
        )

    def _define(self, name: str) -> str:
        self._versions[name] = self._versions.get(name, 0) + 1
        return f"{name}.{self._versions[name]}"

    def _use(self, name: str) -> str:
        return f"{name}.{self._versions.get(name, 0)}"

    def _temp(self) -> str:
        self._temps += 1
        return f"_t{self._temps}"

    def _barrier(self, node: ast.AST, reason: str, binds: tuple[str, ...] = ()) -> None:
        self._emit("barrier", node, binds, reason=reason)
        self._bound.update(binds)

    def _leave(self, node: ast.AST) -> None:
        known = (
            self._why(node)
            if node in self.facts.effect_nodes
            else f"{type(node).__name__} is not followed"
        )
        reason = LEFT_ALONE.get(type(node).__name__, known)
        self.left_alone.append((getattr(node, "lineno", 0), reason))
        self._emit("barrier", node, tuple(sorted(_stored_names(node))), reason=reason)
        if isinstance(node, ast.ClassDef | ast.AsyncFunctionDef):
            self._bound.add(node.name)  # the only ones that are sure to bind what they bind

    # ------------------------------------------------------------------ statements
    def _statement(self, node: ast.stmt) -> None:
        method = getattr(self, "_stmt_" + type(node).__name__, None)
        if method is None:
            self._leave(node)
        else:
            method(node)
        self._bound -= _unbound_by(node)

    def _stmt_Pass(self, node: ast.Pass) -> None:
        del node

    def _stmt_Global(self, node: ast.Global) -> None:
        del node

    def _stmt_Nonlocal(self, node: ast.Nonlocal) -> None:
        del node

    def _stmt_Expr(self, node: ast.Expr) -> None:
        value = self._expr(node.value)
        if not isinstance(value, ast.Constant | ast.Name):
            self._emit("glue", node, (), value, value=value)

    def _stmt_Assign(self, node: ast.Assign) -> None:
        value = self._expr(node.value)
        self._store(node, list(node.targets), value)

    def _stmt_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is None:
            return
        value = self._expr(node.value)
        self._store(node, [node.target], value)

    def _store(self, node: ast.stmt, targets: list[ast.expr], value: ast.expr) -> None:
        for target in targets:
            names = _stored_names(target)
            if any(inner in self.facts.effect_nodes for inner in ast.walk(target)):
                self._barrier(node, self._why(target), tuple(sorted(names)))
                return
            if isinstance(target, ast.Subscript):
                owner, index = self._expr(target.value), self._expr(target.slice)
                if isinstance(owner, ast.Name) and owner.id in self._made_here:
                    self._emit(
                        "mutate",
                        node,
                        (owner.id,),
                        [owner, index, value],
                        value=value,
                        target=ast.Subscript(owner, index, ast.Store()),
                    )
                else:
                    self._barrier(node, f"stores into `{ast.unparse(target.value)}`")
                continue
            if isinstance(target, ast.Attribute):
                self._barrier(node, f"stores to `{ast.unparse(target)}`")
                continue
            self._emit("glue", node, tuple(sorted(names)), value, target=target, value=value)
            self._bound.update(names)

    def _why(self, node: ast.AST) -> str:
        for inner in ast.walk(node):
            if inner in self.facts.effect_nodes:
                return self.facts.effect_nodes[inner].text
        return "has an effect"

    def _stmt_AugAssign(self, node: ast.AugAssign) -> None:
        value = self._expr(node.value)
        reason = "may change what it stores to in place"
        if any(inner in self.facts.effect_nodes for inner in ast.walk(node)):
            reason = self._why(node)
        if not isinstance(node.target, ast.Name):
            self._barrier(node, reason)
            return
        name = node.target.id
        if self.facts.env.get(name) == SCALAR and node not in self.facts.effect_nodes:
            current = ast.copy_location(ast.Name(name, ast.Load()), node)
            combined = ast.copy_location(ast.BinOp(current, node.op, value), node)
            self._emit(
                "glue",
                node,
                (name,),
                combined,
                target=ast.Name(name, ast.Store()),
                value=combined,
            )
        elif name in self._made_here and node not in self.facts.effect_nodes:
            operands = [ast.Name(name, ast.Load()), value]
            self._emit("mutate", node, (name,), operands, value=value, target=node.target)
        else:
            self._barrier(node, reason, (name,))

    def _stmt_Delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            if isinstance(target, ast.Name):
                self._emit("glue", node, (target.id,), (), value=None)
                self._bound.discard(target.id)
            else:
                self._barrier(node, f"deletes `{ast.unparse(target)}`")

    def _stmt_Return(self, node: ast.Return) -> None:
        value = self._expr(node.value) if node.value is not None else None
        self._emit("return", node, (), value if value is not None else (), value=value)

    def _stmt_Raise(self, node: ast.Raise) -> None:
        for part in (node.exc, node.cause):
            if part is not None:
                self._expr(part)
        self._emit("raise", node)

    def _stmt_Break(self, node: ast.Break) -> None:
        self._emit("break", node)

    def _stmt_Continue(self, node: ast.Continue) -> None:
        self._emit("continue", node)

    def _stmt_Assert(self, node: ast.Assert) -> None:
        test = self._expr(node.test)
        self._emit("assert", node, (), test, value=test)

    def _stmt_If(self, node: ast.If) -> None:
        test = self._expr(node.test)
        before = set(self._bound)
        then = self._block(node.body, "then")
        after_then, self._bound = self._bound, set(before)
        other = self._block(node.orelse, "else")
        self._bound = _merge(after_then, _leaves(then), self._bound, _leaves(other))
        defs = tuple(sorted(_stored_in(node.body) | _stored_in(node.orelse)))
        self._emit("if", node, defs, test, value=test, regions=(then, other))

    def _stmt_For(self, node: ast.For) -> None:
        iterable = self._expr(node.iter)
        if node.iter in self.facts.effect_nodes:
            self._barrier(node.iter, self._why(node.iter))
        loop = self._new_loop(node)
        before = set(self._bound)
        names = _stored_names(node.target)
        plain_target = not any(
            isinstance(n, ast.Attribute | ast.Subscript) for n in ast.walk(node.target)
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
        defs = tuple(sorted((_stored_in(node.body) | _stored_in(node.orelse)) - names))
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
            text=ast.unparse(node),
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
        defs = tuple(sorted(_stored_in(node.body) | _stored_in(node.orelse)))
        self._emit(
            "while", node, defs, test, value=test, regions=(body, orelse, test_region), loop=loop
        )

    def _stmt_Try(self, node: ast.Try) -> None:
        before = set(self._bound)
        body = self._block(node.body, "body")
        after_body = set(self._bound)
        handlers = []
        for handler in node.handlers:
            self._bound = set(before) | ({handler.name} if handler.name else set())
            handlers.append(self._block(handler.body, "except"))
        self._bound = after_body
        orelse = self._block(node.orelse, "else")
        self._bound = set(before)
        final = self._block(node.finalbody, "finally")
        if not node.handlers:
            self._bound = after_body
        defs = tuple(sorted(_stored_names(node)))
        self._emit("try", node, defs, regions=(body, *handlers, orelse, final))

    def _stmt_With(self, node: ast.With) -> None:
        binds: set[str] = set()
        for item in node.items:
            self._expr(item.context_expr)
            if item.optional_vars is not None:
                binds |= _stored_names(item.optional_vars)
        before = set(self._bound)
        self._bound |= binds
        body = self._block(node.body, "body")
        self._bound = before
        self._emit(
            "with",
            node,
            tuple(sorted(binds | _stored_in(node.body))),
            regions=(body,),
            reason="a context manager is entered and left in order",
        )

    def _note_lazy(self, node: ast.AST) -> None:
        """Remember the effects of a body that runs later: nobody knows where."""
        for inner in ast.walk(node):
            called = isinstance(inner, ast.Call) and self._role(inner) not in (
                "glue",
                "local",
                "print",
                "opaque",
            )
            if isinstance(inner, ast.expr) and (called or inner in self.facts.effect_nodes):
                self.lazy.append(inner)

    def _stmt_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._note_lazy(node)
        if node.decorator_list or any(inner in self.facts.effect_nodes for inner in ast.walk(node)):
            self._barrier(node, self._why(node), (node.name,))
        else:
            self._emit("glue", node, (node.name,), (), value=None)
        self._bound.add(node.name)

    def _stmt_Import(self, node: ast.Import) -> None:
        names = tuple(sorted(_stored_names(node)))
        if node in self.facts.effect_nodes:
            self._barrier(node, self._why(node), names)
        else:
            self._emit("glue", node, names, (), value=None)
        self._bound.update(names)

    _stmt_ImportFrom = _stmt_Import

    def _new_loop(self, node: ast.AST) -> int:
        self.loops.append(node)
        self._loop_stack.append(len(self.loops) - 1)
        return len(self.loops) - 1

    # ------------------------------------------------------------------ expressions
    def _expr(self, node: ast.expr) -> ast.expr:
        """Emit the calls of `node` in evaluation order; what remains, with temporaries in their place."""
        if _is_simple(node, self.facts):
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

    def _lost(self, node: ast.expr) -> ast.expr:
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
        self._note_lazy(node)
        if any(
            isinstance(inner, ast.Call) and self._role(inner) not in ("glue", "local")
            for inner in ast.walk(node)
        ):
            return self._lost(node)
        return node

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
            if _is_simple(later, self.facts):
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

    def _comprehension(self, node: Any) -> ast.expr:
        first = self._expr(node.generators[0].iter)
        outer, self._ops = self._ops, []
        bound = set(self._bound)
        body = self._generators(node, 0, first)
        self._bound = bound
        self._ops = outer
        temp = self._temp()
        self._emit("comp", node, (temp,), first, value=node, regions=(Region(tuple(body), "body"),))
        return ast.copy_location(ast.Name(temp, ast.Load()), node)

    def _generators(self, node: Any, index: int, iterable: ast.expr | None) -> list[Op]:
        saved, self._ops = self._ops, []
        if index == len(node.generators):
            if isinstance(node, ast.DictComp):
                element: ast.expr = ast.Tuple(
                    [self._expr(node.key), self._expr(node.value)], ast.Load()
                )
            else:
                element = self._expr(node.elt)
            self._emit(
                "emit",
                node.key if isinstance(node, ast.DictComp) else node.elt,
                (),
                element,
                value=element,
            )
        else:
            generator = node.generators[index]
            source = iterable if iterable is not None else self._expr(generator.iter)
            if generator.iter in self.facts.effect_nodes or generator.is_async:
                self._barrier(generator.iter, self._why(generator.iter))
            loop = self._new_loop(generator)
            names = _stored_names(generator.target)
            self._bound |= names
            targets = tuple(self._define(name) for name in sorted(names))
            outer, self._ops = self._ops, []
            self._conditions(node, index, list(generator.ifs))
            body = Region(tuple(self._ops), "body")
            self._ops = outer
            self._loop_stack.pop()
            self._emit(
                "for",
                generator.iter,
                (),
                source,
                made=targets,
                target=generator.target,
                value=source,
                regions=(body, Region((), "else")),
                loop=loop,
            )
        ops, self._ops = self._ops, saved
        return ops

    def _conditions(self, node: Any, index: int, conditions: list[ast.expr]) -> None:
        if not conditions:
            self._ops.extend(self._generators(node, index + 1, None))
            return
        test = self._expr(conditions[0])
        outer, self._ops = self._ops, []
        self._conditions(node, index, conditions[1:])
        region = Region(tuple(self._ops), "then")
        self._ops = outer
        self._emit("if", conditions[0], (), test, value=test, regions=(region, Region((), "else")))

    _expr_ListComp = _comprehension
    _expr_SetComp = _comprehension
    _expr_DictComp = _comprehension

    def _expr_GeneratorExp(self, node: ast.GeneratorExp) -> ast.expr:
        """A generator that nobody is known to consume here: it is lazy, so its calls are not certain."""
        self._note_lazy(node)
        for inner in ast.walk(node):
            if isinstance(inner, ast.Call) and self._role(inner) in (
                "barrier",
                "dynamic",
                "mutate",
            ):
                self._barrier(node, "a generator expression with effects is consumed elsewhere")
                break
        return self._lost(node)

    # ------------------------------------------------------------------ calls
    def _role(self, node: ast.Call) -> str:
        fact = self.facts.calls.get(node)
        return fact.role if fact is not None else "barrier"

    def _expr_Call(self, node: ast.Call) -> ast.expr:
        fact = self.facts.calls.get(node)
        role = fact.role if fact is not None else "barrier"
        if role == "barrier" and fact is not None and self._hangs_on_self(node.func):
            role = "dynamic"
        if self._consumes_generator(node, role):
            generator = node.args[0]
            assert isinstance(generator, ast.GeneratorExp)
            listed = self._comprehension(generator)
            rest = [self._expr(arg) for arg in node.args[1:]]
            keywords = [ast.keyword(k.arg, self._expr(k.value)) for k in node.keywords]
            func = self._expr(node.func)
            made = ast.copy_location(ast.Call(func, [listed, *rest], keywords), node)
            made._ember_origin = node  # type: ignore[attr-defined]
            return made
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
            return self._site(node, clone, fact, role)
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
        if role != "glue" or not node.args or not isinstance(node.args[0], ast.GeneratorExp):
            return False
        func = node.func
        if isinstance(func, ast.Name):
            return func.id in _FULL_CONSUMERS
        return isinstance(func, ast.Attribute) and func.attr == "join"

    def _site(self, node: ast.Call, clone: ast.Call, fact: CallFact | None, role: str) -> ast.expr:
        temp = self._temp()
        number = len(self.sites)
        effect = fact.effect if fact is not None else None
        self.sites.append(
            Site(
                number,
                node,
                node.lineno,
                " ".join(ast.unparse(node).split()),
                effect.kind if effect is not None else "unknown",
                effect.evidence if effect is not None else "",
                tuple(self._loop_stack),
                bool(self._lazy),
            )
        )
        self._emit(
            "helper" if role == "helper" else "call", node, (temp,), clone, value=clone, site=number
        )
        return ast.copy_location(ast.Name(temp, ast.Load()), node)


def _is_simple(node: ast.expr, facts: BodyAnalysis) -> bool:
    """Whether an expression holds nothing that must be taken out of it."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.NamedExpr | ast.Await | ast.Yield | ast.YieldFrom | ast.Lambda):
            return False
        if inner in facts.effect_nodes:
            return False
        if isinstance(inner, ast.Call):
            fact = facts.calls.get(inner)
            if fact is None or fact.role not in ("glue", "local", "print"):
                return False
    return True


def _head(node: ast.AST) -> str:
    return ast.unparse(node).split("\n", 1)[0][:100]


def _names_in(tree: Any) -> set[str]:
    if isinstance(tree, list):
        return set().union(*[_names_in(item) for item in tree]) if tree else set()
    return {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def _stored_names(node: ast.AST) -> set[str]:
    """Names that executing `node` may bind in the function's own scope."""
    names: set[str] = set()
    stack: list[ast.AST] = [node]
    while stack:
        inner = stack.pop()
        if isinstance(inner, ast.Name):
            if isinstance(inner.ctx, ast.Store | ast.Del):
                names.add(inner.id)
        elif isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(inner.name)
            continue
        elif isinstance(inner, ast.Lambda):
            continue
        elif isinstance(inner, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            names |= {n.target.id for n in ast.walk(inner) if isinstance(n, ast.NamedExpr)}
            continue
        elif isinstance(inner, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and inner.name:
            names.add(inner.name)
        elif isinstance(inner, ast.MatchMapping) and inner.rest:
            names.add(inner.rest)
        elif isinstance(inner, ast.alias):
            names.add(inner.asname or inner.name.split(".")[0])
        stack.extend(ast.iter_child_nodes(inner))
    return names


def _unbound_by(node: ast.stmt) -> set[str]:
    """Names that `node` may leave unbound: deleted somewhere in it, or the name of an `except ... as`."""
    names = set()
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Del):
            names.add(inner.id)
        elif isinstance(inner, ast.ExceptHandler) and inner.name:
            names.add(inner.name)
    return names


def _stored_in(body: list[ast.stmt]) -> set[str]:
    return set().union(*[_stored_names(statement) for statement in body]) if body else set()


def _leaves(region: Region) -> bool:
    return bool(region.ops) and region.ops[-1].kind in ("return", "raise", "break", "continue")


def _merge(a: set[str], a_leaves: bool, b: set[str], b_leaves: bool) -> set[str]:
    if a_leaves:
        return b
    return a if b_leaves else a & b


def _made_here(node: ast.FunctionDef, facts: BodyAnalysis) -> frozenset[str]:
    """Names that only ever hold containers made by a display, a comprehension or a constructor in this body."""
    made: dict[str, bool] = {}
    for inner in ast.walk(node):
        if isinstance(inner, ast.Assign):
            for target in inner.targets:
                owned = (
                    isinstance(target, ast.Name)
                    and len(inner.targets) == 1
                    and _makes_container(inner.value, facts)
                )
                for name in _stored_names(target):
                    made[name] = made.get(name, True) and owned
        elif (
            isinstance(inner, ast.AnnAssign)
            and isinstance(inner.target, ast.Name)
            and inner.value is not None
        ):
            made[inner.target.id] = made.get(inner.target.id, True) and _makes_container(
                inner.value, facts
            )
        elif isinstance(inner, ast.AugAssign):
            continue
        elif isinstance(
            inner,
            ast.For
            | ast.comprehension
            | ast.NamedExpr
            | ast.withitem
            | ast.ExceptHandler
            | ast.MatchAs
            | ast.MatchStar
            | ast.MatchMapping,
        ):
            target_node = getattr(inner, "target", None) or getattr(inner, "optional_vars", None)
            names = _stored_names(target_node) if target_node is not None else set()
            if isinstance(inner, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and inner.name:
                names = {inner.name}
            for name in names:
                made[name] = False
        elif isinstance(inner, ast.Nonlocal | ast.Global):
            made.update(dict.fromkeys(inner.names, False))
    for name in facts.params:
        made[name] = False
    captured = _captured(node)
    return frozenset(name for name, owned in made.items() if owned and name not in captured)


def _makes_container(value: ast.expr, facts: BodyAnalysis) -> bool:
    if isinstance(value, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp):
        return True
    if (
        isinstance(value, ast.Call)
        and isinstance(value.func, ast.Name)
        and value.func.id in ("list", "dict", "set", "sorted")
    ):
        return facts.calls.get(value) is not None and facts.calls[value].role == "glue"
    return False


def _consumes(func: ast.expr) -> bool:
    """Whether a builtin of this name runs a generator argument to its end (or drops it) before it returns."""
    name = (
        func.id
        if isinstance(func, ast.Name)
        else func.attr
        if isinstance(func, ast.Attribute)
        else ""
    )
    return name in _FULL_CONSUMERS or name in ("any", "all", "join")


def _captured(node: ast.FunctionDef) -> set[str]:
    """Names that nested functions and lambdas read: they may change or keep what the names hold."""
    names: set[str] = set()
    consumed = {
        id(call.args[0])
        for call in ast.walk(node)
        if isinstance(call, ast.Call) and _consumes(call.func) and call.args
    }
    for inner in ast.walk(node):
        if id(inner) in consumed:
            continue
        if inner is not node and isinstance(
            inner,
            ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef | ast.GeneratorExp,
        ):
            names |= {n.id for n in ast.walk(inner) if isinstance(n, ast.Name)}
    return names
