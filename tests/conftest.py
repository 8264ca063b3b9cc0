"""Shared by all tests: internal compiler errors are failures here (EMB010)."""

from __future__ import annotations

import os

import pytest

os.environ["EMBER_JIT_STRICT"] = "1"


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--regenerate-golden` rewrites the golden files instead of comparing with them."""
    parser.addoption(
        "--regenerate-golden", action="store_true", default=False, help="rewrite golden files"
    )
