"""Random array programs, and the comparison of a compiled one with the plain one, to the last bit.

A program is a function of a few values: a run of assignments over operators, ufuncs, `where`, casts, views and
reductions, in which nothing is certain to be an array or to fit.  What NumPy makes of it, an exception
included, is what the compiled function has to make of it.
"""

from __future__ import annotations

import copy
import itertools
import linecache
import random
import types
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

_numbers = itertools.count()
FRIENDLY = ["+", "-", "*", "*", "+", "/", "-", "<"]
BINARY = ["+", "-", "*", "*", "+", "/", "**", "//", "%", "<", ">=", "==", "&", "|", "<<"]
UFUNCS_1 = "exp log sqrt sin cos tanh abs square exp2 log1p expm1 floor ceil rint sign isnan isfinite reciprocal negative logical_not".split()
UFUNCS_2 = (
    "maximum minimum add multiply arctan2 hypot fmax copysign logaddexp power logical_and".split()
)
REDUCTIONS = "sum max min mean std var prod any all argmax argmin".split()
SPECIAL = [0.0, -0.0, np.nan, np.inf, -np.inf, 1e308, 5e-324, -1.0, 1.0, 0.5]


@dataclass(frozen=True)
class Outcome:
    """What one call did."""

    value: Any
    raised: tuple[str, str] | None
    warned: tuple[tuple[str, str, int], ...]


def source_of_program(rng: random.Random, *, friendly: bool) -> str:
    """The text of a random function `program(x, y, w, a, n)`; a friendly one seldom fails."""
    names = ["x", "y", "w", "a", "n"]
    lines = []
    for index in range(rng.randint(1, 5)):
        target = f"t{index}"
        if names[5:] and rng.random() < 0.15:
            target = rng.choice(names[5:])
            sign = rng.choice(["+=", "-=", "*=", "/="])
            lines.append(f"{target} {sign} {_expression(rng, names, 1, friendly)}")
            continue
        lines.append(f"{target} = {_expression(rng, names, rng.randint(1, 3), friendly)}")
        names.append(target)
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
    if kind < 0.80:
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


def friendly_inputs(rng: random.Random) -> tuple[Any, ...]:
    """Values for `x, y, w, a, n` that fit each other."""
    shape = rng.choice(
        [
            (7,),
            (33,),
            (4, 5),
            (3, 17),
            (2, 3, 4),
            (300,),
            (9, 9),
            (1030,),
            (6, 130),
            (3, 260),
            (20000,),
        ]
    )
    kind = rng.choice("dfdfdfl")
    plain = rng.random() < 0.8
    shapes = [
        shape,
        shape,
        rng.choice([shape, shape, shape[-1:], (*shape[:-1], 1)] if shape[1:] else [shape]),
    ]
    x, y, w = (_array(rng, each, kind, plain) for each in shapes)
    return x, y, w, rng.choice([0.5, 2.0, -3.25, np.float32(1.5), 1e-9]), rng.choice([2, 0.5, 7])


def inputs_of(rng: random.Random) -> tuple[Any, ...]:
    """Values for `x, y, w, a, n`, some of which do not fit."""
    shapes = [(7,), (33,), (4, 5), (3, 17), (2, 3, 4), (40,), (300,), (9, 9), (1030,), (6, 130)]
    odd = rng.random() < 0.2
    shape = rng.choice([(1, 6), (5, 1), (1,), (0,), (3, 0), (0, 4), ()] if odd else shapes)
    kind = rng.choice("BhiIlLq?eF" if rng.random() < 0.2 else "dddff")
    x = _array(rng, shape, kind)
    other = kind if rng.random() < 0.85 else rng.choice("dflh?")
    y = _array(rng, shape if rng.random() < 0.9 else rng.choice([(5,), (4, 1), (7,), shape]), other)
    last = rng.choice([shape, shape, shape[-1:], (*shape[:-1], 1)])
    w = _array(rng, last, kind if rng.random() < 0.9 else "d")
    scalars = [
        2,
        0.5,
        -3.0,
        1e300,
        300,
        -1,
        0,
        0.0,
        True,
        np.float32(1.5),
        np.float64(2),
        np.int8(3),
        2**70,
    ]
    a, n = rng.choice(scalars[1:3] * 5 + scalars), rng.choice(scalars[:2] * 5 + scalars)
    if rng.random() < 0.02:
        x = x.view(type("Sub", (np.ndarray,), {}))
    if rng.random() < 0.05:
        y = x
    if rng.random() < 0.05 and x.ndim:
        y = x[..., ::-1]
    return x, y, w, a, n


def _array(rng: random.Random, shape: tuple[int, ...], kind: str, plain: bool = False) -> Any:
    seed = np.random.default_rng(rng.getrandbits(32))
    if kind in "fdeF":
        made = (seed.standard_normal(shape) * rng.choice([1, 1, 1, 10, 1e3])).astype(kind)
        if rng.random() < 0.15 and made.size and not plain:
            for _ in range(3):
                with np.errstate(all="ignore"):
                    made.flat[seed.integers(made.size)] = rng.choice(SPECIAL)
    elif kind == "?":
        made = seed.random(shape) < 0.5
    else:
        made = seed.integers(0 if kind in "BHILQ" else -50, 100, shape).astype(kind)
    made = np.asarray(made)
    way = 1.0 if plain else rng.random()
    if made.ndim and way < 0.08:
        made = np.repeat(made, 2, axis=-1)[..., ::2]
    elif made.ndim and way < 0.12:
        made = made[::-1]
    elif made.ndim == 2 and way < 0.16:
        made = np.asfortranarray(made)
    elif made.ndim and way < 0.18:
        made = made.astype(made.dtype.newbyteorder())
    return made


def outcome(function: Callable[..., Any], args: tuple[Any, ...], state: dict[str, str]) -> Outcome:
    """Call it, and note all that can be seen."""
    with warnings.catch_warnings(record=True) as caught, np.errstate(**state):
        warnings.simplefilter("always")
        value, raised = None, None
        try:
            value = function(*args)
        except Exception as exc:  # noqa: BLE001 - whatever it raises is what is compared
            line = (
                exc.__traceback__.tb_next.tb_lineno
                if exc.__traceback__ and exc.__traceback__.tb_next
                else 0
            )
            raised = (type(exc).__name__, f"{exc} at {line}")
    warned = tuple((str(w.message), w.category.__name__, w.lineno) for w in caught)
    return Outcome(value, raised, warned)


def compared(
    plain: Callable[..., Any],
    compiled: Callable[..., Any],
    args: tuple[Any, ...],
    state: dict[str, str],
) -> str:
    """What differs between the two on these arguments, their contents afterwards included; they are put back."""
    before = [np.copy(each) if isinstance(each, np.ndarray) else each for each in args]
    known = outcome(plain, args, state)
    after = [np.copy(each) if isinstance(each, np.ndarray) else each for each in args]
    if _bits(before) != _bits(after):  # results may be arguments: keep what they were
        known = Outcome(copy.deepcopy(known.value), known.raised, known.warned)
    _put_back(args, before)
    found = outcome(compiled, args, state)
    answer = difference(known, found, layout=_bits(before) == _bits(after))
    if not answer and _bits(args) != _bits(after):
        answer = "the arguments hold other values afterwards"
    _put_back(args, before)
    return answer


def _bits(values: Sequence[Any]) -> list[bytes]:
    return [np.asarray(each).tobytes() for each in values if isinstance(each, np.ndarray)]


def _put_back(args: tuple[Any, ...], before: list[Any]) -> None:
    for each, value in zip(args, before, strict=True):
        if isinstance(each, np.ndarray):
            each[...] = value


def difference(plain: Outcome, compiled: Outcome, *, layout: bool = True) -> str:
    """What differs, or an empty string; strides and ownership only if `layout`."""
    if plain.raised != compiled.raised:
        return f"raised {compiled.raised}, not {plain.raised}"
    if plain.warned != compiled.warned:
        return f"warned {compiled.warned}, not {plain.warned}"
    return _values_differ(plain.value, compiled.value, layout)


def _values_differ(a: Any, b: Any, layout: bool) -> str:
    if type(a) is not type(b):
        return f"a {type(b).__name__}, not a {type(a).__name__}"
    if isinstance(a, dict):
        return next(
            (d for k in a if (d := _values_differ(a[k], b[k], layout))),
            "" if [*a] == [*b] else "keys",
        )
    if isinstance(a, list):
        return next(
            (d for x, y in zip(a, b, strict=True) if (d := _values_differ(x, y, layout))), ""
        )
    if isinstance(a, np.ndarray | np.generic):
        if a.dtype != b.dtype or a.shape != b.shape:
            return f"{b.dtype}{b.shape}, not {a.dtype}{a.shape}"
        if isinstance(a, np.ndarray) and layout:
            wanted = [s for s, n in zip(a.strides, a.shape, strict=True) if n > 1]
            got = [s for s, n in zip(b.strides, b.shape, strict=True) if n > 1]
            if a.size and (
                wanted != got
                or a.flags.owndata != b.flags.owndata
                or a.flags.writeable != b.flags.writeable
            ):
                return f"strides {b.strides} {b.flags.owndata}, not {a.strides} {a.flags.owndata}"
        if a.tobytes() != b.tobytes():
            return f"other bits: {b!r}, not {a!r}"
        return ""
    if isinstance(a, types.NoneType):
        return ""
    same = a == b or (a != a and b != b)
    return "" if same and repr(a) == repr(b) else f"{b!r}, not {a!r}"


STATES: list[dict[str, str]] = [
    {}, {}, {}, {"all": "ignore"}, {"divide": "ignore", "invalid": "ignore"}, {"all": "raise"}, {"under": "warn"}, {"over": "raise"},
]  # fmt: skip
