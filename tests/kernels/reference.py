"""What NumPy gives for a program: the interpreter that kernels are compared with."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from ember_jit.ir.program import REDUCTIONS, Program


def evaluate(program: Program, inputs: Sequence[np.ndarray], shape: tuple[int, int]):
    """The outputs as NumPy computes them, and the warnings that it gives on the way."""
    rows, columns = shape
    values: list[np.ndarray] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for node in program.nodes:
            args = [values[arg] for arg in node.args]
            if node.op == "input":
                values.append(_input(program, inputs, node.value, shape))
            elif node.op == "const":
                values.append(np.array(node.value, node.dtype))
            elif node.op == "cast":
                values.append(args[0].astype(node.dtype))
            elif node.op == "where":
                values.append(np.where(*args))
            elif node.op in REDUCTIONS:
                values.append(_reduce(node, args[0]))
            else:
                values.append(np.asarray(getattr(np, node.op)(*args)))
            assert values[-1].dtype == np.dtype(node.dtype), (node, values[-1].dtype)
    shapes = {"element": shape, "row": (rows,), "scalar": ()}
    outputs = []
    for output in program.outputs:
        rank = program.nodes[output].rank
        full = {"element": shape, "row": (rows, 1), "scalar": ()}[rank]
        outputs.append(np.broadcast_to(values[output], full).reshape(shapes[rank]))
    return outputs, caught


def _input(program: Program, inputs, index: int, shape: tuple[int, int]) -> np.ndarray:
    array, layout = np.asarray(inputs[index]), program.operands[index].layout
    if layout == "row":
        return array.reshape(shape[0], 1)
    if layout == "column":
        return array.reshape(1, shape[1])
    if layout == "scalar":
        return array.reshape(())
    return array.reshape(shape) if layout == "contiguous" else np.broadcast_to(array, shape)


def _reduce(node, argument: np.ndarray) -> np.ndarray:
    function = getattr(np, node.op)
    given = {"dtype": node.dtype} if node.op in ("sum", "prod") else {}
    if node.rank == "row":
        return np.asarray(function(argument, axis=1, keepdims=True, **given))
    return np.asarray(function(argument, **given))


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal to the last bit, except that any NaN equals any other."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    if a.dtype.kind == "f":
        nan = np.isnan(a)
        if not np.array_equal(nan, np.isnan(b)):
            return False
        a, b = np.where(nan, 0, a), np.where(nan, 0, b)
    return a.tobytes() == b.tobytes()


SPECIAL = {
    "f": [0.0, -0.0, 1.0, -1.0, 0.5, 1.5, 2.5, -2.5, 3e38, -3e38, 1e-40, -1e-40, 7.0, 1e9],
    "i": [0, 1, 2, 3, 5, 7, 64],
}


def samples(dtype: str, count: int, rng: np.random.Generator, nasty: bool = False) -> np.ndarray:
    """Numbers of all kinds; `nasty` adds NaN, infinities and the ends of the range."""
    kind = np.dtype(dtype)
    if dtype == "?":
        return rng.integers(0, 2, count).astype("?")
    if kind.kind == "f":
        with np.errstate(all="ignore"):
            found = (rng.standard_normal(count) * 10.0 ** rng.integers(-3, 4, count)).astype(dtype)
            special = SPECIAL["f"] + ([np.nan, np.inf, -np.inf] if nasty else [])
            if nasty:
                special += [np.finfo(dtype).max, np.finfo(dtype).tiny]
            which = rng.random(count) < (0.5 if nasty else 0.1)
            return np.where(which, rng.choice(np.array(special, dtype), count), found)
    info = np.iinfo(dtype)
    if nasty:
        ends = np.array([info.min, info.max, info.max // 2, 0, 1], dtype)
        wide = rng.integers(info.min, info.max, count, dtype=kind, endpoint=True)
        return np.where(rng.random(count) < 0.3, rng.choice(ends, count), wide)
    return rng.integers(max(info.min, -50), 50, count).astype(dtype)
