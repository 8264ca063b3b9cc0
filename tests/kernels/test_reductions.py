"""Reductions against NumPy, bit for bit: over everything and over the last axis."""

import numpy as np
import pytest
from native import run
from reference import same_bits, samples
from test_elementwise import agree

from ember_jit.compiler import kernels
from ember_jit.compiler.kernels.schedule import Schedule
from ember_jit.ir.program import FLAGS, REDUCTIONS, Builder

pytestmark = pytest.mark.numeric


def reduction(name, dtype, rank, block=None, layout="contiguous"):
    build = Builder()
    return build.program(build.reduce(name, build.input(dtype, layout), rank, block))


@pytest.mark.parametrize("dtype", ["d", "f"])
def test_pairwise_sums(dtype):
    rng = np.random.default_rng(5)
    program = reduction("sum", dtype, "scalar")
    values = (rng.standard_normal(5000) * 10.0 ** rng.integers(-8, 8, 5000)).astype(dtype)
    for count in [*range(600), *range(600, 5001, 37), 4096, 5000]:
        part = values[:count]
        result, (total,) = run(program, [part], (1, count))
        assert result == 0 and same_bits(total, np.sum(part)), count
    many = rng.standard_normal(1_000_003).astype(dtype)
    for count in (10**6, 1_000_003, 999_999):
        result, (total,) = run(program, [many[:count]], (1, count))
        assert result == 0 and same_bits(total, np.sum(many[:count]))
    result, (total,) = run(program, [many[: 10**6]], (1000, 1000))  # a 2-d array is one long row
    assert same_bits(total, np.sum(many[: 10**6].reshape(1000, 1000)))


def test_sums_of_zeros_and_infinities():
    program = reduction("sum", "d", "scalar")
    for values in ([-0.0], [-0.0] * 9, [0.0, -0.0], [np.inf] * 5, [-0.0] * 300):
        agree(program, [np.array(values)], (1, len(values)), must_run=True)
    # of several NaNs NumPy may keep any: which one, depends on the compiler of its loop
    assert run(program, [np.array([np.nan] * 20)], (1, 20))[0] == FLAGS["doubt"]
    assert run(program, [np.array([np.inf, -np.inf])], (1, 2))[0] & FLAGS["invalid"]


@pytest.mark.parametrize("dtype", ["i", "f", "l"])
def test_sums_that_numpy_feeds_by_buffers(dtype):
    """`mean` of integers and `sum(dtype=...)` convert 8192 elements at a time."""
    rng = np.random.default_rng(6)
    build = Builder()
    program = build.program(
        build.reduce("sum", build.cast(build.input(dtype), "d"), "scalar", 8192)
    )
    for count in (0, 1, 100, 8191, 8192, 8193, 20000, 100_003):
        values = samples(dtype, count, rng, nasty=dtype != "f")
        result, (total,) = run(program, [values], (1, count))
        assert result == 0 and same_bits(total, np.asarray(np.add.reduce(values, dtype="d"))), count


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("rank", ["scalar", "row"])
def test_reduction(name, rank):
    rng = np.random.default_rng(7)
    for dtype in REDUCTIONS[name].dtypes:
        program = reduction(name, dtype, rank)
        assert kernels.supported(program) is None
        shapes = [(1, 1), (1, 7), (1, 100), (3, 5), (5, 1), (4, 33), (2, 300), (1, 1000)]
        for shape in shapes:
            count = shape[0] * shape[1]
            values = samples(dtype, count, rng)
            must = np.dtype(dtype).kind != "f" or name in ("argmax", "argmin", "any", "all")
            agree(program, [values], shape, must_run=must)
            agree(program, [values], shape, must_run=must, at_end=False, tier=0)
            agree(program, [samples(dtype, count, rng, nasty=True)], shape)
            distinct = rng.permutation(count) + 1
            if count < 100:
                agree(program, [distinct.astype(dtype)], shape, must_run=True)


@pytest.mark.parametrize("layout", ["strided", "row", "column"])
def test_reductions_over_other_layouts(layout):
    rng = np.random.default_rng(8)
    for name in ("sum", "max", "argmin", "prod", "all"):
        build = Builder()
        x, y = build.input("d"), build.input("d", layout)
        program = build.program(build.reduce(name, build.op("multiply", x, y), "row"))
        for rows, columns in ((3, 5), (4, 129), (1, 1000)):
            x_values = 1 + rng.random(rows * columns)
            count = {"row": rows, "column": columns}.get(layout, 0)
            y_values = 1 + (rng.random(count) if count else rng.random((2 * rows, 3 * columns)))
            if not count:
                y_values = y_values[::2, ::3]
            agree(program, [x_values, y_values], (rows, columns), must_run=True)


def test_a_sum_over_rows_whose_order_crosses_them_is_given_up():
    program = reduction("sum", "d", "scalar", layout="strided")
    x = np.random.default_rng(0).random((6, 40))[::2, ::2]
    assert run(program, [x], x.shape)[0] != 0
    assert agree(program, [x[0]], (1, 20), must_run=True) == 0


def test_extrema_of_nothing_are_given_up():
    for name in ("max", "argmin"):
        assert run(reduction(name, "d", "scalar"), [np.zeros(0)], (1, 0))[0] != 0
        assert run(reduction(name, "d", "row"), [np.zeros(0)], (3, 0))[0] != 0


def softmax(build, x):
    e = build.op("exp", build.op("subtract", x, build.reduce("max", x, "row")))
    return build.op("true_divide", e, build.reduce("sum", e, "row"))


def layer_norm(build, x, gain, bias, columns):
    count = build.const(float(columns), "d")
    mean = build.op("true_divide", build.reduce("sum", x, "row"), count)
    apart = build.op("subtract", x, mean)
    variance = build.op("true_divide", build.reduce("sum", build.op("square", apart), "row"), count)
    scale = build.op("sqrt", build.op("add", variance, build.const(1e-5, "d")))
    normal = build.op("true_divide", apart, scale)
    return build.op("add", build.op("multiply", normal, gain), bias), mean


@pytest.mark.parametrize("shape", [(1, 1), (3, 8), (10, 256), (5, 1001)])
def test_row_wise_programs(shape):
    rng = np.random.default_rng(9)
    values = rng.standard_normal(shape)
    build = Builder()
    agree(build.program(softmax(build, build.input("d"))), [values], shape, must_run=True)
    build = Builder()
    x, gain, bias = build.input("d"), build.input("d", "column"), build.input("d", "column")
    program = build.program(*layer_norm(build, x, gain, bias, shape[1]))
    inputs = [values, rng.random(shape[1]), rng.random(shape[1])]
    agree(program, inputs, shape, must_run=True)


@pytest.mark.parametrize("rank", ["row", "scalar"])
@pytest.mark.parametrize("shape", [(3, 7), (4, 600), (2, 2000)])
def test_what_a_loop_computes_is_kept_in_an_output(rank, shape):
    """`exp` is computed once: in its own output, or in that of what needs it last; `sin` finds no room."""
    rng = np.random.default_rng(11)
    for dtype in "df":
        values = rng.standard_normal(shape).astype(dtype)
        build = Builder()
        x = build.input(dtype)
        e, s = build.op("exp", x), build.op("sin", x)
        shares = [build.op("true_divide", each, build.reduce("sum", each, rank)) for each in (e, s)]
        both = build.op("add", *shares)
        for outputs in ([shares[0]], [e, shares[0]], [both]):
            program = build.program(*outputs)
            agree(program, [values], shape, must_run=True)
            assert [program.nodes[i].op for i in Schedule(program).kept] == ["exp"]


def test_whole_array_normalised():
    rng = np.random.default_rng(10)
    build = Builder()
    x = build.input("d")
    total = build.reduce("sum", x, "scalar")
    share = build.op("true_divide", x, total)
    largest = build.reduce("max", build.op("absolute", share), "scalar")
    program = build.program(build.op("true_divide", share, largest), total, largest)
    for count in (1, 5, 200, 3000):
        agree(program, [1 + rng.random(count)], (1, count), must_run=True)
