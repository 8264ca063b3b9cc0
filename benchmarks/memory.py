"""What 10,000 calls of a compiled operator leave behind: objects, memory blocks and threads.

Counted before the operator exists, after a warm-up (which compiles it and starts its threads), and after the
calls, each time after the garbage collector has run. Growth after the warm-up is what leaks.
"""

from __future__ import annotations

import argparse
import gc
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks import programs
from benchmarks.harness import Bar, environment, headline, positive, same, table, write_report
from ember_jit import structural_jit

WARMUPS = 200
COUNTED = ("objects", "blocks", "threads")

OBJECTS = Bar("objects left per call", 0.01)
THREADS = Bar("threads started after the warm-up", 0.0)


def fan_out(decorate: programs.Decorator) -> Any:
    """Eight leaves that do nothing and a join."""
    return programs.make_fan_out(decorate)([programs.Step(i) for i in range(8)], programs.Join())


def pipeline(decorate: programs.Decorator) -> Any:
    """Six trivial operators in a row."""
    return programs.make_pipeline(decorate)()


# name -> (operator under a decorator, options of `structural_jit`)
OPERATORS: dict[str, tuple[Callable[[programs.Decorator], Any], dict[str, Any]]] = {
    "fan_8 parallel": (fan_out, {"execution_strategy": "parallel"}),
    "fan_8 auto": (fan_out, {"execution_strategy": "auto"}),
    "pipeline_6 auto": (pipeline, {"execution_strategy": "auto"}),
}


def count() -> dict[str, int]:
    """Tracked objects, allocated blocks and threads, once garbage is gone."""
    for _ in range(3):  # finalisers may leave garbage of their own
        gc.collect()
    blocks = sys.getallocatedblocks()
    return {"objects": len(gc.get_objects()), "blocks": blocks, "threads": threading.active_count()}


def measure(name: str, calls: int) -> dict[str, Any]:
    """Count around `calls` calls of one operator."""
    make, options = OPERATORS[name]
    expected = make(programs.undecorated)(inputs={"v": 1})
    before = count()
    op = make(structural_jit(**options))
    identical = all(same(op(inputs={"v": 1}), expected) for _ in range(WARMUPS))
    warm = count()
    for _ in range(calls):
        op(inputs={"v": 1})
    after = count()
    per_call = {kind: (after[kind] - warm[kind]) / calls for kind in COUNTED}
    bars = [(OBJECTS, per_call["objects"]), (THREADS, float(after["threads"] - warm["threads"]))]
    return {
        "name": name,
        "calls": calls,
        "before": before,
        "warm": warm,
        "after": after,
        "growth_per_call": per_call,
        "bars": [bar.as_json(value) for bar, value in bars],
        "bar_lines": [bar.line(value) for bar, value in bars],
        "identical": identical and same(op(inputs={"v": 1}), expected),
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument(
        "--calls", type=positive, default=10_000, help="calls after the warm-up (default 10,000)"
    )


def run(args: argparse.Namespace) -> int:
    """Measure and report; 1 if a compiled operator's result differs from eager's."""
    results = [measure(name, args.calls) for name in OPERATORS]
    text = "\n\n".join([headline("memory"), *map(result_text, results)])
    write_report(
        args.json, text, {"benchmark": "memory", "environment": environment(), "operators": results}
    )
    return 0 if all(result["identical"] for result in results) else 1


def result_text(result: Mapping[str, Any]) -> str:
    """One operator's counts as printed."""
    rows = [
        [
            kind,
            *(str(result[moment][kind]) for moment in ("before", "warm", "after")),
            f"{result['growth_per_call'][kind]:.4f}",
            "",
        ]
        for kind in COUNTED
    ]
    title = f"{result['name']}: {result['calls']} calls" + (
        "" if result["identical"] else "; result DIFFERS"
    )
    return "\n".join(
        [title, table(("", "before", "warm", "after", "per call", ""), rows), *result["bar_lines"]]
    )
