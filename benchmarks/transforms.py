"""Transforms against plain loops, thread and process pools, and `joblib` where it is installed.

Contenders of a case take turns in one process. The waiting cases are compared with their critical path, the
others with the loop that a user would write.

    python -m benchmarks transforms --repeat 7 --json out.json
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import numpy as np

from benchmarks.harness import (
    Bar,
    Contender,
    Samples,
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
from ember_jit import pmap, pure, query, vmap
from ember_jit.operators import Operator

WAIT = 0.02
STAGES = (0.01, 0.03)  # seconds of a stage: most, and one of the three of each item


@dataclass(frozen=True)
class Case:
    """One comparison.

    Attributes:
        contenders: The first is ours, the second what it is compared with.
        bar: About ours over the second (`over`), or over the critical path of so many seconds.
    """

    name: str
    contenders: list[Contender]
    bar: Bar
    critical: float | None = None
    inverse: bool = False


@query
def wait(item: Any) -> Any:
    time.sleep(WAIT)
    return item["x"]


@query
class Stage(Operator):
    """Takes longer for every third item, another third for each stage."""

    def __init__(self, number: int) -> None:
        self.number = number

    def forward(self, *, inputs: Any) -> Any:
        time.sleep(STAGES[inputs["x"] % 3 == self.number])
        return inputs


class ThreeStages(Operator):
    def __init__(self) -> None:
        self.one, self.two, self.three = Stage(0), Stage(1), Stage(2)

    def forward(self, *, inputs: Any) -> Any:
        first = self.one(inputs=inputs)
        second = self.two(inputs=first)
        return self.three(inputs=second)


def trivial(item: Any) -> Any:
    return {"y": item["x"] + 1, "id": item["id"]}


@pure
def compute(item: Any) -> Any:
    total = 0
    for i in range(item["n"]):
        total += i * i % 7
    return total


def nothing(item: Any) -> Any:
    return item["a"].shape[0]


def waiting() -> Case:
    mapped, pool, inputs = vmap(wait), ThreadPoolExecutor(64), {"x": list(range(64))}

    def by_pool(*, inputs: Any) -> Any:
        return list(pool.map(wait, [{"x": x} for x in inputs["x"]]))

    contenders = [
        Contender("vmap", mapped, inputs, warmups=3),
        Contender("thread pool", by_pool, inputs, warmups=3),
    ]
    return Case("64 items of 20 ms", contenders, Bar("vmap x critical path", 1.15), WAIT)


def staged() -> Case:
    op, pool, inputs = ThreeStages(), ThreadPoolExecutor(32), {"x": list(range(32))}

    def barriers(*, inputs: Any) -> Any:
        items = [{"x": x} for x in inputs["x"]]
        for stage in (op.one, op.two, op.three):
            items = list(pool.map(lambda item, stage=stage: stage(inputs=item), items))
        return {"x": [item["x"] for item in items]}

    contenders = [
        Contender("vmap", vmap(op), inputs, warmups=3),
        Contender("stage by stage", barriers, inputs, warmups=3),
    ]
    bound = 2 * STAGES[0] + STAGES[1]
    return Case(
        "three skewed stages, 32 items", contenders, Bar("vmap x pipeline bound", 1.1), bound
    )


def overhead() -> Case:
    numbers = list(range(10_000))
    inputs = {"x": numbers, "id": numbers}

    def comprehension(*, inputs: Any) -> Any:
        return [trivial({"x": x, "id": i}) for x, i in zip(inputs["x"], inputs["id"], strict=True)]

    contenders = [
        Contender("vmap", vmap(trivial), inputs, warmups=3),
        Contender("list comprehension", comprehension, inputs),
    ]
    return Case("10,000 trivial items", contenders, Bar("vmap x list comprehension", 1.5))


def computing() -> Case:
    inputs = {"n": [400_000] * 16}
    pool = ProcessPoolExecutor(2, mp_context=get_context("forkserver"))

    def items(inputs: Any) -> list[Any]:
        return [{"n": n} for n in inputs["n"]]

    contenders = [
        Contender("pmap", pmap(compute, num_workers=2, backend="processes"), inputs),
        Contender("loop", lambda *, inputs: [compute(item) for item in items(inputs)], inputs),
        Contender(
            "ProcessPoolExecutor",
            lambda *, inputs: list(pool.map(compute, items(inputs), chunksize=8)),
            inputs,
        ),
    ]
    if importlib.util.find_spec("joblib"):
        contenders.append(Contender("joblib", _by_joblib(compute, items), inputs))
    bar = Bar("loop over pmap with 2 workers", 1.7, at_least=True)
    return Case("CPU-bound Python", contenders, bar, inverse=True)


def _by_joblib(fn: Callable[..., Any], items: Callable[[Any], list[Any]]) -> Any:
    import joblib

    parallel = joblib.Parallel(n_jobs=2)
    return lambda *, inputs: parallel(joblib.delayed(fn)(item) for item in items(inputs))


def shipping() -> Case:
    data = np.ones((2, 6_250_000))
    inputs = {"a": data}
    contenders = [
        Contender("pmap", pmap(nothing, num_workers=2, backend="processes"), inputs),
        Contender("memcpy", lambda *, inputs: inputs["a"].copy(), inputs),
    ]
    return Case("100 MB of array to 2 workers", contenders, Bar("pmap x memcpy", 1.3))


CASES = (waiting, staged, overhead, computing, shipping)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this benchmark."""
    parser.add_argument("--repeat", type=positive, default=7, help="rounds (default 7)")
    parser.add_argument("--only", choices=[make.__name__ for make in CASES], help="one case alone")


def figure(case: Case, samples: dict[str, Samples]) -> float | None:
    """What the bar of a case is about."""
    ours, other = (samples[each.name].seconds for each in case.contenders[:2])
    if case.critical is not None:
        middle = median(ours)
        return None if middle is None else middle / case.critical
    return paired_ratio(other, ours) if case.inverse else paired_ratio(ours, other)


def run(args: argparse.Namespace) -> int:
    """Measure the cases; returns 0."""
    lines, found = [headline("transforms")], []
    for make in CASES:
        if args.only not in (None, make.__name__):
            continue
        case = make()
        samples = interleave(case.contenders, args.repeat)
        value = figure(case, samples)
        rows = [
            [
                name,
                duration(median(each.seconds)),
                duration(min(each.seconds, default=None)),
                each.error or "",
            ]
            for name, each in samples.items()
        ]
        lines += ["", case.name, table(["", "median", "least", ""], rows), case.bar.line(value)]
        found.append(
            {
                "case": case.name,
                "seconds": {name: each.seconds for name, each in samples.items()},
                "errors": {name: each.error for name, each in samples.items() if each.error},
                "bar": case.bar.as_json(value),
            }
        )
    results = {"benchmark": "transforms", "environment": environment(), "cases": found}
    write_report(args.json, "\n".join(lines), results)
    return 0
