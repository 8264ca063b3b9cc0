"""Fast mode's functions over all of float32, and many float64: `python -m tests.numeric.exhaustive`.

    python -m tests.numeric.exhaustive                       every float32, 10**6 float64 by mpmath and 10**7 by long doubles
    python -m tests.numeric.exhaustive sin exp --types f     two functions over every float32
    python -m tests.numeric.exhaustive --every 16            every sixteenth float32 of all functions

A row for each function and type says how many values were tried and the largest error in ULP, with its arguments.  Of float32,
numbers next to the rounded true value are not measured further: "1" stands for at most one and a half.  The exit code is 1 if
any error is above the bound.  Functions of two arguments are sampled.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from tests.numeric.accuracy import (
    BOUND,
    FUNCTIONS,
    errors,
    exact,
    fast,
    hard_cases,
    longer,
    samples,
    suspects,
)

CHUNK = 1 << 20

Worst = tuple[float, tuple[float, ...]]


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("functions", nargs="*", metavar="FUNCTION", help="all by default")
    parser.add_argument("--types", default="fd", help="f for float32, d for float64 (default fd)")
    parser.add_argument("--every", type=int, default=1, help="of so many float32, one (default 1)")
    parser.add_argument(
        "--samples", type=int, default=10**6, help="float64 by mpmath, and ten times as many by long doubles (default 1000000)"
    )  # fmt: skip
    options = parser.parse_args()
    largest = 0.0
    for name in options.functions or FUNCTIONS:
        for dtype in options.types:
            began = time.perf_counter()
            parts = (
                _float32(name, options.every) if dtype == "f" else _float64(name, options.samples)
            )
            count, worst = 0, (0.0, ())
            for tried, found in parts:
                count, worst = count + tried, max(worst, found)
            largest = max(largest, worst[0])
            seconds = time.perf_counter() - began
            said = "" if worst[0] <= BOUND else "  ABOVE THE BOUND"
            print(
                f"{name:8} {dtype} {count:11} values  {worst[0]:.3f} ULP at {worst[1]}  {seconds:.0f} s{said}",
                flush=True,
            )
    return 1 if largest > BOUND else 0


def _float32(name: str, every: int) -> Iterator[tuple[int, Worst]]:
    if getattr(np, name).nin == 2:
        for seed in range(max(1, (1 << 7) // every)):
            arrays = samples(name, "f", CHUNK, np.random.default_rng(seed))
            yield _quickly(name, arrays)
        return
    for start in range(0, 1 << 32, CHUNK * every):
        bits = np.arange(start, min(start + CHUNK * every, 1 << 32), every, dtype=np.uint32)
        yield _quickly(name, [bits.view(np.float32)])


def _quickly(name: str, arrays: list[Any]) -> tuple[int, Worst]:
    found, true = fast(name, "f")(*arrays), longer(name, *arrays)
    at = np.flatnonzero(suspects(found, true))
    if not at.size:
        return found.size, (1.0, tuple(float(each[0]) for each in arrays))
    return found.size, _worst(found[at], true[at], [each[at] for each in arrays])


def _float64(name: str, count: int) -> Iterator[tuple[int, Worst]]:
    hard = hard_cases(name, "d")
    yield hard[0].size, _worst(fast(name, "d")(*hard), exact(name, *hard), hard)
    for seed in range(-(-10 * count // CHUNK)):
        arrays = samples(name, "d", CHUNK, np.random.default_rng(seed))
        yield arrays[0].size, _worst(fast(name, "d")(*arrays), longer(name, *arrays), arrays)
    for seed in range(max(1, count // 10_000)):
        arrays = samples(name, "d", min(count, 10_000), np.random.default_rng(10**6 + seed))
        yield arrays[0].size, _worst(fast(name, "d")(*arrays), exact(name, *arrays), arrays)


def _worst(found: Any, true: Any, arrays: list[Any]) -> Worst:
    far = errors(found, true)
    at = int(np.argmax(far))
    return float(far[at]), tuple(float(each[at]) for each in arrays)


if __name__ == "__main__":
    raise SystemExit(main())
