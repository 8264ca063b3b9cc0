"""What one call does, all of it that can be seen, and what differs between the plain and the compiled one."""

from __future__ import annotations

import copy
import random
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

ERRORS: list[dict[str, str]] = [
    {}, {}, {}, {"all": "ignore"}, {"divide": "ignore", "invalid": "ignore"}, {"all": "raise"},
    {"under": "warn"}, {"over": "raise"}, {"all": "call"}, {"invalid": "call", "divide": "raise"},
]  # fmt: skip
FILTERS = ["always"] * 7 + ["error", "ignore", "default", "once"]


@dataclass(frozen=True)
class State:
    """What NumPy does about floating-point flags, and Python about warnings, during a call."""

    errors: dict[str, str]
    filter: Any

    @classmethod
    def some(cls, rng: random.Random) -> State:
        """A random one."""
        return cls(rng.choice(ERRORS), rng.choice(FILTERS))


@dataclass(frozen=True)
class Outcome:
    """What one call did."""

    value: Any
    raised: tuple[str, str] | None
    warned: tuple[tuple[str, str, int], ...]
    called: tuple[tuple[str, int], ...]


def outcome(function: Callable[..., Any], args: tuple[Any, ...], state: State) -> Outcome:
    """Call it, and note all that can be seen."""
    called: list[tuple[str, int]] = []
    with (
        warnings.catch_warnings(record=True) as caught,
        np.errstate(**state.errors, call=lambda *flag: called.append(flag)),  # type: ignore[arg-type]
    ):
        warnings.simplefilter(state.filter)
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
    return Outcome(value, raised, warned, tuple(called))


def compared(
    plain: Callable[..., Any], compiled: Callable[..., Any], args: tuple[Any, ...], state: State
) -> str:
    """What differs between the two on these arguments, their contents afterwards included; they are put back."""
    before = [_kept(each) for each in args]
    known = outcome(plain, args, state)
    after = [_kept(each) for each in args]
    changed = any(_differ(x, y, False) for x, y in zip(before, after, strict=True))
    if changed:  # results may be arguments: keep what they were
        known = Outcome(copy.deepcopy(known.value), known.raised, known.warned, known.called)
    _put_back(args, before)
    found = outcome(compiled, args, state)
    answer = difference(known, found, layout=not changed)
    if not answer:
        answer = next(
            (f"an argument holds {d} afterwards" for x, y in zip(after, args, strict=True) if (d := _differ(x, y, False))),
            "",
        )  # fmt: skip
    _put_back(args, before)
    return answer


def _kept(value: Any) -> Any:
    return copy.deepcopy(value) if isinstance(value, np.ndarray | list) else value


def _put_back(args: tuple[Any, ...], before: Sequence[Any]) -> None:
    for each, value in zip(args, before, strict=True):
        if isinstance(each, np.ma.MaskedArray):
            if each.flags.writeable:
                each.data[...] = value.data
            each.mask = value.mask
        elif isinstance(each, np.ndarray) and each.flags.writeable:
            np.asarray(each)[...] = np.asarray(value)
        elif isinstance(each, list):
            each[:] = copy.deepcopy(value)


def difference(plain: Outcome, compiled: Outcome, *, layout: bool = True) -> str:
    """What differs, or an empty string; strides and ownership only if `layout`."""
    for what in ("raised", "warned", "called"):
        if getattr(plain, what) != getattr(compiled, what):
            return f"{what} {getattr(compiled, what)}, not {getattr(plain, what)}"
    return _differ(plain.value, compiled.value, layout)


def _differ(a: Any, b: Any, layout: bool) -> str:
    if type(a) is not type(b):
        return f"a {type(b).__name__}, not a {type(a).__name__}"
    if isinstance(a, dict):
        return next(
            (d for k in a if (d := _differ(a[k], b[k], layout))), "" if [*a] == [*b] else "keys"
        )
    if isinstance(a, list):
        if len(a) != len(b):
            return f"{len(b)} items, not {len(a)}"
        return next((d for x, y in zip(a, b, strict=True) if (d := _differ(x, y, layout))), "")
    if isinstance(a, np.ma.MaskedArray):
        both = ((a.data, b.data), (np.ma.getmaskarray(a), np.ma.getmaskarray(b)))
        return next((d for x, y in both if (d := _differ(x, y, layout))), "")
    if isinstance(a, np.ndarray | np.generic):
        return _arrays_differ(a, b, layout)
    same = a == b or (a != a and b != b)
    return "" if same and repr(a) == repr(b) else f"{b!r}, not {a!r}"


def _short(value: Any) -> str:
    """Where it begins, with the bits of what may be a NaN."""
    first = np.asarray(value).ravel()[:4]
    return f"{first!r} ({first.tobytes().hex()})"


def _arrays_differ(a: Any, b: Any, layout: bool) -> str:
    if a.dtype != b.dtype or a.shape != b.shape:
        return f"{b.dtype}{b.shape}, not {a.dtype}{a.shape}"
    if isinstance(a, np.ndarray) and layout and a.size:
        wanted, got = (
            [s for s, n in zip(each.strides, each.shape, strict=True) if n > 1] for each in (a, b)
        )
        flags = [(each.flags.owndata, each.flags.writeable) for each in (a, b)]
        if wanted != got or flags[0] != flags[1]:
            return f"strides {b.strides} {flags[1]}, not {a.strides} {flags[0]}"
    if a.dtype.hasobject:
        return _differ(np.asarray(a).ravel().tolist(), np.asarray(b).ravel().tolist(), layout)
    if a.dtype.char in "gG":  # ten of the sixteen bytes of a long double count
        same = np.array_equal(a, b, equal_nan=True) and np.array_equal(
            np.signbit(a.real), np.signbit(b.real)
        )
        return "" if same else f"other values: {b!r}, not {a!r}"
    if a.tobytes() != b.tobytes():
        return f"other bits: {_short(b)}, not {_short(a)}"
    return ""
