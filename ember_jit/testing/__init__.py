"""What tests of operators need: compiled against plain, what overlapped, and overlap without waiting.

    assert_same(op, inputs, calls=3)      compiled and plain agree: result, exception, effects, output
    eager(op)(inputs=...)                 the plain run
    with record_schedule() as schedule    what overlapped
    with fake_clock() as clock            virtual time: leaves sleep on `clock`, or have a `fake_latency`
    wait_for_kernels()                    the kernels that calls have asked for are made

With pytest there are the fixtures `ember_schedule` and `ember_clock` (`testing.plugin`).  Names are imported
when they are first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ember_jit.protocols import ExecutorLike, OperatorLike
    from ember_jit.testing.clock import FakeClock, fake_clock
    from ember_jit.testing.kernels import wait_for_kernels
    from ember_jit.testing.latency import fake_latency
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
    "record_schedule",
    "wait_for_kernels",
]
_HOMES = {
    "ExecutorLike": "protocols",
    "FakeClock": "testing.clock",
    "OperatorLike": "protocols",
    "Schedule": "testing.schedule",
    "assert_same": "testing.same",
    "eager": "testing.plain",
    "fake_clock": "testing.clock",
    "fake_latency": "testing.latency",
    "record_schedule": "testing.schedule",
    "wait_for_kernels": "testing.kernels",
}


def __getattr__(name: str) -> Any:
    """Import a name when it is first asked for."""
    if name in _HOMES:
        import importlib

        return getattr(importlib.import_module(f"ember_jit.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'ember_jit.testing' has no attribute {name!r}")
