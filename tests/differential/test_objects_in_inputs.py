"""Objects that arrive in `inputs`: what an operation on one does, it does in its turn, and what follows waits for it.

Each program does something with a value that came from elsewhere, between two calls; the second reads the state
that the special methods of `Hooks` change.  It must not have started before, and it must have where the value is plain.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import linecache
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import pytest

from ember_jit import disable_structural_jit, structural_jit
from ember_jit.testing import record_schedule
from tests.differential.canon import Canon
from tests.differential.generated import PRELUDE
from tests.differential.test_protocols import OPERATIONS

EXTRA = '''
class Find(Operator):
    """Inferred; may give an object of any class."""
    def __init__(self, owner): self.owner = owner
    def forward(self, *, inputs): return self.owner.h

class Peek(Operator):
    """Inferred; reads what the program changes."""
    def forward(self, *, inputs): return {"n": STATE["n"]}

def shown(value): return f"{value}"
'''
#: how the value reaches the operation: the statements in front, and what it is called
WAYS = {
    "a parameter's item": ("h = inputs['h']", "h"),
    "without a name": ("pass", "inputs['h']"),
    "deep inside": ("box = inputs['box']", "box['a'][0]"),
    "in a container made here": ("xs = [inputs['h'], 1]", "xs[0]"),
    "unpacked": ("h, _ = inputs['box']['a']", "h"),
    "on a branch": ("h = inputs['h'] if inputs['n'] else None", "h"),
    "the result of an inferred call": ("h = self.find(inputs=1)", "h"),
    "an attribute's item": ("h = self.nest['a']", "h"),
}
SPELLED = {  # operations that look at it from inside something
    "a loop": "for h in inputs['box']['a']: b = {op}",
    "a branch on a result": "if a['n'] < 9: b = {op}",
    "a loop over results": "for _ in [a['n']]: b = {op}",
    "a comprehension": "b = [{op} for h in inputs['box']['a']]",
    "a handler": "try: self.fail(inputs=3)\n        except Exception: b = {op}",
    "a helper": "b = shown(h)",
    "an argument": "b = self.look(inputs={op})",
    "a lambda": "b = (lambda: {op})()",
    "a generator": "b = sum(1 for _ in [{op}])",
    "a local function": "def local(): return {op}\n        b = local()",
    "output": "print(h, end='', file=SINK)",
}
PARTS = [each for line in OPERATIONS.split("\n") for each in line.split("|")]
HARMLESS = ("self.prop", "self.descr")


def source(head: str, middle: str, leaf: str = "self.look") -> str:
    return f"""{PRELUDE}{EXTRA}
@decorate
class Main(Base):
    def forward(self, *, inputs):
        {head}
        a = self.same(inputs={{"n": 1}})
        {middle}
        c = {leaf}(inputs=2)
        return a, c
"""


def make(text: str, decorate: Any) -> tuple[Any, dict[str, Any]]:
    linecache.cache["<objects>"] = (len(text), None, text.splitlines(keepends=True), "<objects>")
    space: dict[str, Any] = {"__name__": "objects", "decorate": decorate}
    exec(compile(text, "<objects>", "exec", dont_inherit=True), space)
    op = space["Main"]()
    op.find, op.peek, op.nest = space["Find"](op), space["Peek"](), {"a": op.h}
    return op, space


def outcome(op: Any, space: dict[str, Any], given: dict[str, Any]) -> Any:
    try:
        return Canon()(("returned", op(inputs=given), space["STATE"]))
    except Exception as exc:  # the outcome is compared
        return Canon()(("raised", exc, space["STATE"]))


def holding(value: Any) -> dict[str, Any]:
    return {"h": value, "box": {"a": [value, value]}, "n": 1}


def check_in_order(head: str, middle: str, leaf: str = "self.look") -> None:
    """The last call is not started ahead, and the outcome is plain Python's."""
    text = source(head, middle, leaf)
    with disable_structural_jit():
        op, space = make(text, lambda cls: cls)
        expected = outcome(op, space, holding(op.h))
    op, space = make(text, structural_jit(execution_strategy="parallel"))
    with record_schedule() as schedule:
        assert outcome(op, space, holding(op.h)) == expected, middle
    changed = space["STATE"]["n"] > 0
    assert not (changed and schedule.named(f"{leaf}(inputs=2)")), middle


@pytest.mark.parametrize("way", WAYS)
def test_what_follows_an_operation_on_an_object_waits(way: str) -> None:
    head, spelled = WAYS[way]
    step = 1 if way == "a parameter's item" else 5  # compiling takes its time
    for operation in [each for each in PARTS if each not in HARMLESS][::step]:
        if 'f"' in operation and "'" in spelled:
            continue
        for leaf in ("self.look", "self.peek"):
            check_in_order(head, f"b = {operation.replace('self.h', spelled)}", leaf)


@pytest.mark.parametrize("place", SPELLED)
def test_wherever_the_operation_stands(place: str) -> None:
    for operation in ("str(h)", "h + 1", "h['a']", "h.nope", "1 if h else 2", "[*h]"):
        check_in_order("h = inputs['h']", SPELLED[place].format(op=operation))


class Colour(enum.Enum):
    RED = "red"


class Pair(NamedTuple):
    a: int
    b: str


@dataclasses.dataclass
class Doc:
    title: str
    tags: list[str]


@dataclasses.dataclass(frozen=True, order=True, slots=True)
class Key:
    n: int


class Bag:
    """No special methods, no properties."""

    def __init__(self) -> None:
        self.title = "x"


PLAIN: list[tuple[str, Any]] = [
    ("str(h)", 1),
    ("h + 1", 2),
    ("f'{h!r:>3}'", "x"),
    ("[*h]", [1, 2]),
    ("h['a']['b'] + 1", {"a": {"b": 1}}),
    ("h.get('b', {}).get('c')", {}),
    ("1 in h", {1: 2}),
    ("sorted(h, key=lambda v: -v)[0]", [3, 1]),
    ("' '.join(x['t'] for x in h)", [{"t": "a"}]),
    ("h.strip().split()", " a b "),
    ("len(h) if h else 0", (1,)),
    ("max(h, default=0)", []),
    ("list(enumerate(h))", "ab"),
    ("h['missing']['too']", {"missing": {"too": None}}),
    ("str(h)", Bag()),
    ("h.title.upper()", Bag()),
    ("h == h", Bag()),
    ("bool(h)", Doc("t", ["a"])),
    ("h.title + h.tags[0]", Doc("t", ["a"])),
    ("[h] == [Doc] or str(h)", Doc("t", [])),
    ("h < h", Key(1)),
    ("{h: 1}", Key(1)),
    ("h.a + len(h.b)", Pair(1, "b")),
    ("f'{h}'", Colour.RED),
    ("h.value", Colour.RED),
    ("h.isoformat()", datetime.date(2026, 1, 1)),
    ("h + h", decimal.Decimal(1)),
    ("str(h)", PurePosixPath("a/b")),
    ("h[0]", collections.deque([1])),
]


@pytest.mark.parametrize(("operation", "value"), PLAIN)
def test_plain_values_keep_nothing_waiting(operation: str, value: Any) -> None:
    for head, middle in (
        ("h = inputs['h']", f"b = {operation.replace('Doc', 'None')}"),
        ("pass", f"for h in inputs['box']['a']: b = {operation.replace('Doc', 'None')}"),
    ):
        op, space = make(source(head, middle), structural_jit(execution_strategy="parallel"))
        with record_schedule() as schedule:
            assert outcome(op, space, holding(value))
        assert schedule.named("self.look(inputs=2)"), operation


def test_an_inferred_call_that_gives_another_class_than_before_is_not_taken_for_plain() -> None:
    """R6: the receiver that was there when the function was compiled gave numbers; a later one gives objects."""
    text = source("h = self.find(inputs=1)", "b = h + 1")
    op, space = make(text, structural_jit(execution_strategy="parallel"))
    hooks, op.h = op.h, 1
    for _ in range(2):
        outcome(op, space, holding(1))
    op.h = hooks
    with record_schedule() as schedule:
        outcome(op, space, holding(1))
    assert space["STATE"]["n"] == 1
    assert not schedule.named("self.look(inputs=2)")


def test_a_filled_container_is_looked_at_when_it_is_filled() -> None:
    head = "xs = []\n        self.k += 1\n        xs.append(inputs['h'])"
    check_in_order(head, "b = [str(x) for x in xs]")
    check_in_order(head, "b = xs == [1]")
