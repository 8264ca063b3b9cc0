"""The pytest plugin, in pytest processes of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import ember_jit

ROOT = Path(ember_jit.__file__).parent.parent
OVERLAPS = """
from tests.testing.leaves import Diamond

def test_overlap(ember_schedule, ember_clock):
    Diamond(ember_clock)(inputs="x")
    assert ember_schedule.overlapped("self.left", "self.right")
    assert ember_clock.now == 0.5

def test_each_has_its_own(ember_schedule, ember_clock):
    assert ember_clock.now == 0
    assert ember_schedule.calls == []
"""
HEAVY = "numpy numba llvmlite rich click bytecode optree asyncio multiprocessing".split()
ASKS_FOR_NOTHING = f"""
import sys, threading

def test_nothing_has_happened():
    assert "ember_jit.testing.clock" not in sys.modules
    assert "ember_jit.compiler.driver" not in sys.modules
    assert not [each for each in threading.enumerate() if each.name.startswith("ember")]
    assert not set({HEAVY!r}) & set(sys.modules)
"""


def pytest_on(folder: Path, program: str, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text(program)
    (folder / "pytest.ini").write_text("[pytest]\n")
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-W", "error", "-m", "pytest", "-q", "-W", "error", "-p"]
    command += ["ember_jit.testing.plugin", "--strict-markers", *options]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


def test_the_fixtures(tmp_path: Path) -> None:
    done = pytest_on(tmp_path, OVERLAPS)
    assert "2 passed" in done.stdout, done.stdout + done.stderr


def test_other_projects_tests_do_not_notice(tmp_path: Path) -> None:
    done = pytest_on(tmp_path, ASKS_FOR_NOTHING)
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_the_fixtures_say_what_they_are(tmp_path: Path) -> None:
    done = pytest_on(tmp_path, OVERLAPS, "--fixtures")
    for name in ("ember_schedule", "ember_clock"):
        assert name in done.stdout


def test_pytest_finds_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"ember_jit": "ember_jit.testing.plugin"}
