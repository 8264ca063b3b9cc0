"""Fingerprints: equal where the analysis would see the same, different where anything it could see differs."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from ember_jit import query
from ember_jit.aot.fingerprint import Fingerprints
from tests.pipeline import namespace

_files = itertools.count()
BASE = """
import math
LIMIT = 3
SEEN = []
def helper(x): return inner(x) + LIMIT
def inner(x): return math.floor(x)
class Base(Operator):
    shared = None
    def step(self, x): return x
class Part(Base):
    def __init__(self, k): self.k = k
    def forward(self, *, inputs): return helper(inputs) + self.k
class Op(Base):
    def __init__(self):
        self.part, self.parts, self.name = Part(1), [Part(2), Part(3)], "op"
    @property
    def first(self): return self.parts[0]
    def forward(self, *, inputs, deep=1):
        a = self.part(inputs=self.step(inputs))
        b = [p(inputs=inputs) for p in self.parts]
        return self.first(inputs=a), b
"""


def made(old: str = "", new: str = "", text: str = BASE) -> Any:
    assert old in text
    return namespace(text.replace(old, new), f"<fingerprint {next(_files)}>")


def print_of(callee: Any) -> str:
    return Fingerprints(lambda obj: False).of(callee)[0]


def test_the_same_program_has_the_same_fingerprint() -> None:
    assert print_of(made()["Op"]()) == print_of(made()["Op"]())


def test_values_and_counts_do_not_matter() -> None:
    space = made("LIMIT = 3", "LIMIT = 4")
    op = space["Op"]()
    op.name, op.part.k, op.parts = "other", 2.5, [space["Part"](7)]
    assert print_of(op) == print_of(made()["Op"]())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LIMIT = 3", "LIMIT = SEEN2 = []"),
        ("return math.floor(x)", "return math.ceil(x)"),
        ("import math", "import cmath as math"),
        ("shared = None", "shared = ()"),
        ("def step(self, x): return x", "def step(self, x): return SEEN.append(x)"),
        ("return self.parts[0]", "return self.parts[1]"),
        ("deep=1", "deep=[]"),
        ("Part(2), Part(3)", "Part(2), Base()"),
        ("[Part(2), Part(3)]", "(Part(2), Part(3))"),
        ("helper(inputs) + self.k", "helper(inputs) - self.k"),
        (
            "class Base(Operator):",
            "class Base(Operator):\n    def __getattribute__(self, n): return 1",
        ),
        ("class Part(Base):", "class Part(Base):\n    def __enter__(self): return self"),
        ("class Part(Base):", "@query\nclass Part(Base):"),
    ],
)
def test_what_the_code_leads_to_matters(old: str, new: str) -> None:
    assert print_of(made(old, new)["Op"]()) != print_of(made()["Op"]())


def later_attribute(space: dict[str, Any], op: Any) -> None:
    op.part = space["Base"]()


def later_override(space: dict[str, Any], op: Any) -> None:
    op.part.forward = lambda *, inputs: inputs


def later_method(space: dict[str, Any], op: Any) -> None:
    space["Base"].step = lambda self, x: x


def later_global(space: dict[str, Any], op: Any) -> None:
    space["inner"] = lambda x: x


def later_code(space: dict[str, Any], op: Any) -> None:
    space["inner"].__code__ = (lambda x: x).__code__


def later_default(space: dict[str, Any], op: Any) -> None:
    space["helper"].__defaults__ = ([],)


def later_element(space: dict[str, Any], op: Any) -> None:
    op.parts.append(space["Base"]())


def later_class(space: dict[str, Any], op: Any) -> None:
    op.part.__class__ = space["Base"]


def later_shadow(space: dict[str, Any], op: Any) -> None:
    space["Part"].step = lambda self, x: x


def later_label(space: dict[str, Any], op: Any) -> None:
    query(space["inner"])


@pytest.mark.parametrize(
    "change",
    [
        later_attribute,
        later_override,
        later_method,
        later_global,
        later_code,
        later_default,
        later_element,
        later_class,
        later_shadow,
        later_label,
    ],
)
def test_the_checks_see_what_changes_later(change: Any) -> None:
    space = made()
    op = space["Op"]()
    _, checks = Fingerprints(lambda obj: False).of(op)
    assert all(check() for check in checks)
    op.name = "another"  # a string is a string
    assert all(check() for check in checks)
    change(space, op)
    assert not all(check() for check in checks)


def test_recursion_and_cycles() -> None:
    text = """
    def even(n): return n == 0 or odd(n - 1)
    def odd(n): return n != 0 and even(n - 1)
    class Node(Operator):
        def __init__(self): self.next = self
        def forward(self, *, inputs): return even(inputs), self.next
    class Ring(Node):
        def __init__(self): self.next = Node(); self.next.next = self
    """
    one, two = namespace(text, "<ring>"), namespace(text, "<ring>")
    assert print_of(one["even"]) == print_of(two["even"]) != print_of(one["odd"])
    assert print_of(one["Node"]()) == print_of(two["Node"]())
    assert print_of(one["Ring"]()) == print_of(two["Ring"]()) != print_of(one["Node"]())
