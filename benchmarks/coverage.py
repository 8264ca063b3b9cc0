"""How much is compiled and overlapped: falling back to plain Python would pass every semantics test.

For the fuzz programs of the gate (where it is found), the demo, the benchmark programs, and test suites
run with every function decorated: functions decorated and compiled, call sites and how many have an
inferred or declared effect, pairs of calls, and how many of them overlapped.

A *pair* is two call sites (or one, in two iterations) that no dependence, no undecided control, no barrier and no
call of unknown effect between them keeps in order, and that one run of the function made both: most pairs of a random
program are never made, because it raises or returns before, or takes another branch.  What is not made cannot overlap,
so it does not count ("in the code" is the number with those).  A pair *overlapped* if both calls were under way at one moment: issued ahead and not yet ended, or
being made by the caller's own thread, but at least one of them ahead (`flights`).
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import ember_jit
from benchmarks import programs
from benchmarks.flights import Flights, watching
from benchmarks.harness import environment, table, write_report
from benchmarks.suites import fetch, tests_of
from ember_jit.ir.ops import Function
from ember_jit.runtime import dispatch

SUITES = [
    "test.test_heapq",
    "test.test_bisect",
    "test.test_textwrap",
    "test.test_unpack",
    "test.test_scope",
]


PACKAGES = ["toolz", "pyrsistent"]


@ember_jit.query
class Give(ember_jit.Operator):
    """A leaf that answers the same to everything."""

    def forward(self, *, inputs: Any) -> Any:
        return {"v": 1}


class Tally:
    """Counts over everything that is decorated while it is open."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._compiled: dict[str, Any] = {}

    def decorate(self, target: Any) -> Any:
        """`structural_jit`, counted."""
        made = ember_jit.structural_jit(target)
        function = vars(target).get("forward") if isinstance(target, type) else target
        if isinstance(function, FunctionType):
            self.counts["functions"] += 1
            unit = dispatch.unit_of(function)
            if unit is not None and unit.stats.left_alone:
                self.counts["nothing to gain"] += 1
        return made

    def _settled(self, unit: dispatch.Unit, function: FunctionType) -> None:
        del function
        self.counts["read"] += 1
        if not unit.stats.compiled:
            return
        self.counts["compiled"] += 1
        artifacts = unit.artifacts
        lowered = artifacts.stages["escape"]
        known = {site.number for site in lowered.sites if site.effect != "unknown"}
        self.counts["sites"] += len(lowered.sites)
        self.counts["effects known"] += len(known)
        for region in artifacts.regions:
            pairs = {pair for pair in region.pairs if not _kept_apart(lowered, known, *pair)}
            self.counts["pairs in the code"] += len(pairs)
            self._compiled[unit.name] = self._compiled.get(unit.name, set()) | pairs

    @contextlib.contextmanager
    def open(self) -> Iterator[Tally]:
        """Count while the block runs."""
        dispatch.after_compiling.append(self._settled)
        try:
            with watching() as flights:
                yield self
            self._overlapped(flights)
        finally:
            dispatch.after_compiling.remove(self._settled)

    def _overlapped(self, flights: Flights) -> None:
        for owner, pairs in self._compiled.items():
            made = [pair for pair in pairs if flights.both_made(owner, *pair)]
            self.counts["pairs"] += len(made)
            self.counts["pairs overlapped"] += sum(flights.met(owner, *pair) for pair in made)
        self.counts["calls issued ahead"] += flights.issued_ahead


def _kept_apart(lowered: Function, known: set[int], first: int, second: int) -> bool:
    """Whether one of two sites, or one between them, has an unknown effect; of a site and itself: one in its loop."""
    if first == second:
        loops = lowered.sites[first].loops[-1:]
        span = {site.number for site in lowered.sites if loops and loops[0] in site.loops}
    else:
        span = set(range(first, second + 1))  # they are numbered in the order of evaluation
    return not span <= known


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this benchmark."""
    parser.add_argument(
        "--gate", type=Path, default=Path("../shared/gate"), help="folder of the gate"
    )
    parser.add_argument("--seeds", type=int, default=300, help="fuzz programs to count")
    parser.add_argument(
        "--suites", nargs="*", default=SUITES, help="unittest modules to run decorated"
    )
    parser.add_argument(
        "--packages",
        nargs="*",
        default=PACKAGES,
        help="packages whose own tests are run decorated, out of the source distribution that pip fetches",
    )
    parser.add_argument(
        "--sources", type=Path, help="folder to keep these in (default: one that is removed)"
    )


def run(args: argparse.Namespace) -> int:
    """Count, print a table; never fails on a figure."""
    rows = {"benchmark programs": examples(), "demo": demo()}
    if (args.gate / "fuzz.py").exists():
        sys.path.insert(0, str(args.gate.resolve()))
        rows[f"fuzz, {args.seeds} programs"] = fuzz_programs(args.seeds)
        for name in args.suites:
            rows[name] = suite(name)
        with tempfile.TemporaryDirectory() as folder:
            for name in args.packages:
                found = package(name, args.sources or Path(folder))
                if isinstance(found, str):
                    print(f"{name}: skipped, {found}", file=sys.stderr)
                else:
                    rows[name] = found
    write_report(args.json, render(rows), {"environment": environment(), "coverage": rows})
    return 0


def examples() -> dict[str, int]:
    """The programs of the orchestration benchmark, with leaves that do nothing."""
    tally = Tally()
    with tally.open():
        steps = [Give() for _ in range(4)]
        inputs = {"v": 1}
        programs.make_fan_out(tally.decorate)(steps, Give())(inputs=inputs)
        programs.make_diamond(tally.decorate)([steps, steps], Give())(inputs=inputs)
        programs.make_chains(tally.decorate)([steps, steps], Give())(inputs=inputs)
        programs.make_pipeline(tally.decorate)()(inputs=inputs)
    return dict(tally.counts)


def demo() -> dict[str, int]:
    """The question answering demo, asked once."""
    from ember_jit.demo.corpus import read_passages
    from ember_jit.demo.operators import StdlibQA, build_stdlib_qa
    from ember_jit.demo.server import ModelServer

    tally = Tally()
    tally.decorate(StdlibQA)
    with tally.open(), ModelServer(pause=lambda *_: None) as server:
        build_stdlib_qa(read_passages(), server.url)(inputs={"question": "How do I sort a list?"})
    return dict(tally.counts)


def fuzz_programs(count: int) -> dict[str, int]:
    """The gate's random operator programs."""
    fuzz: Any = importlib.import_module("fuzz")
    total: Counter[str] = Counter()
    for seed in range(count):
        source, top = fuzz.generate(seed)
        code = compile(source, f"<fuzz-{seed}>", "exec")
        tally = Tally()
        with tally.open():
            fuzz.run(source, top, code, tally.decorate, ember_jit.pure, seed)
        total.update(tally.counts)
    return dict(total)


def suite(name: str) -> dict[str, int]:
    """A unittest module of CPython's own, with every function decorated."""
    return _under([name], [])


def package(name: str, folder: Path) -> dict[str, int] | str:
    """The same for the test suite of a package, run by pytest; or why there is none."""
    source = fetch(name, folder)
    if isinstance(source, str):
        return source
    tests = tests_of(source, name)
    if tests is None:
        return f"no tests in {source.name}"
    sys.path.insert(0, str(source))
    settings = source / "plain.ini"  # neither its own configuration nor this repository's
    settings.write_text("[pytest]\n")
    plain = ["-c", str(settings), "--rootdir", str(source), "-W", "ignore"]
    return _under([str(tests), *plain], ["--pytest", "--pkg", name])


def _under(what: list[str], options: list[str]) -> dict[str, int]:
    under: Any = importlib.import_module("under")
    tally = Tally()
    module = ModuleType("_ember_coverage")
    module.decorate = tally.decorate  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    with tally.open(), contextlib.redirect_stdout(io.StringIO()):
        under.main([f"{module.__name__}:decorate", *options, "--", *what])
    return dict(tally.counts)


def share(part: int, whole: int) -> str:
    """A count and its share of a whole."""
    return f"{part} ({100 * part / whole:.0f}%)" if whole else str(part)


def render(rows: dict[str, dict[str, int]]) -> str:
    """The table."""
    head: Sequence[str] = (
        "",
        "functions",
        "compiled",
        "sites",
        "effect known",
        "in the code",
        "pairs",
        "overlapped",
        "issued",
    )
    lines: list[Sequence[str]] = []
    for name, counts in rows.items():
        get = Counter(counts).__getitem__
        lines.append(
            (
                name,
                str(get("functions")),
                share(get("compiled"), get("functions")),
                str(get("sites")),
                share(get("effects known"), get("sites")),
                str(get("pairs in the code")),
                str(get("pairs")),
                share(get("pairs overlapped"), get("pairs")),
                str(get("calls issued ahead")),
            )
        )
    return table(head, lines)
