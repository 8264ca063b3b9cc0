"""Programs in processes of their own: one builds a bundle, another runs it without the compiler."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import ember_jit

ROOT = Path(ember_jit.__file__).parent.parent

#: what a process without the compiler runs first
WITHOUT_COMPILER = """
import sys
class Hide:
    hidden = ("ember_jit.compiler", "ember_jit.ir", "ember_jit.report", "numba", "llvmlite", "bytecode", "numpy")
    def find_spec(self, name, path=None, target=None):
        if name in self.hidden or name.startswith(tuple(f"{each}." for each in self.hidden)):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hide())
"""

#: operators that meet at barriers: a call that does not overlap breaks its barrier
APP = '''\
import threading
import time
from ember_jit import Operator, jit, ordered, pure, query, structural_jit

WAIT = 30

class Meet:
    """Two callers, or an exception."""
    def __init__(self): self.barrier = threading.Barrier(2)

@query
class Ask(Operator):
    def __init__(self, name, meet): self.name, self.meet = name, meet
    def forward(self, *, inputs):
        self.meet.barrier.wait(WAIT)
        if inputs == "fail":
            raise ValueError(self.name)
        return f"{self.name}:{inputs}"

PLACES = {}

class Inferred(Operator):
    """Nothing is declared: its effect is in the bundle, by fingerprint."""
    def __init__(self, name): self.name = name
    def forward(self, *, inputs):
        words = sorted(inputs.upper().split())
        time.sleep(0.001)
        return len(words), "".join(words) + self.name

class Chatty(Operator):
    def forward(self, *, inputs):
        print("chatty", inputs)
        return inputs

class Pair(Operator):
    """An undecorated composite."""
    def __init__(self):
        meet = Meet()
        self.left, self.right = Ask("left", meet), Ask("right", meet)
    def forward(self, *, inputs):
        left = self.left(inputs=inputs)
        right = self.right(inputs=inputs)
        return left, right

@structural_jit(execution_strategy="parallel")
class Answer(Operator):
    def __init__(self):
        meet = Meet()
        self.a, self.b = Ask("a", meet), Ask("b", meet)
        self.one, self.two = Inferred("1"), Inferred("2")
        self.chatty, self.pair = Chatty(), Pair()
    def forward(self, *, inputs):
        a = self.a(inputs=inputs)
        b = self.b(inputs=inputs)
        print("before")
        c = self.chatty(inputs=a.upper())
        one = self.one(inputs=b)
        two = self.two(inputs=min(a, b))
        pair = self.pair(inputs=inputs)
        return a, b, c, one, two, pair

@jit
def both(inputs, first, second):
    return [first(inputs=inputs), second(inputs=inputs)]

@structural_jit(execution_strategy="parallel")
class Looping(Operator):
    def __init__(self): self.ask = Inferred("x")
    def forward(self, *, inputs):
        out = []
        for text in inputs:
            out.append(self.ask(inputs=text))
        return out

@structural_jit
class Chain(Operator):
    def __init__(self): self.answer, self.last = Answer(), Inferred("3")
    def forward(self, *, inputs):
        return self.last(inputs=str(self.answer(inputs=inputs)))
'''


def run(folder: Path, text: str, name: str = "main.py", **env: str) -> str:
    """Run a program in `folder`; what it printed.  Warnings go to its stderr, which is checked to be empty."""
    done = finish(folder, text, name, **env)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    return done.stdout


def finish(
    folder: Path, text: str, name: str = "main.py", **env: str
) -> subprocess.CompletedProcess[str]:
    """Run a program in `folder`, whatever comes of it."""
    (folder / name).write_text(text)
    inherited = {key: value for key, value in os.environ.items() if "EMBER_JIT" not in key}
    whole = {**inherited, "PYTHONPATH": str(ROOT), "EMBER_JIT_STRICT": "1", **env}
    command = [sys.executable, name]
    return subprocess.run(
        command, cwd=folder, env=whole, capture_output=True, text=True, check=False
    )
