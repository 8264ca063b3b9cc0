"""Random programs of shapes that are taken apart, a few of them; any number by `newer_shapes.main`."""

from __future__ import annotations

import pytest

from tests.differential.nested_containers import difference
from tests.differential.newer_shapes import program

BATCHES = 8
PROGRAMS = 10  # in a batch


@pytest.mark.parametrize("batch", range(BATCHES))
def test_same_as_plain(batch: int) -> None:
    for seed in range(batch * PROGRAMS, (batch + 1) * PROGRAMS):
        text = program(seed)
        if text is not None:
            assert not difference(seed, text)
