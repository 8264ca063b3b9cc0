"""A function with loops in machine code: regions found, sites made, the definition rewritten."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field
from types import BuiltinFunctionType, FunctionType
from typing import Any

from ember_jit.compiler.loops.regions import LoopRegion, find_loops
from ember_jit.compiler.loops.weave import marker, plain_code, with_loops
from ember_jit.compiler.numeric_form import left_off
from ember_jit.compiler.passes.numeric_scope import Scope
from ember_jit.ir.syntax import copied, walk
from ember_jit.kinds import is_a
from ember_jit.runtime.dispatch import Unit
from ember_jit.runtime.loops.objects import objects
from ember_jit.runtime.loops.site import LoopSite, Made


@dataclass(slots=True)
class LoopForm:
    """A definition, and the sites in it.

    Attributes:
        left: (line, why) of each loop that is in no region.
        worth_tracing: the function makes calls that could be operators'.
    """

    node: ast.FunctionDef
    sites: list[LoopSite] = field(default_factory=list)
    live: dict[str, Any] = field(default_factory=dict)
    left: list[tuple[int, str]] = field(default_factory=list)
    worth_tracing: bool = False


def loop_form(unit: Unit, function: FunctionType, node: ast.FunctionDef, owner: Any) -> LoopForm:
    """`node` with its loops in machine code, where they can be; itself if there are none.

    Args:
        unit: the function's unit.
        function: the live function.
        node: its definition, as it would be linked; it is not changed.
        owner: the operator that its first parameter is, or None.
    """
    known = objects()
    if isinstance(known, str):
        return LoopForm(node, left=[(node.lineno, known)])
    made: ast.FunctionDef = copied(node, {})
    regions, left = find_loops(made, function, owner)
    form = LoopForm(made if regions else node, left=left)
    form.worth_tracing = _calls_others(function, node)
    for region in regions:
        site = LoopSite(
            region,
            _compile,
            _plain_maker(region, function),
            unit.disabled,
            unit.internal_error,
            lambda: left_off(unit),
        )
        site.place = unit.where()
        form.sites.append(site)
        form.live[marker(region.number)] = site
    with_loops(made, regions)
    return form


def _compile(site: LoopSite, args: tuple[Any, ...], made: Made) -> Callable[[], None]:
    """As `specialise.compile_for`: most loops never mean enough work to load what compiles them."""
    from ember_jit.compiler.loops.specialise import compile_for

    return compile_for(site, args, made)


def _calls_others(function: FunctionType, node: ast.FunctionDef) -> bool:
    """Whether a function makes calls that could be operators': it is then worth tracing."""
    scope = Scope(node, function, None)
    for each in walk(node):
        if not isinstance(each, ast.Call):
            continue
        live, method = scope.live(each.func), each.func
        if is_a(live, BuiltinFunctionType | type):
            continue
        if not (isinstance(method, ast.Attribute) and method.attr == "append"):
            return True
    return False


def _plain_maker(region: LoopRegion, function: FunctionType) -> Callable[[], Callable[..., Any]]:
    """Gives the region as a Python function, made when it is asked for."""
    made: list[Callable[..., Any]] = []

    def maker() -> Callable[..., Any]:
        if not made:
            code = plain_code(region, function.__code__.co_filename)
            made.append(FunctionType(code, function.__globals__))
        return made[0]

    return maker
