"""Small programs, their kernels, and what plain NumPy does for them."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from ember_jit.compiler.kernels import compile_object
from ember_jit.compiler.kernels.entry import make_parts
from ember_jit.compiler.kernels.signatures import signature_of
from ember_jit.ir.program import Builder, Program
from ember_jit.runtime.native.entries import Parts, enter
from ember_jit.runtime.native.plain_entry import plain_entry

kernel_of = lru_cache(maxsize=None)(compile_object)


def parts_of(program: Program, **options: Any) -> Parts:
    signature = signature_of(program, **{"ndim": 1, **options})
    assert not isinstance(signature, str), signature
    return make_parts(program, signature, kernel_of(program))


def make(kind: str, program: Program, behind: Any = None, **options: Any) -> Callable[..., Any]:
    """An entry of the kind "native" or "plain"."""
    parts = parts_of(program, **options)
    if kind == "native":
        made = enter(parts, behind)
        assert type(made) is type(len), made
    else:
        made = plain_entry(parts.signature, parts.kernel, parts.loops, behind)
        assert not isinstance(made, str), made
    return made


def scaled(dtype: str = "d", layout: str = "contiguous") -> Program:
    """`x * a`, with `a` a scalar."""
    build = Builder()
    x, a = build.input(dtype, layout), build.input(dtype, "scalar")
    return build.program(build.op("multiply", x, a))


def added(first: str, second: str, dtype: str = "d") -> Program:
    """`x + y` in these layouts."""
    build = Builder()
    return build.program(build.op("add", build.input(dtype, first), build.input(dtype, second)))


def divided(dtype: str = "d") -> Program:
    build = Builder()
    return build.program(build.op("true_divide", build.input(dtype), build.input(dtype)))


def reduced(name: str, rank: str, dtype: str = "d") -> Program:
    build = Builder()
    return build.program(build.reduce(name, build.input(dtype), rank))


def softmax() -> Program:
    """The exponentials over their sum, and that sum."""
    build = Builder()
    x = build.input("d")
    exps = build.op("exp", build.op("subtract", x, build.reduce("max", x, "row")))
    total = build.reduce("sum", exps, "row")
    return build.program(build.op("true_divide", exps, total), total)


def softmax_in_numpy(x: Any) -> tuple[Any, Any]:
    exps = np.exp(x - x.max(axis=-1, keepdims=True))
    return exps / exps.sum(axis=-1, keepdims=True), exps.sum(axis=-1)


def same(made: Any, plain: Any) -> None:
    """Value, type, bits, shape, strides and flags."""
    assert type(made) is type(plain)
    assert made.dtype is plain.dtype
    assert made.shape == plain.shape
    assert made.tobytes() == plain.tobytes()
    if isinstance(plain, np.ndarray):
        assert made.strides == plain.strides
        assert made.flags.num == plain.flags.num
        assert made.base is None
