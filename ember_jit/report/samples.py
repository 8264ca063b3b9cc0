"""Samples of times, and what can be said from them: medians with confidence intervals, and their ratios.

Intervals are percentile bootstraps of 2000 resamples with a fixed seed: they make no assumption on how times are
distributed (not normally: they have a floor and a tail), and the same sample always has the same interval.
From fewer than about ten times an interval says little.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

RESAMPLES = 2000
LEVEL = 0.95


class Interval(NamedTuple):
    """An estimate, and where the true value lies with a confidence of 95 %."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Sample:
    """Times of one kind of run, in seconds, in the order in which they were measured."""

    times: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median."""
        return statistics.median(self.times)

    def quartiles(self) -> tuple[float, float]:
        """The first and the third."""
        if len(self.times) < 2:
            return self.times[0], self.times[0]
        first, _, third = statistics.quantiles(self.times, n=4, method="inclusive")
        return first, third

    def interval(self) -> Interval:
        """The median with its confidence interval."""
        return _between(self.median, sorted(_medians(self.times, seed=0)))

    def over(self, other: Sample) -> Interval:
        """The ratio of this median to that of `other`, with its confidence interval."""
        if not other.median:
            return Interval(1.0, 1.0, 1.0)
        mine, theirs = _medians(self.times, seed=0), _medians(other.times, seed=1)
        ratios = sorted(a / b for a, b in zip(mine, theirs, strict=True) if b)
        return _between(self.median / other.median, ratios)


def _medians(times: Sequence[float], seed: int) -> Iterator[float]:
    draw = random.Random(seed)
    for _ in range(RESAMPLES):
        yield statistics.median(draw.choices(times, k=len(times)))


def _between(value: float, resampled: list[float]) -> Interval:
    if not resampled:
        return Interval(value, value, value)
    last = len(resampled) - 1
    low, high = (resampled[round(last * share)] for share in ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return Interval(value, min(low, value), max(high, value))
