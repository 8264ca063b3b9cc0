"""Layouts are believed only where they have been verified; elsewhere the plain entry is used."""

from __future__ import annotations

import sys

import pytest

np = pytest.importorskip("numpy")

from ember_jit.runtime.native import layouts as layouts_module  # noqa: E402
from ember_jit.runtime.native.layouts import layouts  # noqa: E402


@pytest.fixture
def afresh():
    layouts.cache_clear()
    yield
    layouts.cache_clear()


@pytest.mark.parametrize(
    "name",
    ["ARRAY_DATA", "ARRAY_NDIM", "ARRAY_SHAPE", "ARRAY_STRIDES", "ARRAY_FLAGS", "ARRAY_HANDLER"],
)
def test_a_field_that_has_moved_is_noticed(afresh, monkeypatch, name):
    moved = layouts_module.ARRAY_BASE if name != "ARRAY_NDIM" else layouts_module.ARRAY_FLAGS
    monkeypatch.setattr(layouts_module, name, moved)
    if name in ("ARRAY_SHAPE", "ARRAY_STRIDES"):  # would be followed: another valid pointer
        monkeypatch.setattr(layouts_module, name, layouts_module.ARRAY_DATA)
    assert "are not as known" in layouts()


def test_other_interpreters_have_a_reason(afresh, monkeypatch):
    monkeypatch.setattr(layouts_module, "SUPPORTED_PYTHONS", ((3, 90), (3, 99)))
    assert "are not known" in layouts()


def test_other_numpys_have_a_reason(afresh, monkeypatch):
    monkeypatch.setattr(np, "__version__", "3.0.0")
    assert layouts() == "the layouts of NumPy 3.0.0 are not known"


def test_a_free_threaded_build_has_a_reason(afresh, monkeypatch):
    monkeypatch.setattr(sys, "abiflags", "t", raising=False)
    assert layouts() == "this is a free-threaded build"


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="CPython's layouts")
def test_the_key_names_both(afresh):
    known = layouts()
    if not isinstance(known, str):
        assert f"numpy{np.__version__.split('.')[0]}" in known.key()
        assert sys.implementation.cache_tag in known.key()
