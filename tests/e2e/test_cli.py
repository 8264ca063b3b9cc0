"""The command line: each command, and each mistake that one can make with it."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ember_jit import __version__
from ember_jit.cli import main

MODULE = """
import time
from ember_jit import Operator, query, structural_jit

@query
class Leaf(Operator):
    def forward(self, *, inputs):
        time.sleep(0.002)
        return {"v": str(inputs)}

@structural_jit
class Pair(Operator):
    def __init__(self, times=1):
        self.a, self.b, self.times = Leaf(), Leaf(), times
    def forward(self, *, inputs):
        x = self.a(inputs=inputs)
        y = self.b(inputs=inputs)
        return [x["v"] * self.times, y["v"]]

class Plain(Operator):
    def __init__(self):
        self.a, self.b = Leaf(), Leaf()
    def forward(self, *, inputs):
        return self.a(inputs=inputs), self.b(inputs=inputs)

class Needs(Pair):
    def __init__(self, index, *, deep=False):
        super().__init__(index)

class Fails(Pair):
    def __init__(self):
        raise OSError("no index here")

class Raises(Plain):
    def forward(self, *, inputs):
        return self.a(inputs=inputs), self.b(inputs=inputs)["missing"]

class Moody(Plain):
    def __init__(self):
        super().__init__()
        self.mood = iter(range(10_000))
    def forward(self, *, inputs):
        return self.a(inputs=inputs), self.b(inputs=inputs), next(self.mood)

class NoForward:
    pass

class Outer:
    Inner = Pair

@structural_jit
def both(inputs):
    return leaf(inputs=inputs), leaf(inputs=inputs)

def make_pair(times=3):
    return Pair(times)

def make_nothing():
    return 3

leaf = Leaf()
pair = Pair()
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module of operators in the current folder, under a name of its own for each test."""
    path = tmp_path / f"shop_{abs(hash(str(tmp_path))) % 10**9}.py"
    path.write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return path


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def refused(*arguments: str) -> str:
    """The one line of error that the arguments give."""
    result = call(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert isinstance(result.exception, SystemExit)
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ")
    return line


def test_help_and_version() -> None:
    result = call("--help")
    assert result.exit_code == 0
    assert all(name in result.output for name in ("demo", "explain", "dump", "bench"))
    assert "..." not in result.output.partition("Commands:")[2]  # each is said in a line
    assert call("--version").output == f"ember-jit, version {__version__}\n"


@pytest.mark.parametrize("name", ["Pair", "make_pair", "pair", "both", "Outer.Inner"])
def test_explain_what_a_module_holds(shop: Path, name: str) -> None:
    result = call("explain", f"{shop.stem}:{name}")
    assert result.exit_code == 0, result.output
    assert "2 of 2 calls are issued ahead" in result.stdout
    assert result.stderr == ""


def test_explain_from_a_file(shop: Path) -> None:
    assert "2 of 2 calls" in call("explain", f"{shop}:Pair").stdout
    assert "2 of 2 calls" in call("explain", f"./{shop.name}:Pair").stdout


def test_explain_as_json(shop: Path) -> None:
    made = json.loads(call("explain", f"{shop.stem}:Pair", "--json").stdout)
    assert (made["status"], made["pairs"]) == ("compiled", 1)


@pytest.mark.parametrize("init", ["[2]", '{"index": 2, "deep": true}'])
def test_constructor_arguments(shop: Path, init: str) -> None:
    assert call("explain", f"{shop.stem}:Needs", "--init", init).exit_code == 0


def test_an_undecorated_class_is_decorated_and_that_is_said(shop: Path) -> None:
    result = call("explain", f"{shop.stem}:Plain")
    assert result.stdout.startswith("Plain.forward: compiled")
    assert "Plain is not decorated" in result.stderr


def test_dump(shop: Path, tmp_path: Path) -> None:
    result = call("dump", f"{shop.stem}:Pair", "-o", str(tmp_path / "out"))
    assert result.exit_code == 0, result.output
    paths = [Path(line) for line in result.stdout.splitlines()]
    assert all(path.is_file() for path in paths)
    ast.parse((tmp_path / "out" / "retire.py").read_text())


def test_bench(shop: Path) -> None:
    result = call("bench", f"{shop.stem}:Pair", "--inputs", '"x"', "--repeat", "2", "--init", "[2]")
    assert result.exit_code == 0, result.output
    assert "identical answer   yes" in result.stdout
    assert "critical path" in result.stdout


def test_one_run_is_no_plural(shop: Path) -> None:
    result = call("bench", f"{shop.stem}:Pair", "--inputs", '"x"', "--repeat", "1", "--init", "[2]")
    assert "1 run of each kind after 1 to warm up" in result.stdout


def test_bench_as_json_with_inputs_from_a_file(shop: Path, tmp_path: Path) -> None:
    (tmp_path / "inputs.json").write_text('{"q": 1}')
    result = call(
        "bench", f"{shop.stem}:Pair", "--inputs", "inputs.json", "--repeat", "2", "--json"
    )
    eager, compiled = json.loads(result.stdout)["benchmarks"]
    about = compiled["extra_info"]
    assert about["identical"] is True
    assert about["answer"] == repr(["{'q': 1}", "{'q': 1}"])
    assert about["calls"] == 2
    assert eager["stats"]["median"] >= 0.004
    assert 0.002 <= about["critical"] < eager["stats"]["median"]
    assert about["critical_ratio"] >= 1
    assert "longest chain" in about["how"]


def test_bench_of_an_operator_that_raises(shop: Path) -> None:
    result = call("bench", f"{shop.stem}:Raises", "--inputs", "1", "--repeat", "1", "--json")
    made = json.loads(result.stdout)["benchmarks"][-1]["extra_info"]
    assert made["identical"] is True
    assert made["answer"] == "KeyError: 'missing'"


def test_bench_of_an_operator_that_does_not_repeat_itself(shop: Path) -> None:
    result = call("bench", f"{shop.stem}:Moody", "--inputs", "1", "--repeat", "2")
    assert result.exit_code == 0
    assert "does not repeat itself" in result.stdout


# ---------------------------------------------------------------------- mistakes
def test_no_colon(shop: Path) -> None:
    assert "MODULE:CLASS" in refused("explain", shop.stem)


def test_module_not_found(shop: Path) -> None:
    line = refused("explain", f"{shop.stem}x:Pair")
    assert f"did you mean {shop.stem}?" in line
    assert "[EMB004]" in line
    assert "no module" in refused("explain", "no_such_package.inner:Pair")
    assert "no file" in refused("explain", "no_such_file.py:Pair")


def test_file_of_a_package(shop: Path, tmp_path: Path) -> None:
    """A file is imported by itself, so it cannot import its neighbours relatively."""
    (tmp_path / "parts" / "inner").mkdir(parents=True)
    (tmp_path / "parts" / "__init__.py").touch()
    (tmp_path / "parts" / "inner" / "__init__.py").touch()
    (tmp_path / "parts" / "inner" / "a.py").write_text("from . import b\n")
    line = refused("explain", "parts/inner/a.py:A")
    assert "it is part of a package: write `parts.inner.a:NAME`" in line


def test_module_that_fails_to_import(shop: Path, tmp_path: Path) -> None:
    (tmp_path / "broken_here.py").write_text("x = 1\ny = 1 / 0\n")
    line = refused("explain", "broken_here:Pair")
    assert "ZeroDivisionError: division by zero" in line
    assert "broken_here.py:2" in line
    (tmp_path / "typo_here.py").write_text("x = (\n")
    assert "SyntaxError" in refused("explain", "typo_here:Pair")


def test_class_not_found(shop: Path) -> None:
    line = refused("explain", f"{shop.stem}:Piar")
    assert "has no 'Piar'" in line
    assert "did you mean" in line
    assert "Pair" in line
    assert "[EMB004]" in line


def test_no_forward(shop: Path) -> None:
    assert "NoForward has no `forward`" in refused("explain", f"{shop.stem}:NoForward")
    assert "returned a int" in refused("explain", f"{shop.stem}:make_nothing")


def test_constructor_that_needs_arguments(shop: Path) -> None:
    line = refused("explain", f"{shop.stem}:Needs")
    assert "missing 1 required positional argument: 'index'" in line
    assert "--init" in line
    assert "[EMB006]" in line
    assert "unexpected keyword argument" in refused(
        "explain", f"{shop.stem}:Needs", "--init", '{"indx": 1}'
    )
    assert "JSON object" in refused("explain", f"{shop.stem}:Needs", "--init", "3")


def test_constructor_that_fails(shop: Path) -> None:
    line = refused("dump", f"{shop.stem}:Fails", "-o", "out")
    assert "OSError: no index here" in line
    assert f"{shop.name}:" in line


def test_init_for_what_is_not_constructed(shop: Path) -> None:
    assert "leave it out" in refused("explain", f"{shop.stem}:pair", "--init", "[1]")


def test_json_that_does_not_parse(shop: Path, tmp_path: Path) -> None:
    line = refused("bench", f"{shop.stem}:Pair", "--inputs", "{'q': 1}")
    assert "line 1, column 2" in line
    assert "double quotes" in line
    assert "[EMB005]" in line
    (tmp_path / "inputs.json").write_text('{\n "q": 1,\n}')
    line = refused("bench", f"{shop.stem}:Pair", "--inputs", "inputs.json")
    assert "inputs.json" in line
    assert "line 3" in line or "line 2" in line
    assert "no file 'gone.json'" in refused("bench", f"{shop.stem}:Pair", "--inputs", "gone.json")
    assert "--init" in refused("bench", f"{shop.stem}:Pair", "--inputs", "1", "--init", "[")


def test_a_folder_that_cannot_be_written(shop: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "-o" in refused("dump", f"{shop.stem}:Pair", "-o", str(tmp_path / "file" / "out"))


# ---------------------------------------------------------------------- as a process
def process(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "ember_jit.cli", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_current_folder_is_importable(shop: Path, tmp_path: Path) -> None:
    done = process("explain", f"{shop.stem}:Pair", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Pair.forward: compiled")


def test_a_mistake_has_no_traceback(shop: Path, tmp_path: Path) -> None:
    done = process("explain", f"{shop.stem}:Piar", cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_help_imports_neither_compiler_nor_numpy(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom ember_jit.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "late = [m for m in sys.modules if m in ('numpy', 'numba', 'rich') or m.startswith('ember_jit.report')"
        " or m == 'ember_jit.compiler.driver']\nprint(late)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "[]"
