"""The pytest plugin: two fixtures, and nothing that happens to tests that do not ask for them.

    def test_overlap(ember_schedule, ember_clock):
        op(inputs="question")
        assert ember_schedule.overlapped("self.search", "self.recall")
        assert ember_clock.now == 0.3

It is found by pytest where ember_jit is installed; `-p no:ember_jit` leaves it out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ember_jit.testing.clock import FakeClock
    from ember_jit.testing.schedule import Schedule


@pytest.fixture
def ember_schedule() -> Iterator[Schedule]:
    """What compiled code overlaps during the test (`ember_jit.testing.record_schedule`)."""
    from ember_jit.testing.schedule import record_schedule

    with record_schedule() as schedule:
        yield schedule


@pytest.fixture
def ember_clock() -> Iterator[FakeClock]:
    """A clock that is open during the test (`ember_jit.testing.fake_clock`)."""
    from ember_jit.testing.clock import fake_clock

    with fake_clock() as clock:
        yield clock
