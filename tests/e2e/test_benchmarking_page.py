"""The commands of `docs/benchmarking.md` run as they stand, one after the other."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from ember_jit.cli import main

PAGE = Path(__file__).parents[2] / "docs" / "benchmarking.md"


def test_the_commands_of_the_page_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = PAGE.read_text(encoding="utf-8")
    program = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert program is not None
    monkeypatch.chdir(tmp_path)
    Path("app.py").write_text(program[1])
    commands = re.findall(r"^    ember-jit (.*)$", text, re.MULTILINE)
    assert len(commands) == 6
    for command in commands:
        arguments, _, file = command.partition(" > ")
        arguments = arguments.replace(" --fail-if-slower 1.05", " --fail-if-slower 50")
        done = CliRunner().invoke(main, shlex.split(arguments))
        assert done.exit_code == 0, done.output
        assert done.stdout
        if file:
            Path(file).write_text(done.stdout)
