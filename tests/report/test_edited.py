"""Dumped programs that were edited run in place of ours, or are refused with the line that is wrong."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ember_jit import dump, explain
from ember_jit.cli import main
from ember_jit.errors import GeneratedCodeError
from ember_jit.report.edited import put_in_place

MODULE = """
from ember_jit import Operator, query, structural_jit

@query
class Leaf(Operator):
    def forward(self, *, inputs):
        return {"v": inputs}

@structural_jit
class Pair(Operator):
    def __init__(self):
        self.a, self.b = Leaf(), Leaf()
    def forward(self, *, inputs):
        a = self.a(inputs=inputs)
        b = self.b(inputs=inputs)
        return a, b["v"]

@structural_jit
class Chain(Pair):
    def forward(self, *, inputs):
        a = self.a(inputs=inputs)
        b = self.b(inputs=a["v"])
        return b["v"]

@structural_jit
class Alone(Operator):
    def forward(self, *, inputs):
        return inputs
"""
Edit = Callable[[str, str, str], Path]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    name = f"edited_{abs(hash(str(tmp_path))) % 10**9}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    __import__(name)
    return sys.modules[name]


def edited(op: Any, folder: Path, name: str, old: str, new: str) -> Path:
    dump(op, folder)
    path = folder / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return path


def refused(op: Any, path: Path) -> str:
    explain(op)  # which compiles it
    code = type(op).forward.__code__
    with pytest.raises(GeneratedCodeError) as caught:
        put_in_place(op, [path])
    assert type(op).forward.__code__ is code
    return str(caught.value)


def test_a_dump_runs_as_it_is(module: Any, tmp_path: Path) -> None:
    for cls, kinds, expected in (
        (module.Pair, ["retire.py", "issue.py"], ({"v": 1}, 1)),
        (module.Chain, ["straight.py"], 1),
    ):
        op = cls()
        assert op(inputs=1) == expected
        dump(op, tmp_path / cls.__name__)
        assert put_in_place(op, [tmp_path / cls.__name__]) == kinds
        assert [op(inputs=1) for _ in range(3)] == [expected] * 3


def test_an_edited_retire_program(module: Any, tmp_path: Path) -> None:
    op = module.Pair()
    path = edited(
        op, tmp_path / "out", "retire.py", "return (a, b['v'])", "return ('edited', 1 // 0)"
    )
    put_in_place(op, [path])
    with pytest.raises(ZeroDivisionError) as caught:
        op(inputs=1)
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert (last.filename, last.name) == (str(path), "forward")
    assert "1 // 0" in str(last.line)


def test_an_edited_issue_program_and_straight_function(module: Any, tmp_path: Path) -> None:
    op = module.Pair()
    dump(op, tmp_path / "out")
    text = (tmp_path / "out" / "issue.py").read_text()
    first = next(line for line in text.splitlines() if line.startswith("    "))
    path = edited(op, tmp_path / "out", "issue.py", first, "    raise _e.Unsafe\n" + first)
    put_in_place(op, [path])
    assert op(inputs=1) == ({"v": 1}, 1)  # an issue program may always give up
    chain = module.Chain()
    path = edited(chain, tmp_path / "chain", "straight.py", "return b['v']", "return b['v'] + 1")
    put_in_place(chain, [path])
    assert chain(inputs=1) == 2


def test_what_is_refused(module: Any, tmp_path: Path) -> None:
    op, out = module.Pair(), tmp_path / "out"

    def change(old: str, new: str, name: str = "retire.py") -> str:
        return refused(op, edited(op, out, name, old, new))

    lines = (dump(op, out)[0].parent / "retire.py").read_text().splitlines()
    line = 1 + next(number for number, each in enumerate(lines) if "return (a" in each)
    assert f"retire.py:{line}: there is no 'nme'" in change("return (a, b['v'])", "return nme")
    assert f"retire.py:{line}: invalid syntax" in change("return (a, b['v'])", "return a b")
    assert "is none of the functions of the dump: forward" in change("def forward", "def backward")
    assert "takes (self, inputs), not (self, input)" in change("*, inputs)", "*, input)")
    assert "does not begin as a dumped program does" in change("# of source", "# from source")
    assert "only the definitions" in change("def forward", "x = 1\n\ndef forward")
    dump(op, out)
    assert "another function than Chain.forward" in refused(module.Chain(), out / "retire.py")
    assert "runs no generated code" in refused(module.Alone(), out / "retire.py")
    assert "cannot be read" in refused(op, tmp_path / "none.py")
    (tmp_path / "empty").mkdir()
    assert "there is no retire.py" in refused(op, tmp_path / "empty")


def call(module: Any, *arguments: str) -> Any:
    return CliRunner().invoke(main, ["run", f"{module.__name__}:Pair", "--inputs", "1", *arguments])


def test_the_command(module: Any, tmp_path: Path) -> None:
    plain = call(module)
    assert (plain.exit_code, plain.stdout) == (0, "({'v': 1}, 1)\n")
    dump(module.Pair(), tmp_path / "out")
    same = call(module, "--generated", str(tmp_path / "out"), "--check")
    assert (same.exit_code, same.stdout) == (0, "({'v': 1}, 1)\n")
    assert "retire.py is the edited one" in same.stderr
    path = edited(module.Pair(), tmp_path / "out", "retire.py", "return (a, b['v'])", "return 3")
    other = call(module, "--generated", str(path), "--check")
    assert other.exit_code == 1
    assert other.stdout == "compiled: 3\nplain:    ({'v': 1}, 1)\n"
    edited(module.Pair(), tmp_path / "out", "retire.py", "return (a, b['v'])", "return (")
    wrong = call(module, "--generated", str(path))
    assert wrong.exit_code == 2
    assert "[EMB062]" in wrong.stderr


def test_the_command_shows_what_is_raised(module: Any, tmp_path: Path) -> None:
    path = edited(
        module.Pair(), tmp_path / "out", "retire.py", "return (a, b['v'])", "return a['x']"
    )
    shown = call(module, "--generated", str(path))
    assert shown.exit_code == 1
    assert shown.stderr.rstrip().endswith("KeyError: 'x'")
    assert "cli.py" not in shown.stderr
