"""Writing ops: versions of names, temporaries, and the list that ops are appended to.

    x = self.a(inputs=x)                 %1.1 = call#0  self.a(inputs=x)     uses x.0
                                         x.1  = glue    ...                  uses %1.1

Every definition of a name gets the next version, a use the latest.  A region is what has been appended
to a list of its own.
"""

from __future__ import annotations

import ast
from typing import Any

from ember_jit.compiler.analysis.body import BodyAnalysis
from ember_jit.compiler.frontend.bindings import made_here, names_in, stored_names
from ember_jit.compiler.frontend.later import only_called, statements_of, used_up
from ember_jit.compiler.frontend.nodes import LEFT_ALONE
from ember_jit.compiler.source import Source
from ember_jit.ir.ops import Later, Op, Site
from ember_jit.ir.syntax import walk


class OpWriter:
    """The state of a lowering, and what appends ops."""

    def __init__(self, source: Source, facts: BodyAnalysis, name: str) -> None:
        self.source = source
        self.facts = facts
        self.name = name
        self.sites: list[Site] = []
        self.loops: list[ast.AST] = []
        self.bound_at: dict[ast.stmt, frozenset[str]] = {}
        self.left_alone: list[tuple[int, str]] = []
        self.within: dict[ast.stmt, tuple[int, ...]] = {}
        self.later: list[Later] = []
        self._versions: dict[str, int] = {}
        self._temps = 0
        self._ops: list[Op] = []
        self._stmt: ast.stmt | None = None
        self._loop_stack: list[int] = []
        self._lazy = 0
        self._named = 0  # assignment expressions so far
        self._aside = 0  # how many `except` and `finally` blocks are open
        self._bound: set[str] = set(facts.params)
        nodes = walk(source.node)
        self._made_here = made_here(source.node, nodes, facts)
        self._used_up = used_up(nodes, facts)
        self._only_called = only_called(source.node, nodes)
        self._bodies: dict[str, list[ast.expr]] = {}  # of those, the effects

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
        names = sorted(names_in(uses)) if not isinstance(uses, tuple) else uses
        used = tuple(self._use(name) for name in names)
        self._ops.append(
            Op(
                kind,
                getattr(node, "lineno", 0),
                (*made, *(self._define(name) for name in defs)),
                used,
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
        """Append an effect: issue programs end in front of it."""
        self._emit("barrier", node, binds, reason=reason)
        self._bound.update(binds)

    def _leave(self, node: ast.AST) -> None:
        """Leave `node` to the retire program, and note why."""
        reason = LEFT_ALONE.get(type(node).__name__, "")
        if not reason:
            reason = (
                self.facts.effect_nodes[node].text
                if node in self.facts.effect_nodes
                else f"{type(node).__name__} is not followed"
            )
        self.left_alone.append((getattr(node, "lineno", 0), reason))
        self._emit("barrier", node, tuple(sorted(stored_names(node))), reason=reason)
        if isinstance(node, ast.ClassDef | ast.AsyncFunctionDef):
            self._bound.add(node.name)  # the only ones that are sure to bind what they bind

    def _note_later(self, node: ast.AST, name: str = "") -> None:
        """Remember the effects of a body that runs later; `name` is what the function is called."""
        harmless = ("glue", "local", "print", "opaque", "attribute")
        assert self._stmt is not None
        for inner in walk(node):
            called = isinstance(inner, ast.Call) and self._role(inner) not in harmless
            if not isinstance(inner, ast.expr) or not (called or inner in self.facts.effect_nodes):
                continue
            if name in self._only_called:
                self._bodies.setdefault(name, []).append(inner)
            else:
                self.later.append(Later(inner, self._stmt, node in self._used_up))

    def _later_everywhere(self) -> tuple[Later, ...]:
        """The same with the effects of functions that are only called, at each of their calls."""
        for name, effects in self._bodies.items():
            statements = statements_of(self._only_called[name], self.within)
            self.later += [Later(node, stmt, True) for stmt in statements for node in effects]
        return tuple(self.later)

    def _role(self, node: ast.Call) -> str:
        fact = self.facts.calls.get(node)
        return fact.role if fact is not None else "barrier"

    def _why(self, node: ast.AST) -> str:
        """The first effect in `node`, in words."""
        for inner in walk(node):
            if inner in self.facts.effect_nodes:
                return self.facts.effect_nodes[inner].text
        return "has an effect"

    def _new_loop(self, node: ast.AST) -> int:
        """Open a loop: its number."""
        self.loops.append(node)
        self._loop_stack.append(len(self.loops) - 1)
        return len(self.loops) - 1
