"""What the names of a function mean to a numeric region: variables, live functions, fields of the owner.

np.exp      the live object, if `np` is a module that no variable hides
self.w      a field, if reading it runs no code: no descriptor in the class, no `__getattribute__`
rows        a variable: every name that the function binds
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Sequence
from types import FunctionType, ModuleType
from typing import Any

from ember_jit.ir.syntax import walk
from ember_jit.runtime.originals import original_code
from ember_jit.runtime.statics import (
    MISSING,
    has_plain_lookup,
    own_attribute,
    type_lookup,
)

_BINDS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class Scope:
    """The names of one function.

    Attributes:
        variables: names that are its own.
        unbindable: variables that a `del` or the end of a handler may unbind.
        loaded: how often each name is read, nested functions included.
        kind: the class of its owner, or None.
    """

    def __init__(self, node: ast.FunctionDef, function: FunctionType, owner: Any) -> None:
        self.node = node
        self.function = function
        self.variables: set[str] = set()
        self.unbindable: set[str] = set()
        self.loaded = loads([node])
        self._foreign: set[str] = set()
        code = original_code(function)
        self._free = set(code.co_freevars)
        stored: set[str] = set()
        for each in walk(node):
            if isinstance(each, ast.Name):
                if not isinstance(each.ctx, ast.Load):
                    stored.add(each.id)
                if isinstance(each.ctx, ast.Del):
                    self.unbindable.add(each.id)
            elif isinstance(each, ast.arg):
                self.variables.add(each.arg)
            elif isinstance(each, ast.Global | ast.Nonlocal):
                self._foreign |= set(each.names)
            elif isinstance(each, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and each.name:
                stored.add(each.name)
                self.unbindable.add(each.name)
            elif isinstance(each, ast.MatchMapping) and each.rest:
                stored.add(each.rest)
            elif isinstance(each, ast.alias):
                stored.add((each.asname or each.name).split(".")[0])
            elif isinstance(each, _BINDS) and each is not node:
                stored.add(each.name)
        first = (*node.args.posonlyargs, *node.args.args)[:1]
        self.owner_name = first[0].arg if first and first[0].arg not in stored else ""
        self.variables |= stored - self._foreign
        self.variables &= {*code.co_varnames, *code.co_cellvars}  # not those of nested functions
        self.variables -= self._foreign
        self.owner = owner
        self.kind: type | None = None
        if owner is not None and self.owner_name and has_plain_lookup(type(owner)):
            self.kind = type(owner)

    def parameters(self) -> set[str]:
        """Variables that are bound on entry."""
        args = self.node.args
        found = {each.arg for each in (*args.posonlyargs, *args.args, *args.kwonlyargs)}
        return found - self.unbindable

    def live(self, node: ast.expr) -> Any:
        """The live object that a global name or an attribute of a module stands for, or `MISSING`."""
        if isinstance(node, ast.Name):
            if node.id in self.variables or node.id in self._free or node.id.startswith("__"):
                return MISSING
            space = self.function.__globals__
            return space.get(node.id, vars(builtins).get(node.id, MISSING))
        if isinstance(node, ast.Attribute):
            module = self.live(node.value)
            if type(module) is ModuleType:
                return vars(module).get(node.attr, MISSING)
        return MISSING

    def is_field(self, node: ast.Attribute) -> bool:
        """Whether reading `node` takes a value out of the owner's own dictionary and runs no code."""
        return (
            self.kind is not None
            and isinstance(node.value, ast.Name)
            and node.value.id == self.owner_name
            and type_lookup(self.kind, node.attr) is MISSING
            and own_attribute(self.owner, node.attr) is not MISSING
        )


def loads(body: Sequence[ast.AST]) -> dict[str, int]:
    """How often each name is read in `body`; a `del` and an assignment in place read their target too."""
    found: dict[str, int] = {}
    for each in body:
        for node in walk(each):
            if isinstance(node, ast.AugAssign):
                node = node.target
            elif not isinstance(node, ast.Name) or isinstance(node.ctx, ast.Store):
                continue
            if isinstance(node, ast.Name):
                found[node.id] = found.get(node.id, 0) + 1
    return found
