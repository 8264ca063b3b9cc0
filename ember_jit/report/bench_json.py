"""Benchmarks as JSON in the conventions of pytest-benchmark, and the comparison of two saved ones.

A file of `ember-jit bench --json` can be read by what reads those of pytest-benchmark, and `compare` reads both.
Times are seconds.  With the single times in it (`stats.data`; pytest-benchmark: `--benchmark-save-data`) a
comparison has confidence intervals.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ember_jit.errors import InputError
from ember_jit.report.bench import COMPILED, Bench
from ember_jit.report.critical import HOW
from ember_jit.report.samples import Interval, Sample


def to_json(made: Bench, version: str) -> dict[str, Any]:
    """A benchmark as a dict for JSON: one entry for each kind of run."""
    about = {
        "status": made.status,
        "identical": made.identical,
        "repeatable": made.repeatable,
        "answer": made.answer,
        "different": made.different,
        "first": made.first,
        "critical": made.critical,
        "critical_ratio": made.critical_ratio,
        "calls": made.calls,
        "in_flight": made.in_flight,
        "how": HOW,
        "cpus": list(made.cpus),
    }
    return {
        "machine_info": {
            "node": "",  # names of machines are nobody's business
            "processor": platform.processor(),
            "machine": platform.machine(),
            "python_implementation": platform.python_implementation(),
            "python_version": platform.python_version(),
            "system": platform.system(),
            "release": platform.release(),
            "cpu": {"count": os.cpu_count()},
        },
        "commit_info": {},
        "benchmarks": [
            _entry(made, kind, sample, about if kind == COMPILED else {})
            for kind, sample in made.samples.items()
        ],
        "datetime": datetime.now(UTC).isoformat(),
        "version": f"ember_jit {version}",
    }


def _entry(made: Bench, kind: str, sample: Sample, about: dict[str, Any]) -> dict[str, Any]:
    over = made.samples[COMPILED].over(sample)
    return {
        "group": made.target,
        "name": f"{made.target}[{kind}]",
        "fullname": f"{made.target}[{kind}]",
        "params": {"kind": kind},
        "param": kind,
        "extra_info": {"compiled_over_this": list(over), **about},
        "options": {
            "disable_gc": False,
            "timer": "perf_counter",
            "min_rounds": made.repeat,
            "max_time": 0.0,
            "min_time": 0.0,
            "warmup": made.warmup,
        },
        "stats": stats(sample),
    }


def stats(sample: Sample) -> dict[str, Any]:
    """The statistics of a sample by pytest-benchmark's names, and the interval of its median."""
    times = sample.times
    mean = statistics.fmean(times)
    deviation = statistics.stdev(times) if len(times) > 1 else 0.0
    first, third = sample.quartiles()
    spread = third - first
    low, high = first - 1.5 * spread, third + 1.5 * spread
    far = sum(not low <= each <= high for each in times)
    odd = sum(abs(each - mean) > deviation for each in times)
    interval = sample.interval()
    return {
        "min": min(times),
        "max": max(times),
        "mean": mean,
        "stddev": deviation,
        "rounds": len(times),
        "median": sample.median,
        "iqr": spread,
        "q1": first,
        "q3": third,
        "iqr_outliers": far,
        "stddev_outliers": odd,
        "outliers": f"{odd};{far}",
        "ld15iqr": min(each for each in times if each >= low),
        "hd15iqr": max(each for each in times if each <= high),
        "ops": 1 / mean if mean else 0.0,
        "total": sum(times),
        "data": list(times),
        "iterations": 1,
        "median_low": interval.low,
        "median_high": interval.high,
    }


@dataclass(frozen=True, slots=True)
class Change:
    """One benchmark in two files: the new median over the old one; of times that one file lacks, None."""

    name: str
    old: float | None
    new: float | None
    ratio: Interval | None


def compare(old: Path, new: Path) -> list[Change]:
    """The benchmarks of two saved runs, by their full names, in the order of the new file.

    Raises:
        InputError: a file cannot be read, or holds no benchmarks.
    """
    before, after = _read(old), _read(new)
    changes = []
    for name in [*after, *(name for name in before if name not in after)]:
        a, b = before.get(name), after.get(name)
        ratio = b.over(a) if a is not None and b is not None else None
        changes.append(Change(name, a.median if a else None, b.median if b else None, ratio))
    return changes


def _read(path: Path) -> dict[str, Sample]:
    """The samples in a file; the median alone, where the single times were not saved."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {
            each["fullname"]: Sample(tuple(each["stats"].get("data") or [each["stats"]["median"]]))
            for each in found["benchmarks"]
        }
    except OSError as exc:
        raise InputError(f"{path} cannot be read: {exc.strerror or exc}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(
            f"{path} holds no benchmarks; save them with `ember-jit bench ... --json > {path.name}`"
        ) from None


def is_slower(ratio: Interval, limit: float) -> bool:
    """Whether a ratio is above `limit`, and its interval above 1: noise alone fails no build."""
    return ratio.value > limit and ratio.low > 1


def changes_text(changes: list[Change], limit: float | None) -> str:
    """A comparison as text."""
    width = max([len(each.name) for each in changes], default=0)
    lines = [f"{'':<{width}}    old ms    new ms    new / old (95 % confidence)"]
    for each in changes:
        old, new = (
            f"{at * 1e3:10.2f}" if at is not None else f"{'-':>10}" for at in (each.old, each.new)
        )
        text = f"{each.name:<{width}}{old}{new}"
        if each.ratio is not None:
            value, low, high = each.ratio
            slower = limit is not None and is_slower(each.ratio, limit)
            text += f"    {value:.2f} ({low:.2f} to {high:.2f}){'  SLOWER' if slower else ''}"
        lines.append(text)
    return "\n".join(lines)
