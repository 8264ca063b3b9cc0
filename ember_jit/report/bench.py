"""`bench(op, inputs)`: one operator, plain and compiled, in turns.

The critical path is measured on compiled runs, with the runtime's own event log: each call that was
issued ahead counts with the time it took, and the longest chain of calls that wait for each other is
added up.  What is not in it is the time between calls and the calls that stay in order; so the ratio
to it is an upper bound of what scheduling could still gain.
"""

from __future__ import annotations

import copy
import inspect
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any

from ember_jit.report.schedule import Schedule
from ember_jit.report.survey import Survey, survey
from ember_jit.runtime import events
from ember_jit.runtime.dispatch import disable_structural_jit

HOW = (
    "the longest chain of dependent calls, each with the time it took in a recorded compiled run; "
    "time between calls and calls that stay in order are not in it"
)
_RECORDED = 3

Say = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run gave: a value, or an exception."""

    value: Any
    error: BaseException | None

    def __str__(self) -> str:
        if self.error is not None:
            return f"{type(self.error).__name__}: {self.error}"
        return repr(self.value)


@dataclass(frozen=True, slots=True)
class Bench:
    """What was measured.  Times in milliseconds.

    Attributes:
        target: qualified name of the function.
        status: as in an `Explanation`.
        repeat: timed runs of each kind.
        identical: every compiled run gave what the first plain run gave.
        repeatable: every plain run gave what the first one gave.
        answer: what the first plain run gave, shortened.
        different: what the first compiled run gave that differs, shortened; or empty.
        eager_ms, compiled_ms: medians.
        first_ms: the first compiled run, with the compiling.
        ratio: compiled to eager; below 1 is faster.
        critical_ms: the critical path, or None if no call was issued ahead.
        critical_ratio: recorded compiled runs to their critical path, or None.
        calls: calls that one recorded run issued ahead.
        in_flight: the most of them at one moment.
        how: how the critical path was found.
    """

    target: str
    status: str
    repeat: int
    identical: bool
    repeatable: bool
    answer: str
    different: str
    eager_ms: float
    compiled_ms: float
    first_ms: float
    ratio: float
    critical_ms: float | None
    critical_ratio: float | None
    calls: int
    in_flight: int
    how: str

    def to_dict(self) -> dict[str, Any]:
        """The same, for JSON."""
        return asdict(self)


def bench(op: Any, inputs: Any, repeat: int = 5, say: Say = lambda text: None) -> Bench:
    """Run `op(inputs=inputs)` plain and compiled, in turns.

    Args:
        op: an operator, or a function that takes `inputs`.
        inputs: each run gets a copy of its own.
        repeat: timed runs of each kind, at least 1.
        say: is told which step is under way.
    """
    say("compiling")
    first, first_ms = _timed(op, inputs)
    found = survey(op)
    eager_times, compiled_times = [], []
    eager: list[Outcome] = []
    compiled = [first]
    for index in range(repeat):
        say(f"run {index + 1} of {repeat}")
        with disable_structural_jit():
            outcome, took = _timed(op, inputs)
        eager.append(outcome)
        eager_times.append(took)
        outcome, took = _timed(op, inputs)
        compiled.append(outcome)
        compiled_times.append(took)
    say("measuring the critical path")
    critical, ratio, log = _critical(op, inputs, found, min(repeat, _RECORDED))
    other = next((each for each in compiled if not same_outcome(each, eager[0])), None)
    eager_ms, compiled_ms = statistics.median(eager_times), statistics.median(compiled_times)
    return Bench(
        target=found.name,
        status=found.status,
        repeat=repeat,
        identical=other is None,
        repeatable=all(same_outcome(each, eager[0]) for each in eager),
        answer=_short(str(eager[0])),
        different=_short(str(other)) if other is not None else "",
        eager_ms=round(eager_ms, 3),
        compiled_ms=round(compiled_ms, 3),
        first_ms=round(first_ms, 3),
        ratio=round(compiled_ms / eager_ms, 3) if eager_ms else 1.0,
        critical_ms=round(critical, 3) if critical is not None else None,
        critical_ratio=round(ratio, 3) if ratio is not None else None,
        calls=len(log.calls),
        in_flight=log.in_flight_together(),
        how=HOW,
    )


def _timed(op: Any, inputs: Any) -> tuple[Outcome, float]:
    own = copy.deepcopy(inputs)
    began = perf_counter()
    try:
        outcome = Outcome(op(inputs=own), None)
    except Exception as exc:  # noqa: BLE001 - an operator that raises is compared by what it raises
        outcome = Outcome(None, exc)
    return outcome, (perf_counter() - began) * 1e3


def same_outcome(a: Outcome, b: Outcome) -> bool:
    """Whether two runs gave the same: value and type at every depth, or exception type and arguments."""
    if a.error is not None or b.error is not None:
        if a.error is None or b.error is None or type(a.error) is not type(b.error):
            return False
        return _same(a.error.args, b.error.args)
    return _same(a.value, b.value)


def _same(a: Any, b: Any) -> bool:
    if a is b:  # also None, which has nothing to look into
        return True
    if type(a) is not type(b):
        return False
    if type(a) is dict:
        return list(a) == list(b) and all(_same(a[key], b[key]) for key in a)
    if type(a) in (list, tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    if type(a) is float:
        return float.hex(a) == float.hex(b)
    if hasattr(a, "dtype") and hasattr(a, "tobytes"):  # arrays: bit by bit
        return bool(a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes())
    if inspect.getattr_static(type(a), "__eq__") is object.__eq__:
        return _same(getattr(a, "__dict__", None), getattr(b, "__dict__", None))
    return bool(a == b)


def _critical(
    op: Any, inputs: Any, found: Survey, times: int
) -> tuple[float | None, float | None, events.Log]:
    """Median critical path in ms, median ratio of the run to it, and the last log; of recorded runs."""
    made = found.schedule()
    last = events.Log()
    chains, ratios = [], []
    for _ in range(times if made is not None else 0):
        with events.record() as log:
            _, took = _timed(op, inputs)
        last = log
        log.calls[:] = [call for call in log.calls if call.owner == found.name and call.ended]
        if not log.calls or made is None:
            break
        chain = longest_chain(made, found, log.calls) * 1e3
        chains.append(chain)
        ratios.append(took / chain)
    if not chains:
        return None, None, last
    return statistics.median(chains), statistics.median(ratios), last


def longest_chain(made: Schedule, found: Survey, calls: list[events.Call]) -> float:
    """Seconds of the longest chain of dependent calls among those of one recorded run.

    A call starts only after those it waits for have ended, so calls in order of their start times are in
    an order in which each chain can be added up.
    """
    assert found.unit.plan is not None
    loops_of = found.unit.plan.site_loops
    incoming: dict[int, list[tuple[int, bool, tuple[int, ...]]]] = {}
    shared: dict[int, set[tuple[int, ...]]] = {}
    nodes = made.graph.nodes
    for edge in made.graph.edges:
        a, b = nodes[edge.source].op.site, nodes[edge.target].op.site
        if a in loops_of and b in loops_of:
            common = tuple(loop for loop in loops_of[a] if loop in loops_of[b])
            incoming.setdefault(b, []).append((a, edge.carried, common))
            shared.setdefault(a, set()).add(common)
    best: dict[tuple[int, tuple[int, ...], tuple[int, ...]], float] = {}
    seen: set[object] = set()
    base = longest = 0.0
    for call in sorted(calls, key=lambda each: each.started):
        site, *rest = call.key if isinstance(call.key, tuple) else (call.key,)
        if call.key in seen:  # the region was entered again: everything before has been joined
            base, best, seen = longest, {}, set()
        seen.add(call.key)
        place = dict(zip(loops_of[site], rest, strict=True))
        start = base
        for source, carried, common in incoming.get(site, ()):
            at = tuple(place[loop] for loop in common)
            if carried:
                at = (*at[:-1], at[-1] - 1) if at else at
            start = max(start, best.get((source, common, at), 0.0))
        end = start + call.ended - call.started
        longest = max(longest, end)
        for common in shared.get(site, ()):
            key = (site, common, tuple(place[loop] for loop in common))
            best[key] = max(best.get(key, 0.0), end)
    return longest


def _short(text: str, most: int = 400) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."


def bench_text(made: Bench) -> str:
    """A benchmark as text."""
    lines = [f"{made.target} ({made.status}), {made.repeat} runs each, in turns"]
    lines.append(f"  identical answer   {'yes' if made.identical else 'NO'}")
    if not made.repeatable:
        lines.append(
            "                     (the plain runs differ among themselves: this operator does not repeat itself)"
        )
    if not made.identical:
        lines += [f"    plain:           {made.answer}", f"    compiled:        {made.different}"]
    lines.append(f"  eager              {made.eager_ms:10.2f} ms   median")
    lines.append(
        f"  compiled           {made.compiled_ms:10.2f} ms   median; first run, with compiling: {made.first_ms:.2f} ms"
    )
    faster = made.eager_ms / made.compiled_ms if made.compiled_ms else 1.0
    lines.append(f"  compiled / eager   {made.ratio:10.2f}      ({faster:.2f} x as fast)")
    if made.critical_ms is None:
        lines.append("  critical path      not measured: no call was issued ahead")
    else:
        lines.append(
            f"  critical path      {made.critical_ms:10.2f} ms   {made.calls} calls, up to {made.in_flight} in flight"
        )
        lines.append(f"  compiled / critical{made.critical_ratio:10.2f}")
        lines.append(f"    ({made.how})")
    return "\n".join(lines)
