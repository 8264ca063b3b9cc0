"""Learning: a run that notes for its receiver whether overlapping has paid, so that `"auto"` can leave it be.

    issued nothing, 3 times in a row        plain for 32 calls, then 256, ...
    nothing but trivial calls, or calls
    that keep a core busy, 8 times          plain for 128 times as long as a run takes, ...

What is learnt is `Memory`, kept by the unit (`Unit.remember`) and asked before the next run begins (`Unit.open`).
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

from ember_jit.runtime import logs
from ember_jit.runtime.plan import Plan
from ember_jit.runtime.run import Run

if TYPE_CHECKING:
    from ember_jit.runtime.dispatch import Unit

PATIENCE = 8  # runs in a row that must look trivial before "auto" stops overlapping
FIRST_REST, LONGEST_REST = 128, 1024  # then plain for so many times as long as a measured run takes
FIRST_FRUITLESS_REST, LONGEST_FRUITLESS_REST = (
    32,
    4096,
)  # the same in calls, where nothing is issued
FRUITLESS = 3  # runs in a row of one instance that issued nothing


class Memory:
    """What is remembered of one receiver: whether overlapping it has paid, and how long it runs plain if not.

    After fruitless runs that is a number of calls (`skip`), after trivial ones a time (`until`): measuring
    then costs a small share of the time whatever a run costs, and calls that turn slow are soon noticed.
    """

    __slots__ = ("backoff", "fruitless", "owner", "rest", "skip", "trivial", "until")

    def __init__(self, owner: Any) -> None:
        self.owner = owner
        self.skip = 0
        self.until = 0.0
        self.fruitless = 0
        self.trivial = 0
        self.backoff = FIRST_REST
        self.rest = FIRST_FRUITLESS_REST


class UnitRun(Run):
    """A run that reports to its unit."""

    __slots__ = ("_began", "_memory", "_owner", "counts_cpu", "unit")

    def __init__(
        self, unit: Unit, memory: Memory | None, owner: Any, plan: Plan, limit: int, window: int
    ) -> None:
        super().__init__(plan, limit, window)
        if self.recorded is not None:
            code = unit.original
            self.recorded.file, self.recorded.line = code.co_filename, code.co_firstlineno
        self.unit = unit
        self._memory = memory
        self._owner = owner
        self.counts_cpu = unit.auto
        self._began = perf_counter()

    def close(self) -> None:
        """Leave the function, and learn from how it went."""
        super().close()
        if logs.pending:
            logs.flush()
        unit = self.unit
        stats = unit.stats
        stats.runs += 1
        stats.issued += self.progress
        owner = self._owner
        del self._owner
        if not unit.auto:
            return
        memory = unit.remember(owner, self._memory)
        if not self.issued_any:
            memory.fruitless += 1
            unit.barren += memory.fruitless == 1
            patience = FRUITLESS if memory.owner is not None else 4 * PATIENCE
            if memory.fruitless >= patience:
                memory.skip = memory.rest
                memory.rest = min(memory.rest * 8, LONGEST_FRUITLESS_REST)
                if logs.wanted("schedule"):
                    reason = f"nothing was started ahead in {memory.fruitless} runs"
                    logs.say(
                        "schedule",
                        f"{unit.where()}: runs plain for the next {memory.skip} calls: {reason}",
                    )
            return
        memory.rest = FIRST_FRUITLESS_REST
        unit.barren = 0
        memory.fruitless = 0
        if not self.progress:
            return
        elapsed = perf_counter() - self._began
        trivial = self.short >= 0.9 * self.progress
        cpu_bound = 0.8 * elapsed <= self.busy <= 1.15 * elapsed
        if not (trivial or cpu_bound):
            memory.trivial = 0
            memory.backoff = FIRST_REST
            return
        memory.trivial += 1
        if memory.trivial >= PATIENCE:
            memory.until = self._began + (1 + memory.backoff) * elapsed
            if logs.wanted("schedule"):
                what = (
                    "its calls are too short to overlap"
                    if trivial
                    else "its calls keep a core busy"
                )
                rest = memory.backoff * elapsed * 1e3
                logs.say(
                    "schedule",
                    f"{unit.where()}: runs plain for {rest:.1f} ms: {what}, {memory.trivial} times",
                )
            memory.backoff = min(memory.backoff * 8, LONGEST_REST)
