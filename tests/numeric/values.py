"""Every value of a fast program, checked on its own: given what the kernel had for its arguments, it has to be right.

A program's result may be far from NumPy's although each function is within 4 ULP (differences of like numbers see to
that).  So a kernel is made that returns all its intermediate values: operations that fast mode computes exactly
must have NumPy's bits, functions must be within `BOUND` of the true value, sums within what any order allows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ember_jit.compiler import kernels
from ember_jit.ir.program import FLOATS, INTEGERS, REDUCTIONS, TRANSCENDENTAL, Node, Program
from tests.kernels.native import run
from tests.kernels.reference import same_bits, samples
from tests.numeric.accuracy import BOUND, errors, longer

SHAPES = ((1, 1), (1, 7), (1, 300), (3, 17), (5, 64), (20, 9))
_LEAVES = ("input", "const", "count")


def check(program: Program, rng: np.random.Generator, nasty: bool) -> str:
    """What is wrong with a fast program on random operands, or an empty string."""
    inner = [i for i, node in enumerate(program.nodes) if node.op not in _LEAVES]
    whole = replace(program, outputs=tuple(inner))
    if not inner or kernels.supported(whole):
        return ""
    rows, columns = SHAPES[rng.integers(len(SHAPES))]
    inputs = [_operand(each, (rows, columns), rng, nasty) for each in program.operands]
    result, outputs = run(whole, inputs, (rows, columns))
    if result:
        return ""
    values = dict(zip(inner, outputs, strict=True))
    for index, node in enumerate(program.nodes):
        if node.op in _LEAVES:
            values[index] = _leaf(node, inputs, (rows, columns))
    shapes = {"element": (rows, columns), "row": (rows, 1), "scalar": (1, 1)}
    for index in inner:
        node = program.nodes[index]
        args = [values[arg].reshape(_shape(program, arg, values[arg], shapes)) for arg in node.args]
        answer = _wrong(node, values[index].reshape(shapes[node.rank]), args)
        if answer:
            return f"%{index} = {node.op}: {answer}\n{program}"
    return _differs(program, run(program, inputs, (rows, columns))[1], values)


def _shape(
    program: Program, index: int, value: Any, shapes: dict[str, tuple[int, int]]
) -> tuple[int, int]:
    node = program.nodes[index]
    if value.size == 1:
        return (1, 1)
    if node.op == "input" and program.operands[int(node.value or 0)].layout == "column":
        return (1, value.size)
    return shapes[node.rank]


def _operand(operand: Any, shape: tuple[int, int], rng: np.random.Generator, nasty: bool) -> Any:
    rows, columns = shape
    counts = {"contiguous": rows * columns, "row": rows, "column": columns, "scalar": 1}
    if operand.layout != "strided":
        return samples(operand.dtype, counts[operand.layout], rng, nasty)
    return samples(operand.dtype, 6 * rows * columns, rng, nasty).reshape(2 * rows, -1)[::2, ::3]


def _leaf(node: Node, inputs: list[Any], shape: tuple[int, int]) -> Any:
    if node.op == "input":
        return inputs[int(node.value or 0)]
    if node.op == "count":
        return np.array(shape[1] if node.rank == "row" else shape[0] * shape[1], node.dtype)
    return np.array(node.value, node.dtype)


def _differs(program: Program, outputs: list[Any], values: dict[int, Any]) -> str:
    """The kernel itself against the one that returned everything: the same, but for the order of sums and NaNs' signs."""
    if any(
        node.op in ("signbit", "copysign") or (node.op in ("sum", "prod") and node.dtype in FLOATS)
        for node in program.nodes
    ):
        return ""
    for output, found in zip(program.outputs, outputs, strict=True):
        if program.nodes[output].op != "input" and not same_bits(found, values[output]):
            return f"%{output} depends on what else is returned\n{program}"
    return ""


@np.errstate(all="ignore")
def _wrong(node: Node, found: Any, args: list[Any]) -> str:
    if node.op in REDUCTIONS:
        return _wrong_reduction(node, found, args[0])
    if (node.op in TRANSCENDENTAL or node.op == "true_divide") and node.dtype in FLOATS:
        arrays = [each.copy() for each in np.broadcast_arrays(*args)]
        far = errors(found, longer(node.op, *arrays))
        if node.op == "logaddexp":  # NumPy's own loop, which is not as exact near 0
            return ""
        at = int(np.argmax(far))
        given = [each.ravel()[at] for each in arrays]
        return "" if far.max() <= BOUND else f"{far.max()} ULP off at {given}"
    if node.op == "cast":
        wanted = args[0].astype(node.dtype)
        if args[0].dtype.char in FLOATS and node.dtype in INTEGERS:
            limits = np.iinfo(node.dtype)
            inside = (args[0] > limits.min) & (args[0] < limits.max)
            found, wanted = np.where(inside, found, 0), np.where(inside, wanted, 0)
    else:
        wanted = getattr(np, node.op)(*args)
    same = (found == wanted) | ((found != found) & (wanted != wanted))
    if node.dtype in FLOATS and node.op not in ("maximum", "minimum", "fmax", "fmin"):
        same &= (np.signbit(found) == np.signbit(wanted)) | (found != found)
    return "" if np.all(same) else f"{found[~same][:3]}, not {np.broadcast_to(wanted, found.shape)[~same][:3]}"  # fmt: skip


def _wrong_reduction(node: Node, found: Any, values: Any) -> str:
    axis = 1 if node.rank == "row" else None
    reduce = getattr(np, node.op)
    if node.dtype not in FLOATS or node.op not in ("sum", "prod"):
        given = {"dtype": node.dtype} if node.op in ("sum", "prod") else {}
        wanted = reduce(values, axis=axis, keepdims=True, **given)
        same = (found == wanted) | ((found != found) & (wanted != wanted))
        return "" if np.all(same) else f"{found.ravel()[:3]}, not {wanted.ravel()[:3]}"
    wide = values.astype(np.longdouble)
    wanted, sizes = (reduce(each, axis=axis, keepdims=True) for each in (wide, np.abs(wide)))
    limits = np.finfo(found.dtype)
    count = values.shape[1] if axis == 1 else values.size
    allowed = sizes * (2 * count * float(limits.eps)) + float(limits.tiny)
    near = np.abs(found - wanted) <= allowed
    # an infinity or NaN on the way depends on the order; so does a product that leaves the range
    large = ~np.isfinite(wide).all(axis=axis, keepdims=True) | (sizes > float(limits.max))
    if node.op == "prod":
        logs = np.abs(np.log2(np.abs(wide))).sum(axis=axis, keepdims=True)
        large |= ~(logs < limits.maxexp - 2)
    return "" if np.all(near | large) else f"{found.ravel()[:3]}, not {wanted.ravel()[:3]}"


def kinds_of(value: Any) -> Iterator[str]:
    """Of a result and what is in it, types and shapes: what fast mode may not change."""
    yield type(value).__name__
    if isinstance(value, np.ndarray | np.generic):
        yield f"{value.dtype}{value.shape}"
    elif isinstance(value, dict):
        for key in value:
            yield str(key)
            yield from kinds_of(value[key])
    elif isinstance(value, list | tuple):
        for each in value:
            yield from kinds_of(each)
