"""How much is compiled and overlapped: falling back to plain Python would pass every semantics test.

For the fuzz programs of the gate (where it is found), the demo, the benchmark programs, and test suites
run with every function decorated: functions decorated and compiled, call sites and how many have an
inferred or declared effect, and, of the pairs of calls that nothing keeps in order, those that were
really in flight at the same moment: issued and not yet ended, by the times in the runtime's own event log.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import ember_jit
from benchmarks import programs
from benchmarks.harness import environment, table, write_report
from ember_jit.runtime import dispatch, events

SUITES = [
    "test.test_heapq",
    "test.test_bisect",
    "test.test_textwrap",
    "test.test_unpack",
    "test.test_scope",
]


Flight = tuple[float, float]  # from issued to ended, in seconds


@ember_jit.query
class Give(ember_jit.Operator):
    """A leaf that answers the same to everything."""

    def forward(self, *, inputs: Any) -> Any:
        return {"v": 1}


def met(first: Sequence[Flight], second: Sequence[Flight]) -> bool:
    """Whether a flight of `first` and one of `second` were in the air at the same moment.

    With `second` empty: whether two of `first` were.
    """
    latest = [0.0, 0.0]  # when the last of each kind so far has come down
    flights = [(start, end, 0) for start, end in first] + [(start, end, 1) for start, end in second]
    for start, end, kind in sorted(flights):
        if start < latest[1 - kind if second else 0]:
            return True
        latest[kind] = max(latest[kind], end)
    return False


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
            pairs = {pair for pair in region.pairs if set(pair) <= known}
            self.counts["pairs"] += len(pairs)
            self._compiled[unit.name] = self._compiled.get(unit.name, set()) | pairs

    @contextlib.contextmanager
    def open(self) -> Iterator[Tally]:
        """Count while the block runs."""
        dispatch.after_compiling.append(self._settled)
        try:
            with events.record() as log:
                yield self
            self._overlapped(log)
        finally:
            dispatch.after_compiling.remove(self._settled)

    def _overlapped(self, log: events.Log) -> None:
        flights: dict[str, dict[int, list[Flight]]] = {}
        for call in log.calls:
            site = call.key[0] if isinstance(call.key, tuple) else call.key
            end = call.ended or call.retired
            if isinstance(site, int) and end:
                flights.setdefault(call.owner, {}).setdefault(site, []).append((call.issued, end))
        for owner, pairs in self._compiled.items():
            seen = flights.get(owner, {})
            self.counts["pairs overlapped"] += sum(
                met(seen.get(a, []), [] if a == b else seen.get(b, [])) for a, b in pairs
            )
        self.counts["calls issued ahead"] += len(log.calls)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this benchmark."""
    parser.add_argument(
        "--gate", type=Path, default=Path("../shared/gate"), help="folder of the gate"
    )
    parser.add_argument("--seeds", type=int, default=300, help="fuzz programs to count")
    parser.add_argument(
        "--suites", nargs="*", default=SUITES, help="unittest modules to run decorated"
    )


def run(args: argparse.Namespace) -> int:
    """Count, print a table; never fails on a figure."""
    rows = {"benchmark programs": examples(), "demo": demo()}
    if (args.gate / "fuzz.py").exists():
        sys.path.insert(0, str(args.gate.resolve()))
        rows[f"fuzz, {args.seeds} programs"] = fuzz_programs(args.seeds)
        for name in args.suites:
            rows[name] = suite(name)
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
    under: Any = importlib.import_module("under")
    tally = Tally()
    module = ModuleType("_ember_coverage")
    module.decorate = tally.decorate  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    with tally.open(), contextlib.redirect_stdout(io.StringIO()):
        under.main([f"{module.__name__}:decorate", "--", name])
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
                str(get("pairs")),
                share(get("pairs overlapped"), get("pairs")),
                str(get("calls issued ahead")),
            )
        )
    return table(head, lines)
