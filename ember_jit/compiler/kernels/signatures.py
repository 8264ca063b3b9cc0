"""From a program, and what only the caller knows of its operands, to the signature of its entry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ember_jit.ir.program import FLOATS, REDUCTIONS, Program
from ember_jit.runtime.native.signature import (
    MOST_DIMENSIONS,
    Parameter,
    Result,
    Signature,
    Source,
)


def signature_of(
    program: Program,
    ndim: int,
    sources: Sequence[Source] | None = None,
    operand_ndims: Sequence[int] | None = None,
    keepdims: Sequence[bool] | None = None,
) -> Signature | str:
    """How `program` is entered for a space of `ndim` dimensions, or why it cannot be.

    Args:
        sources: where each operand comes from.  By default arrays, and for scalars the Python type
            of the operand's own kind (float, int or bool).
        operand_ndims: dimensions of each operand that is an array, where fewer than `ndim`.  By
            default `ndim`, but 1 for `"column"` operands and 0 for scalars.
        keepdims: for each output that is reduced, whether the reduced axes stay, of length 1.
    """
    if not 1 <= ndim <= MOST_DIMENSIONS:
        return f"{ndim} dimensions; from 1 to {MOST_DIMENSIONS} are supported"
    parameters = []
    for index, operand in enumerate(program.operands):
        scalar = operand.layout == "scalar"
        source = sources[index] if sources else (_python_kind(operand.dtype) if scalar else "array")
        if scalar == (source == "array") and not scalar:
            return f"operand {index} is an array, not a {source}"
        own = 0 if scalar else 1 if operand.layout == "column" else ndim
        if operand_ndims is not None and not scalar:
            own = operand_ndims[index]
        if not 0 <= own <= ndim or (own != ndim and operand.layout in ("contiguous", "row")):
            return f"operand {index} has {own} dimensions in a space of {ndim}"
        if source not in ("array", "numpy") and not _holds(source, operand.dtype):
            return f"operand {index}: a Python {source} cannot become {operand.dtype!r}"
        parameters.append(Parameter(source, operand.dtype, operand.layout, own))
    if all(parameter.layout == "scalar" for parameter in parameters):
        return "no operand is an array"
    partial = _partial(program)
    if partial is not None:
        return partial
    results = []
    for index, output in enumerate(program.outputs):
        node = program.nodes[output]
        results.append(Result(node.dtype, node.rank, bool(keepdims and keepdims[index])))
    ranks = {node.rank for node in program.nodes if node.op in REDUCTIONS}
    layouts = {operand.layout for operand in program.operands}
    rowwise = bool(
        layouts & {"strided", "column", "row"}
        or "row" in ranks
        or any(result.rank == "row" for result in results)
    )
    splits: Literal["rows", "anywhere", "no"] = "anywhere"
    if "scalar" in ranks or any(result.rank == "scalar" for result in results):
        splits = "no"
    elif rowwise:
        splits = "rows"
    return Signature(
        tuple(parameters), tuple(results), ndim, rowwise, bool(ranks), splits, bool(program.loops())
    )


def _partial(program: Program) -> str | None:
    """Why NumPy would give a result a smaller shape than the kernel does, if it might.

    `w * 2` has the shape of `w`, also where `x + w` has the larger one of `x`.  An output, or what is
    reduced, must come from an operand of the whole space, or from all arrays there are.
    """
    arrays = frozenset(i for i, each in enumerate(program.operands) if each.layout != "scalar")
    whole = {i for i, each in enumerate(program.operands) if each.layout == "contiguous"}
    origins: list[frozenset[int]] = []
    for node in program.nodes:
        own = frozenset({int(node.value or 0)} if node.op == "input" else ())
        origins.append(own.union(*(origins[arg] for arg in node.args)) & arrays)
    reduced = [node.args[0] for node in program.nodes if node.op in REDUCTIONS]
    for index in (*program.outputs, *reduced):
        if not (origins[index] & whole or origins[index] == arrays):
            return (
                f"%{index} comes from some operands only, which may be smaller than the whole space"
            )
    return None


def _python_kind(dtype: str) -> Source:
    if dtype in FLOATS:
        return "float"
    return "bool" if dtype == "?" else "int"


def _holds(source: Source, dtype: str) -> bool:
    """Whether NumPy turns such a Python number into this type where the two meet."""
    if source == "float":
        return dtype in FLOATS
    if source == "bool":
        return dtype == "?"
    return dtype != "?"
