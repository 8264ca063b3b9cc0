"""Options as values: `execution_options(...)`, `JITOptions`, `XCSExecutionOptions`, `TransformOptions`.

A value knows which of its fields were given; the others are defaults that an enclosing value may fill in.
Unknown fields and bad values are refused when the value is made.

    opts = execution_options(max_workers=4, scheduler="parallel")
    execute(graph, options=opts)           # as a value
    with opts:                             # for a block, in this context alone
        execute(graph)
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, fields
from typing import Any, Self

from ember_jit.errors import OptionError, similar

_stack: ContextVar[tuple[XCSExecutionOptions, ...]] = ContextVar("ember_jit_options", default=())
Check = Callable[[Any], bool]


def _one_of(*choices: Any) -> tuple[Check, str]:
    return lambda value: value in choices, f"one of {', '.join(map(repr, choices))}"


def _whole(least: int) -> tuple[Check, str]:
    return (
        lambda value: value is None or (type(value) is int and value >= least),
        f"a whole number of at least {least}, or None",
    )


def _is_seconds(value: Any) -> bool:
    return value is None or (type(value) in (int, float) and value > 0)


#: field -> (whether a value is good, what is good)
_CHECKS: dict[str, tuple[Check, str]] = {
    "max_workers": _whole(1),
    "scheduler": _one_of("auto", "parallel", "sequential"),
    "timeout": (_is_seconds, "a positive number of seconds, or None"),
    "effects": _one_of("infer", "strict"),
    "assume": _one_of(None, "stateless"),
    "max_extra_calls": _whole(0),
    "execution_strategy": _one_of("auto", "parallel", "sequential"),
    "parallel_threshold": (
        lambda value: type(value) is int and value >= 2,
        "a whole number of at least 2",
    ),
    "speculate": _one_of("pure", "query"),
    "numerics": _one_of("strict", "fast"),
    "force_trace": _one_of(False, True),
    "recursive": _one_of(False, True),
    "num_workers": _whole(1),
    "backend": _one_of("auto", "threads", "processes"),
    "progress": _one_of(False, True),
}


@dataclass(frozen=True, init=False, repr=False)
class _Options:
    """What the option types share: fields are given by keyword, checked, and remembered as given."""

    def __init__(self, **given: Any) -> None:
        known = {each.name: each.default for each in fields(self)}
        for name, value in given.items():
            if name not in known:
                near = similar(name, [*known], most=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise OptionError(
                    f"{type(self).__name__} has no field {name!r}{hint} (fields: {', '.join(known)})"
                )
            check, good = _CHECKS.get(name, (lambda value: True, ""))
            if not check(value):
                raise OptionError(f"{name}={value!r} is not possible; it is {good}")
        for name, default in known.items():
            object.__setattr__(self, name, given.get(name, default))
        object.__setattr__(self, "_given", dict(given))

    @property
    def given(self) -> dict[str, Any]:
        """The fields that were given, with their values."""
        return dict(self._given)  # type: ignore[attr-defined]

    def over(self, other: Self) -> Self:
        """These options, with what only `other` gives."""
        return type(self)(**{**other.given, **self.given})

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.given.items())})"


@dataclass(frozen=True, init=False, repr=False)
class XCSExecutionOptions(_Options):
    """How `execute` runs a graph.  A value for `options=`, and a context manager.

    Attributes:
        max_workers: nodes that may be in flight at a time; None: 64.
        scheduler: "parallel" overlaps wherever the effects of the nodes allow it; "auto" does too, unless no
            two nodes of the graph could be in flight at once; "sequential" never.
        timeout: seconds for the whole execution, or None.
        effects: "infer" what is not declared; "strict" believes labels alone.
        assume: "stateless" counts operators of unknown effect as `query`.
        max_extra_calls: calls that may have started in vain when an earlier one raises; 0: none.
    """

    max_workers: int | None = None
    scheduler: str = "auto"
    timeout: float | None = None
    effects: str = "infer"
    assume: str | None = None
    max_extra_calls: int | None = None

    def __enter__(self) -> Self:
        _stack.set((*_stack.get(), self))
        return self

    def __exit__(self, *exc: object) -> None:
        _stack.set(_stack.get()[:-1])


@dataclass(frozen=True, init=False, repr=False)
class JITOptions(_Options):
    """Options of `jit` as a value: `XCSAPI().jit(options=JITOptions(...))`.

    Attributes:
        sample_input: compile the first instance when it is made, for inputs like this one; nothing is run.
        force_trace: record calls and prefetch instead of compiling from source.
        recursive: operators that a compiled one holds are compiled too.
        execution_strategy, parallel_threshold, max_workers, effects, assume, max_extra_calls, speculate,
            numerics: as for `structural_jit`.
    """

    sample_input: Any = None
    force_trace: bool = False
    recursive: bool = True
    execution_strategy: str = "auto"
    parallel_threshold: int = 2
    max_workers: int | None = None
    effects: str = "infer"
    assume: str | None = None
    max_extra_calls: int | None = None
    speculate: str = "pure"
    numerics: str = "strict"


@dataclass(frozen=True, init=False, repr=False)
class TransformOptions(_Options):
    """Options of `vmap` and `pmap` as a value: `XCSAPI().vmap(fn, options=TransformOptions(...))`.

    Attributes:
        in_axes, out_axes: for `vmap`: which axes are mapped.
        num_workers, devices, backend, progress: for `pmap`.
    """

    in_axes: Any = 0
    out_axes: Any = 0
    num_workers: int | None = None
    devices: Any = None
    backend: str = "auto"
    progress: bool = False


def execution_options(**given: Any) -> XCSExecutionOptions:
    """How `execute` runs: a value for its `options=`, or a context manager for all that a block executes.

    As a context manager it nests (what an inner one does not give, an outer one does), restores what was
    there before, and is per context: other threads and tasks are not affected.

    Raises:
        OptionError: there is no such field, with those there are; or a value is not possible.

    Example:
        >>> execution_options(max_workers=4, scheduler="parallel")
        XCSExecutionOptions(max_workers=4, scheduler='parallel')
    """
    return XCSExecutionOptions(**given)


def options_in_force(own: XCSExecutionOptions | None = None) -> XCSExecutionOptions:
    """`own`, completed by the blocks around, the innermost first."""
    found = own if own is not None else XCSExecutionOptions()
    for outer in reversed(_stack.get()):
        found = found.over(outer)
    return found
