"""`ember-jit compile` and `ember-jit inspect`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.aot.program import APP, ROOT, WITHOUT_COMPILER, run


def ember(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "ember_jit.cli", *arguments]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    package = tmp_path / "shop"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "app.py").write_text(APP)
    (package / "needy.py").write_text(
        "from ember_jit import Operator, structural_jit\n"
        "@structural_jit\n"
        "class Needy(Operator):\n"
        "    def __init__(self, a): self.a = a\n"
        "    def forward(self, *, inputs): return self.a(inputs=1), self.a(inputs=2)\n"
        "class Plain(Operator):\n"
        "    def forward(self, *, inputs): return inputs\n"
    )
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


def test_a_whole_package(folder: Path) -> None:
    done = ember(folder, "compile", "shop", "-o", "shop.ember")
    assert done.returncode == 0, done.stderr
    for name in ("shop.app:Answer.forward", "shop.app:Chain.forward", "shop.app:Pair.forward"):
        assert name in done.stdout
    assert "shop.app:Pair.forward     2 calls may overlap (undecorated)" in done.stdout
    assert "note: Needy could not be constructed without arguments" in done.stderr
    program = WITHOUT_COMPILER + "import shop.app\nprint(shop.app.Looping()(inputs=['a', 'b']))\n"
    assert run(folder, program, EMBER_JIT_BUNDLE="shop.ember") == "[(1, 'Ax'), (1, 'Bx')]\n"


def test_a_whole_file(folder: Path) -> None:
    done = ember(folder, "compile", "shop/app.py", "-o", "app.ember")
    assert done.returncode == 0, done.stderr
    assert "app:Chain.forward" in done.stdout
    missing = ember(folder, "compile", "shop/ap.py", "-o", "app.ember")
    assert missing.returncode == 2
    assert "there is no file 'shop/ap.py'; did you mean app.py?" in missing.stderr


def test_inspect(folder: Path) -> None:
    assert ember(folder, "compile", "app:Answer", "-o", "app.ember").returncode == 0
    listed = ember(folder, "inspect", "app.ember").stdout
    for part in ("fits here   yes", "digest", "app:Answer.forward", "twin"):
        assert part in listed
    shown = ember(folder, "inspect", "app.ember", "Answer").stdout
    assert "_w.call(0, _e.attr(self, 'a')" in shown
    assert "# line " in shown
    manifest = json.loads(ember(folder, "inspect", "app.ember", "--json").stdout)
    assert manifest["maker"]["ember_jit"]
    assert str(folder) not in json.dumps(manifest), "no path of the machine that made it"
    missing = ember(folder, "inspect", "app.ember", "Answr")
    assert missing.returncode == 2
    assert "did you mean" in missing.stderr


def test_mistakes_take_one_line(folder: Path) -> None:
    (folder / "broken.ember").write_bytes(b"PK and no more")
    cases = [
        (("inspect", "broken.ember"), "EMB060"),
        (("inspect", "none.ember"), "cannot be read"),
        (("compile", "nowhere", "-o", "x.ember"), "EMB004"),
        (("compile", "json", "-o", "x.ember"), "nothing in 'json' is decorated"),
        (("compile", "app:Answr", "-o", "x.ember"), "did you mean"),
        (("compile", "app:Answer", "-o", "no/such/folder/x.ember"), "cannot be written"),
        (("compile", "shop", "--init", "{}", "-o", "x.ember"), "name it as MODULE:CLASS"),
    ]
    for arguments, text in cases:
        done = ember(folder, *arguments)
        assert done.returncode == 2, (arguments, done.stdout, done.stderr)
        assert text in done.stderr
        assert "Traceback" not in done.stderr
    assert not (folder / "x.ember").exists()
