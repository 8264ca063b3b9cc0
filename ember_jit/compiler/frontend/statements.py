"""Simple statements: those that hold no other statement.

    x = self.a(inputs=y)       %1.1 = call#0 ...;  x.1 = glue %1.1
    out.append(x)              out.2 = mutate out.1, x.1              a container made here
    self.n = x                 barrier: stores to `self.n`
    del x                      x.2   = glue

A method `_stmt_X` lowers a node of kind X.
"""

from __future__ import annotations

import ast

from ember_jit.compiler.analysis.nests import place
from ember_jit.compiler.analysis.values import SCALAR
from ember_jit.compiler.frontend.bindings import stored_names
from ember_jit.compiler.frontend.expressions import Expressions
from ember_jit.ir.syntax import walk


class SimpleStatements(Expressions):
    """Lowers statements without a body, and definitions, whose body runs elsewhere."""

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
            names = stored_names(target)
            if any(inner in self.facts.effect_nodes for inner in walk(target)):
                self._barrier(node, self._why(target), tuple(sorted(names)))
                return
            if isinstance(target, ast.Subscript) and self.facts.is_nested(target.value):
                self._store_nested(node, target, value)
                continue
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

    def _store_nested(self, node: ast.stmt, target: ast.Subscript, value: ast.expr) -> None:
        """`found[k][j] = value`: changes a container that only `found` leads to."""
        name, _ = place(target)
        path = self._way_to(target)
        assert isinstance(path, ast.Subscript)
        operands = [ast.Name(name, ast.Load()), path, value]
        self._emit("mutate", node, (name,), operands, value=value, target=path)

    def _changes_item(self, node: ast.AugAssign) -> bool:
        """`found[k] += value`, where neither `found` nor what it holds is anybody else's: it is lowered here."""
        target = node.target
        if not isinstance(target, ast.Subscript) or not self.facts.is_nested(target):
            return False
        name, _ = place(target)
        if name not in self._made_here or any(
            inner in self.facts.effect_nodes for inner in walk(node)
        ):
            return False
        path = self._way_to(target)
        self._look_up(target, path)
        added = ast.BinOp(ast.Constant(0), node.op, self._expr(node.value))  # asks what `+=` does
        operands = [ast.Name(name, ast.Load()), path, added]
        self._emit("mutate", node, (name,), operands, value=added, target=path)
        return True

    def _stmt_AugAssign(self, node: ast.AugAssign) -> None:
        if self._changes_item(node):
            return
        value = self._expr(node.value)
        reason = "may change what it stores to in place"
        if any(inner in self.facts.effect_nodes for inner in walk(node)):
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

    def _stmt_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._note_later(node, node.name)
        if node.decorator_list or any(inner in self.facts.effect_nodes for inner in walk(node)):
            self._barrier(node, self._why(node), (node.name,))
        else:
            self._emit("glue", node, (node.name,), (), value=None)
        self._bound.add(node.name)

    def _stmt_Import(self, node: ast.Import) -> None:
        names = tuple(sorted(stored_names(node)))
        if node in self.facts.effect_nodes:
            self._barrier(node, self._why(node), names)
        else:
            self._emit("glue", node, names, (), value=None)
        self._bound.update(names)

    _stmt_ImportFrom = _stmt_Import
