"""Effects read from bytecode: what is found, on which line, and never more than the source would allow."""

from __future__ import annotations

import ast
import sys
import textwrap
import types
from pathlib import Path
from typing import Any

import pytest

from ember_jit import dependencies
from ember_jit.compiler.analysis.bytecode import effect_from_bytecode
from ember_jit.compiler.analysis.facts import Inferred
from ember_jit.compiler.analysis.infer import Inference
from ember_jit.compiler.analysis.stack_ops import OPERATIONS
from ember_jit.compiler.analysis.values import Known
from ember_jit.compiler.source import source_of

pytest.importorskip("bytecode")

WORLD = """
import abc, collections, copy, dataclasses, enum, functools, hashlib, itertools, json, math, operator
import random, re, time, warnings
from pathlib import Path
from ember_jit import pure, query

LOG, WORDS, LIMIT = [], ["a", "b"], 5
def helper(x): return x + 1
def identity(x): return x
class Box:
    def __add__(self, other): LOG.append(1); return self
    def __eq__(self, other): LOG.append(1); return True
    def __bool__(self): LOG.append(1); return True
    def __iter__(self): LOG.append(1); return iter([])
    def __getitem__(self, key): LOG.append(1)
    def __str__(self): LOG.append(1); return ""
    def get(self, key): LOG.append(1)
    prop = property(lambda self: LOG.append(1))
    __hash__ = None
class Dropped:
    def __del__(self): LOG.append(1)
class Hooked:
    def __init__(self): self.x = 1
    def __setattr__(self, name, value): LOG.append(name)
class Meta(type):
    def __instancecheck__(cls, other): LOG.append(1); return True
class Checked(metaclass=Meta): pass
class Err(Exception):
    def __init__(self): LOG.append(1)
class Point:
    def __init__(self, x): self.x = x
BOX, ITERATOR, LISTS = Box(), iter([1, 2]), [[1]]
BOXES, TABLE = [BOX], {"a": BOX}

class Operator:
    def __call__(self, *, inputs): return self.forward(inputs=inputs)
@query
class Search(Operator):
    def forward(self, *, inputs): return {"hits": [inputs["q"]]}
@query
class Opaque(Operator):
    def forward(self, *, inputs): LOG.append(1); return {"hits": [1]}
class Base(Operator):
    def forward(self, *, inputs): return inputs["x"] * 2
"""


def world() -> dict[str, Any]:
    space: dict[str, Any] = {"__name__": "world"}
    exec(compile(WORLD, "<world>", "exec", dont_inherit=True), space)
    return space


def effect_of(source: str, space: dict[str, Any] | None = None) -> Inferred:
    """The effect of the function `f`, or of a new `Op`, that the source defines; there is no file."""
    space = world() if space is None else space
    exec(compile(textwrap.dedent(source), "<made>", "exec", dont_inherit=True), space)
    return Inference().of(space["f"] if "f" in space else space["Op"]())


PURE = {
    "arithmetic": "def f(i): return i['n'] * 2 + 1",
    "lambda": "f = lambda i: i['n'] > LIMIT",
    "loop": """
        def f(i):
            out = []
            for k, (a, b) in enumerate(i["pairs"]):
                if a and b > LIMIT: out.append((k, a))
            return {"out": out, "n": len(out)}
    """,
    "while": """
        def f(i):
            n = 0
            while n < i["n"]:
                n += 1
                if n % 7 == 3: break
            else: n = -n
            return n
    """,
    "sort key": "def f(i): return sorted(i['xs'], key=lambda d: d['score'], reverse=True)[:3]",
    "getter": "def f(i): return sorted(i['xs'], key=operator.itemgetter('score'))",
    "comprehension": "def f(i): return [helper(x) for x in i['xs'] if x]",
    "nested comprehension": "def f(i): return {k: [helper(x) for x in v] for k, v in i.items()}",
    "generator expression": "def f(i): return sum(len(q) for q in i['xs'])",
    "map": "def f(i): return ' '.join(map(str, i['xs'])) + ', '.join(WORDS)",
    "unpacking": "def f(i):\n    a, *rest = i['xs']\n    return [*rest, a], {**i, 'z': 1}",
    "try": "def f(i):\n    try: return int(i['a'])\n    except ValueError: raise KeyError(f'bad {i!r}') from None",
    "match": "def f(i):\n    match i:\n        case {'k': v}: return v\n        case [a, b]: return a\n    return None",
    "counter": "def f(i):\n    c = {}\n    for w in i['t'].lower().split(): c[w] = c.get(w, 0) + 1\n    return max(c.items(), key=lambda kv: kv[1])",
    "defaultdict": "def f(i):\n    d = collections.defaultdict(list)\n    for k, v in i.items(): d[k].append(v)\n    return json.dumps(d)",
    "hash": "def f(i): return hashlib.sha256(i['s'].encode()).hexdigest()",
    "closure": "def f(i):\n    n = i['n']\n    g = lambda x: math.sqrt(x + n)\n    return g(2)",
    "closure over a list made here": "def f(i):\n    xs = []\n    def add(v): xs.append(v)\n    for q in i['xs']: add(q)\n    return xs",
    "object made here": "def f(i):\n    p = Point(i['n'])\n    p.x = 3\n    return p",
    "import of a loaded module": "def f(i):\n    import math\n    from json import dumps\n    return dumps(math.sqrt(i))",
    "global containers": "def f(i): return [w for w in WORDS if w in i] or WORDS[0]",
    "passing an object on": "def f(i): return {'box': BOX, 'log': LOG}",
    "super": "class Op(Base):\n    def forward(self, *, inputs):\n        return super().forward(inputs=inputs) + 1",
    "self": """
        class Op(Operator):
            K = 3
            n = property(lambda self: 4)
            @staticmethod
            def s(x): return x + 1
            @classmethod
            def c(cls, x): return x + 2
            def forward(self, *, inputs): return self.n + self.K + self.s(1) + self.c(inputs["n"])
    """,
}
QUERY = {
    "leaf": "class Op(Operator):\n    def __init__(self): self.s = Search()\n    def forward(self, *, inputs): return self.s(inputs=inputs)",
    "plain result of a leaf": """
        class Op(Operator):
            def __init__(self): self.s, self.t = Search(), Search()
            def forward(self, *, inputs):
                a = self.s(inputs=inputs)
                return self.t(inputs={"q": a["hits"][0] + 1})
    """,
    "list of leaves": "class Op(Operator):\n    def __init__(self): self.s = [Search(), Search()]\n    def forward(self, *, inputs): return [m(inputs=inputs) for m in self.s]",
    "dict of leaves": """
        class Op(Operator):
            def __init__(self): self.s = {"a": Search()}
            def forward(self, *, inputs): return {k: m(inputs=inputs) for k, m in self.s.items()}
    """,
    "unknown result passed on": """
        class Op(Operator):
            def __init__(self): self.s, self.t = Opaque(), Opaque()
            def forward(self, *, inputs): return self.t(inputs={"a": self.s(inputs=inputs)})
    """,
}
UNKNOWN = {  # the source, and the line of the first reason (0: a line of the callee's)
    "global append": ("def f(i):\n    LOG.append(i)", 2),
    "global store": ("def f(i):\n    global LIMIT\n    LIMIT = 3", 3),
    "argument append": ("def f(i):\n    x = i['xs']\n    x.append(1)", 3),
    "argument store": ("def f(i):\n    i['a'] = 1", 2),
    "argument delete": ("def f(i):\n    del i['a']", 2),
    "argument in place": ("def f(i):\n    x = i['xs']\n    x += [1]", 3),
    "argument times": ("def f(i):\n    x = i['xs']\n    x *= 2", 3),
    "element in place": ("def f(i):\n    y = [i['x']]\n    y[0] += [1]", 3),
    "element of a new list": ("def f(i):\n    ys = i['xs'] + []\n    ys[0].append(1)", 3),
    "element of a slice": ("def f(i):\n    ys = i['xs'][:]\n    ys[0].append(1)", 3),
    "one of two": ("def f(i):\n    x = i['x'] if i else []\n    x.append(1)", 3),
    "loop variable": ("def f(i):\n    for x in i['xs']:\n        x.sort()", 3),
    "later iteration": (
        "def f(i):\n    x = 1\n    while i['n']:\n        x + 1\n        x = BOX",
        4,
    ),
    "global list of lists": ("def f(i):\n    LISTS[0].append(1)", 2),
    "array method of a string's name": ("def f(i):\n    i['a'].partition(1)", 2),
    "array out": ("def f(i):\n    i['a'].sum(0, None, i['out'])", 2),
    "array out keyword": ("def f(i):\n    i['a'].clip(0, 1, out=i['b'])", 2),
    "operator of an object": ("def f(i):\n    return BOX + 1", 2),
    "operator of an element": ("def f(i):\n    return [b + 1\n        for b in BOXES]", 2),
    "operator of a value": ("def f(i):\n    for k, v in TABLE.items():\n        v + 1", 3),
    "operator of a result": ("def f(i):\n    x = identity(BOX)\n    return x + 1", 2),
    "operator of what a list holds": (
        "def f(i):\n    xs = []\n    xs.append(BOX)\n    return xs[0] + 1",
        4,
    ),
    "operator of what a dict holds": (
        "def f(i):\n    d = {}\n    d['k'] = BOX\n    return d['k'] + 1",
        4,
    ),
    "operator of what a tuple holds": ("def f(i):\n    a, b = (1, BOX)\n    return b + 1", 3),
    "chained": ("def f(i):\n    return [x + 1 for x in itertools.chain(BOXES)]", 2),
    "comparison": ("def f(i):\n    return i == BOX", 2),
    "truth": ("def f(i):\n    if BOX: return 1", 2),
    "iteration": ("def f(i):\n    return [x for x in BOX]", 2),
    "subscript": ("def f(i):\n    return BOX['x']", 2),
    "formatting": ("def f(i):\n    return f'{BOX}'", 2),
    "property": ("def f(i):\n    return BOX.prop", 2),
    "method": ("def f(i):\n    return BOX.get(1)", 2),
    "builtin of an object": ("def f(i):\n    return len(BOXES), sorted(BOXES)", 2),
    "instance check": ("def f(i):\n    return isinstance(i, Checked)", 2),
    "exhausts an iterator": ("def f(i):\n    return list(ITERATOR)", 2),
    "callback": ("def f(i):\n    return sorted(i['xs'], key=lambda x: LOG.append(x))", 2),
    "callback by name": ("def f(i):\n    return list(map(LOG.append, i['xs']))", 2),
    "made callback": (
        "def f(i):\n    return list(map(operator.methodcaller('append', 1), i['xs']))",
        2,
    ),
    "partial": ("def f(i):\n    return functools.partial(LOG.append, 1)()", 2),
    "factory": ("def f(i):\n    return collections.defaultdict(lambda: LOG.append(1))['x']", 2),
    "comprehension with effect": ("def f(i):\n    return [LOG.append(x) for x in i]", 2),
    "generator with effect": ("def f(i):\n    return any(LOG.append(x) for x in i)", 2),
    "lambda with effect": ("def f(i):\n    g = 1\n    return lambda x: LOG.append(x)", 3),
    "nonlocal": (
        "def f(i):\n    n = 0\n    def g():\n        nonlocal n\n        n += 1\n    g()",
        5,
    ),
    "mutable default": ("def f(i, acc=[]):\n    acc.append(i)", 2),
    "mutable default of a nested function": (
        "def f(i):\n    def g(n, acc=[]):\n        acc.append(n)\n    g(1)",
        3,
    ),
    "object as default": ("def f(i, b=BOX):\n    return b + 1", 2),
    "unknown callee": ("def f(i):\n    return i['f'](1)", 2),
    "unknown callee with *": ("def f(i):\n    return i['f'](*i)", 2),
    "print": ("def f(i):\n    print(i)", 2),
    "clock": ("def f(i):\n    return time.time()", 2),
    "random": ("def f(i):\n    return random.random()", 2),
    "with": ("def f(i):\n    with i['m']:\n        return 1", 2),
    "yield": ("def f(i):\n    yield 1", 1),
    "async": ("async def f(i):\n    return 1", 1),
    "class": ("def f(i):\n    class C: pass", 2),
    "import": ("def f(i):\n    import antigravity", 2),
    "namespace": ("def f(i):\n    return vars()", 2),
    "codec": ("def f(i):\n    return i['s'].encode(i['codec'])", 2),
    "path": ("def f(i):\n    return Path('x').replace('y')", 2),
    "raise": ("def f(i):\n    raise Err", 2),
    "raise made": ("def f(i):\n    raise Err()", 2),
    "del": ("def f(i):\n    Dropped()", 2),
    "hooked store": ("def f(i):\n    return Hooked()", 2),
    "text of an exception": (
        "def f(i):\n    try: int(i)\n    except Exception as e:\n        return str(e)",
        4,
    ),
    "self store": (
        "class Op(Operator):\n    def forward(self, *, inputs):\n        self.last = inputs",
        0,
    ),
    "self count": (
        "class Op(Operator):\n    n = 0\n    def forward(self, *, inputs):\n        self.n += 1",
        0,
    ),
    "self append": (
        "class Op(Operator):\n    def __init__(self): self.h = []\n    def forward(self, *, inputs): self.h.append(1)",
        0,
    ),
    "hook": (
        "class Op(Operator):\n    def __getattr__(self, n): LOG.append(n)\n    def forward(self, *, inputs): return self.zz",
        0,
    ),
    "result of a leaf that is not followed": (
        "class Op(Operator):\n    def __init__(self): self.s = Box()\n    def forward(self, *, inputs):\n        return self.s.value['hits'][0] + 1",
        0,
    ),
    "hidden self": ("class Op(Operator):\n    def forward(*args, **kw):\n        args[0].x = 1", 0),
}


@pytest.mark.parametrize("name", PURE)
def test_pure(name: str) -> None:
    found = effect_of(PURE[name])
    assert found.effect.kind == "pure", found.effect
    assert "bytecode" in found.effect.evidence
    assert found.holds()


@pytest.mark.parametrize("name", QUERY)
def test_query(name: str) -> None:
    found = effect_of(QUERY[name])
    assert found.effect.kind == "query", found.effect
    assert found.effect.operator
    assert found.holds()


def test_a_declaration_covers_what_is_done_with_the_result() -> None:
    source = """
        class Op(Operator):
            def __init__(self): self.s = Opaque()
            def forward(self, *, inputs): return self.s(inputs=inputs)["hits"][0] + 1
    """
    assert effect_of(source).effect.kind == "query"


@pytest.mark.parametrize("name", UNKNOWN)
def test_unknown(name: str) -> None:
    source, line = UNKNOWN[name]
    effect = effect_of(source).effect
    assert effect.kind == "unknown", effect
    if line:
        assert effect.reasons[0].line == line, effect.reasons
        assert effect.reasons[0].file == "<made>"


def test_the_reason_says_what() -> None:
    assert "assigns the global `LIMIT`" in str(
        effect_of(UNKNOWN["global store"][0]).effect.reasons[0]
    )
    assert "writes to stdout" in str(effect_of(UNKNOWN["print"][0]).effect.reasons[0])


def test_constructor_without_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """The `__init__` of a dataclass is made by `exec`."""
    space = world()
    monkeypatch.setitem(sys.modules, "world", types.ModuleType("world"))
    exec("@dataclasses.dataclass\nclass D:\n    x: list\n    y: int = 0", space)
    found = Inference().of(space["D"])
    assert (found.effect.kind, found.effect.evidence) == ("pure", "makes a new D")
    assert effect_of("def f(i):\n    d = D(i)\n    d.x.append(1)", space).effect.kind == "unknown"


HOOKED = """
class Hooked:
    def __init__(self): self.x = 1
    def __setattr__(self, name, value): print(name)
class Described:
    def __init__(self): self.x = 1
    x = property(lambda self: 1, lambda self, value: print(value))
class Dropped:
    def __del__(self): print(1)
class Slotted:
    __slots__ = ("x",)
    def __init__(self): self.x = 1
class Error(ValueError):
    def __init__(self, x): self.x = x
"""


@pytest.mark.parametrize("with_source", [True, False])
def test_constructors_that_run_more_than_init(tmp_path: Path, with_source: bool) -> None:
    path = tmp_path / "hooked.py"
    if with_source:
        path.write_text(HOOKED)
    space: dict[str, Any] = {"__name__": "hooked"}
    exec(compile(HOOKED, str(path), "exec", dont_inherit=True), space)
    kinds = {
        name: Inference().of(cls).effect.kind
        for name, cls in space.items()
        if isinstance(cls, type)
    }
    assert kinds == {
        "Hooked": "unknown",
        "Described": "unknown",
        "Dropped": "unknown",
        "Slotted": "pure",
        "Error": "pure",
    }


def test_blocking_and_operator_are_kept() -> None:
    assert effect_of("def f(i):\n    time.sleep(0.01)").effect.blocking
    assert not effect_of("def f(i):\n    return 1").effect.blocking


# ---------------------------------------------------------------------- guards
def change_global(space: dict[str, Any]) -> None:
    space["helper"] = lambda x: x


def change_code(space: dict[str, Any]) -> None:
    space["helper"].__code__ = (lambda x: x + 2).__code__


def change_own_code(space: dict[str, Any]) -> None:
    space["f"].__code__ = (lambda i, *, k=1: 1).__code__


def change_default(space: dict[str, Any]) -> None:
    space["f"].__kwdefaults__["k"] = space["BOX"]


def change_atom(space: dict[str, Any]) -> None:
    space["LIMIT"] = space["BOX"]


def change_element(space: dict[str, Any]) -> None:
    space["WORDS"][0] = space["BOX"]


def change_builtin(space: dict[str, Any]) -> None:
    space["len"] = print


@pytest.mark.parametrize(
    "change",
    [
        change_global,
        change_code,
        change_own_code,
        change_default,
        change_atom,
        change_element,
        change_builtin,
    ],
)
def test_guards(change: Any) -> None:
    space = world()
    found = effect_of(
        "def f(i, *, k=1): return helper(i['n']) + LIMIT + len(i) + k, i in WORDS", space
    )
    assert found.effect.kind == "pure", found.effect
    assert found.holds()
    space["LIMIT"] = 6  # another number changes nothing
    assert found.holds()
    change(space)
    assert not found.holds()


def test_guard_on_a_cell() -> None:
    space = world()
    exec("def make(g):\n    def f(i): return g(i)\n    return f", space)
    space["f"] = space["make"](space["helper"])
    found = Inference().of(space["f"])
    assert found.effect.kind == "pure"
    space["f"].__closure__[0].cell_contents = print
    assert not found.holds()
    assert Inference().of(space["f"]).effect.kind == "unknown"


def test_guard_on_an_attribute() -> None:
    space = world()
    exec(QUERY["leaf"], space)
    op = space["Op"]()
    found = Inference().of(op)
    assert found.holds()
    op.s = print
    assert not found.holds()


def test_guard_on_a_slot() -> None:
    space = world()
    exec(
        "class Op(Operator):\n    __slots__ = ('s',)\n    def forward(self, *, inputs): return self.s(inputs=inputs)",
        space,
    )
    op = space["Op"]()
    op.s = space["Search"]()
    found = Inference().of(op)
    assert found.effect.kind == "query"
    op.s = space["Search"]()
    assert not found.holds()


# ---------------------------------------------------------------------- robustness
def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing confirms what the source says, so nothing is inferred from that either."""

    def f(i: Any) -> Any:
        return i

    assert Inference().of(f).effect.kind == "pure"
    monkeypatch.setitem(dependencies._loaded, "bytecode", None)
    assert effect_from_bytecode(Inference(), f, f.__code__) is None
    effect = Inference().of(f).effect
    assert effect.kind == "unknown"
    assert "EMB050" in effect.reasons[0].text


def test_an_instruction_that_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(OPERATIONS, "BINARY_OP")
    effect = effect_of("def f(i):\n    return i + 1").effect
    assert effect.kind == "unknown"
    assert "BINARY_OP" in effect.reasons[0].text


def test_a_handler_that_is_wrong_about_the_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OPERATIONS, "BINARY_OP", lambda frame, instr, stack: None)
    effect = effect_of("def f(i):\n    return i + 1").effect
    assert effect.kind == "unknown"
    assert "stack effect" in effect.reasons[0].text


def test_a_handler_that_takes_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        OPERATIONS, "BINARY_OP", lambda frame, instr, stack: [stack.pop() for _ in range(9)]
    )
    assert "takes too much" in effect_of("def f(i):\n    return i + 1").effect.reasons[0].text


def test_it_settles() -> None:
    effect = effect_of(
        "def f(i):\n    x = ()\n    for k in i: x = (x, [x], {k: x})\n    return x"
    ).effect
    assert effect.kind == "pure"


def test_owner() -> None:
    space = world()
    exec("def forward(self, *, inputs): return self.s(inputs=inputs)", space)
    forward = space["forward"]
    owner = space["Point"](1)
    owner.s = space["Search"]()
    assert (
        effect_from_bytecode(Inference(), forward, forward.__code__, None).effect.kind == "unknown"
    )
    assert (
        effect_from_bytecode(Inference(), forward, forward.__code__, Known(owner)).effect.kind
        == "query"
    )


# ---------------------------------------------------------------------- against the source
def sample_functions() -> dict[str, types.FunctionType]:
    path = Path(__file__).parent / "samples" / "effects.py"
    space: dict[str, Any] = {"__name__": "effects_samples"}
    exec(compile(path.read_text(), str(path), "exec", dont_inherit=True), space)
    return {
        name: value
        for name, value in space.items()
        if isinstance(value, types.FunctionType) and not name.startswith("_")
    }


SAMPLES = sample_functions()
RANK = {"pure": 0, "query": 1, "unknown": 2}


@pytest.mark.parametrize("name", SAMPLES)
def test_never_more_than_the_source(name: str) -> None:
    function = SAMPLES[name]
    by_source = Inference().of(function).effect
    by_code = effect_from_bytecode(Inference(), function, function.__code__)
    assert by_code is not None
    assert (
        source_of(function, function.__code__).node.name == name
    )  # or the comparison would be with itself
    assert RANK[by_code.effect.kind] >= RANK[by_source.kind], (by_source, by_code.effect)


def test_the_samples_are_not_trivial() -> None:
    kinds = [effect_from_bytecode(Inference(), f, f.__code__).effect.kind for f in SAMPLES.values()]
    assert len(kinds) >= 60
    assert kinds.count("pure") >= 25
    assert kinds.count("unknown") >= 20


@pytest.mark.slow
def test_the_standard_library_can_be_read() -> None:
    """No function of these modules breaks the analysis, or has a stack that is not understood."""
    import argparse
    import configparser
    import dataclasses
    import difflib
    import fractions
    import inspect
    import json.decoder
    import pprint
    import statistics
    import textwrap
    import typing

    modules = (
        argparse,
        ast,
        configparser,
        dataclasses,
        difflib,
        fractions,
        inspect,
        json.decoder,
        pprint,
        statistics,
        textwrap,
        typing,
    )
    inference = Inference()
    for module in modules:
        for value in list(vars(module).values()):
            members = (
                list(vars(value).values())
                if isinstance(value, type) and value.__module__ == module.__name__
                else [value]
            )
            for function in members:
                if (
                    isinstance(function, types.FunctionType)
                    and function.__module__ == module.__name__
                ):
                    effect = effect_from_bytecode(inference, function, function.__code__).effect
                    text = effect.reasons[0].text if effect.reasons else ""
                    assert not text.startswith(
                        ("takes too much", "has a stack", "has bytecode", "has an exception")
                    ), (function, text)
                    assert "with a stack effect" not in text, (function, text)
