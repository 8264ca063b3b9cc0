"""Fused array arithmetic against NumPy, and against numexpr and Numba where they are installed.

Contenders of one case take turns in one process; the rate at which this machine copies memory is measured
beside them, in the same rounds.  The strict result has to be NumPy's to the last bit, or the exit code is 1.  Loops over
strings, lists and arrays follow (`benchmarks.loops`), against plain Python and Numba by hand.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks import loops
from benchmarks.harness import (
    Bar,
    Contender,
    calibrate,
    duration,
    environment,
    headline,
    interleave,
    median,
    paired_ratio,
    positive,
    table,
    write_report,
)
from ember_jit import jit
from ember_jit.testing import wait_for_kernels

NOT_SLOWER = Bar("strict, times NumPy's time", 1.05)
SECONDS = 0.05  # a sample, about


def poly(inputs):  # type: ignore[no-untyped-def]
    """A polynomial: the memory decides."""
    x, a, b, c = inputs["x"], inputs["a"], inputs["b"], inputs["c"]
    return (x * a + b) * (x - c) + a


def map_reduce(inputs):  # type: ignore[no-untyped-def]
    """Transcendentals and a sum: arithmetic decides."""
    x, a, b = inputs["x"], inputs["a"], inputs["b"]
    return np.sum(np.exp(-x * x) * np.sin(3 * x) + a * x + b)


def softmax(inputs):  # type: ignore[no-untyped-def]
    """Row by row, over 64 columns."""
    x = inputs["x"]
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def layer_norm(inputs):  # type: ignore[no-untyped-def]
    """Statistics of rows, over 64 columns."""
    x = inputs["x"]
    m = x.mean(axis=-1, keepdims=True)
    v = x.var(axis=-1, keepdims=True)
    return (x - m) / np.sqrt(v + 1e-5)


@dataclass(frozen=True)
class Case:
    """One computation: in NumPy, and as numexpr writes it if it can."""

    function: Callable[[Any], Any]
    rowwise: bool = False
    numexpr: str = ""


CASES = (
    Case(poly, numexpr="(x * a + b) * (x - c) + a"),
    Case(map_reduce, numexpr="sum(exp(-x * x) * sin(3 * x) + a * x + b)"),
    Case(softmax, rowwise=True),
    Case(layer_norm, rowwise=True),
)


def inputs_of(case: Case, size: int, dtype: str) -> dict[str, Any]:
    """Values of about `size` elements."""
    shape = (max(1, size // 64), 64) if case.rowwise else (size,)
    x = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    return {"x": x, "a": 1.5, "b": 2.5, "c": 0.25}


def contenders_of(case: Case, inputs: dict[str, Any]) -> dict[str, Callable[..., Any]]:
    """Who takes part, by name."""
    found: dict[str, Callable[..., Any]] = {"numpy": _plain(case.function)}
    for numerics in ("strict", "fast"):
        found[numerics] = jit(numerics=numerics)(_plain(case.function))
    if case.numexpr and _installed("numexpr"):
        numexpr = importlib.import_module("numexpr")
        found["numexpr"] = lambda *, inputs: numexpr.evaluate(case.numexpr, inputs)[()]
    if case.numexpr and _installed("numba"):
        compiled = importlib.import_module("numba").njit(_positional(case))
        found["numba"] = lambda *, inputs: compiled(*inputs.values())
    source = inputs["x"]
    found["copy"] = lambda *, inputs: source.copy()
    return found


def _plain(function: Callable[[Any], Any]) -> Callable[..., Any]:
    """A function object of its own, with the same code."""
    made = type(function)(function.__code__, function.__globals__, function.__name__)  # type: ignore[attr-defined]
    return made


def _positional(case: Case) -> Callable[..., Any]:
    if case.function is poly:
        return lambda x, a, b, c: (x * a + b) * (x - c) + a
    return lambda x, a, b, c: np.sum(np.exp(-x * x) * np.sin(3 * x) + a * x + b)


def _installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def measure(case: Case, size: int, dtype: str, repeat: int) -> dict[str, Any]:
    """Medians of one case at one size, and whether the strict result is NumPy's."""
    inputs = inputs_of(case, size, dtype)
    calls = contenders_of(case, inputs)
    known = calls["numpy"](inputs=inputs)
    for name in ("strict", "fast"):
        calls[name](inputs=inputs)
    wait_for_kernels()
    strict = calls["strict"](inputs=inputs)
    identical = known.dtype == strict.dtype and known.tobytes() == strict.tobytes()
    loops = calibrate(calls["numpy"], inputs, SECONDS)
    taken = interleave(
        [Contender(name, call, inputs, loops) for name, call in calls.items()], repeat
    )
    numpy_seconds = taken["numpy"].seconds
    return {
        "case": case.function.__name__,
        "size": size,
        "dtype": dtype,
        "identical": identical,
        "seconds": {name: median(samples.seconds) for name, samples in taken.items()},
        "ratios": {
            name: paired_ratio(samples.seconds, numpy_seconds) for name, samples in taken.items()
        },
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument("--repeat", type=positive, default=7, help="rounds (default 7)")
    parser.add_argument(
        "--sizes",
        type=positive,
        nargs="+",
        default=[8, 1_000, 100_000, 10_000_000],
        help="elements (default 8 1000 100000 10000000)",
    )


def run(args: argparse.Namespace) -> int:
    """Measure and report; 1 if a strict result is not NumPy's."""
    results = [
        measure(case, size, dtype, args.repeat)
        for case in CASES
        for size in args.sizes
        for dtype in ("f8", "f4")
    ]
    written = [loops.measure(case, SECONDS, args.repeat) for case in loops.cases()]
    text = "\n\n".join([headline("numeric"), _text(results), _loops_text(written)])
    measured = {"environment": environment(), "cases": results, "loops": written}
    write_report(args.json, text, {"benchmark": "numeric", **measured})
    return 0 if all(result["identical"] for result in (*results, *written)) else 1


def _text(results: list[dict[str, Any]]) -> str:
    """One row a case, size and type; times, and in brackets what they are of NumPy's."""
    names = ("numpy", "strict", "fast", "numexpr", "numba", "copy")
    rows = [
        [
            f"{result['case']} {result['dtype']} {result['size']}",
            *(_cell(result, name) for name in names),
            "" if result["identical"] else "strict DIFFERS",
        ]
        for result in results
    ]
    worst = max(result["ratios"]["strict"] or 0.0 for result in results)
    return "\n".join([table(("", *names, ""), rows), NOT_SLOWER.line(worst)])


def _loops_text(results: list[dict[str, Any]]) -> str:
    """One row a loop; times, and in brackets what they are of plain Python's."""
    names = ("python", "jit", "numba")
    rows = [
        [
            result["case"],
            *(_cell(result, name) for name in names),
            "" if result["identical"] else "jit DIFFERS",
        ]
        for result in results
    ]
    return table(("loops", *names, ""), rows)


def _cell(result: Mapping[str, Any], name: str) -> str:
    seconds, ratio = result["seconds"].get(name), result["ratios"].get(name)
    return duration(seconds) + (f" ({ratio:.2f})" if ratio is not None else "")
