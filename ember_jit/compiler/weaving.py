"""A definition with machine code in front of its loops and numeric regions: the last thing before linking."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from types import FunctionType
from typing import TYPE_CHECKING, Any

from ember_jit.compiler.numeric_form import numeric_form
from ember_jit.runtime.dispatch import Unit
from ember_jit.runtime.numeric import Site
from ember_jit.runtime.triage import has_loop

if TYPE_CHECKING:
    from ember_jit.compiler.loops.form import LoopForm


@dataclass(frozen=True, slots=True)
class Woven:
    """A definition, and the sites in it.

    Attributes:
        node: the definition.
        numeric: the sites of its numeric regions.
        loops: its loops in machine code; None for a function without any.
        live: the sites by the constants that stand for them.
    """

    node: ast.FunctionDef
    numeric: list[Site]
    loops: LoopForm | None
    live: dict[str, Any]


def woven(
    unit: Unit,
    function: FunctionType,
    node: ast.FunctionDef,
    receiver: Any,
    lap: Callable[[str], None] = lambda name: None,
) -> Woven:
    """`node` with its loops and regions tried first; nothing is loaded for a function without loops.

    Args:
        unit: the function's unit.
        function: the live function.
        node: its definition, as it would be linked; it is not changed.
        receiver: the operator that its first parameter is, or None.
        lap: called with the name of each stage when that is over.
    """
    loops: LoopForm | None = None
    if has_loop(unit.original):
        from ember_jit.compiler.loops.form import loop_form

        loops = loop_form(unit, function, node, receiver)
    lap("loops")
    numeric = numeric_form(unit, function, loops.node if loops else node, receiver)
    lap("numeric regions")
    live = {**numeric.live, **(loops.live if loops else {})}
    return Woven(numeric.node, numeric.sites, loops, live)
