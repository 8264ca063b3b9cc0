"""Calls in an issue program: the calls themselves, helpers, and changes of containers.

    # user                                       # issue program
    s = self.a(inputs={"q": q})                  s = _w.call(0, _e.attr(self, 'a'), (), {'inputs': {'q': q}})
                                                 if s is _w: s = yield _w.parked(0)
    xs.append(s)                                 xs = _w.glue(lambda s, xs: _e.mutate(xs, 'append', s), s, xs)

A call whose arguments are pending is issued when they are there (`_w.call_later`); one whose arguments
are lost is left to the retire program (`_w.inline`), and the issue program goes on behind it.
"""

from __future__ import annotations

import ast
from functools import cached_property

from ember_jit.compiler.codegen.guard import CannotGuard
from ember_jit.compiler.codegen.issue_order import IssueOrder
from ember_jit.compiler.codegen.issue_values import KNOWN, LOST, MAYBE
from ember_jit.ir.ops import Op, base
from ember_jit.ir.syntax import walk


class IssueCalls(IssueOrder):
    """Emits `call`, `helper` and `mutate` ops."""

    @cached_property
    def _parents(self) -> dict[ast.AST, ast.AST]:
        """Syntax node -> its parent."""
        return {
            child: node
            for node in walk(self.facts.source.node)
            for child in ast.iter_child_nodes(node)
        }

    def _register(self, op: Op) -> str:
        assert op.site is not None
        self.issue.sites[op.site] = self._loops_now()
        if self.trusts(op):
            self.issue.trusted.add(op.site)
        return self._key(op.site)

    def _op_call(self, op: Op) -> None:
        assert isinstance(op.value, ast.Call)
        node = op.value
        temp = base(op.defs[0])
        key = self._register(op)
        self.line(f"# line {op.line}: {self.facts.source.line(op.line)}")
        callee = self._callee(node.func)
        if not callee:
            self.line("return _w.stop()")
            self.status[temp] = LOST
            return
        issued = self._call_text(op, node, key, callee)
        self.line(f"{temp} = {issued}")
        self.line(f"if {temp} is _w: {temp} = yield _w.parked({key})")
        self.status[temp] = MAYBE

    def _call_text(self, op: Op, node: ast.Call, key: str, callee: str) -> str:
        trees = [*node.args, *[k.value for k in node.keywords]]
        state = self._state(*trees)
        turn = "_in_turn" if self.in_order else ""
        inline = f"_w.inline{turn}({key}, {callee})"
        if state == LOST or op.binds or self._reads_live_out(trees):
            self.check_arguments(op, callee, trees)
            return inline
        try:
            args, keywords = self.guard.arguments(node)
        except CannotGuard:
            self.check_arguments(op, callee, trees)
            return inline
        names: list[ast.expr | None] = [ast.Constant(k.arg) if k.arg else None for k in keywords]
        keyword = ast.Dict(names, [k.value for k in keywords])
        both = ast.unparse(ast.Tuple([ast.Tuple(args, ast.Load()), keyword], ast.Load()))
        if state == KNOWN:
            self.check(op, evaluated=True)
        else:
            self.check_arguments(op, callee, trees)
        if state == KNOWN:
            return f"_w.call{turn}({key}, {callee}, {both[1:-1]})"
        maybe = self._maybe_names(*trees)
        if not self._steady(*trees):
            return inline
        parameters = self._parameters(maybe, *trees)
        sure = f"{self.sure(op, trees)}, " if turn else ""
        return f"_w.call_later{turn}({key}, {callee}, {sure}lambda {parameters}: {both}, {', '.join(maybe)})"

    def _reads_live_out(self, trees: list[ast.expr]) -> bool:
        """Whether an argument is a container built here that the retire program goes on using."""
        return any(
            name in self.mutated and self._used_elsewhere(name, trees)
            for name in self._names(*trees)
        )

    def _used_elsewhere(self, name: str, trees: list[ast.expr]) -> bool:
        """Whether anything but building it, before this call, touches the container `name`.

        The issue program passes a container of its own to the call.  The retire program's must not be
        seen beside it, or the two could be told apart.
        """
        mine = {id(n) for tree in trees for n in walk(tree)}
        first = min((getattr(tree, "lineno", 0) for tree in trees), default=0)
        for inner in walk(self.facts.source.node):
            if not isinstance(inner, ast.Name) or inner.id != name or id(inner) in mine:
                continue
            if not isinstance(inner.ctx, ast.Load):
                continue
            if inner.lineno >= first or self.keys or not self._only_looks(inner):
                return True
        return False

    def _only_looks(self, node: ast.Name) -> bool:
        """Whether this use of a container neither keeps it nor hands it on."""
        parent = self._parents.get(node)
        if isinstance(parent, ast.Attribute | ast.Subscript | ast.Compare | ast.UnaryOp):
            return True
        if isinstance(parent, ast.For | ast.comprehension):
            return parent.iter is node
        if isinstance(parent, ast.If | ast.While):
            return True
        if isinstance(parent, ast.Call) and isinstance(parent.func, ast.Name):
            return parent.func.id in ("len", "sum", "sorted", "min", "max", "list", "tuple", "set")
        return False

    def _op_helper(self, op: Op) -> None:
        assert isinstance(op.value, ast.Call)
        node = op.value
        temp = base(op.defs[0])
        self.status[temp] = LOST
        callee = self._callee(node.func)
        try:
            args, keywords = self.guard.arguments(node)
        except CannotGuard:
            callee = ""
        if not callee:
            self.line("return _w.stop()")
            return
        trees = [*node.args, *[k.value for k in node.keywords]]
        state = self._state(*trees)
        unknown = state == LOST or op.binds or self._reads_mutated(*trees)
        if temp not in self.needed or unknown:
            self.check(op)
            self.line(f"_w.{'trust' if self.trusts(op) else 'require'}({callee})")
            return
        self.check(op, evaluated=state == KNOWN)
        key = self._register(op)
        call = ast.Call(
            ast.Attribute(
                ast.Name("_w", ast.Load()), "helper_later" if state else "helper", ast.Load()
            ),
            [ast.parse(callee, mode="eval").body, *args],
            keywords,
        )
        text = ast.unparse(call)
        self.line(f"_w.{'trust' if self.trusts(op) else 'require'}({callee})")
        if state == MAYBE:
            text = self._delayed(self._maybe_names(*trees), text, *trees, node.func)
        keep = "keep" if state == KNOWN else "keep_pending"
        self.line(f"{temp} = _w.{keep}({key}, {self.region.number}, {text})")
        if state == KNOWN:
            self.line(f"if {temp} is _w: {temp} = yield _w.parked({key})")
        self.status[temp] = state

    def _op_mutate(self, op: Op) -> None:
        name = base(op.defs[0])
        state = self.status.get(name, LOST)
        if name not in self.needed or state == LOST:
            self.check(op)
            self.status[name] = LOST
            return
        text = self._mutation(op, name)
        if text is None:
            self.check(op)
            self.status[name] = LOST
            return
        trees = self._mutation_operands(op)
        copied = any(self.fresh.copied(tree) for tree in trees)
        total = LOST if copied else max(state, self._state(*trees))
        self.check(op, evaluated=total == KNOWN)
        if total == LOST:
            self.status[name] = LOST
        elif total == KNOWN:
            self.line(text)
        else:
            names = sorted({name, *self._maybe_names(*trees)})
            rest = [tree for tree in trees if not (isinstance(tree, ast.Name) and tree.id == name)]
            self.line(f"{name} = {self._delayed(names, text, *rest)}")
            self.status[name] = MAYBE

    def _mutation_operands(self, op: Op) -> list[ast.expr]:
        if isinstance(op.target, ast.Subscript):
            return [op.target.slice, *([op.value] if op.value is not None else [])]
        return [*op.value.args] if isinstance(op.value, ast.Call) else []

    def _mutation(self, op: Op, name: str) -> str | None:
        if not isinstance(op.changed, ast.Name) or isinstance(op.origin, ast.AugAssign):
            return None  # no call looks that deep but the program's own
        try:
            if isinstance(op.target, ast.Subscript) and op.value is not None:
                parts = [
                    ast.Name(name, ast.Load()),
                    self.guard.expr(op.target.slice),
                    self.guard.expr(op.value),
                ]
                call: ast.expr = ast.Call(
                    ast.Attribute(ast.Name("_e", ast.Load()), "store", ast.Load()), parts, []
                )
            elif (
                isinstance(op.value, ast.Call)
                and isinstance(op.value.func, ast.Attribute)
                and not op.value.keywords
            ):
                args, _ = self.guard.arguments(op.value)
                call = ast.Call(
                    ast.Attribute(ast.Name("_e", ast.Load()), "mutate", ast.Load()),
                    [ast.Name(name, ast.Load()), ast.Constant(op.value.func.attr), *args],
                    [],
                )
            else:
                return None
        except CannotGuard:
            return None
        return ast.unparse(call)
