"""Random array programs: compiled and plain agree to the last bit, warning and error; fast ones in each value."""

from __future__ import annotations

from collections import Counter

import pytest

from ember_jit.compiler import native_code, numeric_form
from tests.numeric.fuzz import try_fast_seed, try_seed
from tests.numeric.reference import reference_entry


@pytest.mark.slow
@pytest.mark.parametrize("tier", [0, 1])
@pytest.mark.parametrize("block", range(4))
def test_native_kernels(native, monkeypatch, block, tier):
    monkeypatch.setattr(numeric_form, "emit", lambda found, _: native_code.emit(found, tier))
    check(range(40 * block, 40 * block + 40))


@pytest.mark.slow
@pytest.mark.parametrize("block", range(2))
def test_values_of_fast_kernels(native, block):
    check(range(30 * block, 30 * block + 30), try_fast_seed)


@pytest.mark.parametrize("block", range(3))
def test_regions_and_types_without_machine_code(monkeypatch, block):
    monkeypatch.setattr(numeric_form, "emit", reference_entry)
    check(range(1000 + 60 * block, 1060 + 60 * block))


def check(seeds, tried=try_seed):
    counts = Counter()
    found = [str(each) for seed in seeds if (each := tried(seed, counts)) is not None]
    assert found == []
    assert counts["kernels"] > 10
