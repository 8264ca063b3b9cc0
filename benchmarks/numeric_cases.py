"""Array arithmetic as one writes it with NumPy, and as numexpr and Numba want it written.

Numba's forms are loops by hand over the elements, with `fastmath`; the scalars and constants that they get have the arrays'
type.  JAX compiles the NumPy code itself (`numeric_peers`).
"""

# The functions are ordinary user code, and Numba's have no types that mypy could know.
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

COLUMNS = 64


def poly(inputs):
    """A polynomial: the memory decides."""
    x, a, b, c = inputs["x"], inputs["a"], inputs["b"], inputs["c"]
    return (x * a + b) * (x - c) + a


def map_reduce(inputs):
    """Transcendentals and a sum: arithmetic decides."""
    x, a, b = inputs["x"], inputs["a"], inputs["b"]
    return np.sum(np.exp(-x * x) * np.sin(3 * x) + a * x + b)


def softmax(inputs):
    """Row by row."""
    x = inputs["x"]
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def layer_norm(inputs):
    """Statistics of rows."""
    x = inputs["x"]
    m = x.mean(axis=-1, keepdims=True)
    v = x.var(axis=-1, keepdims=True)
    return (x - m) / np.sqrt(v + 1e-5)


def cosine(inputs):
    """How like a query each row is."""
    x, q = inputs["x"], inputs["q"]
    return (x * q).sum(axis=-1) / np.sqrt((x * x).sum(axis=-1))


def black_scholes(inputs):
    """Prices of calls; the normal distribution as Abramowitz and Stegun (26.2.17) approximate it."""
    s, k, t, r, v = (inputs[each] for each in "sktrv")
    root = v * np.sqrt(t)
    d1 = (np.log(s / k) + (r + 0.5 * v * v) * t) / root
    d2 = d1 - root
    u = 1.0 / (1.0 + 0.2316419 * np.abs(d1))
    p = u * (0.319381530 + u * (-0.356563782 + u * (1.781477937 + u * (-1.821255978 + u * 1.330274429))))  # fmt: skip
    n = 0.3989422804014327 * np.exp(-0.5 * d1 * d1) * p
    first = np.where(d1 > 0.0, 1.0 - n, n)
    u = 1.0 / (1.0 + 0.2316419 * np.abs(d2))
    p = u * (0.319381530 + u * (-0.356563782 + u * (1.781477937 + u * (-1.821255978 + u * 1.330274429))))  # fmt: skip
    n = 0.3989422804014327 * np.exp(-0.5 * d2 * d2) * p
    second = np.where(d2 > 0.0, 1.0 - n, n)
    return s * first - k * np.exp(-r * t) * second


_TERMS = (0.319381530, -0.356563782, 1.781477937, -1.821255978, 1.330274429)


# By hand, for Numba.


def _poly_loop(x, a, b, c):
    out = np.empty_like(x)
    for i in range(x.size):
        out[i] = (x[i] * a + b) * (x[i] - c) + a
    return out


def _map_reduce_loop(x, a, b, three):
    total = x[0] * a - x[0] * a
    for i in range(x.size):
        total += math.exp(-x[i] * x[i]) * math.sin(three * x[i]) + a * x[i] + b
    return total


def _softmax_loop(x):
    out = np.empty_like(x)
    for i in range(x.shape[0]):
        largest = x[i, 0]
        for j in range(x.shape[1]):
            largest = max(largest, x[i, j])
        total = x[i, 0] - x[i, 0]
        for j in range(x.shape[1]):
            out[i, j] = math.exp(x[i, j] - largest)
            total += out[i, j]
        for j in range(x.shape[1]):
            out[i, j] /= total
    return out


def _layer_norm_loop(x, eps):
    out = np.empty_like(x)
    for i in range(x.shape[0]):
        mean = eps - eps
        for j in range(x.shape[1]):
            mean += x[i, j]
        mean /= x.shape[1]
        variance = eps - eps
        for j in range(x.shape[1]):
            variance += (x[i, j] - mean) * (x[i, j] - mean)
        scale = math.sqrt(variance / x.shape[1] + eps)
        for j in range(x.shape[1]):
            out[i, j] = (x[i, j] - mean) / scale
    return out


def _cosine_loop(x, q):
    out = np.empty_like(x[:, 0])
    for i in range(x.shape[0]):
        dot = q[0] - q[0]
        size = q[0] - q[0]
        for j in range(x.shape[1]):
            dot += x[i, j] * q[j]
            size += x[i, j] * x[i, j]
        out[i] = dot / math.sqrt(size)
    return out


def _black_scholes_loop(s, k, t, r, v, half, one, c, p1, p2, p3, p4, p5, scale):
    out = np.empty_like(s)
    for i in range(s.size):
        root = v * math.sqrt(t[i])
        d1 = (math.log(s[i] / k[i]) + (r + half * v * v) * t[i]) / root
        d2 = d1 - root
        u = one / (one + c * abs(d1))
        n = scale * math.exp(-half * d1 * d1) * u * (p1 + u * (p2 + u * (p3 + u * (p4 + u * p5))))
        first = one - n if d1 > 0 else n
        u = one / (one + c * abs(d2))
        n = scale * math.exp(-half * d2 * d2) * u * (p1 + u * (p2 + u * (p3 + u * (p4 + u * p5))))
        second = one - n if d2 > 0 else n
        out[i] = s[i] * first - k[i] * math.exp(-r * t[i]) * second
    return out


@dataclass(frozen=True)
class Case:
    """One computation.

    Attributes:
        function: in NumPy, an operator's `forward` in shape.
        numba: a loop by hand over the values of `inputs`, in order, and `constants`.
        constants: what the loop needs beside them, in the arrays' type.
        numexpr: as numexpr writes it, if it can.
        rowwise: its values are rows of `COLUMNS`.
    """

    function: Callable[[Any], Any]
    numba: Callable[..., Any]
    constants: tuple[float, ...] = ()
    numexpr: str = ""
    rowwise: bool = False

    @property
    def name(self) -> str:
        return self.function.__name__


CASES = (
    Case(poly, _poly_loop, (), "(x * a + b) * (x - c) + a"),
    Case(map_reduce, _map_reduce_loop, (3.0,), "sum(exp(-x * x) * sin(3 * x) + a * x + b)"),
    Case(softmax, _softmax_loop, rowwise=True),
    Case(layer_norm, _layer_norm_loop, (1e-5,), rowwise=True),
    Case(cosine, _cosine_loop, rowwise=True),
    Case(
        black_scholes,
        _black_scholes_loop,
        (0.5, 1.0, 0.2316419, *_TERMS, 0.3989422804014327),
    ),
)


def inputs_of(case: Case, size: int, dtype: str) -> dict[str, Any]:
    """Values of about `size` elements; those that the case reads, in the order in which it does."""
    rng = np.random.default_rng(0)
    if case.function is black_scholes:
        ranges = {"s": (10.0, 50.0), "k": (15.0, 45.0), "t": (0.25, 3.0)}
        arrays = {name: rng.uniform(*each, size).astype(dtype) for name, each in ranges.items()}
        return {**arrays, "r": 0.05, "v": 0.3}
    shape = (max(1, size // COLUMNS), COLUMNS) if case.rowwise else (size,)
    x = rng.standard_normal(shape).astype(dtype)
    if case.function is cosine:
        return {"x": x, "q": rng.standard_normal(COLUMNS).astype(dtype)}
    if case.rowwise:
        return {"x": x}
    scalars = {"a": 1.5, "b": 2.5, "c": 0.25}
    return {"x": x} | {
        name: scalars[name] for name in ("ab" if case.function is map_reduce else "abc")
    }
