"""Comprehensions, and what comes to the same: generators and `map` that are run to their end where they stand.

[self.a(inputs=x) for x in xs if x]          %1 = comp   for x in xs:
                                                           if x:  %2 = call#0  self.a(inputs=x)
                                                                  emit %2
sum(map(lambda x: self.a(inputs=x), xs))     the same without the condition, and `sum(%1)`
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from ember_jit.compiler.frontend.bindings import stored_names
from ember_jit.compiler.frontend.writer import OpWriter
from ember_jit.ir.ops import Op, Region

if TYPE_CHECKING:
    from collections.abc import Callable


class Comprehensions(OpWriter):
    """Lowers comprehensions; `_expr` is that of all expressions."""

    _expr: Callable[[ast.expr], ast.expr]

    def _comprehension(self, node: Any, consumer: ast.expr | None = None) -> ast.expr:
        first = self._expr(node.generators[0].iter)
        outer, self._ops = self._ops, []
        bound = set(self._bound)
        body = self._generators(node, 0, first)
        self._bound = bound
        self._ops = outer
        temp = self._temp()
        regions = (Region(tuple(body), "body"),)
        relies_on = (consumer,) if consumer is not None else ()
        self._emit("comp", node, (temp,), first, value=node, regions=regions, relies_on=relies_on)
        return ast.copy_location(ast.Name(temp, ast.Load()), node)

    def _mapped(self, node: Any, consumer: ast.expr) -> ast.expr:
        """`map(lambda x: f(x), xs)` as `[f(x) for x in xs]`, and `filter` as `[x for x in xs if f(x)]`."""
        function = node.args[0]
        source = self._expr(node.args[1])
        name = function.args.args[0].arg
        target = ast.copy_location(ast.Name(name, ast.Store()), function)
        element = ast.copy_location(ast.Name(name, ast.Load()), function)
        outer, self._ops = self._ops, []
        bound = set(self._bound)
        self._bound.add(name)
        loop = self._new_loop(function)
        made = (self._define(name),)
        outside, self._ops = self._ops, []
        value = self._expr(function.body)
        if self.facts.live(node.func) is filter:
            then, self._ops = self._ops, []
            self._emit("emit", function, (), element, value=element)
            kept, self._ops = Region(tuple(self._ops), "then"), then
            regions = (kept, Region((), "else"))
            self._emit("if", function.body, (), value, value=value, regions=regions)
        else:
            self._emit("emit", function.body, (), value, value=value)
        body, self._ops = Region(tuple(self._ops), "body"), outside
        self._loop_stack.pop()
        self._emit(
            "for",
            function,
            (),
            source,
            made=made,
            target=target,
            value=source,
            regions=(body, Region((), "else")),
            loop=loop,
        )
        inside, self._ops = Region(tuple(self._ops), "body"), outer
        self._bound = bound
        temp = self._temp()
        generator = ast.comprehension(target, node.args[1], [], 0)
        listed = ast.copy_location(ast.ListComp(element, [generator]), node)
        self._emit(
            "comp",
            node,
            (temp,),
            source,
            value=listed,
            regions=(inside,),
            relies_on=(consumer, node.func),
        )
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
            names = stored_names(generator.target)
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
