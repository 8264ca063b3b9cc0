"""The interleaved runner, the statistics, the bars and the table: everything that knows of no benchmark.

Contenders of one case take turns inside one process, one sample each per repetition, and each repetition
starts with the next contender, so that a noisy minute hits all of them alike. The garbage collector stays on
(what an engine leaves behind is part of its cost) but is run before each sample, outside the timed part.

    samples = interleave([Contender("eager", op, inputs), Contender("compiled", fast, inputs)], repeat=7)
    median(samples["eager"].seconds) / median(samples["compiled"].seconds)
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat as times
from pathlib import Path
from typing import Any, Protocol

Clock = Callable[[], float]


class Call(Protocol):
    """What every contender is: something called as an operator is."""

    def __call__(self, *, inputs: Any) -> Any: ...


@dataclass(frozen=True)
class Contender:
    """One way to compute a case's result.

    Attributes:
        name: As printed.
        call: Called as `call(inputs=inputs)`, `loops` times per sample.
        inputs: Never mutated by a contender, so that all can share it.
        loops: Calls per sample; a sample is their mean.
        warmups: Untimed calls before the first sample.
        max_samples: Fewer samples than the repetitions, for contenders that take many seconds.
        informational: Shown, but compared with nothing.
        note: Printed after the row.
        keep: Whether results are kept: large ones would fill the memory, and take their buffers with them.
    """

    name: str
    call: Call
    inputs: Any
    loops: int = 1
    warmups: int = 1
    max_samples: int | None = None
    informational: bool = False
    note: str = ""
    keep: bool = True


@dataclass
class Samples:
    """What one contender measured: seconds per call, one of its results per sample, or why it stopped."""

    seconds: list[float] = field(default_factory=list)
    results: list[Any] = field(default_factory=list)
    error: str | None = None


@dataclass(frozen=True)
class Bar:
    """A promise about one figure; never an assertion, since timings move with the machine.

    Example:
        >>> Bar("x critical path", 1.06).verdict(1.04), Bar("speed-up", 2.0, at_least=True).verdict(1.9)
        ('PASS', 'MISS')
    """

    label: str
    limit: float
    at_least: bool = False

    def verdict(self, value: float | None) -> str:
        """`PASS`, `MISS`, or `n/a` where there is no figure."""
        if value is None:
            return "n/a"
        return "PASS" if (value >= self.limit if self.at_least else value <= self.limit) else "MISS"

    def line(self, value: float | None) -> str:
        """The bar as printed under a table."""
        sign = ">=" if self.at_least else "<="
        shown = "-" if value is None else f"{value:.3f}"
        return f"  {self.verdict(value):<4}  {self.label}: {shown} (bar {sign} {self.limit:g})"

    def as_json(self, value: float | None) -> dict[str, Any]:
        """The bar, its figure and its verdict, machine-readable."""
        bound = "at_least" if self.at_least else "at_most"
        return {
            "label": self.label,
            bound: self.limit,
            "value": value,
            "verdict": self.verdict(value),
        }


def time_calls(
    call: Call, inputs: Any, loops: int, clock: Clock = time.perf_counter
) -> tuple[float, Any]:
    """Mean seconds per call over `loops` calls in a bare loop, and the last result."""
    result = None
    start = clock()
    for _ in times(None, loops):
        result = call(inputs=inputs)
    return (clock() - start) / loops, result


def calibrate(call: Call, inputs: Any, seconds: float, clock: Clock = time.perf_counter) -> int:
    """How many calls fill about `seconds`, at least one; doubles until a tenth of it is reached."""
    loops = 1
    while True:
        mean, _ = time_calls(call, inputs, loops, clock)
        if mean * loops >= seconds / 10:
            return max(1, round(seconds / mean))
        loops *= 2


def interleave(
    contenders: Sequence[Contender], repeat: int, clock: Clock = time.perf_counter
) -> dict[str, Samples]:
    """Time all contenders in turn, `repeat` rounds; a contender that raises drops out with its error."""
    taken = {contender.name: Samples() for contender in contenders}
    for contender in contenders:
        for _ in range(contender.warmups):
            _sample(contender, taken[contender.name], clock, timed=False)
    for round_index in range(repeat):
        first = round_index % len(contenders)
        for contender in (*contenders[first:], *contenders[:first]):
            samples = taken[contender.name]
            if contender.max_samples is None or len(samples.seconds) < contender.max_samples:
                _sample(contender, samples, clock, timed=True)
    return taken


def _sample(contender: Contender, samples: Samples, clock: Clock, *, timed: bool) -> None:
    if samples.error is not None:
        return
    gc.collect()
    try:
        seconds, result = time_calls(
            contender.call, contender.inputs, contender.loops if timed else 1, clock
        )
    except (
        Exception
    ) as error:  # whatever a contender raises is a result to report, not the end of the run
        samples.error = f"{type(error).__name__}: {error}"
        return
    if timed:
        samples.seconds.append(seconds)
    samples.results.append(result if contender.keep else None)


def median(values: Iterable[float]) -> float | None:
    """The median, or None for nothing measured."""
    values = list(values)
    return statistics.median(values) if values else None


def ratio(numerator: float | None, denominator: float | None) -> float | None:
    """Their quotient, or None where one is missing or the denominator is zero."""
    return None if numerator is None or not denominator else numerator / denominator


def paired_ratio(numerators: Sequence[float], denominators: Sequence[float]) -> float | None:
    """The median of the rounds' ratios, which a machine that changes speed between rounds leaves alone.

    Rounds that only one of the two took part in are left out.

    Example:
        >>> paired_ratio([2.0, 20.0, 3.0], [1.0, 10.0, 1.0])
        2.0
    """
    return median(a / b for a, b in zip(numerators, denominators, strict=False) if b)


def same(left: Any, right: Any) -> bool:
    """Equal in value and type all the way down, dict order and the bits of floats included.

    Example:
        >>> same({"v": [1, 2.0]}, {"v": [1, 2.0]}), same(1, True), same(0.0, -0.0)
        (True, False, False)
    """
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, float):
        return left.hex() == str(right.hex())
    return bool(left == right)


def duration(seconds: float | None) -> str:
    """Seconds in the unit that reads best.

    Example:
        >>> duration(0.0213), duration(1.5e-6), duration(4.2e-8), duration(10.3), duration(None)
        ('21.30 ms', '1.50 us', '42.0 ns', '10.30 s', '-')
    """
    if seconds is None:
        return "-"
    for scale, unit, digits in ((1.0, "s", 2), (1e-3, "ms", 2), (1e-6, "us", 2)):
        if seconds >= scale:
            return f"{seconds / scale:.{digits}f} {unit}"
    return f"{seconds / 1e-9:.1f} ns"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns as wide as their widest cell; the first and the last to the left, the others to the right."""
    grid = [list(header), *map(list, rows)]
    widths = [max(len(row[column]) for row in grid) for column in range(len(header))]
    return "\n".join(_table_line(row, widths) for row in grid)


def _table_line(row: Sequence[str], widths: Sequence[int]) -> str:
    left = {0, len(row) - 1}
    cells = (
        cell.ljust(width) if i in left else cell.rjust(width)
        for i, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  " + "  ".join(cells).rstrip()


def positive(text: str) -> int:
    """A whole number of at least one, from the command line."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def environment() -> dict[str, Any]:
    """What a reader needs to know of the machine."""
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "gil": getattr(sys, "_is_gil_enabled", lambda: True)(),
        "cpu_count": os.cpu_count(),
        "system": platform.system(),
        "machine": platform.machine(),
    }


def headline(title: str) -> str:
    """The first line of a report."""
    about = environment()
    python = f"{about['implementation']} {about['python']}"
    return f"{title}: {python}, {about['cpu_count']} CPUs, {about['system']} {about['machine']}"


def write_report(destination: str | None, text: str, results: Mapping[str, Any]) -> None:
    """Print the text, and write the JSON where asked; with `-` the JSON is all that goes to stdout."""
    if destination == "-":
        print(json.dumps(results, indent=2))
        return
    print(text)
    if destination is not None:
        Path(destination).write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
