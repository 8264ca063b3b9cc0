"""What an issue program that keeps a ledger says of the code between two calls.

    # user                                  # issue program
    n = x["n"]                              n = _e.item(x, 'n')            worked out: it cannot raise any more
    t = a["t"]                              _w.fence(<cell of a["t"]>)     it can, until it has been worked out
    print(t)                                _w.fence()                     it can, until the program has passed it
    y = self.total + 1                      if _w.stormy(): yield _w.calm()     a writer may change it

A call with resources may start only where control certainly comes (DESIGN 3, the third row).  Proof that an
expression does not raise is to have worked it out, with guarded operations, on the very values.  When in
doubt there is a fence.
"""

from __future__ import annotations

import ast
import dis
from types import FunctionType, MethodType, ModuleType
from typing import Any

from ember_jit.compiler.analysis.values import Known, Method, OneOf
from ember_jit.compiler.codegen.issue_asks import IssueAsks
from ember_jit.compiler.codegen.issue_values import KNOWN, LOST, MAYBE
from ember_jit.ir.ops import Op, base
from ember_jit.kinds import is_a
from ember_jit.runtime.originals import original_code

_REBINDING = frozenset({"setattr", "__dict__", "vars", "globals", "exec", "__setattr__"})


class IssueOrder(IssueAsks):
    """Emits fences, proofs and waits.

    Attributes:
        walked: ops with regions that the issue program goes through step by step.
        writers: whether a call of the region may change a resource.
        shared: variables that may hold a part of a resource.
    """

    walked: set[Op]
    writers: bool
    rebound: frozenset[str] | None  # names that they may bind anew; None: any
    shared: frozenset[str]

    # ------------------------------------------------------------------ writers
    def find_writers(self, ops: list[Op]) -> None:
        """Note which calls may change what is read elsewhere."""
        self.writers, names = False, set()
        for op in ops:
            fact = self.facts.calls.get(op.origin) if isinstance(op.origin, ast.Call) else None
            if op.kind != "call" or fact is None or fact.effect.label is None:
                continue
            if any(word != "reads" for word, _ in fact.effect.label.claims):
                self.writers = True
                names |= _stored_names(fact.callee)
        self.rebound = None if names & _REBINDING else frozenset(names)
        self.shared = self._shared_names(ops) if self.writers else frozenset()

    def _shared_names(self, ops: list[Op]) -> frozenset[str]:
        """Variables that may hold a part of what a writer changes: read from state, or given by a call."""
        found: set[str] = set()
        changed = True
        while changed:
            before = len(found)
            for op in ops:
                names = {base(value) for value in op.defs}
                uses = {base(use) for use in op.uses}
                given = op.kind == "helper" or (op.kind == "call" and not self._is_trusted(op))
                if given or uses & found or (op.kind != "call" and self._reads_state(op.value)):
                    found |= names
            changed = len(found) > before
        return frozenset(found)

    def _is_trusted(self, op: Op) -> bool:
        """Whether a call was declared free of resources: what it gives is its own."""
        fact = self.facts.calls.get(op.origin) if isinstance(op.origin, ast.Call) else None
        return fact is not None and fact.effect.declared and fact.effect.schedulable

    def _reads_state(self, *trees: ast.AST | None) -> bool:
        """Whether an expression reads an attribute, a global or an outer variable that is no function or module."""
        stack: list[Any] = [tree for tree in trees if tree is not None]
        while stack:
            node = stack.pop()
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
                callee = node.func
                stack.extend([*node.args, *node.keywords])
                if isinstance(callee, ast.Attribute):
                    stack.append(callee.value)
                continue
            if isinstance(node, ast.Attribute):
                return True
            if isinstance(node, ast.Name) and node.id not in self.local:
                value = self.facts.name(node.id)
                if not isinstance(value, Known) or not is_a(
                    value.obj, type | FunctionType | ModuleType
                ):
                    return True
            stack.extend(ast.iter_child_nodes(node))
        return False

    def await_writers(self, *trees: ast.AST | None, func: ast.expr | None = None) -> None:
        """Wait until no writer is under way, if `trees`, or looking up `func`, read what one may change."""
        if not self.in_order or self.in_block or not self.writers:
            return
        receiver = (
            {n.attr for n in ast.walk(func) if isinstance(n, ast.Attribute)} if func else set()
        )
        receiver |= {n.id for n in ast.walk(func) if isinstance(n, ast.Name)} if func else set()
        rebinds = func is not None and (self.rebound is None or bool(receiver & self.rebound))
        if rebinds or self._reads_state(*trees) or self._names(*trees) & self.shared:
            self.line("if _w.stormy(): yield _w.calm()")

    def before(self, op: Op) -> None:
        """Emit what must hold before `op` may be worked out."""
        if op.kind == "call" and isinstance(op.value, ast.Call):
            call = op.value
            self.await_writers(*call.args, *[k.value for k in call.keywords], func=call.func)
        elif op.kind == "helper":
            if self.writers and not self.in_block:
                self.line("if _w.stormy(): yield _w.calm()")
        elif op.kind in ("if", "for", "assert"):
            self.await_writers(op.value)
        elif op.kind in ("glue", "mutate", "emit"):
            changed = op.value if op.kind == "mutate" and isinstance(op.value, ast.Call) else None
            parts = (
                changed.args if changed is not None else [op.value] if op.value is not None else []
            )
            index = op.target.slice if isinstance(op.target, ast.Subscript) else None
            # handing an object on does not look into it
            self.await_writers(index, *[each for each in parts if not self._cannot_raise(each, op)])
        if op.kind == "for" and not self.in_block and self._reads_mutated(op.value):
            self.line("_w.fence()")

    # ------------------------------------------------------------------ what may raise
    def after(self, op: Op, emitted: bool) -> None:
        """Emit a fence if the retire program may raise in `op`; `emitted`: the issue program works it out."""
        if self.in_block or op.kind in ("call", "return", "raise", "break", "continue", "assert"):
            return
        if op.kind == "try":
            if op.regions[-1].ops:
                self.line("_w.fence()")
        elif op.kind == "comp":
            self._after_comp(op)
        elif op.kind == "emit":
            self._after_emit(op)
        elif op.kind in ("if", "for", "while"):
            if op not in self.walked:
                self.line("_w.fence()")
        elif op.kind == "mutate":
            self._after_mutate(op, emitted)
        elif not self._is_harmless(op):
            self._after_value(op, emitted)

    def _after_value(self, op: Op, emitted: bool) -> None:
        names = [base(value) for value in op.defs]
        if emitted and names and all(self.status.get(n, LOST) != LOST for n in names):
            for name in names:
                if self.status[name] == MAYBE:
                    self.line(f"_w.fence({name})")
        elif (
            op.kind == "helper"
            or op.value is None
            or (op.target is not None and not isinstance(op.target, ast.Name))
        ):
            self.line("_w.fence()")
        else:
            self._prove(op.value)

    def _after_comp(self, op: Op) -> None:
        temp = base(op.defs[0])
        if isinstance(op.value, ast.ListComp | ast.GeneratorExp):
            return  # a list of elements that have been proved
        self.line(f"_w.fence({temp})" if self.status.get(temp) == MAYBE else "_w.fence()")

    def _after_emit(self, op: Op) -> None:
        assert op.value is not None
        if not self._cannot_raise(op.value, op):
            sink = self._sink[-1] if self._sink else None
            if sink is None:
                self._prove(op.value)
            elif self._state(op.value) != KNOWN:
                self.line(f"_w.fence({sink}[-1])")

    def _after_mutate(self, op: Op, emitted: bool) -> None:
        name = base(op.defs[0])
        if emitted and self.status.get(name) == KNOWN:
            return
        call = op.value
        append = (
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Attribute)
            and call.func.attr == "append"
            and isinstance(call.func.value, ast.Name)
            and len(call.args) == 1
            and getattr(self.facts.env.get(name), "kind", "") == "list"
            and op.stmt is not None
            and name in self.function.bound.get(op.stmt, frozenset())
        )
        if append and isinstance(call, ast.Call):
            if not self._cannot_raise(call.args[0], op):
                self._prove(call.args[0])
        else:
            self.line(
                f"_w.fence({name})" if emitted and self.status.get(name) == MAYBE else "_w.fence()"
            )

    def _prove(self, node: ast.expr) -> None:
        text, state = self.value(node)
        if state == LOST or not text:
            self.line("_w.fence()")
        elif state == MAYBE:
            self.line(f"_w.fence({text})")
        else:
            self.line(f"_w.prove(lambda: {text})")

    def _is_harmless(self, op: Op) -> bool:
        if op.value is None:
            node = op.origin
            if isinstance(node, ast.Call):
                fact = self.facts.calls.get(node)
                return fact is not None and fact.role == "mutate"  # judged where it changes
            return isinstance(node, ast.Lambda)
        simple = op.target is None or isinstance(op.target, ast.Name)
        return simple and self._cannot_raise(op.value, op)

    def sure(self, op: Op, trees: list[ast.expr]) -> bool:
        """Whether finding out these arguments cannot raise."""
        return all(self._cannot_raise(tree, op) for tree in trees)

    def _cannot_raise(self, node: ast.expr, op: Op) -> bool:
        """Whether evaluating an expression is sure to go well: names that are bound, constants, displays of them."""
        if isinstance(node, ast.Constant):
            return True
        if isinstance(node, ast.Name):
            bound = self.function.bound.get(op.stmt, frozenset()) if op.stmt is not None else ()
            known = self.status.get(node.id, LOST) != LOST
            return node.id in self.local and (known or node.id in bound or node.id.startswith("_t"))
        if isinstance(node, ast.List | ast.Tuple):
            return all(self._cannot_raise(each, op) for each in node.elts)
        if isinstance(node, ast.Dict):
            return all(isinstance(key, ast.Constant) for key in node.keys) and all(
                self._cannot_raise(value, op) for value in node.values
            )
        return False


def _stored_names(callee: Any) -> set[str]:
    """Attributes and globals that the code of a callee stores, so far as it says so itself."""
    if isinstance(callee, Known):
        objs: tuple[Any, ...] = (callee.obj,)
    elif isinstance(callee, Method):
        objs = (callee.function,)
    else:
        objs = callee.objs if isinstance(callee, OneOf) else ()
    names: set[str] = set()
    for obj in objs:
        function = obj.__func__ if type(obj) is MethodType else obj
        if not is_a(function, FunctionType):
            function = getattr(type(obj), "forward", None)
        if is_a(function, FunctionType):
            code = original_code(function)
            names |= set(code.co_names) & _REBINDING
            names |= {i.argval for i in dis.get_instructions(code) if i.opname in _STORES}
    return names


_STORES = frozenset({"STORE_ATTR", "STORE_GLOBAL", "STORE_DEREF", "DELETE_ATTR", "DELETE_GLOBAL"})
