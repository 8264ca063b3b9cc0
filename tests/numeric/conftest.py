"""Numeric tests neither read nor write the user's cache of kernels, and do not depend on how fast anything is."""

from __future__ import annotations

import importlib.util

import pytest

from ember_jit.compiler import native_code
from ember_jit.runtime import background, trial


@pytest.fixture(autouse=True)
def untimed(monkeypatch):
    monkeypatch.setattr(native_code, "kept", lambda program, signature: None)
    monkeypatch.setattr(native_code, "keep", lambda program, parts: False)
    monkeypatch.setattr(native_code, "kept_gain", lambda program, signature: None)
    monkeypatch.setattr(native_code, "keep_gain", lambda program, signature, gain: False)
    monkeypatch.setattr(background, "is_on", lambda: False)
    monkeypatch.setattr(trial, "TRIED", -1)  # kernels are not raced against NumPy first


@pytest.fixture
def native():
    """Real kernels."""
    if importlib.util.find_spec("llvmlite") is None:
        pytest.skip("llvmlite is not installed")


def sites_of(function):
    """The numeric sites of a compiled function."""
    from ember_jit.runtime.dispatch import unit_of

    return unit_of(function).artifacts.numeric
