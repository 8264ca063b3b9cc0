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
    assert (
        "shop.app:Pair.forward     2 calls, issued ahead where their effects allow (undecorated)"
        in done.stdout
    )
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


HELPERS = """
from ember_jit import Operator, jit, query
@query
class Ask(Operator):
    def forward(self, *, inputs): return {"text": inputs.upper()}
class Keep(Operator):
    def forward(self, *, inputs):
        self.last = inputs
        return inputs
def clean(text): return text.strip()
@jit
class Answer(Operator):
    def __init__(self): self.ask, self.keep = Ask(), Keep()
    def forward(self, *, inputs):
        first = clean(inputs)
        out = []
        for each in inputs.split():
            out.append(clean(self.ask(inputs=clean(each))["text"]))
        self.keep(inputs=out)
        return out, self.ask(inputs=clean(first)), self.ask(inputs=first)
"""


LEAVES = """
from ember_jit import Operator, jit
class Leaf:
    def forward(self, *, inputs): return inputs
@jit(force_trace=True)
class Traced(Operator):
    def forward(self, *, inputs): return self.forward, self.forward(inputs=1), self.forward(inputs=2)
"""


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Leaf", "Leaf.forward runs as it is written, for it makes fewer than two calls"),
        ("Traced", "Traced.forward: it is traced, which only the compiler does"),
    ],
)
def test_it_says_why_there_is_nothing_to_compile(folder: Path, name: str, why: str) -> None:
    """It does not ask for a decorator that it has just said it applied."""
    (folder / "leaves.py").write_text(LEAVES)
    done = ember(folder, "compile", f"leaves.py:{name}", "-o", "leaves.ember")
    assert done.returncode == 2
    assert f"Error: nothing to compile: {why}" in done.stderr
    assert "decorate" not in done.stderr.partition("Error:")[2]
    assert not (folder / "leaves.ember").exists()


def test_it_counts_the_calls_that_explain_counts(folder: Path) -> None:
    """Those to helpers are worked out where they stand: neither counts them."""
    (folder / "helpers.py").write_text(HELPERS)
    explained = ember(folder, "explain", "helpers.py:Answer").stdout.splitlines()[0]
    assert explained == "Answer.forward: compiled: 3 of 4 calls are issued ahead"
    ember(folder, "compile", "helpers.py:Answer", "-o", "helpers.ember")
    listed = ember(folder, "inspect", "helpers.ember").stdout
    assert "Answer.forward  4 calls, issued ahead where their effects allow" in listed


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
