"""Random programs about order, compiled and plain: a hundred here, any number by `generated.main`."""

from __future__ import annotations

import pytest

from tests.differential.generated import difference, program

BATCHES = 10
PROGRAMS = 10  # in a batch


@pytest.mark.parametrize("batch", range(BATCHES))
def test_same_as_plain(batch: int) -> None:
    for seed in range(batch * PROGRAMS, (batch + 1) * PROGRAMS):
        text = program(seed)
        if text is not None:
            assert not difference(seed, text)
