"""What each call of a plain run of `StdlibQA` took, and the critical path that follows.

`with_stopwatch` rebuilds a program around leaves that note their times; only the plain run uses
it, so the operators that get compiled keep no state. The critical path is the longest chain of
calls that must wait for one another. From the program's structure it is

    max over rewritings (rewrite + slowest retrieval of it)  +  slowest answer  +  judge  +  glue

where *glue* is all of the plain run's time outside its calls. It counts retrievals as able to
overlap, so it is a lower bound for any schedule of the same calls.

    >>> calls = [CallTime("rewrite", 0.2), CallTime("retrieve", 0.1), CallTime("rewrite", 0.1),
    ...          CallTime("answer", 0.3), CallTime("answer", 0.2), CallTime("judge", 0.1)]
    >>> round(critical_path(calls, total=1.1), 3)
    0.8
"""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from ember_jit import Operator
from ember_jit.demo.operators import StdlibQA


@dataclass(frozen=True, slots=True)
class CallTime:
    """One leaf call: its stage, which is rewrite, retrieve, answer or judge, and its seconds."""

    stage: str
    seconds: float


class Stopwatch(Operator):
    """Makes a leaf's calls and notes how long each took, in the order they were made."""

    def __init__(self, leaf: Operator, stage: str, calls: list[CallTime]) -> None:
        self.leaf = leaf
        self.stage = stage
        self.calls = calls

    def forward(self, *, inputs: dict[str, Any]) -> dict[str, Any]:
        """Calls the leaf."""
        started = perf_counter()
        result: dict[str, Any] = self.leaf(inputs=inputs)
        self.calls.append(CallTime(self.stage, perf_counter() - started))
        return result


def with_stopwatch(program: StdlibQA, calls: list[CallTime]) -> StdlibQA:
    """The same program around the same leaves, which note their times in `calls`.

    The notes are in program order only where calls do not overlap: run it plain.
    """
    return StdlibQA(
        passages=program.passages,
        rewrite=Stopwatch(program.rewrite, "rewrite", calls),
        retrievers=[Stopwatch(leaf, "retrieve", calls) for leaf in program.retrievers],
        answerers=[Stopwatch(leaf, "answer", calls) for leaf in program.answerers],
        judge=Stopwatch(program.judge, "judge", calls),
        styles=program.styles,
    )


def critical_path(calls: Sequence[CallTime], total: float) -> float:
    """Seconds that no schedule of these calls can go below.

    Args:
        calls: The calls of one plain run, in program order: each rewriting is followed by its
            retrievals.
        total: The seconds of that whole run.
    """
    branches: list[tuple[float, float]] = []  # a rewriting, and its slowest retrieval
    for call in calls:
        if call.stage == "rewrite":
            branches.append((call.seconds, 0.0))
        elif call.stage == "retrieve":
            rewriting, slowest = branches[-1]
            branches[-1] = (rewriting, max(slowest, call.seconds))
    glue = total - sum(call.seconds for call in calls)
    retrieval = max((sum(branch) for branch in branches), default=0.0)
    return retrieval + _slowest(calls, "answer") + _slowest(calls, "judge") + glue


def _slowest(calls: Sequence[CallTime], stage: str) -> float:
    """The longest call of a stage; none took no time."""
    return max((call.seconds for call in calls if call.stage == stage), default=0.0)
