"""Random values for random array programs: types, shapes, layouts, and all that NumPy treats apart.

Arrays overlap, are broadcast, read-only, unaligned, in the other byte order, of subclasses, masked or of objects;
floats hold NaNs of both signs with payloads, infinities, zeros of both signs and subnormals.
"""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

SHAPES = [(7,), (33,), (4, 5), (3, 17), (2, 3, 4), (40,), (300,), (9, 9), (1030,), (6, 130)]
ODD_SHAPES = [(1, 6), (5, 1), (1,), (0,), (3, 0), (0, 4), (), (1, 1), (2, 1, 3), (1, 1, 8), (0, 0)]
LARGER = [(3, 260), (20000,)]
SPECIAL = [0.0, -0.0, np.nan, -np.nan, np.inf, -np.inf, 1e308, 5e-324, -1.0, 1.0, 0.5]
NAN_BITS = {
    "d": (np.uint64, [0x7FF8000000000001, 0xFFF8000000000ABC, 0x7FFC000000000042]),
    "f": (np.uint32, [0x7FC00001, 0xFFC00ABC, 0x7FE00042]),
}


class Plain(np.ndarray):
    """A subclass that changes nothing."""


class Loud(np.ndarray):
    """A subclass with operations of its own."""

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """As NumPy does it, and one more."""
        plain = [np.asarray(each) if isinstance(each, Loud) else each for each in inputs]
        kwargs.pop("out", None)
        return getattr(ufunc, method)(*plain, **kwargs) + 1


def friendly_inputs(rng: random.Random) -> tuple[Any, ...]:
    """Values for `x, y, w, a, n` that fit each other."""
    shape = rng.choice([*SHAPES[:5], *SHAPES[6:], *LARGER])
    kind = rng.choice("dfdfdfl")
    plain = rng.random() < 0.8
    last = rng.choice([shape, shape, shape[-1:], (*shape[:-1], 1)] if shape[1:] else [shape])
    x, y, w = (array(rng, each, kind, plain) for each in (shape, shape, last))
    x, y = _related(rng, x, y)
    return x, y, w, rng.choice([0.5, 2.0, -3.25, np.float32(1.5), 1e-9]), rng.choice([2, 0.5, 7])


def inputs_of(rng: random.Random) -> tuple[Any, ...]:
    """Values for `x, y, w, a, n`, some of which do not fit."""
    shape = rng.choice(ODD_SHAPES if rng.random() < 0.25 else SHAPES)
    kind = rng.choice("bBhHiIlLqQ?eFDgOm" if rng.random() < 0.25 else "dddff")
    x = array(rng, shape, kind)
    other = kind if rng.random() < 0.85 else rng.choice("dflh?O")
    y = array(rng, shape if rng.random() < 0.9 else rng.choice([(5,), (4, 1), (7,), shape]), other)
    last = rng.choice([shape, shape, shape[-1:], (*shape[:-1], 1)])
    w = array(rng, last, kind if rng.random() < 0.9 else "d")
    scalars = [
        2, 0.5, -3.0, 1e300, 300, -1, 0, 0.0, True, np.float32(1.5), np.float64(2), np.int8(3), 2**70,
        -0.0, float("nan"), np.uint64(2**63), np.longdouble(0.1), 1j, "no number", None, np.array(1.5),
    ]  # fmt: skip
    a, n = rng.choice(scalars[1:3] * 7 + scalars), rng.choice(scalars[:2] * 7 + scalars)
    x, y = _related(rng, x, y)
    return _of_class(rng, x), _of_class(rng, y), w, a, n


def _related(rng: random.Random, x: Any, y: Any) -> tuple[Any, Any]:
    """Two arrays, now and then of one memory."""
    way = rng.random()
    if way < 0.05:
        return x, x
    if way < 0.08 and x.ndim:
        return x, x[..., ::-1]
    if way < 0.12 and x.ndim and x.size > 1:
        whole = np.concatenate([x.ravel(), x.ravel()[:1]])
        return whole[:-1].reshape(x.shape), whole[1:].reshape(x.shape)
    if way < 0.14 and x.ndim == 2 and x.shape[0] == x.shape[1]:
        return x, x.T
    return x, y


def _of_class(rng: random.Random, made: Any) -> Any:
    way = rng.random()
    if way < 0.015:
        return made.view(Plain)
    if way < 0.025:
        return made.view(Loud)
    if way < 0.04 and made.dtype.char not in "Om":
        return np.ma.masked_array(made, np.asarray(made) > 0.5)
    if way < 0.045 and made.ndim == 2:
        return made.view(np.recarray)
    if way < 0.05:
        return made.tolist()
    return made


def array(rng: random.Random, shape: tuple[int, ...], kind: str, plain: bool = False) -> Any:
    """An array of this shape and type; unless `plain`, of any layout, with any values."""
    made = _values(rng, shape, kind, plain)
    way = 1.0 if plain else rng.random()
    if made.ndim and way < 0.08:
        made = np.repeat(made, 2, axis=-1)[..., ::2]
    elif made.ndim and way < 0.12:
        made = made[::-1]
    elif made.ndim and way < 0.14:
        made = made[..., ::-1]
    elif made.ndim == 2 and way < 0.17:
        made = np.asfortranarray(made)
    elif made.ndim and way < 0.18:
        made = made.astype(made.dtype.newbyteorder())
    elif made.ndim and way < 0.20 and kind != "O":
        room = np.zeros(made.nbytes + 1, np.uint8)
        shifted = room[1:].view(made.dtype).reshape(made.shape)
        shifted[...] = made
        made = shifted
    elif made.ndim and way < 0.22:
        made = np.broadcast_to(made[:1], made.shape)
    elif made.ndim and way < 0.24 and made.size:
        made = as_strided(made, made.shape, (*made.strides[:-1], 0))
    elif made.ndim > 1 and way < 0.26:
        made = np.moveaxis(np.moveaxis(made, 0, -1).copy(), -1, 0)
    elif made.ndim == 2 and way < 0.28:
        made = np.pad(made, 1)[1:-1, 1:-1]
    if not plain and rng.random() < 0.05:
        made.flags.writeable = False
    return made


def _values(rng: random.Random, shape: tuple[int, ...], kind: str, plain: bool) -> Any:
    seed = np.random.default_rng(rng.getrandbits(32))
    if kind in "fdeFDg":
        made = np.asarray(seed.standard_normal(shape) * rng.choice([1, 1, 1, 10, 1e3])).astype(kind)
        if rng.random() < 0.15 and made.size and not plain:
            for _ in range(3):
                with np.errstate(all="ignore"):
                    made.flat[seed.integers(made.size)] = rng.choice(SPECIAL)
        if rng.random() < 0.1 and made.size and kind in NAN_BITS:
            bits, nans = NAN_BITS[kind]
            whole = made.reshape(-1).view(bits)
            whole[seed.integers(made.size, size=min(3, made.size))] = rng.choice(nans)
        return made
    if kind == "?":
        return np.asarray(seed.random(shape) < 0.5)
    if kind == "O":
        made = np.empty(shape, object)
        for index in range(made.size):
            made.flat[index] = rng.choice([1, -2, 0.5, Fraction(1, 3), 2**70, True])
        return made
    if kind == "m":
        return np.asarray(seed.integers(-50, 100, shape)).astype("m8[s]")
    low = 0 if kind in "BHILQ" else -50
    made = np.asarray(seed.integers(low, 100, shape)).astype(kind)
    if rng.random() < 0.1 and made.size:
        known = np.iinfo(made.dtype)
        made.flat[seed.integers(made.size)] = rng.choice([known.min, known.max])
    return made
