"""Which calls are made straight, and the text of what comes out."""

from __future__ import annotations

import ast
from typing import Any

import pytest

from ember_jit.compiler.passes.straight import _DEBUGGED, _GETTRACE, Straight, straighten
from ember_jit.runtime.linking import UNIT
from tests.pipeline import namespace, stages_of

OPERATORS = """
class Base:
    def __init__(self):
        self.ask, self.log, self.own, self.looks = Ask(), Log(), Own(), Looks()

@query
class Ask(Operator):
    def forward(self, *, inputs):
        return inputs

class Log(Operator):
    def forward(self, *, inputs):
        inputs.append(1)

@query
class Own(Operator):
    def __call__(self, *, inputs):
        return self.forward(inputs=inputs)
    def forward(self, *, inputs):
        return inputs

@query
class Looks(Operator):
    def forward(self, *, inputs):
        import sys
        return sys._getframe(1)
"""

STRAIGHT = {
    "an assignment": "x = self.ask(inputs=inputs)",
    "a return": "return self.ask(inputs=inputs)",
    "a statement": "self.ask(inputs=inputs)",
    "a constant": "return self.ask(inputs='q')",
    "a display": "return self.ask(inputs={'q': [inputs, 1]})",
    "in a branch": "if inputs:\n    return self.ask(inputs=inputs)",
    "in a loop": "x = inputs\nfor _ in inputs:\n    x = self.ask(inputs=x)",
    "in a handler": "try:\n    pass\nexcept ValueError:\n    return self.ask(inputs=inputs)",
}

NOT_STRAIGHT = {
    "the argument runs code": "return self.ask(inputs=inputs['q'])",
    "the argument may be unbound": "if inputs:\n    x = 1\nreturn self.ask(inputs=x)",
    "the argument was deleted": "del inputs\nreturn self.ask(inputs=inputs)",
    "the argument is a handler's": (
        "e = 1\ntry:\n    pass\nexcept ValueError as e:\n    pass\nreturn self.ask(inputs=e)"
    ),
    "the argument is a global": "return self.ask(inputs=len)",
    "another signature": "return self.ask(inputs)",
    "more arguments": "return self.ask(inputs=inputs, more=1)",
    "a part of an expression": "return [self.ask(inputs=inputs)]",
    "the target runs code": "inputs['x'] = self.ask(inputs=1)",
    "an unknown effect": "return self.log(inputs=inputs)",
    "a call of the user's own": "return self.own(inputs=inputs)",
    "it looks at its caller": "return self.looks(inputs=inputs)",
    "a name of ours": "_op = 1\nreturn self.ask(inputs=_op)",
    "in a nested function": "def f(x):\n    return self.ask(inputs=x)\nreturn f(inputs)",
}


def straight(body: str) -> Straight | None:
    lines = "\n".join(f"        {line}" for line in body.splitlines())
    text = f"{OPERATORS}\nclass Op(Base):\n    def forward(self, *, inputs):\n{lines}\n"
    op: Any = namespace(text)["Op"]()
    made = stages_of(type(op).forward, op)
    return straighten(type(op).forward, made.source, made.facts.calls)


@pytest.mark.parametrize("body", STRAIGHT.values(), ids=STRAIGHT)
def test_straight(body: str) -> None:
    made = straight(body)
    assert made is not None
    assert len(made.lines) == 1


@pytest.mark.parametrize("body", NOT_STRAIGHT.values(), ids=NOT_STRAIGHT)
def test_left_as_it_is(body: str) -> None:
    assert straight(body) is None


def test_the_text() -> None:
    made = straight("x = self.ask(inputs=inputs)\nreturn self.ask(inputs=x)")
    assert made is not None
    text = ast.unparse(made.node)
    debugged = ast.unparse(ast.parse(f"x or {_DEBUGGED}")).removeprefix("x or ")
    gettrace = f"({ast.unparse(ast.parse(_GETTRACE))})"
    for part, named in ((debugged, "debugged"), (gettrace, "_gettrace"), (repr(UNIT), "_unit")):
        text = text.replace(part, named)
    assert text == (
        """\
def forward(self, *, inputs):
    _type = '<ember_jit type>'
    _call = '<ember_jit call>'
    _code = '<ember_jit code>'
    _Ask = '<ember_jit class 0>'
    if _unit.disabled.get() or _call.__code__ is not _code or debugged:
        _call = None
    _op = self.ask
    if _type(_op) is _Ask and _Ask.__call__ is _call:
        try:
            x = _op.forward(inputs=inputs)
        except:
            try:
                _gettrace() or _unit.through(_unit.called(_op, inputs=inputs))
            except _unit.no_room:
                pass
            raise
    else:
        if _call is not None:
            _unit.missed()
        x = _op(inputs=inputs)
    _op = None
    _op = self.ask
    if _type(_op) is _Ask and _Ask.__call__ is _call:
        try:
            return _op.forward(inputs=x)
        except:
            try:
                _gettrace() or _unit.through(_unit.called(_op, inputs=x))
            except _unit.no_room:
                pass
            raise
    else:
        if _call is not None:
            _unit.missed()
        return _op(inputs=x)"""
    )
