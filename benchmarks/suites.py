"""Test suites of other people's packages, out of their source distributions, as pip fetches them."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

PATIENCE = 180  # seconds for pip: it makes an environment to build metadata in


def fetch(package: str, folder: Path) -> Path | str:
    """The unpacked source distribution of a package, or why there is none.

    Args:
        package: its name on the index.
        folder: where to put it; what lies there already is not fetched again.
    """
    found = _unpacked(package, folder)
    if found is not None:
        return found
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--no-binary", ":all:", "--dest", str(folder), package]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        return f"pip did not fetch it within {PATIENCE} s"
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        return f"pip could not fetch it: {said[-1].strip() if said else done.returncode}"
    for archive in folder.glob(f"{package}-*.tar.gz"):
        with tarfile.open(archive) as packed:
            packed.extractall(folder, filter="data")
    return _unpacked(package, folder) or "its source distribution is no .tar.gz"


def _unpacked(package: str, folder: Path) -> Path | None:
    return next((each for each in folder.glob(f"{package}-*") if each.is_dir()), None)


def tests_of(source: Path, package: str) -> Path | None:
    """The folder of its tests."""
    places = (source / "tests", source / package / "tests")
    return next((place for place in places if place.is_dir()), None)
