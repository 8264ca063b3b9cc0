"""A function with kernels in it: regions found, sites made, the definition rewritten.

The last thing before linking, on whatever definition the other passes have left: a retire program, a straight
form, or the function as it was written.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any, cast

from ember_jit.compiler.codegen.numeric import marker, with_kernels
from ember_jit.compiler.native_code import emit, entry_kept
from ember_jit.compiler.passes.numeric_names import numpy_module
from ember_jit.compiler.passes.numeric_regions import find_numeric_regions
from ember_jit.compiler.specialise import specialiser
from ember_jit.ir.program import Numerics
from ember_jit.ir.region import NumericRegion
from ember_jit.ir.syntax import copied
from ember_jit.runtime.dispatch import Unit
from ember_jit.runtime.numeric import Site
from ember_jit.runtime.triage import has_arithmetic, names_numpy


@dataclass(slots=True)
class NumericForm:
    """A definition, and the sites in it by the constants that stand for them."""

    node: ast.FunctionDef
    sites: list[Site] = field(default_factory=list)
    live: dict[str, Any] = field(default_factory=dict)


def may_be_numeric(unit: Unit, function: FunctionType) -> bool:
    """Whether a function is worth a look for numeric regions, told without its source."""
    if numpy_module() is None or not has_arithmetic(unit.original):
        return False
    return unit.meets_arrays or names_numpy(function, unit.original)


def numeric_form(
    unit: Unit, function: FunctionType, node: ast.FunctionDef, owner: Any
) -> NumericForm:
    """`node` with its kernels; itself if it has none.

    Args:
        unit: the function's unit.
        function: the live function.
        node: its definition, as it would be linked; it is not changed.
        owner: the operator that its first parameter is, or None.
    """
    if not may_be_numeric(unit, function):
        return NumericForm(node)
    made: ast.FunctionDef = copied(node, {})
    regions = find_numeric_regions(made, function, owner, arrays_at_hand=unit.meets_arrays)
    form = NumericForm(made)
    for region in list(regions):
        site = _site(region, unit, owner)
        if site is None:
            regions.remove(region)
            continue
        form.sites.append(site)
        form.live[marker(region.number)] = site
    if not form.sites:
        return NumericForm(node)
    with_kernels(made, regions)
    return form


def _site(region: NumericRegion, unit: Unit, owner: Any) -> Site | None:
    specialise = specialiser(cast(Numerics, unit.options.numerics), emit, entry_kept)
    site = Site(region, specialise, unit.disabled, unit.internal_error, lambda: left_off(unit))
    site.place = unit.where()
    if any(each.kind == "field" for each in region.inputs) and not site.watch_owner(type(owner)):
        return None
    return site


def left_off(unit: Unit) -> None:
    """A site has switched itself off: a function in which none is tried any more gets its own code back."""
    artifacts = unit.artifacts
    sites = [*artifacts.loops, *artifacts.numeric]
    if artifacts.kernels is not None and not any(site.on for site in sites):
        unit.put_back(f"no kernel fits what it is called with: {sites[-1].left}")
