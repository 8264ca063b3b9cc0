"""Each page runs in a folder of its own, and leaves no bundle in force."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ember_jit.aot import provider


@pytest.fixture(autouse=True)
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    yield
    for bundle in provider.in_force():
        provider.pop(bundle)
