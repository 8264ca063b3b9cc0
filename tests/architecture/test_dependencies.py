"""Libraries that are missing or broken: one warning each, and the same results.

Each program runs in a process of its own, in which importing the library raises.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import ember_jit
from ember_jit.dependencies import LOST

ROOT = Path(ember_jit.__file__).parent.parent

HIDE = """
import sys, warnings
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {name!r}:
            raise {error}
sys.meta_path.insert(0, Hide())
warnings.simplefilter("error")
"""
PROGRAM = """
import threading
from ember_jit import Operator, pure, query, structural_jit, explain
from ember_jit.runtime import events
class Inferred(Operator):
    def forward(self, *, inputs):
        return sorted(inputs)
class Chatty(Operator):
    def forward(self, *, inputs):
        print("chatty", inputs)
        return inputs
@query
class Declared(Operator):
    def forward(self, *, inputs):
        return inputs + "!"
@structural_jit
class Op(Operator):
    def __init__(self):
        self.a, self.b, self.c, self.d = Declared(), Declared(), Inferred(), Chatty()
    def forward(self, *, inputs):
        x = self.a(inputs=inputs)
        y = self.b(inputs=inputs)
        z = self.c(inputs=inputs), self.c(inputs=x)
        return x, y, z, self.d(inputs=y)
op = Op()
with events.record() as log:
    for _ in range(3):
        assert op(inputs="ba") == ("ba!", "ba!", (["a", "b"], ["!", "a", "b"]), "ba!")
assert log.overlapped("self.a", "self.b"), log
print(*sorted({call.name for call in log.calls}))
assert "self.a" in str(explain(op))
"""
ERRORS = {
    "missing": 'ModuleNotFoundError(f"No module named {name!r}", name=name)',
    "broken": 'RuntimeError("wrong version of a shared library")',
    "attribute": 'AttributeError("module numpy has no attribute float")',
}


def run(program: str) -> subprocess.CompletedProcess[str]:
    """Run a program from a file: what has no source is read with `bytecode` alone."""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "program.py")
        path.write_text(program)
        done = subprocess.run(
            [sys.executable, str(path)], env=env, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("name", sorted(set(LOST) - {"bytecode"}))
def test_what_a_library_is_not_needed_for_goes_without_a_word(name: str, error: str) -> None:
    """Warnings are errors in that process."""
    done = run(HIDE.format(name=name, error=ERRORS[error]) + PROGRAM)
    assert "self.c(inputs=inputs)" in done.stdout, "effects are inferred"


@pytest.mark.parametrize("error", ERRORS)
def test_without_bytecode_declared_calls_overlap_and_nothing_is_inferred(error: str) -> None:
    # the warning comes with the first decoration, once
    program = (
        HIDE.format(name="bytecode", error=ERRORS[error]) + 'warnings.simplefilter("always")\n'
    )
    done = run(program + PROGRAM)
    assert done.stderr.count("DependencyWarning") == 1, done.stderr
    for part in ("bytecode", "[EMB050]", "no effects are inferred", "All else works"):
        assert part in done.stderr
    assert "program.py:" in done.stderr.splitlines()[0], "it points at the user's code"
    assert done.stdout.count("self.c") == 0
    assert done.stdout.count("chatty ba!") == 3
    if error == "broken":
        assert "RuntimeError: wrong version of a shared library" in done.stderr
    else:
        assert ("is not installed" in done.stderr) == (error == "missing")


def test_without_bytecode_explain_says_why_a_call_stays_in_order() -> None:
    program = HIDE.format(name="bytecode", error=ERRORS["missing"])
    program += 'warnings.simplefilter("ignore")\n' + PROGRAM + "print(explain(op))\n"
    assert "EMB050" in run(program).stdout


def test_a_warning_turned_into_an_error_comes_once_and_the_code_still_runs() -> None:
    program = HIDE.format(name="bytecode", error=ERRORS["missing"]) + (
        "import ember_jit\n"
        "from ember_jit.errors import DependencyWarning\n"
        "def f(inputs): return [str(inputs), repr(inputs)]\n"
        "try: ember_jit.structural_jit(f)\n"
        "except DependencyWarning: pass\n"
        "else: raise SystemExit('no warning')\n"
        "assert ember_jit.structural_jit(f)(inputs=1) == ['1', '1']\n"
    )
    run(program)


NUMERIC = """
import numpy as np
from ember_jit import explain, jit
from ember_jit.testing import wait_for_kernels

@jit
def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()

x = np.arange(4.0)
for kind in "dfdf":
    softmax(x.astype(kind))
    wait_for_kernels()
for _ in range(100):
    assert softmax(x).tobytes() == (np.exp(x - 3.0) / np.exp(x - 3.0).sum()).tobytes()
assert "llvmlite" in str(explain(softmax))
"""


@pytest.mark.parametrize("error", ["missing", "broken"])
def test_without_llvmlite_and_numba_arrays_are_left_to_numpy(error: str) -> None:
    hidden = "".join(HIDE.format(name=name, error=ERRORS[error]) for name in ("llvmlite", "numba"))
    program = 'import os\nos.environ["EMBER_JIT_CACHE"] = "off"\n' + hidden
    done = run(program + 'warnings.simplefilter("always")\n' + NUMERIC)
    assert done.stderr.count("Warning") == 1, done.stderr
    assert LOST["llvmlite"] in done.stderr
    assert "program.py:" in done.stderr.splitlines()[0], "it points at the user's code"


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("name", sorted(LOST))
def test_each_library_has_one_clear_warning(name: str, error: str) -> None:
    program = HIDE.format(name=name, error=ERRORS[error]) + (
        'warnings.simplefilter("always")\n'
        "from ember_jit import dependencies\n"
        f"assert [dependencies.load({name!r}) for _ in range(3)] == [None] * 3\n"
    )
    done = run(program)
    assert done.stderr.count("DependencyWarning") == 1, done.stderr
    assert f"without {name}" in done.stderr
    assert LOST[name] in done.stderr


def test_what_is_installed_is_loaded_without_a_word() -> None:
    run(
        "import warnings; warnings.simplefilter('error')\n"
        "from ember_jit import dependencies\n"
        "assert dependencies.load('bytecode', 'bytecode.instr').__name__ == 'bytecode'\n"
    )


@pytest.mark.parametrize("error", ERRORS)
def test_without_optree_lists_and_arrays_are_batched_and_trees_are_refused(error: str) -> None:
    program = HIDE.format(name="optree", error=ERRORS[error]) + (
        "import numpy\n"
        "from ember_jit.errors import BatchError\n"
        "from ember_jit.transforms import vmap\n"
        "assert vmap(lambda item: item + 1)([1, 2]) == [2, 3]\n"
        "assert vmap(lambda a: a * 2)(numpy.arange(3)).tolist() == [0, 2, 4]\n"
        "def keyed(*, inputs): return {'y': inputs['x'] + 1}\n"
        "assert vmap(keyed)(inputs={'x': [1, 2]}) == {'y': [2, 3]}\n"
        "warnings.simplefilter('always')\n"
        "try: vmap(lambda tree: tree['a'])({'a': [1, 2]})\n"
        "except BatchError as exc: assert 'optree' in str(exc), exc\n"
        "else: raise SystemExit('a tree was batched')\n"
    )
    assert run(program).stderr.count("DependencyWarning") == 1


@pytest.mark.parametrize("error", ERRORS)
def test_without_rich_nothing_is_shown(error: str) -> None:
    program = HIDE.format(name="rich", error=ERRORS[error]) + (
        "from ember_jit.transforms.progress import showing\n"
        "warnings.simplefilter('always')\n"
        "for _ in range(2):\n"
        "    with showing(True, 'work', 3) as tick: assert tick is None\n"
    )
    assert run(program).stderr.count("DependencyWarning") == 1
