"""Guarded expressions: what they look like, that they agree with plain ones, and that they run no user code."""

from __future__ import annotations

import ast
from typing import Any

import pytest

from ember_jit.compiler.codegen.guard import CannotGuard, Guard
from ember_jit.runtime import guarded
from ember_jit.runtime.guarded import Unsafe
from tests.pipeline import stages


def guard_of(text: str, **names: Any) -> str:
    """The guarded form of an expression over `a` and `b`, which are of unknown type."""
    made = stages(f"def f(a, b):\n    return {text}", **names)
    (returned,) = made.source.node.body
    assert isinstance(returned, ast.Return)
    assert returned.value is not None
    form = Guard(made.facts, made.source.class_name).expr(returned.value)
    return ast.unparse(ast.fix_missing_locations(form))


FORMS = {
    "a": "a",
    "1": "1",
    "a.b": "_e.attr(a, 'b')",
    "a[b]": "_e.item(a, b)",
    "a[1:]": "_e.item(a, _e.cut(1, None, None))",
    "a + b * 2": "_e.binary('+', a, _e.binary('*', b, 2))",
    "-a": "_e.unary('-', a)",
    "not a": "_e.negate(a)",
    "a == b": "_e.compare('==', a, b)",
    "a is not b": "_e.compare('is not', a, b)",
    "a in b": "_e.compare('in', a, b)",
    "a and b or 1": "_e.decided(_e.decided(a) and b) or 1",
    "a if b else 1": "a if _e.truth(b) else 1",
    "[a, *b]": "[a, *_e.spread(b)]",
    "(a, b)": "(a, b)",
    "{a, 1}": "{_e.key(a), _e.key(1)}",
    "{'k': a, b: 1, **a}": "{'k': a, _e.key(b): 1, **_e.mapping(a)}",
    "[x for x in a if x]": "[x for x in _e.walk(a) if _e.truth(x)]",
    "{x for x in a}": "{_e.key(x) for x in _e.walk(a)}",
    "len(a)": "_e.call(len, a)",
    "a.get(b)": "_e.method(a, 'get', b)",
    "' '.join(a)": "_e.method(' ', 'join', a)",
    "sorted(a, reverse=True)": "_e.call(sorted, a, reverse=True)",
}


@pytest.mark.parametrize("text", FORMS)
def test_form(text: str) -> None:
    assert guard_of(text) == FORMS[text]


def test_private_names_are_mangled() -> None:
    assert Guard(stages("def f(a): return a").facts, "_C").mangled("__x") == "_C__x"
    assert Guard(stages("def f(a): return a").facts, None).mangled("__x") == "__x"
    assert Guard(stages("def f(a): return a").facts, "C").mangled("__x__") == "__x__"


@pytest.mark.parametrize(
    "text",
    ["a @ b", "a.unknown(b)", "a(b)", "(yield a)", "[x for (x, (y, z)) in a]", "lambda x=1: x"],
)
def test_no_form(text: str) -> None:
    with pytest.raises(CannotGuard):
        guard_of(text)


#: expression -> values for a and b, plain ones
PLAIN: list[tuple[str, Any, Any]] = [
    ("a[b]", {"k": 1}, "k"),
    ("a[b]", [1, 2], -1),
    ("a[b]", "text", 2),
    ("a[b]", {(1, "x"): 2}, (1, "x")),
    ("a[1:b]", [1, 2, 3], 2),
    ("a[::b]", "abc", -1),
    ("a + b", 1, 2.5),
    ("a + b", "x", "y"),
    ("a + b", [1], [2]),
    ("a * b", (1,), 3),
    ("a % b", "%s-%r", ("x", "y")),
    ("a // b", 7, -2),
    ("a ** b", 2, 10),
    ("a << b | 1", 2, 3),
    ("-a, +a, ~b", 2.5, 3),
    ("not a", [], 0),
    ("a == b", [1, {"k": 2}], [1, {"k": 2}]),
    ("a < b <= 3", 1, 3),
    ("a in b", 1, [1, 2]),
    ("a not in b", "x", {"x": 1}),
    ("a is b", None, None),
    ("a and b", [], 1),
    ("a or b", "", "y"),
    ("a if b else 0", 1, [1]),
    ("[a, *b]", 1, (2, 3)),
    ("{a: b, **b}", "k", {"z": 1}),
    ("{a, *b}", 1, [1, 2]),
    ("[x + 1 for x in a if x > b]", [1, 2, 3], 1),
    ("{k: v for k, v in a.items()}", {"k": 1}, 0),
    ("[(i, x) for i, x in enumerate(a)]", "ab", 0),
    ("[x + y for x, y in zip(a, b)]", [1, 2], (3, 4)),
    ("f'{a}-{b!r:>5}'", 1, "x"),
    ("f'{a:{b}}'", 3.14159, ".2f"),
    ("len(a) + sum(b)", [1, 2], [3]),
    ("sorted(a), max(b), min(b), list(a)", [2, 1], (3, 4)),
    ("sorted(a, key=lambda x: -x)", [1, 3, 2], 0),
    ("max(a, key=lambda x: x['s'])", [{"s": 1}, {"s": 2}], 0),
    ("' '.join(a).upper().split(b)", ["x", "y"], " "),
    ("a.get(b), a.get('no', 1)", {"k": 2}, "k"),
    ("a.strip().replace('x', b)", " xyz ", "!"),
    ("any(a), all(b), bool(a)", [0, 1], []),
    ("int(a), float(b), str(a), repr(b)", "12", "1.5"),
]


def evaluate(text: str, a: Any, b: Any) -> Any:
    return eval(guard_of(text), {"_e": guarded, "a": a, "b": b})


@pytest.mark.parametrize(("text", "a", "b"), PLAIN)
def test_agrees_with_plain_python(text: str, a: Any, b: Any) -> None:
    stages("def f(a): return a")  # the registry's tables are there
    expected = eval(text, {"a": a, "b": b})
    actual = evaluate(text, a, b)
    assert actual == expected
    assert type(actual) is type(expected)


RAISING: list[tuple[str, Any, Any]] = [
    ("a[b]", {}, "k"),
    ("a[b]", [], 0),
    ("a + b", 1, "x"),
    ("a / b", 1, 0),
    ("a < b", 1, "x"),
    ("int(a) + b", "x", 1),
    ("a % b", "%d", "x"),
    ("max(a) + b", [], 1),
]


@pytest.mark.parametrize(("text", "a", "b"), RAISING)
def test_errors_are_those_of_plain_python_or_a_refusal(text: str, a: Any, b: Any) -> None:
    with pytest.raises(Exception) as expected:
        eval(text, {"a": a, "b": b})
    with pytest.raises((type(expected.value), Unsafe)):
        evaluate(text, a, b)


class Spy:
    """Counts every call that an operation on it makes."""

    seen: list[str] = []


def _spy(name: str) -> Any:
    def method(self: Any, *args: Any) -> Any:
        Spy.seen.append(name)
        return {
            "__bool__": True,
            "__len__": 1,
            "__hash__": 1,
            "__iter__": iter(()),
            "__eq__": True,
            "__str__": "",
            "__repr__": "",
        }.get(
            name,
            {
                "__format__": "",
                "__contains__": True,
                "__index__": 0,
                "__int__": 0,
                "__float__": 0.0,
            }.get(name, self),
        )

    return method


OPERATIONS = [
    *(
        "getitem",
        "setitem",
        "contains",
        "iter",
        "len",
        "bool",
        "format",
        "str",
        "repr",
        "hash",
        "eq",
        "ne",
        "lt",
        "le",
        "gt",
        "ge",
    ),
    *(
        "add",
        "radd",
        "iadd",
        "sub",
        "rsub",
        "mul",
        "rmul",
        "truediv",
        "rtruediv",
        "floordiv",
        "mod",
        "rmod",
        "pow",
        "lshift",
        "and",
    ),
    *(
        "or",
        "ror",
        "xor",
        "neg",
        "pos",
        "invert",
        "index",
        "int",
        "float",
        "call",
        "getattr",
        "reversed",
        "round",
        "abs",
        "next",
    ),
]
METHODS = {f"__{name}__": _spy(f"__{name}__") for name in OPERATIONS}
Plain = type("Plain", (Spy,), dict(METHODS))
BASES = {base.__name__: base for base in (str, int, float, list, dict, tuple, set)}
SUBCLASSES = {name: type(f"My{name}", (base,), dict(METHODS)) for name, base in BASES.items()}
SPIES = {"plain": Plain, **SUBCLASSES}

TOUCHING = [
    *(
        "a[b]",
        "b[a]",
        "a[b:]",
        "b[a:]",
        "a + b",
        "b + a",
        "a * b",
        "b * a",
        "a % b",
        "b % a",
        "a == b",
        "b == a",
        "a < b",
        "b < a",
    ),
    *(
        "a in b",
        "b in a",
        "-a",
        "~a",
        "not a",
        "a and b",
        "a or b",
        "1 if a else 2",
        "[x for x in a]",
        "[*a]",
        "{**a}",
        "{a: 1}",
        "{a}",
    ),
    *(
        "f'{a}'",
        "f'{a!r}'",
        "f'{b:{a}}'",
        "len(a)",
        "sum(a)",
        "sorted(a)",
        "max(a)",
        "max(a, b)",
        "list(a)",
        "str(a)",
        "int(a)",
        "bool(a)",
    ),
    *(
        "any(a)",
        "a.get(b)",
        "a.upper()",
        "a.split(b)",
        "b.get(a)",
        "b.split(a)",
        "','.join(a)",
        "a.keys()",
        "{x: 1 for x in [a]}",
    ),
    *(
        "[x for x in [a] if x]",
        "sorted([a, a])",
        "sorted(b, key=lambda x: a)",
        "','.join([a])",
        "[a, b] == [b, a]",
        "(a, b) < (b, a)",
    ),
    *(
        "a in [b]",
        "{'k': b}[a]",
        "{'k': b}.get(a)",
        "str([a])",
        "f'{[a]}'",
        "sum([a, b])",
        "max([a, b])",
        "'%s' % a",
        "'%s' % (a,)",
        "b[(a,)]",
    ),
    *(
        "enumerate(a)",
        "zip(a, b)",
        "list(zip(a, b))",
        "reversed(a)",
        "abs(a)",
        "round(a)",
        "isinstance(a, int)",
        "[1, 2].index(a)",
        "(1, 2).count(a)",
    ),
]


@pytest.mark.parametrize("kind", SPIES)
@pytest.mark.parametrize("text", TOUCHING)
def test_no_code_of_the_users_runs(text: str, kind: str) -> None:
    try:
        form = guard_of(text)
    except CannotGuard:
        return
    for other in (1, "x", [1], {"k": 1}):
        spy = SPIES[kind]()
        Spy.seen.clear()
        try:
            eval(form, {"_e": guarded, "a": spy, "b": other})
        except (Unsafe, KeyError, IndexError, TypeError, ValueError):
            pass  # refused, or failed on the plain operand
        assert Spy.seen == []


def test_properties_and_hooks_are_not_run() -> None:
    class Hooked:
        stored = 1

        @property
        def computed(self) -> int:
            raise AssertionError("ran")

        def __getattr__(self, name: str) -> Any:
            raise AssertionError("ran")

    hooked = Hooked()
    assert guarded.attr(hooked, "stored") == 1
    for name in ("computed", "missing"):
        with pytest.raises(Unsafe):
            guarded.attr(hooked, name)

    class Everything:
        stored = 1

        def __getattribute__(self, name: str) -> Any:
            raise AssertionError("ran")

    with pytest.raises(Unsafe):
        guarded.attr(Everything(), "stored")
