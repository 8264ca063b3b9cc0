"""Each exact operation, for each type, against NumPy: bits, and flags where NumPy would warn."""

import numpy as np
import pytest
from native import prepare, run
from reference import evaluate, same_bits, samples

from ember_jit.compiler import kernels
from ember_jit.ir.program import DTYPES, ELEMENTWISE, FLAGS, TRANSCENDENTAL, Builder

pytestmark = pytest.mark.numeric

SIZES = (0, 1, 3, 4, 8, 9, 17, 33, 129)
EXACT = [name for name in ELEMENTWISE if name not in TRANSCENDENTAL]


def binary_program(name, dtype, layouts=("contiguous", "contiguous")):
    build = Builder()
    args = [build.input(dtype, layout) for layout in layouts[: ELEMENTWISE[name].arity]]
    return build.program(build.op(name, *args))


def agree(program, inputs, shape, must_run=False, **options):
    """The kernel gives NumPy's bits, or says that NumPy would have warned (or must decide)."""
    result, outputs = run(program, inputs, shape, **options)
    wanted, caught = evaluate(program, inputs, shape)
    warned = [str(w.message) for w in caught]
    assert result != 0 or not warned, f"missed {warned}\n{program}"
    assert not must_run or warned or result == 0, (
        f"gave up ({result}) without need, NumPy: {warned}\n{program}"
    )
    if result == 0:
        for got, want in zip(outputs, wanted, strict=True):
            assert same_bits(got, want), f"{program}\n{inputs}\n{got}\n{want}"
    return result


@pytest.mark.parametrize("name", EXACT)
def test_operation(name):
    rng = np.random.default_rng(1)
    tried = 0
    for dtype in ELEMENTWISE[name].dtypes:
        program = binary_program(name, dtype)
        if kernels.supported(program):
            continue
        tried += 1
        for count in SIZES:
            inputs = [samples(dtype, count, rng) for _ in program.operands]
            if name in ("sqrt", "reciprocal", "true_divide", "floor_divide", "remainder"):
                inputs = [np.where(x > 0, x, 1).astype(dtype) for x in inputs]
                must = True
            else:
                must = name not in ("maximum", "minimum", "fmax", "fmin", "multiply", "square")
            agree(program, inputs, (1, count), must_run=must)
            agree(program, inputs, (1, count), must_run=must, at_end=False)
            nasty = [samples(dtype, count, rng, nasty=True) for _ in program.operands]
            agree(program, nasty, (1, count))
        for single in np.unique(nasty[0][:20]):  # one at a time: one giving up hides nothing
            for other in np.unique(nasty[-1][:12]):
                agree(program, [np.array([single]), np.array([other])][: len(nasty)], (1, 1))
    assert tried or name in ("erf", "sigmoid", "fmod")


@pytest.mark.parametrize("source", DTYPES)
def test_cast(source):
    rng = np.random.default_rng(2)
    for target in DTYPES:
        build = Builder()
        program = build.program(build.cast(build.input(source), target))
        for count in (1, 3, 8, 33, 200):
            tame = samples(source, count, rng)
            if np.dtype(source).kind == "f" and target not in "fd?":
                tame = np.where(np.abs(tame) < 100, np.abs(tame), 1).astype(source)
            agree(program, [tame], (1, count), must_run=True)
            for value in samples(source, 40, rng, nasty=True):
                agree(program, [np.array([value])], (1, 1))


@pytest.mark.parametrize("dtype", ["d", "f", "b", "l"])
def test_comparisons_of_nan_raise_nothing(dtype):
    if dtype in "bl":
        return
    values = np.array([np.nan, 1.0, np.inf, -np.inf, np.nan, 0.0, -0.0, 2.0, np.nan], dtype)
    for name in ("less", "less_equal", "greater", "greater_equal", "equal", "not_equal", "isnan"):
        program = binary_program(name, dtype)
        inputs = [values, values[::-1].copy()][: len(program.operands)]
        agree(program, inputs, (1, values.size), must_run=True)


@pytest.mark.parametrize("dtype", DTYPES)
def test_layouts(dtype):
    rng = np.random.default_rng(3)
    name = "bitwise_xor" if dtype == "?" else "subtract"
    if dtype == "?":
        name = "logical_xor"
    for shape in ((1, 1), (3, 5), (7, 33), (2, 0), (0, 4), (5, 1), (4, 64)):
        rows, columns = shape
        wide = samples(dtype, (rows + 1) * 2 * (columns + 3) * 2, rng)
        wide = wide.reshape((rows + 1) * 2, (columns + 3) * 2)
        views = [
            wide[:rows, :columns],
            wide[:rows, : 2 * columns : 2],
            wide[rows - 1 :: -1, :columns][:rows] if rows else wide[:0, :columns],
            wide[:rows, columns - 1 :: -1][:, :columns] if columns else wide[:rows, :0],
            wide.T[: rows if rows <= wide.shape[1] else 0, :columns],
            np.broadcast_to(wide[0, 0], shape),
        ]
        views = [view for view in views if view.shape == shape]
        for other in ("contiguous", "row", "column", "scalar", "strided"):
            program = binary_program(name, dtype, ("strided", other))
            for view in views:
                count = {"row": rows, "column": columns, "scalar": 1}.get(other, rows * columns)
                second = view[::-1, ::-1] if other == "strided" else samples(dtype, count, rng)
                agree(program, [view, second], shape, must_run=True)
        for other in ("row", "column", "scalar"):
            program = binary_program(name, dtype, (other, "contiguous"))
            count = {"row": rows, "column": columns, "scalar": 1}[other]
            inputs = [samples(dtype, count, rng), samples(dtype, rows * columns, rng)]
            agree(program, inputs, shape, must_run=True)
            agree(program, inputs, shape, must_run=True, at_end=False)


def test_several_outputs_and_where():
    rng = np.random.default_rng(4)
    build = Builder()
    x, i = build.input("d"), build.input("i")
    big = build.op("greater", x, build.const(0.5, "d"))
    y = build.where(big, x, build.cast(i, "d"))
    program = build.program(y, big, build.op("add", i, i), y)
    for count in SIZES:
        agree(
            program, [samples("d", count, rng), samples("i", count, rng)], (1, count), must_run=True
        )


def test_no_fused_multiply_add():
    build = Builder()
    x, y, z = (build.input("d") for _ in range(3))
    program = build.program(build.op("add", build.op("multiply", x, y), z))
    tiny = 1 + 2.0**-30
    inputs = [np.full(9, tiny), np.full(9, tiny), np.full(9, -(tiny * tiny))]
    assert agree(program, inputs, (1, 9), must_run=True) == 0
    assert "fma" not in kernels.assembly(program) and "fnm" not in kernels.assembly(program)


def test_the_flags_and_the_callers_environment():
    import ctypes

    libm = ctypes.CDLL("libm.so.6")
    program = binary_program("true_divide", "d")
    assert run(program, [np.ones(3), np.ones(3)], (1, 3))[0] == 0
    one, zero = np.ones(5), np.zeros(5)
    divide_by_zero = 4
    for before in (0, divide_by_zero):
        assert run(program, [one, zero], (1, 5))[0] == 4
        assert run(program, [zero, zero], (1, 5))[0] == 1
        assert run(program, [one * 1e308, one * 1e-308], (1, 5))[0] == 8
        call, _ = prepare(program, [one, zero], (1, 5))
        libm.feclearexcept(63)
        libm.feraiseexcept(before)
        assert call() == 4
        assert libm.fetestexcept(divide_by_zero) == before
    libm.feclearexcept(63)


@pytest.mark.parametrize("dtype", ["d", "f"])
@pytest.mark.parametrize("name", ["add", "multiply", "fmax"])
def test_of_two_nans_that_differ_numpy_keeps_one(name, dtype):
    """Which one, depends on where in its loop they are: the kernel gives up, unless both are the same."""
    nan = np.full(9, np.nan, dtype)
    program = binary_program(name, dtype)
    assert run(program, [nan, -nan], (1, 9))[0] == FLAGS["doubt"]
    agree(program, [nan, nan], (1, 9), must_run=True)
    agree(program, [nan, np.ones(9, dtype)], (1, 9), must_run=True)
    scaled = binary_program(name, dtype, ("contiguous", "scalar"))
    assert run(scaled, [nan, np.array(np.nan, dtype)], (1, 9))[0] == FLAGS["doubt"]


@pytest.mark.parametrize("factor", [-1.0, 1.0, 0.0, -0.0])
def test_constants_that_invite_simplification_keep_the_nans(factor):
    nans = np.array([np.nan, -np.nan, 1.0] * 7)
    for name in ("multiply", "true_divide", "add", "subtract"):
        for swapped in (False, True):
            build = Builder()
            args = [build.input("d"), build.const(factor, "d")]
            program = build.program(build.op(name, *(reversed(args) if swapped else args)))
            agree(program, [nans], (1, nans.size))


def test_a_mask_half_of_which_is_constant():
    """LLVM aborts over this if a quiet comparison is its own constrained one."""
    build = Builder()
    x, whole = build.input("d"), build.input("l")
    nothing = build.cast(build.op("subtract", whole, whole), "d")
    program = build.program(build.op("fmax", x, nothing))
    agree(program, [np.arange(-4.0, 5.0), np.arange(9)], (1, 9))
