"""What compiling costs: decorating a class, a cold compilation, and `import ember_jit`.

Cold figures come from fresh processes, one per sample. Importing is the median over processes that import
minus the median over processes that do not, the two taking turns; bytecode caches are warm.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks import programs
from benchmarks.harness import environment, headline, median, positive, table, write_report
from ember_jit import structural_jit

STRATEGIES = ("auto", "parallel")
HEAVY = ("numpy", "numba", "llvmlite", "rich")

# How a class is decorated -> the decorator.
DECORATIONS: dict[str, Callable[[Any], Any]] = {
    "structural_jit": structural_jit,
    "structural_jit(max_workers=4)": lambda cls: structural_jit(max_workers=4)(cls),
}
CLASSES: dict[str, Callable[[programs.Decorator], Any]] = {
    "Pipeline (6 calls)": programs.make_pipeline,
    "SkewedChains (21 calls)": programs.make_skewed_chains,
}

SHOW_IMPORTED = (
    f"import sys, ember_jit; print(*[name for name in {HEAVY!r} if name in sys.modules])"
)


def decoration_us(
    make: Callable[[programs.Decorator], Any], decorate: Callable[[Any], Any], repeat: int
) -> float | None:
    """Median microseconds to decorate a class that was not decorated before."""
    taken = []
    for _ in range(repeat):
        cls = make(programs.undecorated)
        start = time.perf_counter()
        decorate(cls)
        taken.append((time.perf_counter() - start) * 1e6)
    return median(taken)


def child_environment() -> dict[str, str]:
    """This process's environment, with the places that `ember_jit` and `benchmarks` came from importable."""
    spec = importlib.util.find_spec("ember_jit")
    origins = [Path(__file__).parent.parent]
    if spec is not None and spec.origin is not None:
        origins.append(Path(spec.origin).parent.parent)
    paths = [*map(str, origins), *filter(None, [os.environ.get("PYTHONPATH")])]
    found = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    found.pop(
        "PYTHONDONTWRITEBYTECODE", None
    )  # else a module that has changed is compiled each time
    return found


def child(*arguments: str) -> tuple[float, str]:
    """Milliseconds of a fresh interpreter with these arguments, and what it printed."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *arguments],
        env=child_environment(),
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return (time.perf_counter() - start) * 1e3, done.stdout


def cold_compilation(strategy: str, repeat: int) -> dict[str, Any]:
    """Compile `fifty_calls` in fresh processes."""
    runs = [json.loads(child("-m", "benchmarks.fifty_calls", strategy)[1]) for _ in range(repeat)]
    return {
        "strategy": strategy,
        "compile_ms": median(run["compile_ms"] for run in runs),
        "samples_ms": [run["compile_ms"] for run in runs],
        "how": runs[0]["how"],
        "decorate_us": median(run["decorate_us"] for run in runs),
        "identical": all(run["identical"] for run in runs),
    }


def import_cost(repeat: int) -> dict[str, Any]:
    """`import ember_jit` over a bare interpreter, and which heavy packages came with it."""
    imported = child("-c", SHOW_IMPORTED)[1].split()  # also warms the bytecode caches
    child("-c", "pass")
    bare, importing = [], []
    for _ in range(repeat):
        bare.append(child("-c", "pass")[0])
        importing.append(child("-c", "import ember_jit")[0])
    bare_ms, importing_ms = median(bare) or 0.0, median(importing) or 0.0
    return {
        "bare_ms": bare_ms,
        "importing_ms": importing_ms,
        "import_ms": importing_ms - bare_ms,
        "imported": imported,
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument(
        "--repeat", type=positive, default=15, help="fresh processes per figure (default 15)"
    )
    parser.add_argument(
        "--decorations",
        type=positive,
        default=200,
        help="classes decorated per figure (default 200)",
    )


def run(args: argparse.Namespace) -> int:
    """Measure and report; 1 if the compiled operator's result differs from eager's."""
    decorations = [
        {
            "class": class_name,
            "decorator": name,
            "us": decoration_us(make, decorate, args.decorations),
        }
        for class_name, make in CLASSES.items()
        for name, decorate in DECORATIONS.items()
    ]
    report: dict[str, Any] = {
        "benchmark": "compile",
        "environment": environment(),
        "decoration": decorations,
        "cold_compilation": [cold_compilation(strategy, args.repeat) for strategy in STRATEGIES],
        "import": import_cost(args.repeat),
    }
    write_report(args.json, report_text(report), report)
    return 0 if all(entry["identical"] for entry in report["cold_compilation"]) else 1


def report_text(report: Mapping[str, Any]) -> str:
    """The report as printed."""
    rows = [
        [f"decorate {entry['class']}", f"{entry['us']:.1f} us", entry["decorator"]]
        for entry in report["decoration"]
    ]
    for entry in report["cold_compilation"]:
        note = entry["how"] + ("" if entry["identical"] else "; result DIFFERS")
        rows.append(
            [f"compile 50 calls, cold, {entry['strategy']}", f"{entry['compile_ms']:.2f} ms", note]
        )
    for entry in report["cold_compilation"]:
        first = f"first decoration of a process, {entry['strategy']}"
        rows.append([first, f"{entry['decorate_us']:.1f} us", "imports the compiler"])
    cost = report["import"]
    rows.append(["bare interpreter", f"{cost['bare_ms']:.1f} ms", ""])
    rows.append(
        [
            "import ember_jit, on top",
            f"{cost['import_ms']:.1f} ms",
            f"also imports: {', '.join(cost['imported']) or 'none of ' + ', '.join(HEAVY)}",
        ]
    )
    return "\n".join([headline("compile"), table(("", "median", ""), rows)])
