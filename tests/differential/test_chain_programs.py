"""Random chains, compiled and plain: a few here, any number by `chain_programs.main`."""

from __future__ import annotations

import pytest

from ember_jit.runtime.guard import is_available
from tests.differential.chain_programs import difference, is_computed_in_place

BATCHES = 5
PROGRAMS = 10  # in a batch


@pytest.mark.parametrize("batch", range(BATCHES))
def test_same_as_plain(batch: int) -> None:
    for seed in range(batch * PROGRAMS, (batch + 1) * PROGRAMS):
        assert not difference(seed)


@pytest.mark.skipif(not is_available(), reason="there are no guards here")
def test_many_of_them_are_computed_in_place() -> None:
    assert sum(map(is_computed_in_place, range(20))) >= 5
