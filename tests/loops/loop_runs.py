"""A function run plain and compiled, and everything that can be told apart about the two runs."""

from __future__ import annotations

import copy
import linecache
import math
import struct
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from ember_jit import structural_jit
from ember_jit.runtime.dispatch import unit_of


def define(source: str, name: str, filename: str) -> FunctionType:
    """The function that `source` defines, with its source where Python looks for it."""
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
    space: dict[str, Any] = {"math": math}
    exec(compile(source, filename, "exec"), space)
    return space[name]


def pair_of(source: str, name: str, filename: str) -> tuple[FunctionType, FunctionType]:
    """The function twice: plain, and decorated."""
    return define(source, name, filename), structural_jit(define(source, name, filename))


@dataclass
class Outcome:
    """What one call did."""

    result: Any
    error: tuple[str, str, list[int]] | None
    warned: list[tuple[str, int]]
    state: Any
    parts: list[str]


def run(function: Callable[..., Any], args: list[Any], filename: str) -> Outcome:
    """Call a function with copies of `args`."""
    given = [copy.deepcopy(each) for each in args]
    result, error = None, None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = function(*given)
        except Exception as exc:  # whatever it is, it has to be the same
            lines = [
                each.lineno
                for each in traceback.extract_tb(exc.__traceback__)
                if each.filename == filename
            ]
            if isinstance(exc, UnboundLocalError):
                lines = []  # CPython 3.11 gives the line before, once its code is warm
            error = type(exc).__name__, str(exc), lines
    warned = [(str(each.message), each.lineno) for each in caught]
    parts = [] if error else identities(result, given)
    return Outcome(told(result), error, warned, told(given), parts)


def told(value: Any) -> Any:
    """A value as types and bits."""
    kind = type(value)
    if kind is float:
        return "float", "nan" if value != value else struct.pack("d", value)
    if kind in (list, tuple):
        return kind.__name__, [told(each) for each in value]
    if hasattr(value, "tobytes"):
        array = value.copy()
        if array.dtype.kind == "f":
            array = array + 0 if False else array
            return (
                kind.__name__,
                str(array.dtype),
                array.shape,
                [told(float(x)) for x in array.ravel()],
            )
        return kind.__name__, str(array.dtype), array.shape, array.tobytes()
    return kind.__name__, repr(value)


def identities(result: Any, given: list[Any]) -> list[str]:
    """Where parts of the result are the arguments' very objects, or one another."""
    known: dict[int, str] = {}
    keep: list[Any] = []

    def walk(value: Any, path: str) -> None:
        keep.append(value)
        if not isinstance(value, bool | None) and not (type(value) is int and -5 <= value <= 256):
            known.setdefault(id(value), path)
        if type(value) in (list, tuple):
            for k, each in enumerate(value):
                walk(each, f"{path}[{k}]")

    walk(given, "args")
    found: list[str] = []

    def look(value: Any, path: str) -> None:
        if id(value) in known:
            found.append(f"{path} is {known[id(value)]}")
        elif type(value) is list:
            known[id(value)] = path
        if type(value) in (list, tuple):
            for k, each in enumerate(value):
                look(each, f"{path}[{k}]")

    look(result, "result")
    return found


def sites_of(function: FunctionType) -> list[Any]:
    """The loop sites of a decorated function."""
    unit = unit_of(function)
    return [] if unit is None or unit.artifacts is None else unit.artifacts.loops


def hits_of(function: FunctionType) -> int:
    """How many calls compiled loops have done."""
    found = [made for site in sites_of(function) for made in site.made.values()]
    for made in found:
        made.hits += made.entry.take_hits() if made.entry else 0
    return sum(made.hits for made in found)
