"""The callables that a function's calls lead to: live, by name, and whether a bundle can speak of them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from types import FunctionType, MethodDescriptorType, MethodType
from typing import Any

from ember_jit.compiler.analysis import registry
from ember_jit.compiler.analysis.values import Abstract, Known, Method, OneOf


def live_callables(callee: Abstract) -> Iterator[Any]:
    """The live callables that an abstract one may be."""
    if isinstance(callee, Known):
        yield callee.obj
    elif isinstance(callee, OneOf):
        yield from callee.objs
    elif isinstance(callee, Method):
        if isinstance(callee.function, FunctionType):
            yield MethodType(callee.function, callee.owner)
        elif isinstance(callee.function, MethodDescriptorType):
            yield callee.function.__get__(callee.owner)


def name_of(callee: Any) -> str:
    """What notes call it."""
    name = getattr(callee, "__qualname__", "")
    return name if isinstance(name, str) and name else type(callee).__qualname__


def reason_to_refuse(obj: Any, names: tuple[str, ...]) -> str:
    """Parts of clients are known by what their class says of them, which only the registry can tell."""
    if any(registry.is_part(obj, (name,)) for name in names):
        return f"it makes requests through a live {type(obj).__name__}, whose parts only the compiler knows"
    return ""


def resolved(node: ast.expr, function: FunctionType) -> Any:
    """The object that a name in an issue program stands for, or None."""
    if isinstance(node, ast.Name):
        space = function.__globals__
        builtins = space.get("__builtins__", {})
        table = builtins if isinstance(builtins, dict) else vars(builtins)
        return space.get(node.id, table.get(node.id))
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "_e.attr" and len(node.args) == 2:
        owner, name = resolved(node.args[0], function), node.args[1]
        if isinstance(name, ast.Constant) and owner is not None:
            return getattr(owner, "__dict__", {}).get(name.value)
    return None
