"""The generated programs, as text: `pytest --regenerate-golden` rewrites `golden/`, the diff is reviewed."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ember_jit.compiler.codegen.issue import IssueEmitter
from ember_jit.compiler.codegen.retire import NOWHERE, retire_program
from ember_jit.compiler.source import compile_functions
from tests.codegen.programs import OPERATORS, Base
from tests.pipeline import Stages, stages_of

GOLDEN = Path(__file__).parent / "golden"
ROOT = Path(__file__).parents[2]


def stages_of_operator(cls: type[Base]) -> Stages:
    forward: Any = vars(cls)["forward"]
    return stages_of(forward, cls())


def emit(cls: type[Base]) -> tuple[list[str], ast.FunctionDef]:
    """The issue programs and the retire program of an operator."""
    made = stages_of_operator(cls)
    next_site, issues = len(made.escaped.sites), []
    for region in made.regions:
        emitter = IssueEmitter(made.escaped, region, made.facts, next_site, region.in_order)
        issues.append(emitter.run())
        next_site = emitter.next_site
    return [issue.text for issue in issues], retire_program(
        made.source, made.escaped, made.regions, issues, made.source.node.body[0].lineno
    )


def text_of(cls: type[Base]) -> str:
    """What stands in the golden file."""
    issues, retire = emit(cls)
    assert issues, "it was left alone"
    parts = [*issues, ast.unparse(ast.fix_missing_locations(retire)) + "\n"]
    return "\n\n".join(part.rstrip("\n") + "\n" for part in parts)


@pytest.mark.parametrize("cls", OPERATORS)
def test_golden(cls: type[Base], request: pytest.FixtureRequest) -> None:
    path = GOLDEN / f"{cls.__name__}.txt"
    actual = text_of(cls)
    if request.config.getoption("--regenerate-golden"):
        path.write_text(actual)
    assert path.exists(), "no golden file: run pytest --regenerate-golden"
    if path.read_text() != actual and sys.version_info[:2] != (3, 11):
        expected = (
            path.read_text()
        )  # `ast.unparse` differs between versions in quotes and parentheses alone
        assert ast.dump(ast.parse(actual)) == ast.dump(ast.parse(expected))
        return
    assert path.read_text() == actual


def test_no_golden_file_is_stale() -> None:
    assert {path.stem for path in GOLDEN.glob("*.txt")} == {cls.__name__ for cls in OPERATORS}


@pytest.mark.parametrize("cls", OPERATORS)
def test_the_same_every_time(cls: type[Base]) -> None:
    assert text_of(cls) == text_of(cls)


def test_the_same_in_every_process() -> None:
    """Sets of names are printed in no order of hashes."""
    program = "from tests.codegen.test_golden import *\nprint('\\f'.join(text_of(cls) for cls in OPERATORS))"
    outputs = set()
    for seed in ("0", "1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join([str(ROOT), *sys.path[1:]])},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        outputs.add(done.stdout)
    assert len(outputs) == 1


@pytest.mark.parametrize("cls", OPERATORS)
def test_the_programs_compile(cls: type[Base]) -> None:
    issues, retire = emit(cls)
    for issue in issues:
        compile(issue, "<issue>", "exec", dont_inherit=True)
    forward: Any = vars(cls)["forward"]
    code = forward.__code__
    compiled = compile_functions(
        [ast.fix_missing_locations(retire)], code, cls.__name__, code.co_freevars
    )["forward"]
    arguments = code.co_argcount + code.co_kwonlyargcount
    assert compiled.co_varnames[:arguments] == code.co_varnames[:arguments]
    assert compiled.co_freevars == code.co_freevars


@pytest.mark.parametrize("cls", OPERATORS)
def test_the_retire_program_keeps_the_users_lines(cls: type[Base]) -> None:
    """Every node stands on a line of the user's function; calls on their own."""
    source = stages_of_operator(cls).source
    _, retire = emit(cls)
    lines = range(source.first, source.first + len(source.lines))
    calls = {
        (ast.unparse(node), node.lineno)
        for node in ast.walk(source.node)
        if isinstance(node, ast.Call)
    }
    for node in ast.walk(retire):
        assert getattr(node, "lineno", source.first) in (*lines, NOWHERE)
    kept = {
        (ast.unparse(node), node.lineno) for node in ast.walk(retire) if isinstance(node, ast.Call)
    }
    assert calls <= kept, "the untouched body stands in the retire program"
