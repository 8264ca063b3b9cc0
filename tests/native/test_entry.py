"""Entries, native and plain: what fits gives NumPy's own result, and everything else is a miss."""

from __future__ import annotations

import gc
import pickle
import random
import sys
import warnings

import pytest

np = pytest.importorskip("numpy")
pytest.importorskip("llvmlite")

from ember_jit.compiler.kernels.signatures import signature_of  # noqa: E402
from ember_jit.ir.program import Builder  # noqa: E402
from ember_jit.runtime.native import loader  # noqa: E402
from ember_jit.runtime.native.entries import MOST_KINDS, enter  # noqa: E402
from ember_jit.runtime.native.layouts import SCALARS, layouts  # noqa: E402
from ember_jit.runtime.native.miss import MISS  # noqa: E402
from tests.native import programs  # noqa: E402
from tests.native.programs import added, divided, make, parts_of, reduced, same, scaled  # noqa: E402

pytestmark = [
    pytest.mark.numeric,
    pytest.mark.skipif(loader.why_not() is not None, reason=str(loader.why_not())),
]

KINDS = ["plain", "native"] if not isinstance(layouts(), str) else ["plain"]
NATIVE = pytest.mark.skipif("native" not in KINDS, reason=str(layouts()))


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


# ------------------------------------------------------------------ what fits
@pytest.mark.parametrize("dtype", [code for code in SCALARS if code != "?"])
def test_every_type(kind, dtype):
    run = make(kind, scaled(dtype))
    x = np.arange(1, 20).astype(dtype)
    a = 3.5 if dtype in "fd" else 3
    same(run(x, a), x * a)


def test_bool(kind):
    build = Builder()
    x, y = build.input("?"), build.input("?", "scalar")
    run = make(kind, build.program(build.op("logical_xor", x, y)))
    x = np.array([True, False, True])
    for y in (True, False):
        same(run(x, y), np.logical_xor(x, y))
    assert run(x, 1) is MISS


@pytest.mark.parametrize(
    "shape",
    [(0,), (1,), (7,), (3, 5), (5, 1), (1, 5), (0, 4), (4, 0), (2, 3, 4), (1, 1, 1, 1), (2,) * 6],
)
def test_shapes(kind, shape):
    run = make(kind, scaled(), ndim=len(shape))
    x = np.random.default_rng(3).random(shape)
    same(run(x, 2.0), x * 2.0)


def test_large_results(kind):
    run = make(kind, scaled())
    x = np.random.default_rng(3).random(1_000_000)
    same(run(x, 2.0), x * 2.0)


def test_an_array_of_no_dimensions_and_a_numpy_scalar(kind):
    x = np.arange(5.0)
    build = Builder()
    program = build.program(build.op("add", build.input("d"), build.input("d", "scalar")))
    same(make(kind, program, sources=("array", "array"))(x, np.array(2.5)), x + np.array(2.5))
    run = make(kind, program, sources=("array", "numpy"))
    same(run(x, np.float64(2.5)), x + np.float64(2.5))
    for other in (2.5, np.float32(2.5), np.array(2.5), np.array([2.5]), True):
        assert run(x, other) is MISS


@pytest.mark.parametrize("dtype", [code for code in SCALARS if code != "?"])
def test_numpy_scalars_of_every_type(kind, dtype):
    run = make(kind, scaled(dtype), sources=("array", "numpy"))
    x = np.arange(1, 9).astype(dtype)
    a = np.dtype(dtype).type(5)
    same(run(x, a), x * a)
    assert run(x, 5) is MISS


def test_unpickled_arrays_have_descriptors_of_their_own(kind):
    x = pickle.loads(pickle.dumps(np.arange(5.0)))
    assert x.dtype is not np.dtype("d")
    result = make(kind, scaled())(x, 2.0)
    assert result.tobytes() == (x * 2.0).tobytes()


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("name", ["sum", "max", "min", "argmax"])
def test_reductions_give_numpy_scalars(kind, name, keepdims):
    x = np.random.default_rng(5).random((6, 7))
    rows = make(kind, reduced(name, "row"), ndim=2, keepdims=[keepdims])
    same(rows(x), getattr(x, name)(axis=-1, keepdims=keepdims))
    whole = make(kind, reduced(name, "scalar"), keepdims=[keepdims])
    y = x.ravel()
    same(whole(y), getattr(y, name)(keepdims=keepdims))
    row = make(kind, reduced(name, "row"), ndim=1, keepdims=[keepdims])
    same(row(y), getattr(y, name)(axis=-1, keepdims=keepdims))


@pytest.mark.parametrize("dtype", ["?", "b", "H", "i", "l", "Q", "f"])
def test_reductions_of_other_types(kind, dtype):
    x = np.array([3, 1, 2]).astype(dtype)
    same(make(kind, reduced("max", "scalar", dtype))(x), x.max())


def test_several_results(kind):
    run = make(kind, programs.softmax(), ndim=2)
    x = np.random.default_rng(7).random((30, 41)) * 8
    made = run(x)
    assert type(made) is tuple
    for one, other in zip(made, programs.softmax_in_numpy(x), strict=True):
        same(one, other)


def test_reducing_nothing_is_left_to_numpy(kind):
    assert make(kind, reduced("max", "scalar"))(np.empty(0)) is MISS
    assert make(kind, reduced("sum", "row"), ndim=2)(np.empty((3, 0))) is MISS
    assert make(kind, reduced("sum", "row"), ndim=2)(np.empty((0, 3))) is MISS


def test_columns_and_rows(kind):
    x, w = np.random.default_rng(1).random((4, 5)), np.arange(5.0)
    run = make(kind, added("contiguous", "column"), ndim=2)
    same(run(x, w), x + w)
    for other in (w[:4], w[:1], w[::-1], w[None], 2.0):
        assert run(x, other) is MISS
    run = make(kind, added("contiguous", "row"), ndim=2)
    r = np.arange(4.0)[:, None]
    same(run(x, r), x + r)
    for other in (r.T, r[:1], r[:, 0], x):
        assert run(x, other) is MISS
    both = make(kind, added("row", "column"), ndim=2)
    same(both(r, w), r + w)


def test_three_dimensions_in_rows(kind):
    x, w = np.random.default_rng(1).random((2, 4, 5)), np.arange(5.0)
    same(make(kind, added("contiguous", "column"), ndim=3)(x, w), x + w)
    r = x[..., :1].copy()
    same(make(kind, added("contiguous", "row"), ndim=3)(x, r), x + r)
    x = np.abs(x)
    same(make(kind, reduced("sum", "row"), ndim=3)(x), x.sum(axis=-1))


# ------------------------------------------------------------------ strides
def views(chance, ndim):
    """An array of up to `ndim` dimensions with any strides: sliced, reversed, transposed, broadcast."""
    own = chance.randint(1, ndim)
    shape = [chance.choice((1, 2, 3)) for _ in range(own)]
    steps = [chance.choice((1, 1, 2, -1, -2)) for _ in range(own)]
    base = np.random.default_rng(chance.randrange(99)).random([2 * n + 1 for n in shape])
    x = base[tuple(slice(None, None, step) for step in steps)]
    x = x[tuple(slice(0, n) for n in shape)]
    if chance.random() < 0.2:
        x = x.transpose(chance.sample(range(own), own))
    if chance.random() < 0.2:
        x = np.broadcast_to(x[..., :1], x.shape)
    if chance.random() < 0.2:
        x = x.copy()
    return x


@pytest.mark.parametrize("ndim", [1, 2, 3, 4])
def test_any_strides_give_numpys_result_or_a_miss(kind, ndim):
    chance = random.Random(ndim)
    entries = {}
    fitted = 0
    for _ in range(600):
        x, y = views(chance, ndim), views(chance, ndim)
        try:
            plain = x + y
        except ValueError:
            plain = None
        space = max(x.ndim, y.ndim)
        layouts = tuple(
            "contiguous"
            if each.flags.c_contiguous and each.ndim == space and chance.random() < 0.5
            else "strided"
            for each in (x, y)
        )
        key = (layouts, space, x.ndim, y.ndim)
        if key not in entries:
            entries[key] = make(kind, added(*layouts), ndim=space, operand_ndims=(x.ndim, y.ndim))
        made = entries[key](x, y)
        if plain is None:
            assert made is MISS
        elif made is not MISS:
            same(made, plain)
            fitted += 1
    assert fitted > 100


def test_strides_of_a_giant_are_left_to_numpy(kind):
    run = make(kind, added("strided", "strided"), ndim=2)
    x = np.broadcast_to(np.zeros(1), (1 << 31, 1))
    y = np.broadcast_to(np.zeros(1), (1, 1 << 31))
    assert run(x, y) is MISS
    with pytest.raises((MemoryError, ValueError)):
        x + y


# ------------------------------------------------------------------ what does not fit
class Sub(np.ndarray):
    pass


X = np.arange(6.0)


@pytest.mark.parametrize(
    "x",
    [
        [1.0, 2.0],
        1.0,
        None,
        np.float64(1),
        X.astype("f"),
        X.astype(">f8"),
        X.astype(object),
        X.astype(np.longdouble),
        X.astype(complex),
        X.astype("m8[s]"),
        X.view([("a", "f8")]),
        X[::2],
        X[::-1],
        X.reshape(2, 3),
        np.array(1.0),
        X.view(Sub),
        np.ma.masked_array(X, mask=[1, 0, 0, 0, 0, 0]),
        np.frombuffer(b"x" * 49, np.uint8)[1:].view("f8"),
        X.astype(np.dtype("f8", metadata={"unit": "m"})),
        type("Duck", (), {"dtype": np.dtype("d"), "shape": (6,), "__array__": lambda s: X})(),
    ],
    ids=lambda x: f"{type(x).__name__}-{getattr(x, 'dtype', '')}",
)
def test_other_arrays_miss(kind, x):
    assert make(kind, scaled())(x, 2.0) is MISS


def test_counts_and_shapes_that_differ_miss(kind):
    run = make(kind, scaled())
    assert run() is MISS
    assert run(X) is MISS
    assert run(X, 1.0, 2.0) is MISS
    run = make(kind, divided())
    assert run(X, X[:5].copy()) is MISS
    assert run(X, X[:1].copy()) is MISS
    run = make(kind, added("contiguous", "contiguous"), ndim=2)
    assert run(np.ones((2, 3)), np.ones((3, 2))) is MISS


def test_read_only_operands_are_read(kind):
    x = X.copy()
    x.flags.writeable = False
    same(make(kind, scaled())(x, 2.0), x * 2.0)


@pytest.mark.parametrize(
    ("dtype", "values", "others"),
    [
        ("d", [0.0, -0.0, 1e300, 5e-324], [1, True, np.float64(1), np.float32(1), None, "1", 1j]),
        ("b", [-128, 127, 0], [-129, 128, 1 << 70, -(1 << 70), True, 1.0, np.int8(1)]),
        ("B", [0, 255], [-1, 256]),
        ("H", [0, 65535], [-1, 65536]),
        ("i", [-(1 << 31), (1 << 31) - 1], [1 << 31]),
        ("l", [-(1 << 63), (1 << 63) - 1], [1 << 63, -(1 << 63) - 1]),
        ("Q", [0, (1 << 63) - 1], [-1, 1 << 64]),
        ("f", [0.1, 1.0, 3e38, 2.0**-126, 0.0, -0.0, 2.0**-149], [3.5e38, 1e300, 1e-300, 1e-40, 1]),
    ],
)
def test_python_numbers_under_nep_50(kind, dtype, values, others):
    run = make(kind, scaled(dtype))
    x = np.array([0, 1, 2, 3]).astype(dtype)
    for value in values:
        with np.errstate(all="ignore"):
            plain = x * value
            if dtype == "f" and not np.all(np.isfinite(plain)):
                continue
        same(run(x, value), plain)
    for value in others:
        assert run(x, value) is MISS, value


def test_special_floats(kind):
    for dtype in "fd":
        build = Builder()
        x, a = build.input(dtype), build.input(dtype, "scalar")
        run = make(kind, build.program(build.op("maximum", x, a)))
        x = np.array([1.0, -np.inf, np.nan], dtype)
        for value in (float("nan"), float("inf"), -float("inf")):
            same(run(x, value), np.maximum(x, value))


@pytest.mark.parametrize(("dtype", "most"), [("d", 1 << 53), ("f", 1 << 24)])
def test_python_ints_that_become_floats(kind, dtype, most):
    run = make(kind, scaled(dtype), sources=("array", "int"))
    x = np.array([0.5, 1.5], dtype)
    for value in (0, 7, most, -most):
        same(run(x, value), x * value)
    for value in (most + 1, -most - 1, 1 << 80, 1.0, True):
        assert run(x, value) is MISS


def test_flags_are_a_miss_and_nothing_is_seen(kind):
    run = make(kind, divided())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert run(X, X) is MISS  # 0 / 0
        assert run(X + 1, X) is MISS
        same(run(X, X + 1), X / (X + 1))
        assert run(np.full(300_000, 1e300), np.full(300_000, 1e-300)) is MISS


def test_what_has_no_signature():
    build = Builder()
    x, w = build.input("d"), build.input("d", "column")
    twice = build.op("add", w, w)
    program = build.program(build.op("add", x, w), twice)
    assert "%2 comes from some operands only" in signature_of(program, 2)
    assert "7 dimensions" in signature_of(scaled(), 7)
    assert "0 dimensions" in signature_of(scaled(), 0)
    assert "cannot become" in signature_of(scaled("l"), 1, ("array", "float"))
    assert "is an array" in signature_of(scaled(), 1, ("float", "float"))
    build = Builder()
    assert signature_of(build.program(build.input("d", "scalar")), 1) == "no operand is an array"


# ------------------------------------------------------------------ chains
def test_entries_behind_each_other(kind):
    run = None
    codes = ["d", "f", "l", "i"]
    for code in codes:
        run = make(kind, scaled(code), run)
    for code in codes:
        x = np.arange(1, 6).astype(code)
        a = 2.5 if code in "fd" else 2
        same(run(x, a), x * a)
    assert run(np.arange(3, dtype="h"), 2) is MISS


@NATIVE
def test_a_plain_entry_takes_native_ones_behind_it():
    run = make("plain", scaled("f"), make("native", scaled("d")))
    same(run(X, 2.0), X * 2.0)


def test_a_chain_has_an_end():
    run = None
    for _ in range(MOST_KINDS):
        run = enter(parts_of(scaled()), run)
    assert "entries for other arguments already" in enter(parts_of(scaled()), run)


def test_broken_objects_give_a_reason(kind):
    parts = parts_of(scaled())
    broken = parts._replace(
        kernel=parts.kernel[:100], entry=parts.entry if kind == "native" else b""
    )
    assert "could not be loaded" in enter(broken)


# ------------------------------------------------------------------ lifetimes
def test_mixed_calls_leak_nothing(kind):
    runs = [make(kind, scaled()), make(kind, divided()), make(kind, reduced("sum", "scalar"))]
    soft = make(kind, programs.softmax(), ndim=2)
    large = np.ones(40_000)
    table = np.random.default_rng(1).random((3, 4))
    calls = [
        lambda: runs[0](X, 2.0),
        lambda: runs[0](X, 2),
        lambda: runs[0](None),
        lambda: runs[1](X, X),
        lambda: runs[1](X, X + 1),
        lambda: runs[2](X),
        lambda: soft(table),
        lambda: runs[0](large, 2.0),
        lambda: runs[0](large[:20_000], 2.0)[3:7],
    ]

    def counts():
        gc.collect()
        watched = [MISS, np.dtype("d"), np.ndarray, X, large, table, *runs, soft]
        return [sys.getrefcount(each) for each in watched], sys.getallocatedblocks(), memory()

    def memory():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1])

    for _ in range(3):
        for call in calls:
            call()
    before = counts()
    for _ in range(2000 if kind == "native" else 300):
        for call in calls:
            call()
    after = counts()
    assert after[0] == before[0]
    assert after[1] - before[1] < 50
    assert after[2] - before[2] < 2000  # pages: 8 MB, where one lost buffer a call would be 300


def test_a_function_owns_its_machine_code(kind):
    run = make(kind, scaled())
    for _ in range(50):
        other = make(kind, scaled(), run)
        other(X, 2.0)
        del other
    gc.collect()
    same(run(X, 2.0), X * 2.0)
