"""Random array programs: compiled and plain agree to the last bit, warning and error."""

from __future__ import annotations

import random

import pytest

from ember_jit import jit
from ember_jit.compiler import numeric_form
from ember_jit.runtime.dispatch import unit_of
from tests.numeric import programs
from tests.numeric.reference import reference_entry


def differences(seeds):
    found, kernels = [], 0
    for seed in seeds:
        rng = random.Random(seed)
        friendly = rng.random() < 0.75
        source = programs.source_of_program(rng, friendly=friendly)
        plain, compiled = programs.function_of(source), jit(programs.function_of(source))
        for _ in range(3):
            args = programs.friendly_inputs(rng) if friendly else programs.inputs_of(rng)
            state = rng.choice(programs.STATES)
            for _ in range(2):
                answer = programs.compared(plain, compiled, args, state)
                if answer:
                    found.append((seed, answer))
        unit = unit_of(compiled)
        assert not unit.stats.internal_errors, (seed, unit.stats.internal_errors)
        if unit.artifacts is not None:
            kernels += sum(len(site.kernels) for site in unit.artifacts.numeric)
    return found, kernels


@pytest.mark.slow
@pytest.mark.parametrize("block", range(4))
def test_native_kernels(native, block):
    found, kernels = differences(range(40 * block, 40 * block + 40))
    assert found == []
    assert kernels > 10


@pytest.mark.parametrize("block", range(3))
def test_regions_and_types_without_machine_code(monkeypatch, block):
    monkeypatch.setattr(numeric_form, "emit", reference_entry)
    found, kernels = differences(range(1000 + 60 * block, 1060 + 60 * block))
    assert found == []
    assert kernels > 10
