"""What tests of operators need: compiled against plain, what overlapped, and overlap without waiting.

    assert_same(op, inputs, calls=3)      compiled and plain agree: result, exception, effects, output
    eager(op)(inputs=...)                 the plain run
    with record_schedule() as schedule    what overlapped
    with loops_at_once()                  loops are compiled in the call that meets them
    with fake_clock() as clock            virtual time: leaves sleep on `clock`, or have a `fake_latency`
    wait_for_kernels()                    the kernels and loops that calls have asked for are made

With pytest there are the fixtures `ember_schedule` and `ember_clock` (`testing.plugin`).  Names are imported
when they are first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ember_jit.lazy import lazily

if TYPE_CHECKING:
    from ember_jit.protocols import ExecutorLike, OperatorLike
    from ember_jit.testing.clock import FakeClock, fake_clock
    from ember_jit.testing.kernels import wait_for_kernels
    from ember_jit.testing.latency import fake_latency
    from ember_jit.testing.loops import loops_at_once
    from ember_jit.testing.plain import eager
    from ember_jit.testing.same import assert_same
    from ember_jit.testing.schedule import Schedule, record_schedule

__all__ = [
    "ExecutorLike",
    "FakeClock",
    "OperatorLike",
    "Schedule",
    "assert_same",
    "eager",
    "fake_clock",
    "fake_latency",
    "loops_at_once",
    "record_schedule",
    "wait_for_kernels",
]
__getattr__, __dir__ = lazily(
    __name__,
    {
        "ExecutorLike": "ember_jit.protocols",
        "FakeClock": "ember_jit.testing.clock",
        "OperatorLike": "ember_jit.protocols",
        "Schedule": "ember_jit.testing.schedule",
        "assert_same": "ember_jit.testing.same",
        "eager": "ember_jit.testing.plain",
        "fake_clock": "ember_jit.testing.clock",
        "fake_latency": "ember_jit.testing.latency",
        "loops_at_once": "ember_jit.testing.loops",
        "record_schedule": "ember_jit.testing.schedule",
        "wait_for_kernels": "ember_jit.testing.kernels",
    },
)
