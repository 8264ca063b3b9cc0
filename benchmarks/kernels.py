"""From a call to its kernel: what each stage takes, for quick code and for better, and in a fresh process with a cached one.

Times are those of the processor, not of the clock: compiling is one thread's work, beside whatever else the machine
does.  Each figure is the least of some runs; the summary takes medians over the suite.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from types import FunctionType
from typing import Any

import numpy as np

from benchmarks.compile_time import child_environment
from benchmarks.harness import Bar, environment, headline, median, positive, table, write_report
from benchmarks.numeric import layer_norm, map_reduce, poly, softmax
from ember_jit import jit
from ember_jit.compiler import kernels, native_code
from ember_jit.compiler.codegen.numeric import result_steps
from ember_jit.compiler.kernels.entry import entries_made, make_parts
from ember_jit.compiler.passes.numeric_python import plain_function
from ember_jit.compiler.passes.numeric_types import Typed
from ember_jit.compiler.specialise import seen_as, typed
from ember_jit.runtime import background, trial
from ember_jit.runtime.dispatch import unit_of
from ember_jit.runtime.native.entries import Parts, enter
from ember_jit.runtime.numeric import Site


def gelu(inputs):  # type: ignore[no-untyped-def]
    x, a = inputs["x"], inputs["a"]
    return 0.5 * x * (1.0 + np.tanh(0.7978845608 * (x + a * x * x * x)))


def log_sum_exp(inputs):  # type: ignore[no-untyped-def]
    x = inputs["x"]
    m = x.max(axis=-1, keepdims=True)
    return np.log(np.exp(x - m).sum(axis=-1, keepdims=True)) + m


def unit_rows(inputs):  # type: ignore[no-untyped-def]
    x = inputs["x"]
    return x / np.sqrt((x * x).sum(axis=-1, keepdims=True))


def bent(inputs):  # type: ignore[no-untyped-def]
    x, a, b, c = inputs["x"], inputs["a"], inputs["b"], inputs["c"]
    return np.where(x > c, np.minimum(x * a, b), x - c)


def standardised(inputs):  # type: ignore[no-untyped-def]
    x = inputs["x"]
    return (x - x.mean()) / x.std()


SUITE = (
    poly,
    map_reduce,
    softmax,
    layer_norm,
    gelu,
    log_sum_exp,
    unit_rows,
    bent,
    standardised,
)
QUICK = Bar("quick code, typed, made and tried, ms (median)", 5.0)
BETTER = Bar("better code, typed and made, ms (median)", 15.0)
FRESH = Bar("a function with a cached kernel in a fresh process, ms (median)", 5.0)

FRESH_PROCESS = """
import json, sys, time
import numpy as np
from benchmarks.kernels import SUITE, values
from benchmarks.numeric import poly, softmax
inputs = values("d")
poly(inputs), softmax(inputs)
from ember_jit import jit
from ember_jit.testing import wait_for_kernels
taken = []
for function in (softmax, poly):
    made = jit(type(function)(function.__code__, function.__globals__, function.__name__))
    began = time.thread_time()
    made(inputs=inputs)
    taken.append((time.thread_time() - began) * 1e3)
    if sys.argv[1:]:
        wait_for_kernels(), made(inputs=inputs), wait_for_kernels()
print(json.dumps([*taken, [name for name in ("llvmlite", "numba") if name in sys.modules]]))
"""


def values(dtype: str) -> dict[str, Any]:
    """Values of some thousand elements."""
    x = np.random.default_rng(0).standard_normal((64, 64)).astype(dtype)
    return {"x": x, "a": 1.5, "b": 2.5, "c": 0.25}


def site_of(function: Callable[[Any], Any], dtype: str) -> tuple[Site, tuple[Any, ...]]:
    """The site of a function's region, and what comes into it."""
    made = jit(FunctionType(function.__code__, function.__globals__, function.__name__))  # type: ignore[attr-defined]
    met: list[tuple[Any, ...]] = []
    before = trial.speedup

    def noted(entry: Any, plain: Any, args: tuple[Any, ...], *rest: Any) -> float | None:
        met.append(args)
        return before(entry, plain, args, *rest)

    trial.speedup = noted
    try:
        with background.at_once():
            made(inputs=values(dtype))
    finally:
        trial.speedup = before
    unit = unit_of(made)
    assert unit is not None
    return unit.artifacts.numeric[-1], met[-1]


def stages(site: Site, args: tuple[Any, ...], repeat: int) -> dict[str, float]:
    """Milliseconds of each stage, the least of `repeat` runs."""
    least: dict[str, float] = {}

    def lap(name: str, work: Callable[[], Any]) -> Any:
        began = time.thread_time()
        result = work()
        taken = (time.thread_time() - began) * 1e3
        least[name] = min(taken, least.get(name, taken))
        return result

    region = site.region
    outputs = result_steps(region)
    plain = partial(plain_function, region, outputs)
    for _ in range(repeat):
        seen = [seen_as(each, site.ndarray) for each in args]
        form: Typed = lap("typing", partial(typed, region, outputs, seen, "strict"))
        signature = native_code.signature_for(form)
        assert not isinstance(signature, str)
        program = form.program
        quick = lap("quick code", partial(kernels.compile_object, program, tier=0))
        parts = Parts(signature, quick, b"", b"", program.loops())
        entry = lap("quick entry", partial(enter, parts))
        lap("trial", partial(trial.speedup, entry, plain, args, form.space, form.input_axes))
        better = lap("better code", partial(kernels.compile_object, program, tier=1))
        entries_made.clear()  # else the entries of a signature are compiled once
        parts = lap("better entry", partial(make_parts, program, signature, better))
        lap("linking", partial(enter, parts))
    return least


def fresh(repeat: int) -> list[list[Any]]:
    """Milliseconds of the first calls of two functions in fresh processes that find their kernels in a cache."""
    with tempfile.TemporaryDirectory() as cache:
        settings = {**child_environment(), "EMBER_JIT_CACHE": cache}

        def child(*arguments: str) -> list[Any]:
            done = subprocess.run(
                [sys.executable, "-c", FRESH_PROCESS, *arguments],
                env=settings,
                check=True,
                stdout=subprocess.PIPE,
                text=True,
            )
            found: list[Any] = json.loads(done.stdout)
            return found

        child("fill the cache")
        return [child() for _ in range(repeat)]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument("--repeat", type=positive, default=5, help="runs per figure (default 5)")


def run(args: argparse.Namespace) -> int:
    """Measure and report; 1 if a fresh process with a cached kernel has loaded a compiler."""
    cases = []
    for function in SUITE:
        for dtype in "df":
            site, met = site_of(function, dtype)
            cases.append(
                {
                    "case": f"{function.__name__} {dtype}",
                    "ms": stages(site, met, args.repeat),
                }
            )
    processes = fresh(args.repeat)
    names = list(cases[0]["ms"])
    medians = {name: median(case["ms"][name] for case in cases) for name in names}
    quick = median(
        _sum(case["ms"], "typing", "quick code", "quick entry", "trial") for case in cases
    )
    better = median(
        _sum(case["ms"], "typing", "better code", "better entry", "linking") for case in cases
    )
    first, second = (median(each[k] for each in processes) for k in (0, 1))
    loaded = sorted({name for each in processes for name in each[2]})
    report: dict[str, Any] = {
        "benchmark": "kernels",
        "environment": environment(),
        "cases": cases,
        "medians": medians,
        "fresh_first_ms": first,
        "loaded": loaded,
        "bars": [QUICK.as_json(quick), BETTER.as_json(better), FRESH.as_json(second)],
    }
    rows = [[c["case"], *(f"{c['ms'][n]:.2f}" for n in names)] for c in [*cases, _row(medians)]]
    lines = [
        headline("kernels"),
        table(("processor ms", *names), rows),
        f"  fresh process, cached kernel: the first function {first:.2f} ms, the second {second:.2f} ms; "
        f"loaded: {', '.join(loaded) or 'neither llvmlite nor numba'}",
        QUICK.line(quick),
        BETTER.line(better),
        FRESH.line(second),
    ]
    write_report(args.json, "\n".join(lines), report)
    return 1 if loaded else 0


def _sum(found: Mapping[str, float], *names: str) -> float:
    return sum(found[name] for name in names)


def _row(medians: Mapping[str, float | None]) -> dict[str, Any]:
    return {"case": "median", "ms": medians}
