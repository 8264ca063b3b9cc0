"""Whole programs in fast mode: what is reordered, kept and divided in another way, and what must not change."""

import numpy as np
import pytest
from native import run
from reference import same_bits

from ember_jit.compiler import kernels
from ember_jit.compiler.kernels.machine import Machine, host
from ember_jit.compiler.kernels.relaxed import relaxed
from ember_jit.compiler.kernels.schedule import Schedule
from ember_jit.ir.program import Builder
from tests.numeric.accuracy import BOUND, FUNCTIONS, errors

pytestmark = pytest.mark.numeric
AVX512 = Machine(
    "x86_64-unknown-linux-gnu",
    "skylake-avx512",
    "+sse4.1,+avx,+avx2,+fma,+avx512f,+avx512dq,+avx512vl,+avx512bw",
)
WITHOUT_FMA = Machine("x86_64-unknown-linux-gnu", "x86-64", "+sse2,+sse4.1,-fma")
LONGER = {"f": "d", "d": np.longdouble}


def divided(dtype, layout):
    build = Builder("fast")
    return build.program(build.op("true_divide", build.input(dtype), build.input(dtype, layout)))


@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize("layout", ["row", "scalar"])
def test_a_division_by_one_number_is_right_where_its_reciprocal_is_not(dtype, layout):
    limits = np.finfo(dtype)
    sizes = [0.0, limits.smallest_subnormal, limits.tiny / 3, limits.tiny, 0.3, 1.0, 7.0]
    sizes += [1 / limits.tiny / 3, limits.max / 3, limits.max, np.inf, np.nan]
    values = np.array([*sizes, *[-each for each in sizes]], dtype)
    program = divided(dtype, layout)
    assert relaxed(program) != program
    for divisor in values[:, None]:
        result, (found,) = run(program, [values, divisor], (1, values.size))
        with np.errstate(all="ignore"):
            true = values.astype(LONGER[dtype]) / divisor.astype(LONGER[dtype])
        assert result == 0
        assert errors(found.ravel(), true).max() <= 1.5, (divisor, found, true)


def test_strict_programs_and_divisions_of_elements_stay():
    build = Builder("strict")
    program = build.program(build.op("true_divide", build.input("d"), build.input("d", "scalar")))
    assert relaxed(program) is program
    program = divided("d", "contiguous")
    assert relaxed(program) is program


@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (4, 300)])
@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize("rank", ["row", "scalar"])
def test_a_function_that_two_passes_need_is_computed_once(rank, dtype, shape):
    x = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    for also in (False, True):
        build = Builder("fast")
        e = build.op("exp", build.op("sin", build.input(dtype)))
        share = build.op("true_divide", e, build.reduce("sum", e, rank))
        program = build.program(*((e, share) if also else (share,)))
        assert [program.nodes[node].op for node in Schedule(program).kept] == ["exp"]
        assert kernels.llvm_ir(program).count("call double @far_sin") == 1
        result, outputs = run(program, [x], shape)
        true = np.exp(np.sin(x.astype(LONGER[dtype])))
        if also:
            assert errors(outputs[0], true).max() <= 2 * BOUND
        true = true / true.sum(axis=1 if rank == "row" else None, keepdims=True)
        assert result == 0
        assert errors(outputs[-1], true).max() <= 3 * BOUND


@pytest.mark.parametrize("name", ["sum", "prod"])
@pytest.mark.parametrize("count", [0, 1, 5, 63, 64, 65, 1000])
def test_reductions_in_any_order(name, count):
    values = 1 + np.random.default_rng(1).random(count) / 64
    build = Builder("fast")
    program = build.program(build.reduce(name, build.input("d"), "scalar"))
    result, (found,) = run(program, [values], (1, count))
    assert result == 0
    assert found == pytest.approx(getattr(np, name)(values), rel=1e-13)
    assert same_bits(run(program, [values], (1, count), at_end=False)[1][0], found)


@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_machines(name, dtype):
    """Wider vectors compile, where the processor is of that kind; without fused operations there is no kernel."""
    build = Builder("fast")
    args = [build.input(dtype) for _ in range(getattr(np, name).nin)]
    program = build.program(build.op(name, *args))
    assert kernels.supported(program, WITHOUT_FMA) == f"{name} needs a fused multiply-add"
    if host().x86:
        assert kernels.compile_object(program, AVX512)
