"""Random array programs.

A program is a function of a few values: a run of statements over operators, ufuncs, `where`, casts, views,
reductions and changes in place, in which nothing is certain to be an array or to fit.  What NumPy makes of it, an
exception included, is what the compiled function has to make of it.
"""

from __future__ import annotations

import itertools
import linecache
import random
from collections.abc import Callable
from typing import Any

import numpy as np

_numbers = itertools.count()
FRIENDLY = ["+", "-", "*", "*", "+", "/", "-", "<"]
BINARY = ["+", "-", "*", "*", "+", "/", "**", "//", "%", "<", ">=", "==", "&", "|", "<<"]
UFUNCS_1 = "exp log sqrt sin cos tanh abs square exp2 log1p expm1 floor ceil rint sign isnan isfinite reciprocal negative logical_not".split()
UFUNCS_2 = (
    "maximum minimum add multiply arctan2 hypot fmax copysign logaddexp power logical_and".split()
)
IN_PLACE = ["+=", "-=", "*=", "/=", "**=", "//="]
STORES = [
    "{0} += {2}", "{0} *= {1}", "{0}[...] = {2}", "{0}[1:] = {1}[:-1]", "{0}[1:] += {0}[:-1]", "{0}[::2] -= {2}",
    "np.multiply({0}, {1}, out={0})", "np.exp({0}, out={0})", "np.add({0}[1:], {1}[:-1], out={0}[:-1])",
]  # fmt: skip
REDUCTIONS = "sum max min mean std var prod any all argmax argmin".split()


def source_of_program(rng: random.Random, *, friendly: bool) -> str:
    """The text of a random function `program(x, y, w, a, n)`; a friendly one seldom fails."""
    names = ["x", "y", "w", "a", "n"]
    lines: list[str] = []
    for index in range(rng.randint(1, 5)):
        lines += _statement(rng, names, f"t{index}", friendly)
    made = names[5:] or ["x"]
    kept = rng.sample(made, rng.randint(1, min(3, len(made))))
    end = rng.random()
    if end < 0.3:
        lines.append(
            f"return {{'r': {_expression(rng, names, 2, friendly)}, 'k': {kept[0]}, 'w': w}}"
        )
    elif end < 0.6:
        lines.append(f"return {_expression(rng, names, 2, friendly)}")
    else:
        lines.append(f"return [{', '.join(kept)}]")
    return "def program(x, y, w, a, n):\n" + "".join(f"    {line}\n" for line in lines)


def _statement(rng: random.Random, names: list[str], target: str, friendly: bool) -> list[str]:
    """One statement, in lines; its target is a name from then on."""
    way = rng.random()
    inner = lambda depth=1: _expression(rng, names, depth, friendly)  # noqa: E731
    if names[5:] and way < 0.13:
        return [f"{rng.choice(names[5:])} {rng.choice(IN_PLACE)} {inner()}"]
    if way < 0.17:
        return [rng.choice(STORES).format(*rng.sample(names[:3], 2), inner())]
    value = inner(rng.randint(1, 3))
    if way < 0.20 and names[5:]:
        carried = rng.choice(names[5:])
        lines = [f"for _ in range(2): {carried} = {carried} * {inner()} - {carried}"]
    elif way < 0.23:
        state = rng.choice(["all='ignore'", "divide='raise'", "invalid='raise', over='ignore'"])
        lines = [f"with np.errstate({state}):", f"    {target}e = {inner(2)}"]
        lines.append(f"    {target}f = {target}e * {inner()} + {target}e")
        names += [f"{target}e", f"{target}f"]
    elif way < 0.25:
        lines = ["try:", f"    {target} = {value}", f"    {target} = {target} / {inner()}"]
        lines += ["except Exception as exc:", f"    {target} = len(str(exc))"]
        names.append(target)
        return lines
    else:
        lines = []
    names.append(target)
    return [*lines, f"{target} = {value}"]


def _expression(rng: random.Random, names: list[str], depth: int, friendly: bool) -> str:
    if depth == 0 or rng.random() < 0.1:
        if friendly and rng.random() < 0.7:
            return rng.choice([*names[:3], *names[:2], *names[5:]])
        return rng.choice([*names, *names, "2", "0.5", "1e-3", "3", "-1.5", "2.0", "True"])
    inner = lambda: _expression(rng, names, depth - 1, friendly)  # noqa: E731
    kind = rng.random()
    if kind < 0.48:
        signs = FRIENDLY if friendly else BINARY if rng.random() < 0.4 else BINARY[:6]
        return f"({inner()} {rng.choice(signs)} {inner()})"
    if kind < 0.68:
        return f"np.{rng.choice(UFUNCS_1)}({inner()})"
    if kind < 0.76:
        return f"np.{rng.choice(UFUNCS_2)}({inner()}, {inner()})"
    if kind < 0.77:
        ends = rng.choice(
            ["-1.0, 1.0", "0, 3", "None, 0.5", "0, None", "-0.0, 0", f"-1, {inner()}"]
        )
        return f"np.clip({inner()}, {ends})" if rng.random() < 0.7 else f"({inner()}).clip({ends})"
    if kind < 0.78:
        how = rng.choice(["axis=-1", "axis=-1, keepdims=True", "keepdims=True"])
        return f"np.linalg.norm({inner()}, {how})"
    if kind < 0.81:
        return f"np.where({inner()} > {inner()}, {inner()}, {inner()})"
    if kind < 0.83:
        return f"({inner()}).astype({rng.choice(['np.float32', 'np.float64', repr('f8'), 'np.int64', 'np.int16'])})"
    if kind < 0.87 and friendly:
        return inner()
    if kind < 0.87:
        return f"{rng.choice(names)}[{rng.choice([':, None', 'None, :', '...', '::2', '1:', '::-1', '..., None'])}]"
    if kind < 0.90:
        return f"-({inner()})"
    usual = ["", "", "axis=-1", "axis=-1, keepdims=True", "axis=-1, keepdims=True", "keepdims=True"]
    usual = ["axis=-1, keepdims=True", ""] if friendly else usual
    how = rng.choice(
        usual
        if friendly or rng.random() < 0.9
        else ["axis=0", "axis=1, keepdims=True", "axis=None"]
    )
    reduction = rng.choice(REDUCTIONS[:6] if friendly else REDUCTIONS)
    if rng.random() < 0.5:
        return f"({inner()}).{reduction}({how})"
    return f"np.{reduction}({inner()}{', ' if how else ''}{how})"


def function_of(source: str) -> Callable[..., Any]:
    """A function of this source, which can be found again by its file name."""
    filename = f"<random program {next(_numbers)}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
    space: dict[str, Any] = {"np": np, "__name__": "random_program"}
    exec(compile(source, filename, "exec", dont_inherit=True), space)
    made: Callable[..., Any] = space["program"]
    return made
