"""Functions that a receiver holds: another instance of its class may hold some that wait.

A method is compiled once, with what the receiver of its first call holds.  Where that is a function which only
computes, there may be nothing to overlap, and the method is left alone; but the next instance may hold a model.

    def forward(self, *, inputs):
        return [self.score(x) for x in inputs]

So if calls of what is held could overlap, the code that is put in place looks at its receivers, for a while, before
anything else (`runtime.dispatch.Unit.look`):

        "<unit>".look(self)
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ember_jit.compiler.analysis.body import BodyAnalysis
from ember_jit.compiler.analysis.facts import PURE
from ember_jit.compiler.analysis.infer import Inference
from ember_jit.compiler.analysis.values import Known
from ember_jit.compiler.source import Source
from ember_jit.ir.syntax import copied, load, placed
from ember_jit.runtime.linking import UNIT
from ember_jit.runtime.statics import MISSING, own_attribute


def held_calls(facts: BodyAnalysis) -> dict[ast.Call, str]:
    """The calls of functions that the receiver itself stores, and that only compute: the attributes."""
    owner = facts.owner
    if not isinstance(owner, Known) or not facts.params:
        return {}
    found: dict[ast.Call, str] = {}
    for node, fact in facts.calls.items():
        func = node.func
        if (
            fact.role in ("helper", "glue")
            and isinstance(func, ast.Attribute)
            and isinstance(func.value, ast.Name)
            and func.value.id == facts.params[0]
            and own_attribute(owner.obj, func.attr) is not MISSING
        ):
            found[node] = func.attr
    return found


def as_if_unknown(facts: BodyAnalysis, calls: dict[ast.Call, str]) -> BodyAnalysis:
    """The same facts, but for what `calls` call, which is found at run time."""
    made = copy.copy(facts)
    made.calls = {
        node: replace(fact, role="dynamic") if node in calls else fact
        for node, fact in facts.calls.items()
    }
    return made


def looking(source: Source, receiver: str) -> ast.FunctionDef:
    """The definition of the function, with the look at its receiver in front of the first statement."""
    node: ast.FunctionDef = copied(source.node, {})
    documented = ast.get_docstring(node, clean=False) is not None and len(node.body) > 1
    where = node.body[documented]
    asked = ast.Attribute(ast.Constant(UNIT), "look", ast.Load())
    look = ast.Expr(ast.Call(asked, [load(receiver)], []))
    node.body.insert(int(documented), placed(look, where))
    return node


def likeness(names: frozenset[str], inference: Inference) -> Callable[[Any], bool]:
    """Whether what a receiver holds under these names only computes, too."""

    def is_alike(owner: Any) -> bool:
        for name in names:
            stored = own_attribute(owner, name)
            if stored is MISSING:
                continue
            effect = inference.met(stored)
            if effect.kind != PURE or effect.operator or effect.blocking:
                return False
        return True

    return is_alike
