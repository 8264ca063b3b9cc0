"""Fused array arithmetic against NumPy, and against numexpr, Numba and JAX where they are installed.

Contenders of one case take turns in one process, on one core; the rate at which this machine copies memory is measured
beside them, in the same rounds.  The strict result has to be NumPy's to the last bit, and the fast one close, or the exit
code is 1.  Loops over strings, lists and arrays follow (`benchmarks.loops`), against plain Python and Numba by hand.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
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
from benchmarks.numeric_cases import CASES, Case, inputs_of
from benchmarks.numeric_peers import PEERS, contenders_of
from ember_jit import explain
from ember_jit.testing import wait_for_kernels

NOT_SLOWER = Bar("strict, times NumPy's time, the worst of all", 1.05)
BEST = Bar("fast, times the best peer's time, the worst of all from 1,000 elements on", 1.1)
TEN_TIMES = Bar("map_reduce f8 10000000: fast, times as fast as Numba on the same code", 10, True)
SECONDS = 0.05  # a sample, about
CLOSE = {"f8": 1e-9, "f4": 1e-3}  # relative; sums of 10**7 numbers are not exact in NumPy either


def measure(case: Case, size: int, dtype: str, repeat: int) -> dict[str, Any]:
    """Medians of one case at one size, and whether the results are NumPy's."""
    inputs = inputs_of(case, size, dtype)
    calls = contenders_of(case, inputs)
    known = calls["numpy"](inputs=inputs)
    for name in ("strict", "fast"):
        calls[name](inputs=inputs)
    wait_for_kernels()
    strict, fast = (calls[name](inputs=inputs) for name in ("strict", "fast"))
    scale = float(np.max(np.abs(known)))
    identical = known.dtype == strict.dtype and known.tobytes() == strict.tobytes()
    close = bool(np.allclose(fast, known, rtol=CLOSE[dtype], atol=CLOSE[dtype] * scale))
    del known, strict, fast
    loops_ = calibrate(calls["numpy"], inputs, SECONDS)
    taken = interleave(
        [Contender(name, call, inputs, loops_, keep=False) for name, call in calls.items()], repeat
    )
    return {
        "case": case.name,
        "plain": [name for name in ("strict", "fast") if not _is_native(calls[name])],
        "size": size,
        "dtype": dtype,
        "identical": identical,
        "close": close,
        "seconds": {name: median(samples.seconds) for name, samples in taken.items()},
        "ratios": {
            name: paired_ratio(samples.seconds, taken["numpy"].seconds)
            for name, samples in taken.items()
        },
        "to_peers": {
            name: paired_ratio(taken["fast"].seconds, taken[name].seconds)
            for name in PEERS
            if name in taken
        },
    }


def _is_native(compiled: Any) -> bool:
    """Whether the call's arrays got a kernel, and it is used: one that NumPy beat when it was tried is not."""
    (region,) = explain(compiled).regions
    return not region.left and all(each.outcome.startswith("a ") for each in region.specialised)


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
    parser.add_argument(
        "--cases", nargs="+", choices=[case.name for case in CASES], help="all by default"
    )
    parser.add_argument("--types", nargs="+", choices=("f8", "f4"), default=["f8", "f4"])
    parser.add_argument("--all-cores", action="store_true", help="do not stay on one core")


def run(args: argparse.Namespace) -> int:
    """Measure and report; 1 if a result is not NumPy's."""
    if hasattr(os, "sched_setaffinity") and not args.all_cores:
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    chosen = [case for case in CASES if not args.cases or case.name in args.cases]
    results = [
        measure(case, size, dtype, args.repeat)
        for case in chosen
        for size in args.sizes
        for dtype in args.types
    ]
    written = (
        [] if args.cases else [loops.measure(case, SECONDS, args.repeat) for case in loops.cases()]
    )
    parts = [headline("numeric"), _text(results)] + ([_loops_text(written)] if written else [])
    measured = {"environment": environment(), "cases": results, "loops": written}
    write_report(args.json, "\n\n".join(parts), {"benchmark": "numeric", **measured})
    good = all(each["identical"] for each in (*results, *written))
    return 0 if good and all(each["close"] for each in results) else 1


def _text(results: list[dict[str, Any]]) -> str:
    """One row a case, size and type; times, and in brackets what they are of NumPy's."""
    names = ("numpy", "strict", "fast", *PEERS, "copy")
    rows = [
        [
            f"{result['case']} {result['dtype']} {result['size']}",
            *(_cell(result, name) for name in names),
            _remark(result),
        ]
        for result in results
    ]  # fmt: skip
    worst = max(result["ratios"]["strict"] or 0.0 for result in results)
    lines = [table(("", *names, ""), rows), NOT_SLOWER.line(worst)]
    beaten = [
        (max(filter(None, result["to_peers"].values())), f"{result['case']} {result['dtype']} {result['size']}")
        for result in results
        if result["size"] >= 1000 and any(result["to_peers"].values())
    ]  # fmt: skip
    if beaten:
        lines.append(f"{BEST.line(max(beaten)[0])}, {max(beaten)[1]}")
    for result in results:
        if (result["case"], result["dtype"], result["size"]) == ("map_reduce", "f8", 10_000_000):
            ratio = result["to_peers"].get("numba")
            lines.append(TEN_TIMES.line(1 / ratio if ratio else None))
    return "\n".join(lines)


def _remark(result: Mapping[str, Any]) -> str:
    said = [f"{name} got no kernel" for name in result["plain"]]
    said += [] if result["identical"] else ["strict DIFFERS"]
    return ", ".join(said + ([] if result["close"] else ["fast is FAR OFF"]))


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
