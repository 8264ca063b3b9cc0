"""`bench(op, inputs)`: one operator, compiled and in other ways, in turns.

    eager        the program as it is written
    threads      the same, as many whole runs at once as there are workers: the time is that of all, for each run
    sequential   compiled, without overlap
    parallel     compiled, overlapping wherever that is legal
    compiled     as it was decorated; this is what the others are compared with

After a warm-up the kinds take turns, so that a machine that slows down slows all of them.  Each run gets a copy of
the inputs of its own; the copying is not timed.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from ember_jit.errors import OptionError
from ember_jit.report.critical import HOW, critical_path
from ember_jit.report.outcome import Outcome, outcome_of, same_outcome
from ember_jit.report.samples import Sample
from ember_jit.report.survey import survey
from ember_jit.runtime.dispatch import Unit, disable_structural_jit

COMPILED = "compiled"
KINDS = ("eager", "threads", "sequential", "parallel")
_RECORDED = 3

Say = Callable[[str], object]
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Bench:
    """What was measured.  Times in seconds.

    Attributes:
        target: qualified name of the function.
        status: as in an `Explanation`.
        repeat, warmup: timed and untimed runs of each kind.
        workers: runs at once of the kind "threads".
        cpus: the processors that the process was bound to, or empty.
        identical: every compiled run gave what the first plain run gave.
        repeatable: every plain run gave what the first one gave.
        answer: what the first plain run gave, shortened.
        different: what the first compiled run gave that differs, shortened; or empty.
        samples: the times of each kind; "compiled" is the last.
        first: the first compiled run, with the compiling.
        critical: the critical path, or None if no call was issued ahead; at most the median compiled run, for no
            run takes less than its own.
        critical_ratio: recorded compiled runs to their own critical path, or None.
        calls: calls that one recorded run issued ahead.
        in_flight: the most of them at one moment.
    """

    target: str
    status: str
    repeat: int
    warmup: int
    workers: int
    cpus: tuple[int, ...]
    identical: bool
    repeatable: bool
    answer: str
    different: str
    samples: dict[str, Sample]
    first: float
    critical: float | None
    critical_ratio: float | None
    calls: int
    in_flight: int

    @property
    def baseline(self) -> str:
        """The kind that "compiled" is compared with in the first place."""
        return next(iter(self.samples))


def bench(
    op: Any,
    inputs: Any,
    *,
    vs: Sequence[str] = ("eager",),
    repeat: int = 5,
    warmup: int = 1,
    workers: int = 8,
    cpus: tuple[int, ...] = (),
    clock: Clock = perf_counter,
    say: Say = lambda text: None,
) -> Bench:
    """Run `op(inputs=inputs)` compiled and in other ways, in turns.

    Args:
        op: a decorated operator, or a decorated function that takes `inputs`.
        inputs: each run gets a copy of its own.
        vs: the kinds to compare with, of `KINDS`; the first is the baseline.
        repeat: timed runs of each kind, at least 1.
        warmup: runs of each kind before, untimed.
        workers: runs at once of the kind "threads".
        cpus: said in the result; `pinned` does it.
        clock: seconds, for tests.
        say: is told which step is under way.

    Raises:
        OptionError: there is no such kind.
    """
    for kind in vs:
        if kind not in KINDS:
            raise OptionError(f"--vs {kind!r} is none of {', '.join(KINDS)}")
    say("compiling")
    first, first_seconds = _timed(op, inputs, clock)
    found = survey(op)
    ways = [*dict.fromkeys(vs), COMPILED]
    times: dict[str, list[float]] = {kind: [] for kind in ways}
    with disable_structural_jit():
        plain = [_timed(op, inputs, clock)[0]]
    compiled = [first]
    for index in range(-warmup, repeat):
        say(f"run {index + 1} of {repeat}" if index >= 0 else "warming up")
        for kind in ways:
            outcomes, seconds = _run(kind, op, inputs, found.unit, workers, clock)
            (plain if kind in ("eager", "threads") else compiled).extend(outcomes)
            if index >= 0:
                times[kind].append(seconds)
    say("measuring the critical path")
    recorded = min(repeat, _RECORDED)
    critical, ratio, log = critical_path(lambda: _timed(op, inputs, clock)[1], found, recorded)
    samples = {kind: Sample(tuple(each)) for kind, each in times.items()}
    if critical is not None:  # the machine may have been slower for the runs that were recorded
        critical = min(critical, samples[COMPILED].median)
    other = next((each for each in compiled if not same_outcome(each, plain[0])), None)
    return Bench(
        target=found.name,
        status=found.status,
        repeat=repeat,
        warmup=warmup,
        workers=workers,
        cpus=cpus,
        identical=other is None,
        repeatable=all(same_outcome(each, plain[0]) for each in plain),
        answer=_short(str(plain[0])),
        different=_short(str(other)) if other is not None else "",
        samples=samples,
        first=first_seconds,
        critical=critical,
        critical_ratio=ratio,
        calls=len(log.calls),
        in_flight=log.in_flight_together(),
    )


def _run(
    kind: str, op: Any, inputs: Any, unit: Unit, workers: int, clock: Clock
) -> tuple[list[Outcome], float]:
    """What a run of this kind gave, and the seconds for one run."""
    if kind == "threads":
        return _on_threads(op, inputs, workers, clock)
    with disable_structural_jit() if kind == "eager" else unit.following(kind):
        outcome, seconds = _timed(op, inputs, clock)
    return [outcome], seconds


def _on_threads(op: Any, inputs: Any, workers: int, clock: Clock) -> tuple[list[Outcome], float]:
    own = [copy.deepcopy(inputs) for _ in range(workers)]

    def run(each: Any) -> Outcome:
        with disable_structural_jit():
            return outcome_of(op, each)

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(abs, range(workers)))  # the threads are there
        began = clock()
        outcomes = list(pool.map(run, own))
        return outcomes, (clock() - began) / workers


def _timed(op: Any, inputs: Any, clock: Clock) -> tuple[Outcome, float]:
    own = copy.deepcopy(inputs)
    began = clock()
    outcome = outcome_of(op, own)
    return outcome, clock() - began


@contextmanager
def pinned(cpus: tuple[int, ...]) -> Iterator[None]:
    """Bind this thread, and all that it starts, to some processors; none: leave them as they are.

    Raises:
        OptionError: there is no such processor, or the system cannot do it.
    """
    if not cpus:
        yield
        return
    import os

    if not hasattr(os, "sched_setaffinity"):
        raise OptionError("--cpu: this system cannot bind a process to processors")
    before = os.sched_getaffinity(0)
    missing = sorted(set(cpus) - before)
    if missing:
        raise OptionError(
            f"--cpu: this process may not use {', '.join(map(str, missing))}; it may use "
            f"{', '.join(map(str, sorted(before)))}"
        )
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _short(text: str, most: int = 400) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."


def bench_text(made: Bench) -> str:
    """A benchmark as text."""
    lines = [
        f"{made.target} ({made.status}), {made.repeat} run{'s' * (made.repeat != 1)} of each kind "
        f"after {made.warmup} to warm up, in turns"
    ]
    lines.append(f"  identical answer   {'yes' if made.identical else 'NO'}")
    if not made.repeatable:
        lines.append(
            "                     (the plain runs differ among themselves: this operator does not repeat itself)"
        )
    if not made.identical:
        lines += [f"    plain:           {made.answer}", f"    compiled:        {made.different}"]
    lines.append("                           median   95 % confidence         compiled / it")
    for kind, sample in made.samples.items():
        at, over = sample.interval(), made.samples[COMPILED].over(sample)
        text = (
            f"  {kind:<18} {at.value * 1e3:10.2f} ms   {at.low * 1e3:.2f} to {at.high * 1e3:.2f} ms"
        )
        if kind != COMPILED:
            text = f"{text:<59}{over.value:.2f} ({over.low:.2f} to {over.high:.2f})"
        lines.append(text)
    lines.append(f"  first run          {made.first * 1e3:10.2f} ms   with compiling")
    if "threads" in made.samples:
        lines.append(f"    (threads: {made.workers} whole runs at once; the time is for each)")
    if made.critical is None:
        lines.append("  critical path      not measured: no call was issued ahead")
    else:
        lines.append(
            f"  critical path      {made.critical * 1e3:10.2f} ms   {made.calls} calls, up to {made.in_flight} in flight"
        )
        lines.append(f"  compiled / critical{made.critical_ratio:10.2f}")
        lines.append(f"    ({HOW})")
    return "\n".join(lines)
