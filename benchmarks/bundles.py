"""What a bundle saves: from the start of a process to its first result, and the time to load fifty operators.

Each process is started anew and runs operators of a generated module once: with the decorators left out, from a
bundle, and compiled.  The processes take turns; bytecode is cached for all of them.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ember_jit
from benchmarks.harness import (
    Bar,
    duration,
    environment,
    headline,
    median,
    paired_ratio,
    positive,
    table,
    write_report,
)

OPERATORS = 50
START = Bar("start to first result, x the program with plain decorators", 1.2)
LOAD = Bar("ms to load 50 operators", 5.0)
HEAD = """\
import time
from ember_jit import Operator, query, structural_jit
@query
class Ask(Operator):
    def __init__(self, n): self.n = n
    def forward(self, *, inputs):
        time.sleep(0.01)
        return inputs + self.n
"""
OPERATOR = """\
@structural_jit
class Op{i}(Operator):
    def __init__(self): self.a, self.b, self.c = Ask(1), Ask(2), Ask(3)
    def forward(self, *, inputs):
        a = self.a(inputs=inputs)
        b = self.b(inputs=inputs)
        return a, b, self.c(inputs=a + {i})
"""
#: way -> what the process does first
WAYS = {
    "plain decorators": "import ember_jit; ember_jit.structural_jit = lambda target: target",
    "bundle": "import ember_jit; ember_jit.load('fifty.ember')",
    "compiled": "import ember_jit",
}
USE = "import fifty\nfor i in range({count}): print(getattr(fifty, f'Op{{i}}')()(inputs=1))\n"
READ = """\
import time
from ember_jit.aot.loader import read
began = time.perf_counter()
read("fifty.ember")
print(time.perf_counter() - began)
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument(
        "--rounds", type=positive, default=15, help="processes of each kind (default 15)"
    )


def run(args: argparse.Namespace) -> int:
    """Measure and report; 1 if the answers differ."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = HEAD + "".join(OPERATOR.format(i=i) for i in range(OPERATORS))
        (folder / "fifty.py").write_text(text)
        build = "import fifty, ember_jit\n" + (
            f"ember_jit.compile([getattr(fifty, f'Op{{i}}') for i in range({OPERATORS})], 'fifty.ember')"
        )
        process(folder, build)
        results = [first_result(folder, count, args.rounds) for count in (1, 10)]
        loads = [float(process(folder, READ)) for _ in range(args.rounds)]
    load = median(loads)
    lines = [*map(result_text, results), LOAD.line(None if load is None else load * 1e3)]
    report = {"benchmark": "bundles", "environment": environment(), "starts": results, "load": load}
    write_report(args.json, "\n\n".join([headline("bundles"), *lines]), report)
    return 0 if all(result["identical"] for result in results) else 1


def first_result(folder: Path, count: int, rounds: int) -> dict[str, Any]:
    """Processes of each kind that call `count` operators once, in turns."""
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    answers: set[str] = set()
    for turn in range(rounds + 1):
        for way, first in WAYS.items():
            began = time.perf_counter()
            answers.add(process(folder, f"{first}\n{USE.format(count=count)}"))
            if turn:  # the first round fills the caches
                seconds[way].append(time.perf_counter() - began)
    ratios = {
        way: paired_ratio(times, seconds["plain decorators"]) for way, times in seconds.items()
    }
    return {
        "operators": count,
        "seconds": {way: median(times) for way, times in seconds.items()},
        "ratios": ratios,
        "bar": START.as_json(ratios["bundle"]),
        "identical": len(answers) == 1,
    }


def result_text(result: Mapping[str, Any]) -> str:
    """One table."""
    rows = [
        [way, duration(seconds), f"{result['ratios'][way]:.2f}", ""]
        for way, seconds in result["seconds"].items()
    ]
    title = f"{result['operators']} operators, first calls" + (
        "" if result["identical"] else "; results DIFFER"
    )
    shown = table(("", "median", "x plain", ""), rows)
    return "\n".join([title, shown, START.line(result["ratios"]["bundle"])])


def process(folder: Path, text: str) -> str:
    """What a process prints that runs `text` in `folder`."""
    root = str(Path(ember_jit.__file__).parent.parent)
    env = {**os.environ, "PYTHONPATH": root, "PYTHONPYCACHEPREFIX": str(folder / "cache")}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(
        [sys.executable, "-c", text],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout
