"""Kernels without machine code: a `Program` interpreted with NumPy, as the native ones must compute it.

Slow and plain.  It stands in where a test is about regions, typing and dispatch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ember_jit.compiler.passes.numeric_types import Typed
from ember_jit.ir.program import Node, Program
from ember_jit.runtime.native.miss import MISS


def reference_entry(typed: Typed, tier: int = 1) -> Callable[..., Any] | str:
    """An entry that interprets `typed.program`."""
    program = typed.program

    def entry(*args: Any) -> Any:
        shape = _space(typed, args)
        if shape is None:
            return MISS
        rows, columns = math.prod(shape[:-1]), shape[-1]
        inputs = []
        for value, operand in zip(args, program.operands, strict=True):
            if operand.layout in ("contiguous", "strided"):
                inputs.append(np.asarray(value).reshape(rows, columns))
            elif operand.layout == "row":
                inputs.append(value.reshape(rows, 1))
            elif operand.layout == "column":
                inputs.append(value.reshape(1, columns))
            else:
                try:
                    inputs.append(np.asarray(value, operand.dtype).reshape(1, 1))
                except OverflowError:
                    return MISS
        try:
            with np.errstate(all="raise", under="ignore"):
                values = _run(program, inputs)
        except FloatingPointError:
            return MISS
        results = []
        for output, keepdims in zip(program.outputs, typed.keepdims, strict=True):
            node, value = program.nodes[output], values[output]
            if node.rank == "element":
                results.append(np.broadcast_to(value, (rows, columns)).reshape(shape).copy())
            elif node.rank == "row":
                results.append(value.reshape((*shape[:-1], 1) if keepdims else shape[:-1]).copy())
            else:
                results.append(value.reshape((1,) * len(shape)).copy() if keepdims else value[0, 0])
        return results[0] if len(results) == 1 else tuple(results)

    return entry


def _space(typed: Typed, args: tuple[Any, ...]) -> tuple[int, ...] | None:
    """The iteration space, or None if a guard fails."""
    space: list[int] = [1] * typed.ndim
    given = zip(args, typed.program.operands, typed.kinds, typed.input_ndims, strict=True)
    for value, operand, kind, ndim in given:
        if kind != "array":
            wanted = {"float": float, "int": int, "bool": bool}.get(kind) or np.dtype(
                operand.dtype
            ).type
            if type(value) is not wanted:
                return None
            continue
        if (
            type(value) is not np.ndarray
            or value.ndim != ndim
            or value.dtype != operand.dtype
            or not value.size
        ):
            return None
        if operand.layout != "strided" and not value.flags.c_contiguous:
            return None
        if operand.layout == "column":
            space[-1] = value.shape[-1]
        elif operand.layout == "row":
            space[:-1] = value.shape[:-1]
        else:
            space = list(value.shape)
    for value, operand in zip(args, typed.program.operands, strict=True):
        want = {
            "contiguous": tuple(space), "strided": tuple(space), "row": (*space[:-1], 1),
        }.get(operand.layout)  # fmt: skip
        if want is not None and value.shape != want:
            return None
        if operand.layout == "column" and math.prod(value.shape) != space[-1]:
            return None
    return tuple(space)


def _run(program: Program, inputs: list[Any]) -> list[Any]:
    values: list[Any] = []
    shape = np.broadcast_shapes(*(each.shape for each in inputs))
    for node in program.nodes:
        values.append(_value(node, [values[arg] for arg in node.args], inputs, shape))
    return values


def _value(node: Node, args: list[Any], inputs: list[Any], shape: tuple[int, ...]) -> Any:
    dtype = np.dtype(node.dtype)
    if node.op == "input":
        return inputs[int(node.value or 0)]
    if node.op == "const":
        return np.full((1, 1), node.value, dtype)
    if node.op == "count":
        return np.full((1, 1), shape[1] if node.rank == "row" else shape[0] * shape[1], dtype)
    if node.op == "cast":
        return args[0].astype(dtype)
    if node.op == "where":
        return np.where(*args)
    if node.op in ("sum", "prod", "max", "min", "any", "all", "argmax", "argmin"):
        whole = np.ascontiguousarray(args[0])
        reduce: Any = getattr(np, node.op)
        return np.asarray(
            reduce(whole, axis=1, keepdims=True) if node.rank == "row" else reduce(whole)
        ).reshape(-1, 1)
    return getattr(np, node.op)(*args, dtype=None if dtype.char == "?" else dtype)
