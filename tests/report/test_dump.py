"""`dump`: the files it writes, that the generated ones are Python, and `EMBER_JIT_DUMP`."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ember_jit import Operator, dump, query, structural_jit
from ember_jit.errors import NotAnOperatorError
from ember_jit.runtime.guard import is_available

ALWAYS = {"index.txt", "explain.txt", "source.py"}
COMPILED = ALWAYS | {"plan.txt", "plan.mmd", "plan.dot", "issue.py", "retire.py"}


@query
class Leaf(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return {"v": str(inputs), "ok": True}


@structural_jit
class Pair(Operator):
    def __init__(self) -> None:
        self.a, self.b = Leaf(), Leaf()

    def forward(self, *, inputs: Any) -> Any:
        """Two calls.

        A docstring of two paragraphs, with "quotes".
        """
        left = self.a(inputs=inputs)
        for i in range(3):
            right = self.b(inputs={"n": i, "s": f"{i!r:>3}"})
        return left, right


@structural_jit
class Chain(Operator):
    def __init__(self) -> None:
        self.a, self.b = Leaf(), Leaf()

    def forward(self, *, inputs: Any) -> Any:
        x = self.a(inputs=inputs)
        return self.b(inputs=x)


class Plus(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return {"v": inputs["v"] + 1}


@structural_jit
class Computed(Operator):
    def __init__(self) -> None:
        self.a, self.b = Plus(), Plus()

    def forward(self, *, inputs: Any) -> Any:
        x = self.a(inputs=inputs)
        return self.b(inputs=x)


def names(paths: list[Path]) -> set[str]:
    return {path.name for path in paths}


def test_everything_is_written_and_listed(tmp_path: Path) -> None:
    paths = dump(Pair(), tmp_path / "new" / "folder")
    assert names(paths) >= COMPILED
    assert {path.name for path in paths if path.name.startswith("ir-")} >= {"ir-1-lowered.txt"}
    assert all(path.read_text() for path in paths)
    assert paths[0].name == "index.txt"
    index = paths[0].read_text()
    assert all(path.name in index for path in paths[1:])


def test_generated_programs_parse_and_show_the_users_lines(tmp_path: Path) -> None:
    paths = {path.name: path for path in dump(Pair(), tmp_path)}
    for name in ("source.py", "issue.py", "retire.py"):
        ast.parse(paths[name].read_text())
    issue, retire = paths["issue.py"].read_text(), paths["retire.py"].read_text()
    assert "self.a(inputs=inputs)" in issue
    line = Pair.forward.__code__.co_firstlineno + 5
    assert f"# line {line}: left = self.a(inputs=inputs)" in retire
    assert "_w.take(0) if _w.has(0)" in retire
    assert "<ember_jit" not in retire
    assert "calls" in paths["explain.txt"].read_text()


def test_the_same_names_and_programs_each_time(tmp_path: Path) -> None:
    first = dump(Pair(), tmp_path / "1")
    second = dump(Pair(), str(tmp_path / "2"))
    assert [path.name for path in first] == [path.name for path in second]
    for a, b in zip(first, second, strict=True):
        assert a.read_text() == b.read_text()


def test_what_is_left_alone_is_dumped_as_far_as_the_compiler_came(tmp_path: Path) -> None:
    found = names(dump(Chain(), tmp_path))
    assert found >= ALWAYS | {"plan.txt"}
    assert not found & {"issue.py", "retire.py"}


def test_a_class_has_its_source_and_explanation(tmp_path: Path) -> None:
    @structural_jit
    class Fresh(Pair):
        def forward(self, *, inputs: Any) -> Any:
            return self.a(inputs=inputs), self.b(inputs=inputs)

    assert names(dump(Fresh, tmp_path)) == ALWAYS


def test_no_operator_no_files(tmp_path: Path) -> None:
    with pytest.raises(NotAnOperatorError):
        dump(3, tmp_path / "x")
    assert not (tmp_path / "x").exists()


PROGRAM = """
from ember_jit import Operator, query, structural_jit

@query
class Leaf(Operator):
    def forward(self, *, inputs):
        return inputs

@structural_jit
class Pair(Operator):
    def __init__(self):
        self.a, self.b = Leaf(), Leaf()
    def forward(self, *, inputs):
        return self.a(inputs=inputs), self.b(inputs=inputs)

@structural_jit
class Left(Pair):
    def forward(self, *, inputs):
        return self.b(inputs=self.a(inputs=inputs)).real

print(Pair()(inputs=1), Left()(inputs=2))
"""


def run(program: Path, dump_dir: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "EMBER_JIT_DUMP": str(dump_dir)}
    return subprocess.run(
        [sys.executable, str(program)], env=environment, capture_output=True, text=True, timeout=60
    )


def test_the_environment_variable_dumps_each_compiled_function(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    done = run(program, tmp_path / "dumps")
    assert (done.stdout, done.stderr) == ("(1, 1) 2\n", "")
    dumps = tmp_path / "dumps"
    (folder,) = (path for path in dumps.iterdir() if path.is_dir())
    assert folder.name.startswith("Pair.forward-line13-")
    assert {path.name for path in folder.iterdir()} >= COMPILED
    row = f"{folder.name}  Pair.forward, {program}:13: compiled: 2 of 2 calls are issued ahead"
    assert (dumps / "index.txt").read_text() == f"{row}\n"
    run(program, dumps)
    assert {each.name for each in dumps.iterdir()} == {folder.name, "index.txt"}
    other = program.with_name("other.py")
    other.write_text(PROGRAM.replace("Pair", "Another"))
    run(other, dumps)
    first, second = (dumps / "index.txt").read_text().splitlines()
    assert first.startswith("Another.forward-line13-")
    assert second == row


def test_a_folder_that_cannot_be_written_never_breaks_the_call(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    (tmp_path / "file").write_text("in the way")
    done = run(program, tmp_path / "file")
    assert done.stdout == "(1, 1) 2\n"
    assert "EMBER_JIT_DUMP" in done.stderr
    assert done.returncode == 0


@pytest.mark.skipif(not is_available(), reason="there are no guards here")
def test_what_a_chain_computes_in_place_is_written(tmp_path: Path) -> None:
    op = Computed()
    assert op(inputs={"v": 1}) == {"v": 3}
    paths = dump(op, tmp_path)
    assert {"chain.py", "straight.py"} <= names(paths)
    text = (tmp_path / "chain.py").read_text()
    assert "# _class0: Plus" in text
    assert "_v0 = _v0 + 1" in text
    assert "return {'v': _v0}" in text
    ast.parse(text)
    assert "2 of 2 calls are computed in place" in (tmp_path / "explain.txt").read_text()
    assert "chain.py" in (tmp_path / "index.txt").read_text()
