"""Which functions are computed in place, and the text of what comes out."""

from __future__ import annotations

import ast
from typing import Any

import pytest

from ember_jit.compiler.passes.chain import Chain, fold
from ember_jit.compiler.passes.chain_values import CannotFold
from ember_jit.compiler.source import source_of
from tests.pipeline import namespace

OPERATORS = """
import math

class Plus(Operator):
    def forward(self, *, inputs):
        return {'v': inputs['v'] + 1}

class Times(Operator):
    factor = 2
    def __init__(self, offset=0):
        self.offset = offset
    def forward(self, *, inputs):
        return {'v': inputs['v'] * self.factor + self.offset}

class Nested(Operator):
    def __init__(self):
        self.plus = Plus()
    def forward(self, *, inputs):
        return self.plus(inputs=inputs)

class Keep(Operator):
    def forward(self, *, inputs):
        return inputs

class Bad(Operator):
    @property
    def computed(self):
        return 1
    def forward(self, *, inputs):
        BODY

class Own(Operator):
    def __call__(self, *, inputs):
        return self.forward(inputs=inputs)
    def forward(self, *, inputs):
        return inputs

class More(Operator):
    def forward(self, *, inputs, more=1):
        return inputs

class Hooked(Operator):
    def __getattr__(self, name):
        return 1
    def forward(self, *, inputs):
        return inputs
"""


def folded(body: str, callee: str = "return inputs", header: str = "") -> Chain:
    """The chain of a method whose body is `body`; `self.bad` is an operator with the body `callee`."""
    lines = "\n".join(f"        {line}" for line in body.splitlines())
    inner = callee.replace("\n", "\n        ")
    text = OPERATORS.replace("BODY", inner) + (
        "\nclass Op(Operator):\n    def __init__(self):\n"
        "        self.plus, self.times, self.nested, self.keep = Plus(), Times(), Nested(), Keep()\n"
        "        self.bad, self.own, self.more, self.hooked = Bad(), Own(), More(), Hooked()\n"
        f"        self.many = [Plus()]\n{header}"
        f"    def forward(self, *, inputs):\n{lines}\n"
    )
    op: Any = namespace(text)["Op"]()
    forward = type(op).forward
    return fold(forward.__code__, source_of(forward, forward.__code__), op)


def text_of(made: Chain) -> str:
    return "\n".join(ast.unparse(ast.fix_missing_locations(each)) for each in made.body)


CHECKED = """\
if not _type({name}) is _dict:
    break
{item} = {name}['v']
_class = _type({item})
if not (_class is _int or _class is _kinds[1] or _class is _kinds[2] or (_class is _kinds[3]) or (_class is _kinds[4]) or (_class is _kinds[5])):
    break"""


IS_SCALAR = CHECKED[CHECKED.rindex("if ") :] + "\n"


def test_the_text() -> None:
    made = folded("x = self.plus(inputs=inputs)\nreturn self.times(inputs=x)")
    assert text_of(made) == (
        "_op0 = self.plus\nif not _type(_op0) is _class0:\n    break\n_op0.forward()\n"
        + CHECKED.format(name="inputs", item="_v0")
        + "\n_v0 = _v0 + 1\n"
        "_op0 = self.times\nif not _type(_op0) is _class1:\n    break\n_op0.forward()\n"
        "_v1 = _op0.factor\n_class = _type(_v1)\n" + IS_SCALAR + "_v1 = _v0 * _v1\n"
        "_v0 = _op0.offset\n_class = _type(_v0)\n" + IS_SCALAR + "_v0 = _v1 + _v0\n"
        "return {'v': _v0}"
    )
    assert made.calls == sorted(made.calls)
    assert [kind.__name__ for kind in made.classes.values()] == ["Plus", "Times"]
    assert set(made.variables) == {"_v0", "_v1", "_op0"}


def test_an_operator_in_an_operator_keeps_both_in_variables() -> None:
    made = folded("return {**self.nested(inputs={'v': inputs}), 'w': 1.5}")
    assert text_of(made) == (
        "_op0 = self.nested\nif not _type(_op0) is _class0:\n    break\n_op0.forward()\n"
        "_op1 = _op0.plus\nif not _type(_op1) is _class1:\n    break\n_op1.forward()\n"
        "_class = _type(inputs)\n" + IS_SCALAR + "_v0 = inputs + 1\n"
        "return {'v': _v0, 'w': '<ember_jit constant 0>'}"
    )
    assert made.constants == {"<ember_jit constant 0>": 1.5}


FOLDED = {
    "a return": "return self.plus(inputs=inputs)",
    "a call in an argument": "return self.plus(inputs=self.plus(inputs=inputs))",
    "a call whose value is dropped": "self.plus(inputs=inputs)",
    "a display": "x = self.keep(inputs=inputs)\nreturn {'a': x, 'b': [x, 1], 'c': (x, 'y')}",
    "a merge of known dicts": "x = self.plus(inputs=inputs)\nreturn {**x, 'w': 1}",
    "a store into a new dict": "x = self.plus(inputs=inputs)\nx['w'] = 1\nreturn x",
    "a format": "x = self.plus(inputs=inputs)\nreturn f\"{x['v']!r:>5} and {x['v']}\"",
    "a comparison": "x = self.plus(inputs=inputs)['v']\nreturn 0 < x <= 10",
    "a method of str": "x = self.keep(inputs=inputs)['v']\nreturn x.strip().lower()",
    "an augmented assignment": "x = self.plus(inputs=inputs)['v']\nx += 1\nreturn x",
    "an annotation": "x: dict = self.plus(inputs=inputs)\nreturn x",
    "not": "return not self.plus(inputs=inputs)['v']",
}

NOT_FOLDED = {
    "no operator": "return inputs",
    "a branch": "if inputs:\n    return 1\nreturn self.plus(inputs=inputs)",
    "a loop": "for _ in inputs:\n    self.plus(inputs=inputs)",
    "a handler": "try:\n    return self.plus(inputs=inputs)\nexcept ValueError:\n    pass",
    "a conditional": "return self.plus(inputs=inputs) if inputs else 1",
    "a short circuit": "return self.plus(inputs=inputs) or 1",
    "a global": "return self.plus(inputs=math)",
    "a builtin": "return len(self.plus(inputs=inputs))",
    "an unknown key": "return self.plus(inputs=inputs)['w']",
    "a subscript that is no constant": "return self.keep(inputs=inputs)[inputs]",
    "a power": "return self.plus(inputs=inputs)['v'] ** 2",
    "a shift": "return 1 << self.plus(inputs=inputs)['v']",
    "an inversion": "return ~self.plus(inputs=inputs)['v']",
    "an operator on a dict": "return self.plus(inputs=inputs) | {'w': 1}",
    "an operator on constants": "self.plus(inputs=inputs)\nreturn 'a' + 'b'",
    "identity": "return self.plus(inputs=inputs)['v'] is None",
    "a method of a container": "return self.keep(inputs=inputs).items()",
    "an attribute of a value": "return self.plus(inputs=inputs)['v'].real",
    "a store to self": "self.x = self.plus(inputs=inputs)",
    "a store into an argument": "self.plus(inputs=inputs)\ninputs['v'] = 1",
    "an operator that is passed on": "return self.plus(inputs={'v': 1, 'op': self})",
    "an operator that is returned": "self.plus(inputs=inputs)\nreturn self",
    "a nested function": "f = lambda: 1\nreturn self.plus(inputs=inputs)",
    "a constant of another kind": "return self.plus(inputs={'v': b'x'})",
    "a key that is no identifier": "return self.plus(inputs={'v': 1, 'a b': 2, 'v w': 3}) and 1",
    "constants in a list": "self.plus(inputs=inputs)\nreturn ['a', 'b', 'c']",
    "another argument": "return self.plus(inputs)",
    "another call of the user's": "return self.own(inputs=inputs)",
    "more parameters": "return self.more(inputs=inputs)",
    "a look-up of its own": "return self.hooked(inputs=inputs)",
    "an operator of a list": "return self.many[0](inputs=inputs)",
    "a name of ours": "_v0 = self.plus(inputs=inputs)\nreturn _v0",
}

NOT_FOLDED_BODIES = {
    "a property": "return self.computed",
    "a method": "return self.forward",
    "a missing attribute of a value": "return inputs.v",
    "a print": "print(inputs)",
    "super": "return super().forward(inputs=inputs)",
    "locals": "return locals()",
    "a generator": "yield inputs",
    "a closure": "return [inputs for _ in inputs]",
    "itself": "return self(inputs=inputs)",
}


@pytest.mark.parametrize("body", FOLDED.values(), ids=FOLDED)
def test_computed_in_place(body: str) -> None:
    assert folded(body).calls


@pytest.mark.parametrize("body", NOT_FOLDED.values(), ids=NOT_FOLDED)
def test_left_as_it_is(body: str) -> None:
    with pytest.raises(CannotFold):
        folded(body)


@pytest.mark.parametrize("callee", NOT_FOLDED_BODIES.values(), ids=NOT_FOLDED_BODIES)
def test_bodies_that_are_called(callee: str) -> None:
    with pytest.raises(CannotFold):
        folded("return self.bad(inputs=inputs)", callee)


def test_the_reason_names_the_line() -> None:
    with pytest.raises(CannotFold, match="a call, line .*`return len"):
        folded("return len(self.plus(inputs=inputs))")


def test_a_chain_does_not_hold_its_own_class() -> None:
    made = folded("return self.plus(inputs=inputs)")
    owner = made.premises.owner()
    assert owner is not None
    assert owner not in made.premises.classes
    assert made.premises.hold()
    owner.plus = property(lambda self: None)  # type: ignore[attr-defined]
    assert not made.premises.hold()
