"""A kernel is tried against NumPy once: what came of it is kept with the kernel."""

from __future__ import annotations

import numpy as np
import pytest

from ember_jit import jit
from ember_jit.compiler import native_code
from ember_jit.compiler.kernels.signatures import signature_of
from ember_jit.ir.program import Builder
from ember_jit.runtime import trial
from ember_jit.runtime.native import entries, store
from tests.numeric.conftest import sites_of

X = np.random.default_rng(0).standard_normal((8, 16))


def normed(x):
    return (x - x.mean()) / x.std()


@pytest.fixture
def tried(monkeypatch):
    """Kernels are tried, on few elements."""
    monkeypatch.setattr(trial, "TRIED", 1 << 8)


def test_what_numpy_implements_in_python_is_tried_too(native, tried):
    made = jit(type(normed)(normed.__code__, globals()))
    assert made(X).tobytes() == ((X - X.mean()) / X.std()).tobytes()
    (kernel,) = sites_of(made)[0].met.values()
    assert kernel.details.speedup > 0


def test_a_kernel_from_the_cache_is_not_tried_again(native, tried, monkeypatch):
    gains, kernels = {}, {}
    monkeypatch.setattr(
        native_code,
        "keep_gain",
        lambda program, signature, gain: gains.update({program.key(): gain}),
    )
    monkeypatch.setattr(
        native_code, "kept_gain", lambda program, signature: gains.get(program.key())
    )
    monkeypatch.setattr(
        native_code, "keep", lambda program, parts: kernels.update({program.key(): parts})
    )
    monkeypatch.setattr(native_code, "kept", lambda program, signature: kernels.get(program.key()))
    monkeypatch.setattr(trial, "speedup", lambda *args: 2.5)
    jit(type(normed)(normed.__code__, globals()))(X)
    assert list(gains.values()) == [2.5]

    def refuse(*args):
        raise AssertionError("it was tried again")

    monkeypatch.setattr(trial, "speedup", refuse)
    again = jit(type(normed)(normed.__code__, globals()))
    assert again(X).tobytes() == normed(X).tobytes()
    (kernel,) = sites_of(again)[0].kernels
    assert kernel.details.speedup == 2.5


def test_gains_on_disk_are_for_one_version_of_numpy(tmp_path, monkeypatch):
    cache = store.Store(tmp_path, 1 << 20)
    monkeypatch.setattr(store, "store", lambda: cache)
    build = Builder()
    program = build.program(build.op("square", build.input("d")))
    signature = signature_of(program, 1)
    assert entries.kept_gain(program, signature) is None
    assert entries.keep_gain(program, signature, 1.75)
    assert entries.kept_gain(program, signature) == 1.75
    monkeypatch.setattr(np, "__version__", "2.99.0")
    assert entries.kept_gain(program, signature) is None
    monkeypatch.setattr(store, "store", lambda: None)
    assert entries.kept_gain(program, signature) is None
    assert not entries.keep_gain(program, signature, 1.75)
