"""The end of the interpreter, and forks, while calls that were given up still hang. Each case is a process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import ember_jit

ROOT = Path(ember_jit.__file__).parents[1]
# At exit; the caller's thread then makes the calls.
LATE_THREADS_REFUSED = sys.version_info >= (3, 12)
PATIENCE = 30  # seconds; what hangs does so for an hour

HANGING = """\
import os, sys, threading
from ember_jit import Operator, query, structural_jit

begun = threading.Barrier(3)

@query
class Fail(Operator):
    def forward(self, *, inputs):
        begun.wait(10)
        raise ValueError("first")

@query
class Hang(Operator):
    def forward(self, *, inputs):
        begun.wait(10)
        threading.Event().wait(3600)

@query
class Meet(Operator):
    def __init__(self, barrier):
        self.barrier = barrier
    def forward(self, *, inputs):
        self.barrier.wait(10)
        return inputs

@structural_jit
class Op(Operator):
    def __init__(self, a, b, c):
        self.a, self.b, self.c = a, b, c
    def forward(self, *, inputs):
        x = self.a(inputs=inputs)
        y = self.b(inputs=inputs)
        z = self.c(inputs=inputs)
        return x, y, z

def meet(parties=3):
    barrier = threading.Barrier(parties)
    op = Op(Meet(barrier), Meet(barrier), Meet(barrier))
    assert op(inputs=1) == (1, 1, 1)
    assert op(inputs=2) == (2, 2, 2)

try:
    Op(Fail(), Hang(), Hang())(inputs=0)
except ValueError as exc:
    assert str(exc) == "first"
else:
    raise SystemExit("nothing was raised")
"""

FORK = """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # 3.12: forking a process with threads

def fork(work):
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            sys.stdout.flush()
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0
"""


def run(tmp_path: Path, text: str) -> subprocess.CompletedProcess[str]:
    path = tmp_path / "program.py"
    path.write_text(text)
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-W", "error", str(path)],
        capture_output=True,
        text=True,
        env=env,
        timeout=PATIENCE,
    )


@pytest.mark.parametrize(
    ("last", "code", "said"),
    [
        ("print('done')", 0, ""),
        ("sys.exit(3)", 3, ""),
        ("raise KeyError('end')", 1, "KeyError: 'end'"),
        ("meet()", 0, ""),
        ("threading.Thread(target=meet).start()", 0, ""),
        (f"import atexit; atexit.register(meet, {1 if LATE_THREADS_REFUSED else 3})", 0, ""),
    ],
)
def test_the_interpreter_ends_although_detached_calls_hang(
    tmp_path: Path, last: str, code: int, said: str
) -> None:
    found = run(tmp_path, HANGING + last + "\n")
    assert found.returncode == code, found.stderr
    assert found.stderr.strip().endswith(said)
    if not said:
        assert not found.stderr


def test_an_interrupt_ends_the_interpreter(tmp_path: Path) -> None:
    found = run(tmp_path, HANGING + "import signal; signal.raise_signal(signal.SIGINT)\n")
    assert found.returncode != 0
    assert "KeyboardInterrupt" in found.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.parametrize(
    "work",
    [
        "fork(meet)",
        "meet(); fork(meet); meet()",
        "fork(lambda: fork(meet))",
        # after calls so brisk that the watch runs: the child has neither its thread nor those of the pool
        "brisk(); fork(lambda: (brisk(), meet())); brisk(); meet()",
    ],
    ids=["hanging", "used before", "twice", "watched"],
)
def test_a_forked_child_can_use_compiled_operators(tmp_path: Path, work: str) -> None:
    brisk = """
@query
class Echo(Operator):
    def forward(self, *, inputs):
        return inputs

@structural_jit(execution_strategy="parallel")
class Many(Operator):
    def __init__(self):
        self.echo = Echo()
    def forward(self, *, inputs):
        return [self.echo(inputs=n) for n in range(inputs)]

many = Many()
def brisk():
    for _ in range(3):
        assert many(inputs=200) == list(range(200))
"""
    found = run(tmp_path, HANGING + FORK + brisk + work + "\nprint('parent')\n")
    assert found.returncode == 0, found.stderr
    assert found.stdout == "parent\n"
    assert not found.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_fork_inside_a_compiled_function(tmp_path: Path) -> None:
    """Between two pairs of calls: both processes go on to the end of it."""
    text = """
@structural_jit
class Forks(Operator):
    def __init__(self):
        self.barrier = threading.Barrier(2)
        self.a, self.b = Meet(self.barrier), Meet(self.barrier)
    def forward(self, *, inputs):
        x = self.a(inputs=1)
        y = self.b(inputs=2)
        pid = os.fork()
        z = self.a(inputs=3)
        w = self.b(inputs=4)
        return pid, x + y + z + w

pid, total = Forks()(inputs=0)
assert total == 10
if pid == 0:
    sys.stdout.flush()
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
print("parent")
"""
    found = run(tmp_path, HANGING + FORK + text)
    assert found.returncode == 0, found.stderr
    assert found.stdout == "parent\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_fork_while_another_thread_compiles(tmp_path: Path) -> None:
    """The thread does not exist in the child, which compiles for itself."""
    text = """
from ember_jit.compiler import driver

compiling, go_on = threading.Event(), threading.Event()
compile_structurally = driver.compile_structurally

def slowly(*args):
    if os.getpid() == parent:
        compiling.set()
        go_on.wait(20)
    return compile_structurally(*args)

parent = os.getpid()
driver.compile_structurally = slowly

@query
class Echo(Operator):
    def forward(self, *, inputs):
        return inputs

@structural_jit
class Pair(Operator):
    def __init__(self):
        self.a, self.b = Echo(), Echo()
    def forward(self, *, inputs):
        return self.a(inputs=inputs), self.b(inputs=inputs)

pair = Pair()
thread = threading.Thread(target=lambda: pair(inputs=1))
thread.start()
assert compiling.wait(20)
pid = os.fork()
if pid == 0:
    assert pair(inputs=2) == (2, 2)
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
go_on.set()
thread.join()
print("parent")
"""
    found = run(tmp_path, HANGING + FORK + text)
    assert found.returncode == 0, found.stderr
    assert found.stdout == "parent\n"
