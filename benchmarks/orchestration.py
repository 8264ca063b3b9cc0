"""Overlapped calls: eager, hand-written and compiled, side by side in one process.

Each case is one program (benchmarks/programs.py) run by up to five contenders:

- `eager`: the undecorated class;
- `threads by hand`, `asyncio by hand`: benchmarks/by_hand.py, over the same blocking leaves, on a warm pool
  with a thread per call that can be in flight (the executor's default number where that means nothing);
- `asyncio, native leaves`: information only, since its leaves are `asyncio.sleep`;
- `compiled`: the class under `structural_jit`.

A program that is slow when eager (over 5 s) has its eager row sampled once: no bar depends on it.
Bars are printed as PASS or MISS; only a result that differs from eager's makes the exit code 1.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks import programs
from benchmarks.by_hand import AsyncioByHand, Graph, NativeAsyncio, ThreadsByHand, warm_pool
from benchmarks.harness import (
    Bar,
    Call,
    Contender,
    Samples,
    calibrate,
    duration,
    environment,
    headline,
    interleave,
    median,
    paired_ratio,
    positive,
    ratio,
    same,
    table,
    write_report,
)
from ember_jit import structural_jit

EAGER, THREADS, ASYNCIO, NATIVE, COMPILED = (
    "eager",
    "threads by hand",
    "asyncio by hand",
    "asyncio, native leaves",
    "compiled",
)
LEAF = 0.02
SLOW_EAGER = 5.0
BY_HAND = 1.05
# Short calls: a machine's speed changes within tens of milliseconds, so samples are brief and many, and what is
# compared with eager is the median of the rounds' ratios, in each of which the two ran next to each other.
WARM_CALLS = 12
SAMPLE = 0.005
ROUNDS = 15
TRIVIAL_SPEEDUP = 3.0 if sys.version_info >= (3, 12) else 2.0
DEFAULT_POOL = min(32, (os.cpu_count() or 1) + 4)

INFO_NATIVE = "not comparable: other leaves"


@dataclass
class Case:
    """One program with its contenders' ingredients and its bars.

    Attributes:
        name: For `--only`.
        inputs: Given to every contender.
        eager: The undecorated operator.
        compiled: The operator under `structural_jit`.
        graph: The same program by hand; None where nothing can overlap.
        native_graph: The same with leaves that do not block.
        threads: In the hand-written pool.
        bars: Figure name (see `figures`) and bar.
        options: What `structural_jit` was given, as printed.
        probe: Says how many times faster than eager the compiled *class* is on leaves that sleep, for
            programs whose own timing cannot show whether anything overlaps.
        extra: Further contenders, information only.
        short: Calls of micro- to milliseconds: repeated to fill a sample, and sampled more often (`ROUNDS`).
    """

    name: str
    inputs: Any
    eager: Call
    compiled: Call
    bars: Sequence[tuple[str, Bar]]
    graph: Graph | None = None
    native_graph: Graph | None = None
    threads: int = DEFAULT_POOL
    options: str = ""
    probe: Callable[[], float] | None = None
    extra: Mapping[str, Call] = field(default_factory=dict)
    short: bool = False


def decorator(**options: Any) -> tuple[Callable[[Any], Any], str]:
    """`structural_jit` with the options that are not None, and how that is written."""
    given = {name: value for name, value in options.items() if value is not None}
    if not given:
        return structural_jit, "structural_jit"
    written = ", ".join(f"{name}={value!r}" for name, value in given.items())
    return structural_jit(**given), f"structural_jit({written})"


# Cases. Each takes --max-workers (None: the defaults) and builds its operators afresh.


def sleepers(count: int) -> list[Any]:
    """Leaves of 20 ms."""
    return [programs.Sleeper(LEAF, i) for i in range(count)]


def steps(count: int) -> list[Any]:
    """The same leaves without the wait."""
    return [programs.Step(i) for i in range(count)]


def fan_out(width: int, bar: float, workers: int | None, own_workers: int | None = None) -> Case:
    """`width` leaves of 20 ms and a join; `own_workers` is `max_workers` where the default is not wanted."""
    decorate, options = decorator(max_workers=workers or own_workers)
    return Case(
        name=f"fan_{width}",
        inputs={"v": 1},
        eager=programs.make_fan_out(programs.undecorated)(sleepers(width), programs.Join()),
        compiled=programs.make_fan_out(decorate)(sleepers(width), programs.Join()),
        graph=programs.fan_out_graph(sleepers(width), programs.Join(), LEAF),
        native_graph=programs.fan_out_graph(steps(width), programs.Join(), LEAF),
        threads=workers or width,
        options=options,
        bars=overlap_bars(bar),
    )


def map_loop(workers: int | None) -> Case:
    """The fan-out of 64 as a loop over 64 items that appends."""
    decorate, options = decorator(max_workers=workers)
    items = list(range(64))
    return Case(
        name="loop_64",
        inputs={"items": items},
        eager=programs.make_map_loop(programs.undecorated)(
            programs.Sleeper(LEAF, 1), programs.Join()
        ),
        compiled=programs.make_map_loop(decorate)(programs.Sleeper(LEAF, 1), programs.Join()),
        graph=programs.map_loop_graph(programs.Sleeper(LEAF, 1), programs.Join(), items, LEAF),
        native_graph=programs.map_loop_graph(programs.Step(1), programs.Join(), items, LEAF),
        threads=workers or len(items),
        options=options,
        bars=overlap_bars(1.15),
    )


def diamond(workers: int | None) -> Case:
    """20 layers of 4 leaves of 20 ms."""
    decorate, options = decorator(max_workers=workers)

    def layers() -> list[list[Any]]:
        return [[programs.MixSleeper(LEAF, 4 * i + j) for j in range(4)] for i in range(20)]

    quick = [[programs.MixStep(4 * i + j) for j in range(4)] for i in range(20)]
    return Case(
        name="diamond_20x4",
        inputs={"v": 1},
        eager=programs.make_diamond(programs.undecorated)(layers(), programs.Join()),
        compiled=programs.make_diamond(decorate)(layers(), programs.Join()),
        graph=programs.diamond_graph(layers(), programs.Join(), LEAF),
        native_graph=programs.diamond_graph(quick, programs.Join(), LEAF),
        threads=workers or 4,
        options=options,
        bars=overlap_bars(1.03),
    )


def skewed(workers: int | None) -> Case:
    """Two chains of ten steps, 40 and 4 ms in turn, the other 4 and 40."""
    decorate, options = decorator(max_workers=workers)
    waits = [[0.040, 0.004] * 5, [0.004, 0.040] * 5]

    def chains() -> list[list[Any]]:
        return [[programs.Sleeper(wait, i) for i, wait in enumerate(chain)] for chain in waits]

    return Case(
        name="skewed_2x10",
        inputs={"v": 1},
        eager=programs.make_skewed_chains(programs.undecorated)(*chains(), programs.Join()),
        compiled=programs.make_skewed_chains(decorate)(*chains(), programs.Join()),
        graph=programs.chains_graph(chains(), programs.Join(), waits),
        native_graph=programs.chains_graph([steps(10), steps(10)], programs.Join(), waits),
        threads=workers or 2,
        options=options,
        bars=overlap_bars(1.04),
    )


def noop(shape: str, strategy: str, workers: int | None) -> Case:
    """1,000 no-op leaves and a join: "parallel" shows the cost of a node, "auto" that it is not paid."""
    decorate, options = decorator(execution_strategy=strategy, max_workers=workers)
    join = programs.Join()
    if shape == "chains":
        make, threads = programs.make_chains, 10

        def leaves() -> list[Any]:
            return [steps(100) for _ in range(10)]

        graph = programs.chains_graph(leaves(), join, [[0.0] * 100] * 10)
        probe_leaves: list[Any] = [
            [programs.Sleeper(0.005, i) for i in range(3)] for _ in range(10)
        ]
    else:
        make, threads = programs.make_fan_out, DEFAULT_POOL

        def leaves() -> list[Any]:
            return steps(1000)

        graph = programs.fan_out_graph(leaves(), join, 0.0)
        probe_leaves = [programs.Sleeper(0.005, i) for i in range(30)]
    parallel = strategy == "parallel"

    def probe() -> float:
        plain, fast = (make(wrap)(probe_leaves, join) for wrap in (programs.undecorated, decorate))
        fast(inputs={"v": 1})
        return timed(plain) / timed(fast)

    return Case(
        name=f"noop_{shape}_{strategy}",
        inputs={"v": 1},
        eager=make(programs.undecorated)(leaves(), join),
        compiled=make(decorate)(leaves(), join),
        graph=graph if parallel else None,
        native_graph=graph if parallel else None,
        threads=workers or threads,
        options=options,
        bars=NODE_BARS if parallel else [("over_eager", Bar("compiled over eager", 1.05))],
        probe=probe if parallel else None,
        short=True,
    )


def pipeline(workers: int | None) -> Case:
    """Six trivial operators: nanoseconds a call."""
    del workers  # nothing overlaps
    decorate, options = decorator()
    return Case(
        name="pipeline_6",
        inputs={"v": 1},
        eager=programs.make_pipeline(programs.undecorated)(),
        compiled=programs.make_pipeline(decorate)(),
        options=options,
        extra={"inlined by hand": programs.pipeline_by_hand},
        bars=[("speedup", Bar("eager over compiled", TRIVIAL_SPEEDUP, at_least=True))],
        short=True,
    )


def overlap_bars(critical_path: float) -> list[tuple[str, Bar]]:
    """The bars of a case whose leaves wait."""
    return [
        ("over_critical_path", Bar("compiled over the critical path", critical_path)),
        ("over_by_hand", Bar("compiled over the better hand-written", BY_HAND)),
    ]


NODE_BARS = [
    ("us_per_node", Bar("compiled, us per node", 15.0)),
    (
        "probe_speedup",
        Bar(
            "does it overlap? eager over compiled on the same class with 5 ms leaves",
            2.0,
            at_least=True,
        ),
    ),
]

CASES: dict[str, Callable[[int | None], Case]] = {
    "fan_8": lambda workers: fan_out(8, 1.06, workers),
    "fan_64": lambda workers: fan_out(64, 1.15, workers),
    "loop_64": map_loop,
    "fan_512": lambda workers: fan_out(512, 2.4, workers, own_workers=512),
    "diamond_20x4": diamond,
    "skewed_2x10": skewed,
    "noop_chains_parallel": lambda workers: noop("chains", "parallel", workers),
    "noop_flat_parallel": lambda workers: noop("flat", "parallel", workers),
    "noop_chains_auto": lambda workers: noop("chains", "auto", workers),
    "noop_flat_auto": lambda workers: noop("flat", "auto", workers),
    "pipeline_6": pipeline,
}


# Running


def timed(call: Call) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    call(inputs={"v": 1})
    return time.perf_counter() - start


def contenders(case: Case, stack: ExitStack) -> list[Contender]:
    """The case's contenders; pools and event loops are closed with the stack."""
    warmups = 5 if case.short else 1
    slow = case.graph is not None and case.graph.total() > SLOW_EAGER
    found = [
        # an eager sample is as good as a warm-up where it waits for seconds
        Contender(
            EAGER,
            case.eager,
            case.inputs,
            warmups=0 if slow else 1,
            max_samples=1 if slow else None,
        )
    ]
    if case.graph is not None:
        pool = warm_pool(case.threads)
        stack.callback(pool.shutdown)
        by_asyncio = AsyncioByHand(case.graph, pool)
        stack.callback(by_asyncio.close)
        found.append(
            Contender(THREADS, ThreadsByHand(case.graph, pool), case.inputs, warmups=warmups)
        )
        found.append(Contender(ASYNCIO, by_asyncio, case.inputs, warmups=warmups))
    found.append(
        Contender(COMPILED, case.compiled, case.inputs, warmups=warmups, note=case.options)
    )
    if case.native_graph is not None and case.graph is not None:
        native = NativeAsyncio(case.native_graph, pool)
        stack.callback(native.close)
        found.append(Contender(NATIVE, native, case.inputs, informational=True, note=INFO_NATIVE))
    for name, call in case.extra.items():
        found.append(
            Contender(name, call, case.inputs, informational=True, note="information only")
        )
    return found


def with_loops(found: Sequence[Contender]) -> list[Contender]:
    """Contenders whose calls are short, each repeated to fill a sample."""
    looped = []
    for contender in found:
        try:
            for _ in range(WARM_CALLS):  # a first call compiles, and "auto" measures the first few
                contender.call(inputs=contender.inputs)
            loops = calibrate(contender.call, contender.inputs, SAMPLE)
        except Exception:  # the interleaved run meets it again and reports it
            loops = 1
        looped.append(replace(contender, loops=loops))
    return looped


def figures(
    case: Case, medians: Mapping[str, float | None], over_eager: float | None
) -> dict[str, float | None]:
    """Every ratio that has a bar; `over_eager` is compiled over eager."""
    ours = medians.get(COMPILED)
    by_hand = [value for name in (THREADS, ASYNCIO) if (value := medians.get(name)) is not None]
    path = case.graph.critical_path() if case.graph is not None else None
    per_node = ratio(ours, float(len(case.graph.nodes))) if case.graph is not None else None
    return {
        "over_critical_path": ratio(ours, path),
        "over_by_hand": ratio(ours, min(by_hand)) if by_hand else None,
        "over_eager": over_eager,
        "speedup": ratio(1.0, over_eager),
        "us_per_node": None if per_node is None else per_node * 1e6,
    }


def measure(case: Case, repeat: int) -> dict[str, Any]:
    """Run one case and return its JSON."""
    with ExitStack() as stack:
        found = contenders(case, stack)
        taken = (
            interleave(with_loops(found), repeat * ROUNDS)
            if case.short
            else interleave(found, repeat)
        )
    reference = next(iter(taken[EAGER].results), None)
    medians = {name: median(samples.seconds) for name, samples in taken.items()}
    values = figures(case, medians, paired_ratio(taken[COMPILED].seconds, taken[EAGER].seconds))
    values["probe_speedup"] = run_probe(case)
    path = case.graph.critical_path() if case.graph is not None else None
    rows = [row(contender, taken[contender.name], path, reference) for contender in found]
    return {
        "name": case.name,
        "critical_path_s": path,
        "nodes": None if case.graph is None else len(case.graph.nodes),
        "threads_by_hand": None if case.graph is None else case.threads,
        "contenders": rows,
        "figures": values,
        "bars": [bar.as_json(values[figure]) for figure, bar in case.bars],
        "bar_lines": [bar.line(values[figure]) for figure, bar in case.bars],
        "results_identical": all(row["identical"] for row in rows),
    }


def run_probe(case: Case) -> float | None:
    """The overlap probe's figure; None where there is none or it raised, as the case itself then does."""
    if case.probe is None:
        return None
    try:
        return case.probe()
    except Exception:  # the same class failed, or will, as a contender: reported there
        return None


def row(
    contender: Contender, samples: Samples, path: float | None, reference: Any
) -> dict[str, Any]:
    """One contender's JSON."""
    middle = median(samples.seconds)
    return {
        "name": contender.name,
        "median_s": middle,
        "samples_s": samples.seconds,
        "over_critical_path": ratio(middle, path),
        "informational": contender.informational,
        "note": contender.note,
        "error": samples.error,
        "identical": samples.error is None
        and all(same(result, reference) for result in samples.results),
    }


def case_text(result: Mapping[str, Any]) -> str:
    """One case as printed."""
    title = result["name"]
    about = []
    if result["critical_path_s"]:
        about.append(f"critical path {duration(result['critical_path_s'])}")
    if result["nodes"]:
        about.append(f"{result['nodes']} nodes, {result['threads_by_hand']} threads by hand")
    title += f": {', '.join(about)}" if about else ""
    return "\n".join(
        [
            title,
            table(HEADER, [cells(entry, result) for entry in result["contenders"]]),
            *result["bar_lines"],
        ]
    )


HEADER = ("", "median", "x critical path", "us/node", "x eager", "n", "result", "")


def cells(entry: Mapping[str, Any], result: Mapping[str, Any]) -> list[str]:
    """One row of a case's table."""
    eager = result["contenders"][0]["median_s"]
    middle = entry["median_s"]
    nodes = None if result["critical_path_s"] else result["nodes"]
    return [
        entry["name"],
        duration(middle),
        number(entry["over_critical_path"], 3),
        number(middle * 1e6 / nodes if middle and nodes else None, 2),
        number(ratio(middle, eager), 3),
        str(len(entry["samples_s"])),
        "same" if entry["identical"] else "DIFFERS",
        entry["error"] or entry["note"],
    ]


def number(value: float | None, digits: int) -> str:
    """A figure, or a dash."""
    return "-" if value is None else f"{value:.{digits}f}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument(
        "--repeat", type=positive, default=7, help="samples a contender (default 7)"
    )
    parser.add_argument(
        "--only", nargs="+", choices=list(CASES), metavar="NAME", help=", ".join(CASES)
    )
    parser.add_argument(
        "--max-workers",
        type=positive,
        metavar="N",
        help="threads, compiled and by hand (default: what each case says)",
    )


def run(args: argparse.Namespace) -> int:
    """Run the chosen cases; 1 if any result differs from eager's."""
    results = []
    for name in args.only or CASES:
        print(f"running {name} ...", file=sys.stderr, flush=True)
        results.append(measure(CASES[name](args.max_workers), args.repeat))
    text = "\n\n".join([headline("orchestration"), *map(case_text, results), summary(results)])
    report = {
        "benchmark": "orchestration",
        "environment": environment(),
        "repeat": args.repeat,
        "cases": results,
    }
    write_report(args.json, text, report)
    return 0 if all(result["results_identical"] for result in results) else 1


def summary(results: Sequence[Mapping[str, Any]]) -> str:
    """The last line: how many bars were met, and which cases gave other results."""
    verdicts = [bar["verdict"] for result in results for bar in result["bars"]]
    line = f"{verdicts.count('PASS')} of {len(verdicts)} bars met"
    wrong = [result["name"] for result in results if not result["results_identical"]]
    return line + (
        f"; results differ from eager's in: {', '.join(wrong)}"
        if wrong
        else "; all results identical to eager's"
    )
