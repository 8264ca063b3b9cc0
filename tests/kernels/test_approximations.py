"""Fast mode's functions: within 4 ULP of the true values everywhere, and what is no number is kept.

`python -m tests.numeric.exhaustive` does the same for every float32 and for millions of float64.
"""

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from tests.numeric.accuracy import (
    BOUND,
    FUNCTIONS,
    errors,
    exact,
    fast,
    hard_cases,
    longer,
    samples,
)

pytestmark = pytest.mark.numeric


def worst(name, arrays, true):
    found = fast(name, arrays[0].dtype.char)(*arrays)
    far = errors(found, true)
    at = int(np.argmax(far))
    return far[at], [float(each[at]) for each in arrays], float(found[at]), float(true[at])


@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_samples(name, dtype):
    arrays = samples(name, dtype, 200_000, np.random.default_rng(0))
    found = worst(name, arrays, longer(name, *arrays))
    assert found[0] <= BOUND, found


@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_hard_cases(name, dtype):
    arrays = hard_cases(name, dtype)
    found = worst(name, arrays, longer(name, *arrays))
    assert found[0] <= BOUND, found


@pytest.mark.parametrize("name", FUNCTIONS)
def test_against_mpmath(name):
    pytest.importorskip("mpmath")
    rng = np.random.default_rng(1)
    sampled = samples(name, "d", 1_000, rng)
    hard = [rng.permutation(np.stack(hard_cases(name, "d")).T)[:1500].T.copy()]
    for arrays in ([*sampled], [*hard[0]]):
        found = worst(name, arrays, exact(name, *arrays))
        assert found[0] <= BOUND, found


def test_what_is_a_number_of_the_type_comes_out_as_that():
    exponents = np.arange(-300.0, 301)
    assert np.array_equal(fast("log10", "d")(10.0**exponents), exponents)
    exponents = np.arange(-1074.0, 1024)
    assert np.array_equal(fast("exp2", "d")(exponents), 2.0**exponents)
    assert np.array_equal(fast("log2", "d")(2.0**exponents), exponents)
    base, power = (
        each.ravel().copy() for each in np.meshgrid(np.arange(-99.0, 100), np.arange(8.0))
    )
    assert np.array_equal(fast("power", "d")(base, power), np.power(base, power))


def test_sines_and_cosines_stay_within_one():
    x = np.random.default_rng(2).uniform(-1e6, 1e6, 100_000)
    for dtype in "fd":
        for name in ("sin", "cos"):
            assert np.abs(fast(name, dtype)(x.astype(dtype))).max() <= 1
