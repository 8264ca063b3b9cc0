"""Shared by all tests: internal compiler errors are failures here (EMB010)."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from ember_jit.config import config

os.environ["EMBER_JIT_STRICT"] = "1"


@pytest.fixture
def as_users_run_it(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Without `EMBER_JIT_STRICT`, which our own tests set."""
    monkeypatch.delenv("EMBER_JIT_STRICT")
    config.cache_clear()
    yield
    monkeypatch.undo()
    config.cache_clear()


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--regenerate-golden` rewrites the golden files instead of comparing with them; images alike."""
    parser.addoption(
        "--regenerate-golden", action="store_true", default=False, help="rewrite golden files"
    )
    parser.addoption(
        "--regenerate-images",
        action="store_true",
        default=False,
        help="rewrite the screenshots in docs/images (needs a browser)",
    )
