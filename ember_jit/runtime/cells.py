"""Cells: values that an issue program may name before they exist.

A cell is the outcome of one call (or of one guarded expression over other cells).  It is resolved
once, under the lock of its run, and counts down the cells that wait for it: dependence counting,
never layers.  User code never meets a cell.

    PENDING  waits for other cells          OK      has a value
    READY    may start, has not been claimed  RAISED  the call raised
    RUNNING  claimed by a thread            LOST    given up; the retire program does it itself
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context
from types import TracebackType
from typing import Any

PENDING, READY, RUNNING, OK, RAISED, LOST = range(6)


class Cell:
    """One value to come."""

    __slots__ = (
        "context",
        "dependents",
        "deps",
        "event",
        "job",
        "journal",
        "missing",
        "state",
        "thunk",
        "trace",
        "value",
        "walks",
    )

    def __init__(self, state: int = PENDING) -> None:
        self.state = state
        self.value: Any = None
        self.trace: TracebackType | None = None
        self.missing = 0
        self.deps: tuple[Any, ...] = ()
        self.thunk: Callable[..., Any] | None = None
        self.job: tuple[Any, tuple[Any, ...], dict[str, Any]] | None = None
        self.context: Context | None = None
        self.dependents: list[Cell] | None = None
        self.walks: list[Walk] | None = None
        self.event: Any = None
        self.journal: list[Any] | None = None  # output that waits for the call's turn

    def drop_inputs(self) -> None:
        """Forget what was only needed to compute the value, so that nothing lives longer than in plain Python."""
        self.deps = ()
        self.thunk = self.job = self.context = None


class Walk:
    """An issue program in progress: a generator, and the cells that take what it returns."""

    __slots__ = ("epoch", "generator", "outputs")

    def __init__(self, generator: Any, epoch: int, outputs: tuple[Cell, ...] = ()) -> None:
        self.generator = generator
        self.epoch = epoch
        self.outputs = outputs


def value_of(item: Any) -> Any:
    """The value of a resolved cell; anything that is no cell is its own value."""
    return item.value if type(item) is Cell else item


def lost() -> Cell:
    """A cell that will never have a value."""
    return Cell(LOST)
