"""Random functions with loops: compiled and plain, they do the same (results, types, identities, errors, lines, warnings, arguments)."""

from __future__ import annotations

import pytest

from ember_jit.testing import loops_at_once
from tests.loops.loop_programs import Writer
from tests.loops.loop_runs import hits_of, pair_of, run

pytest.importorskip("llvmlite")
pytest.importorskip("numpy")

SEEDS = 24
CALLS = 6


def test_random_programs() -> None:
    hits = 0
    with loops_at_once():
        for seed in range(1, 1 + SEEDS):
            writer = Writer(seed)
            source = writer.function()
            name = f"<random loop {seed}>"
            plain, compiled = pair_of(source, "program", name)
            for _ in range(CALLS):
                args = writer.arguments()
                assert run(compiled, args, name) == run(plain, args, name), (seed, args, source)
            hits += hits_of(compiled)
    assert hits >= SEEDS // 4  # machine code was compared, too
