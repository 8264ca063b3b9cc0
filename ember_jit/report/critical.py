"""The critical path of recorded runs: the longest chain of calls that wait for each other.

It is measured on compiled runs, with the runtime's own event log: each call that was issued ahead counts with the
time it took.  What is not in it is the time between calls and the calls that stay in order; so the ratio to it is
an upper bound of what scheduling could still gain.  The ratio is that of a run to its own chain, never to that of a
run that the machine was slower for: no run takes less time than its critical path.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable

from ember_jit.report.schedule import Schedule
from ember_jit.report.survey import Survey
from ember_jit.runtime import events

HOW = (
    "the longest chain of dependent calls, each with the time it took in a recorded compiled run; "
    "time between calls and calls that stay in order are not in it"
)


def critical_path(
    run: Callable[[], float], found: Survey, times: int
) -> tuple[float | None, float | None, events.Log]:
    """Median critical path in seconds, median ratio of a run to its own, and the last log.

    Args:
        run: makes a compiled run; returns the seconds it took.
        found: what it runs.
        times: runs to record.
    """
    made = found.schedule()
    last = events.Log()
    chains, ratios = [], []
    for _ in range(times if made is not None else 0):
        with events.record() as log:
            took = run()
        last = log
        log.calls[:] = [call for call in log.calls if call.owner == found.name and call.ended]
        if not log.calls or made is None:
            break
        chain = longest_chain(made, found, log.calls)
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
            # what a loop hands on is there when all loops inside it have ended
            depths = [common.index(loop) + 1 for loop in edge.loops & set(common)]
            for depth in depths or [len(common)]:
                incoming.setdefault(b, []).append((a, edge.carried, common[:depth]))
                shared.setdefault(a, set()).add(common[:depth])
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
