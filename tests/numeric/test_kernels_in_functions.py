"""Compiled numeric functions do what plain ones do: values, identity, order, errors, fallbacks."""

from __future__ import annotations

import threading
import traceback
import warnings

import numpy as np
import pytest

from ember_jit import Operator, disable_structural_jit, dump, explain, jit, query, structural_jit
from ember_jit.errors import OptionError
from ember_jit.runtime.dispatch import unit_of
from ember_jit.runtime.numeric import MISSES
from tests.numeric.conftest import sites_of

pytestmark = pytest.mark.usefixtures("native")
X = np.linspace(-2, 2, 24)


def kernels(function):
    return [len(site.kernels) for site in sites_of(function)]


def test_a_function_runs_its_kernel_and_gives_the_bits_of_numpy():
    @jit
    def poly(x, a, b):
        return (x * a + b) * (x - b) + a

    for dtype in ("f8", "f4", "i8"):
        x = X.astype(dtype)
        made = poly(x, 3, 2)
        plain = (x * 3 + 2) * (x - 2) + 3
        assert made.dtype == plain.dtype
        assert made.tobytes() == plain.tobytes()
        assert made.base is None
        assert made.flags.owndata
    assert kernels(poly) == [3]
    assert poly(2.0, 3, 2) == 3.0


def test_rows_and_statistics():
    @jit
    def norm(x, g, b):
        m = x.mean(axis=-1, keepdims=True)
        v = x.var(axis=-1, keepdims=True)
        return (x - m) / np.sqrt(v + 1e-5) * g + b

    def plain(x, g, b):
        m = x.mean(axis=-1, keepdims=True)
        v = x.var(axis=-1, keepdims=True)
        return (x - m) / np.sqrt(v + 1e-5) * g + b

    rng = np.random.default_rng(0)
    for dtype in ("f8", "f4"):
        x, g, b = (rng.standard_normal(s).astype(dtype) for s in ((50, 300), 300, 300))
        assert norm(x, g, b).tobytes() == plain(x, g, b).tobytes()
    assert kernels(norm) == [2]


def test_the_place_of_an_extremum_where_rows_are_told_apart():
    @jit
    def f(x, w):
        return np.argmax(np.where(x > 2, 0.5, w))

    x, w = np.zeros((4, 5)), np.zeros(5)
    x[2, 3] = 3
    assert f(x, w) == 13
    assert f(x.astype("f4"), w.astype("f4")) == 13


def test_an_operator_with_weights():
    @structural_jit
    class Layer(Operator):
        def __init__(self):
            self.w, self.b = np.arange(4.0), np.ones(4)

        def forward(self, *, inputs):
            y = np.tanh(inputs["x"] @ np.eye(4) * self.w + self.b)
            return {"y": y, "k": inputs["k"]}

    layer, x = Layer(), X.reshape(6, 4)
    wanted = np.tanh(x @ np.eye(4) * layer.w + layer.b)
    assert layer(inputs={"x": x, "k": 1})["y"].tobytes() == wanted.tobytes()
    assert kernels(Layer.forward) == [1]
    layer.w = np.zeros(4)
    assert layer(inputs={"x": x, "k": 1})["y"].tobytes() == np.tanh(np.zeros_like(x) + 1).tobytes()
    with pytest.raises(KeyError):
        layer(inputs={"k": 1})


def test_a_class_that_gets_a_property_later_is_asked_once_each_time():
    @structural_jit
    class Scale(Operator):
        def __init__(self):
            self.w = np.full(4, 2.0)

        def forward(self, *, inputs):
            return inputs * 2 + self.w

    scale, x, asked = Scale(), np.arange(4.0), []
    assert scale(inputs=x).tolist() == [2, 4, 6, 8]
    assert kernels(Scale.forward) == [1]
    Scale.w = property(lambda self: asked.append(1) or np.zeros(4))
    assert scale(inputs=x).tolist() == [0, 2, 4, 6]
    assert asked == [1]


def test_a_replaced_ufunc_is_called(monkeypatch):
    @jit
    def f(x):
        return np.exp(x) * 2 + 1

    assert f(X).tobytes() == (np.exp(X) * 2 + 1).tobytes()
    monkeypatch.setattr(np, "exp", lambda x: x)
    assert f(X).tobytes() == (X * 2 + 1).tobytes()


def test_warnings_come_from_the_users_line():
    @jit
    def f(x, y):
        z = x + 1
        return z / y  # here

    def plain(x, y):
        z = x + 1
        return z / y

    here = f.__code__.co_firstlineno + 3
    assert f(X, X + 3).tobytes() == plain(X, X + 3).tobytes()
    for _ in range(2):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            f(np.ones(3), np.zeros(3))
        ((message, line),) = [(str(w.message), w.lineno) for w in caught]
        assert (message, line) == ("divide by zero encountered in divide", here)
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError) as info:
        f(np.ones(3), np.zeros(3))
    assert traceback.extract_tb(info.tb)[-1].lineno == here
    with np.errstate(under="raise"), pytest.raises(FloatingPointError):
        f(np.full(3, 1e-308) - 1 + 1e-16, np.full(3, 1e308))


def test_overflow_of_numpys_own_loops_is_seen():
    """`exp` of float32 raises its flag in the x87 unit, and `hypot` clears those of others."""

    @jit
    def f(x):
        return np.hypot(np.exp(x), 0.5) + 1

    with np.errstate(over="raise"):
        f(np.ones(20, "f4"))
        with pytest.raises(FloatingPointError):
            f(np.full(20, 100, "f4"))


def test_what_is_no_plain_array_runs_as_it_was_written():
    class Sub(np.ndarray):
        calls = 0

        def __array_ufunc__(self, *args, **kwargs):
            Sub.calls += 1
            return "sub"

    @jit
    def f(x, y):
        return (x + y) * 2

    assert f(X, X).tobytes() == ((X + X) * 2).tobytes()
    assert f("a", "b") == "abab"
    assert f(np.zeros(3).view(Sub), 1) == "subsub"
    assert Sub.calls == 1
    assert f(np.array(["a"], object), "b")[0] == "abab"
    assert np.ma.is_masked(f(np.ma.masked_array([1.0], [True]), 1)[0])
    with pytest.raises(ValueError, match="broadcast"):
        f(np.ones(3), np.ones(4))


def test_an_input_is_never_the_output():
    @jit
    def f(x):
        y = x * 1.0 + 0.0
        y += 1
        return y, y

    x = np.arange(3.0)
    first, second = f(x)
    assert first is second
    assert first is not x
    assert x.tolist() == [0, 1, 2]
    first[0] = 9
    assert f(x)[0].tolist() == [1, 2, 3]


def test_two_equal_results_are_two_objects():
    @jit
    def f(x):
        a = x * 2 + 1
        b = x * 2 + 1
        return a, b

    a, b = f(np.arange(3.0))
    a[0] = 7
    assert b.tolist() == [1, 3, 5]


def test_python_scalars_are_weak_and_checked():
    @jit
    def f(x, n):
        return (x + n) * n

    x = np.arange(5, dtype="u1")
    assert f(x, 2).dtype == np.uint8
    with pytest.raises(OverflowError):
        f(x, 300)
    assert f(x, np.int64(300)).dtype == np.int64
    assert f(x.astype("f4"), 0.1).dtype == np.float32
    assert f(x.astype("f4"), np.float64(0.1)).dtype == np.float64


def test_a_site_that_only_misses_gives_the_function_its_code_back():
    def f(x, y):
        return (x + y) * 2

    code = f.__code__
    texts = np.array(["a"], object)
    jit(f)
    for _ in range(2 * MISSES):
        assert f(texts, texts)[0] == "aaaa"
    assert f.__code__ is code
    assert unit_of(f).stats.left_alone.startswith("no kernel fits")


def test_a_site_with_a_kernel_rests_and_looks_again():
    @jit
    def f(x, y):
        return (x + y) * 2

    f(X, X)
    for _ in range(2 * MISSES):
        f(1.0, 2.0)
    assert sites_of(f)[0].on
    assert f(X, X).tobytes() == ((X + X) * 2).tobytes()


def test_calls_around_a_region_still_overlap():
    barrier = threading.Barrier(2, timeout=20)

    @query
    class Meet(Operator):
        def forward(self, *, inputs):
            barrier.wait()
            return np.full(3, float(inputs))

    @structural_jit(execution_strategy="parallel")
    class Both(Operator):
        def __init__(self):
            self.a, self.b = Meet(), Meet()

        def forward(self, *, inputs):
            left = self.a(inputs=1)
            right = self.b(inputs=2)
            return (left + right) * 2 - np.exp(left)

    made = Both()(inputs=None)
    one, two = np.full(3, 1.0), np.full(3, 2.0)
    assert made.tobytes() == ((one + two) * 2 - np.exp(one)).tobytes()
    assert sum(kernels(Both.forward)) == 1


def test_disabled_code_runs_plain():
    @jit
    def f(x):
        return np.exp(x) * 2 + 1

    f(X)
    with disable_structural_jit():
        assert f(X).tobytes() == (np.exp(X) * 2 + 1).tobytes()


@pytest.mark.parametrize("dtype", ["f8", "f4", "i4", "u1"])
def test_clip_keeps_the_bits_of_what_it_leaves(dtype):
    @jit
    def f(x):
        return np.clip(x + x, -1.0, 1.0) + x, x * np.clip(x, 0, None), (x + x).clip(0, 100) * x

    x = np.resize([0.0, -0.0, 0.25, -0.25, 3.0, -3.0, 40.0], 50)
    x = np.abs(x).astype(dtype) if dtype == "u1" else x.astype(dtype)
    if dtype[0] == "f":
        x[7] = np.nan
    plain = np.clip(x + x, -1.0, 1.0) + x, x * np.clip(x, 0, None), (x + x).clip(0, 100) * x
    for found, wanted in zip(f(x), plain, strict=True):
        assert found.dtype == wanted.dtype
        assert found.tobytes() == wanted.tobytes()
    (region,) = explain(f).regions
    assert region.fused.count("clip") == 2
    assert [each.outcome[:8] for each in region.specialised] == ["a kernel"]


@pytest.mark.parametrize("dtype", ["f8", "f4"])
def test_the_norm_of_rows(dtype):
    @jit
    def f(x):
        return x / np.linalg.norm(x, axis=-1, keepdims=True), np.linalg.norm(x * 2, axis=1)

    x = np.random.default_rng(3).standard_normal((20, 300)).astype(dtype)
    plain = x / np.linalg.norm(x, axis=-1, keepdims=True), np.linalg.norm(x * 2, axis=1)
    for found, wanted in zip(f(x), plain, strict=True):
        assert found.tobytes() == wanted.tobytes()
    (region,) = explain(f).regions
    assert region.specialised[0].outcome.startswith("a kernel")


def test_the_norm_of_everything_is_blas_in_strict_mode_alone():
    @jit
    def strict(x):
        return x * 2 / np.linalg.norm(x)

    @jit(numerics="fast")
    def fast(x):
        return x * 2 / np.linalg.norm(x)

    x = np.random.default_rng(4).standard_normal(1000)
    plain = x * 2 / np.linalg.norm(x)
    assert strict(x).tobytes() == plain.tobytes()
    assert fast(x) == pytest.approx(plain, rel=1e-13)
    outcomes = [explain(each).regions[0].specialised[0].outcome for each in (strict, fast)]
    assert outcomes[0] == "NumPy: `norm` of everything has BLAS's bits"
    assert outcomes[1].startswith("a fast kernel")


def test_fast_mode_is_close():
    @jit(numerics="fast")
    def f(x):
        return (np.exp(-x * x) * np.sin(3 * x) + 2 * x).sum()

    x = np.random.default_rng(1).standard_normal(10_000)
    plain = (np.exp(-x * x) * np.sin(3 * x) + 2 * x).sum()
    assert f(x) == pytest.approx(plain, rel=1e-12)
    (kernel,) = explain(f).regions[0].specialised
    assert kernel.outcome.startswith("a fast kernel (exp, sin by polynomials), made in")


def test_fast_mode_calls_numpys_loop_where_it_has_no_function_of_its_own():
    @jit(numerics="fast")
    def f(x, y):
        return np.logaddexp(x * 2, y) + np.exp(np.cbrt(y))

    y = np.random.default_rng(2).standard_normal(10_000)
    plain = np.logaddexp(y[::-2] * 2, y[::2]) + np.exp(np.cbrt(y[::2]))
    assert f(y[::-2].copy(), y[::2]) == pytest.approx(plain, rel=1e-12)
    (kernel,) = explain(f).regions[0].specialised
    assert kernel.outcome.startswith("a fast kernel (exp by polynomials), made in")


def test_fast_mode_leaves_an_integer_divided_by_zero_to_numpy():
    @jit(numerics="fast")
    def f(x, y):
        return (x + 1) // y + x

    x, y = np.arange(20), np.ones(20, int)
    assert f(x, y).tolist() == ((x + 1) // y + x).tolist()
    y[3] = 0
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        assert f(x, y)[3] == 3


def test_fast_mode_gives_no_warnings():
    @jit(numerics="fast")
    def f(x):
        return np.log(x - 1) / x

    x = np.array([0.0, 1.0, 2.0])
    f(x + 1)
    with np.errstate(divide="raise", invalid="raise"):
        assert np.isnan(f(x)[0]) and f(x)[1] == -np.inf


def test_a_bad_mode_is_refused_with_the_good_ones():
    with pytest.raises(
        OptionError, match=r"numerics='loose' does not exist; choose from 'strict', 'fast'"
    ):
        jit(numerics="loose")


def test_explain_and_dump_show_regions(tmp_path):
    @jit
    def f(x, a):
        return np.exp(x * a) + 1

    f(X, 2.0)
    f(X.astype(complex), 2.0)
    made = explain(f)
    (region,) = made.regions
    assert region.fused == ("multiply", "exp", "add")
    assert region.inputs == ("x", "a")
    assert [each.seen for each in region.specialised] == [
        ("float64[24]", "float"),
        ("complex128[24]", "float"),
    ]
    assert region.specialised[1].outcome == "NumPy: arrays of type complex128"
    assert "numeric regions" in str(made)
    names = {path.name for path in dump(f, tmp_path)}
    assert names >= {
        "kernels.py",
        "region-0.py",
        "region-0-kernel-0.txt",
        "region-0-kernel-0.ll",
        "region-0-kernel-0.s",
    }
    assert "bytes and" in (tmp_path / "region-0-kernel-0.txt").read_text()
    space = {"np": np}
    exec((tmp_path / "region-0.py").read_text(), space)
    assert space["region"](X, 2.0).tobytes() == f(X, 2.0).tobytes()
