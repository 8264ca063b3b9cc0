"""A function with an attempt in front: the chain folded, its code made, its guard set up.

The last thing before linking where nothing overlaps, on what would be linked otherwise: a straight form, or the function
as it was written.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from types import CodeType
from typing import Any

from ember_jit.compiler.codegen.chain import ChainCode, link_chain
from ember_jit.compiler.passes.chain import fold
from ember_jit.compiler.passes.chain_values import CannotFold
from ember_jit.runtime.dispatch import Unit
from ember_jit.runtime.guard import is_available


def chain_form(
    unit: Unit, owner: Any, rest: ast.FunctionDef, live: Mapping[str, Any]
) -> CodeType | None:
    """The code of a chain that is computed in place, or None; which, and why not, is in the unit's artifacts.

    Args:
        unit: the function's unit, which has read its source.
        owner: what its first parameter is in the call at hand.
        rest: what runs where the attempt is not made, or comes to nothing.
        live: what stands in the constants of that, by the string that stands for it.
    """
    artifacts = unit.artifacts
    if not is_available():
        artifacts.not_folded = "nothing is known of how this Python notes changes of classes"
        return None
    try:
        chain = fold(unit.original, artifacts.source, owner)
    except CannotFold as reason:
        artifacts.not_folded = str(reason)
        return None
    code = link_chain(unit, artifacts.source, ChainCode(unit, chain, rest, live))
    if code is None:
        artifacts.not_folded = "changes of its classes are not noted any more: there were too many"
        return None
    artifacts.chain = chain
    return code
