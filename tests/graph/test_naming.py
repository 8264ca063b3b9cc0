"""Names of nodes: the assignment target, wherever the code stands."""

from __future__ import annotations

import functools
import textwrap
from typing import Any

import pytest

from ember_jit import Graph, autograph
from tests.graph.ops import Ask, Plain, joined

op, other = Plain(), Plain()

CASES: list[tuple[str, list[str]]] = [
    ("x = op(inputs=1)", ["x"]),
    ("x: object = op(inputs=1)", ["x"]),
    ("x = joined(1, sep='/')", ["x"]),
    ("x = other.__call__(inputs=1)", ["x"]),
    ("x = ops['k'][0](inputs=1)", ["x"]),
    ("x = op(**{'inputs': 1})", ["x"]),
    ("x = (op(\n  inputs={\n   'a': 1,\n   'b': f'{q}', 'c': q * 2}))", ["x"]),
    ("x = op(inputs=1) if q else other(inputs=2)", ["x"]),
    ("a, b = op(inputs=1), other(inputs=f'{q}x{q!r:>4}')", ["a", "b"]),
    (
        "a, b, c, d = op(inputs=1), op(inputs=-q), op(inputs=[q, 2]), op(inputs={'k': q})",
        ["a", "b", "c", "d"],
    ),
    ("(a, (b, c)) = (op(inputs=1), (op(inputs=2), op(inputs=3)))", ["a", "b", "c"]),
    ("[a, b] = [op(inputs=1), op(inputs=2)]", ["a", "b"]),
    ("a = b = op(inputs=1)", ["a"]),
    ("box.x = op(inputs=1)", ["x"]),
    ("box.inner.x = op(inputs=1)", ["x"]),
    ("d['x'] = op(inputs=1)", ["x"]),
    ("d['no name'] = op(inputs=1)", ["Plain"]),
    ("d[q] = op(inputs=1)", ["Plain"]),
    ("print_nothing((x := op(inputs=1)))", ["x"]),
    ("y = op(inputs=other(inputs=1))", ["Plain", "y"]),
    ("op(inputs=1); op(inputs=2); op(inputs=3)", ["Plain", "Plain_2", "Plain_3"]),
    ("x = op(inputs=1); x = op(inputs=x); x = op(inputs=x)", ["x", "Plain", "Plain_2"]),
    ("for i in range(3): x = ask(inputs=i)", ["x", "Ask", "Ask_2"]),
    ("x = op(inputs=1)['hits']", ["Plain"]),
    ("x = [op(inputs=i) for i in range(2)]", ["Plain", "Plain_2"]),
    ("x = {'k': op(inputs=1)}", ["Plain"]),
    ("x = dict(k=op(inputs=1))", ["Plain"]),
    ("x = list(map(joined, [1, 2]))", ["joined", "joined_2"]),
    ("x = helper(1)", ["Plain"]),
    ("x = partial(joined, 1)()", ["x"]),
    ("x = graph.op(len)([])", ["x"]),
    ("f = graph.op(str.upper); y = f('a')", ["y"]),
    ("x = graph.op(lambda: 1)(); graph.op(lambda: 2)()", ["x", "lambda_"]),
]


def helper(value: Any) -> Any:
    return op(inputs=value)


def names_of(code: str) -> list[str]:
    class Box:
        inner: Any = None

    box = Box()
    box.inner = Box()
    space: dict[str, Any] = {
        "op": op,
        "other": other,
        "ask": Ask(),
        "joined": joined,
        "helper": helper,
        "partial": functools.partial,
        "ops": {"k": [op]},
        "box": box,
        "d": {},
        "q": 3,
        "print_nothing": lambda value: None,
    }
    with autograph() as graph:
        space["graph"] = graph
        exec(code, space)
    return list(graph.nodes)


@pytest.mark.parametrize(("code", "names"), CASES)
def test_at_module_level(code: str, names: list[str]) -> None:
    assert names_of(code) == names


@pytest.mark.parametrize(("code", "names"), CASES)
def test_in_a_function(code: str, names: list[str]) -> None:
    assert names_of(f"def f():\n{textwrap.indent(code, '    ')}\nf()") == names


@pytest.mark.parametrize("form", ["nonlocal", "global"])
def test_variables_of_outer_scopes(form: str) -> None:
    code = f"""
        {"x = None" if form == "global" else ""}
        def outer():
            {"x = None" if form == "nonlocal" else "pass"}
            def inner():
                {form} x
                x = op(inputs=1)
            inner()
        outer()
    """
    assert names_of(textwrap.dedent(code)) == ["x"]


def test_a_name_in_a_class_body() -> None:
    assert names_of("class C:\n    x = op(inputs=1)") == ["x"]


def test_a_taken_number_is_passed_over() -> None:
    assert names_of("Plain_2 = op(inputs=1); op(inputs=2); op(inputs=3)") == [
        "Plain_2",
        "Plain",
        "Plain_3",
    ]


def test_far_into_a_long_function() -> None:
    filler = "\n".join(f"v{n} = d.get({n}, q) + {n}" for n in range(400))
    assert names_of(
        f"def f():\n{textwrap.indent(filler, '    ')}\n    x = op(inputs=1)\nf()".replace(
            "d.get", "d.get"
        )
    ) == ["x"]


def test_names_do_not_collide_with_inputs() -> None:
    graph = Graph()
    graph.input("Plain")
    assert graph.fresh_name("Plain", "Plain") == "Plain_2"
