"""Which statements become a region, what goes in and out, and what ends it."""

from __future__ import annotations

import ast
import textwrap
from typing import Any

import numpy as np
import pytest

from ember_jit.compiler.passes.numeric_regions import find_numeric_regions
from ember_jit.runtime.arrays import holds_arrays


def regions(body, arrays_at_hand=True, owner=None, **space):
    source = "def f(self, x, y, n):\n" + textwrap.indent(textwrap.dedent(body), "    ")
    namespace = {"np": np, **space}
    exec(compile(source, "<regions>", "exec"), namespace)
    node = ast.parse(source).body[0]
    return find_numeric_regions(node, namespace["f"], owner, arrays_at_hand=arrays_at_hand)


def shapes(body, **options):
    """(lines, inputs, fused operations, outputs) of each region."""
    return [
        (
            each.lines,
            [i.text for i in each.inputs],
            " ".join(each.fused),
            [name for name, _ in each.outputs],
        )
        for each in regions(body, **options)
    ]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return x * 2 + y", [((2, 2), ["x", "y"], "multiply add", [""])]),
        ("return x * 2", []),  # one operation is NumPy's
        (
            "z = x - x.max()\ne = np.exp(z)\nreturn e / e.sum()",
            [((2, 4), ["x"], "max subtract exp sum true_divide", [""])],
        ),
        (  # `z` is read later, by what is no array operation
            "z = x - y\ne = np.exp(z)\nreturn e, len(z)",
            [((2, 3), ["x", "y"], "subtract exp", ["z", "e"])],
        ),
        (  # carried round a loop
            "for _ in range(n):\n    x = x * 0.5 + y\nreturn 1",
            [((3, 3), ["x", "y"], "multiply add", ["x"])],
        ),
        ("z = x\nz += 1\nz *= y\nreturn z", []),  # changes what the caller sees
        (
            "z = x * y\nz += 1\nreturn z",
            [((2, 4), ["x", "y"], "multiply add", [""])],
        ),
        ("z = x * y\nw = z\nw += 1\nreturn w", []),  # another name of the same object
        ("return x @ y * 2 + n", [((2, 2), ["x @ y", "n"], "multiply add", [""])]),
        ("return x * 2 + (x @ y)", []),  # the product comes after an operation
        ("return {'p': x / x.sum(), 'n': n}", [((2, 2), ["x"], "sum true_divide", [""])]),
        ("g(x * y + 1)", [((2, 2), ["x", "y"], "multiply add", [""])]),
        ("return x[:, None] - y[None, :] * 2", [((2, 2), ["x[:, None]", "y[None, :]"], "multiply subtract", [""])]),
        ("return x['a'] * x['b'] + 1", [((2, 2), ["x['a']", "x['b']"], "multiply add", [""])]),
        ("return (x if n else y) * 2 + 1", [((2, 2), ["x if n else y"], "multiply add", [""])]),
        ("t = np.exp(x) / 0\nt = x * y\nreturn t", [((2, 4), ["x", "y"], "exp true_divide multiply", ["", ""])]),
    ],
)  # fmt: skip
def test_what_is_a_region(body, expected):
    assert shapes(body, g=print) == expected


def test_plain_arithmetic_is_none_where_no_array_was_seen():
    assert shapes("return x * 2 + y", arrays_at_hand=False) == []
    assert len(shapes("return np.exp(x) + y", arrays_at_hand=False)) == 1


def test_a_function_of_the_same_name_is_no_member():
    class Fake:
        exp = staticmethod(lambda x: x)

    assert shapes("return np.exp(x) + 1", np=Fake) == [((2, 2), ["np.exp(x)"], "add", [""])][:0]


def test_a_field_needs_a_plain_class():
    class Plain:
        def __init__(self):
            self.w = np.ones(3)

    class Property:
        w = property(lambda self: np.ones(3))

    body = "return x * self.w + y"
    assert shapes(body, owner=Plain()) == [((2, 2), ["x", "self.w", "y"], "multiply add", [""])]
    assert shapes(body, owner=Property()) == [((2, 2), ["x", "self.w", "y"], "multiply add", [""])]
    assert [i.kind for i in regions(body, owner=Property())[0].inputs] == ["name", "leaf", "name"]
    assert shapes("return x * 2 + self.w", owner=Property()) == []


def test_the_boundary_says_why():
    (region,) = regions("z = x * y + 1\nw = sorted(z)\nreturn w")
    assert region.boundary == (3, "`sorted` is no function that can be fused")
    assert region.text == "z = x * y + 1"


def test_looking_for_arrays_asks_no_code_of_the_program() -> None:
    class Guarded:
        def __getattr__(self, name: str) -> object:
            raise AssertionError(name)

        @property
        def weights(self) -> object:
            raise AssertionError

    class Holds:
        def __init__(self) -> None:
            self.weights = np.ones(3)

    def scaled(self: Any, x: float) -> Any:
        return self.weights * x

    code = scaled.__code__
    assert not holds_arrays(code, (Guarded(), 2.0), {})
    assert holds_arrays(code, (Holds(), 2.0), {})
    assert holds_arrays(code, (None,), {"inputs": {"x": np.ones(2)}})
    assert not holds_arrays(code, (Holds, 2.0), {"inputs": {"x": [1.0]}})
