"""The IR prints as golden tests compare it, and the verifier refuses what no pass may leave."""

from __future__ import annotations

import ast
from dataclasses import replace

import pytest

from ember_jit.ir.ops import Function, Op, Region, base
from ember_jit.ir.printer import print_function, print_op
from ember_jit.ir.verifier import InvalidIR, verify
from tests.pipeline import stages

CALL = ast.parse("f(x)", mode="eval").body


def function(*ops: Op) -> Function:
    return Function("f", ("x",), Region(ops, "body"))


def test_a_small_function() -> None:
    made = stages(
        """
        def f(self, docs):
            '''Not an op.'''
            out = []
            for doc in docs:
                s = self.a(inputs={"d": doc})
                if s["score"] > 0.5:
                    out.append(s["text"])
            self.count = len(out)
            return self.b(inputs=" ".join(out))
        """
    )
    assert print_function(made.lowered) == (
        """\
func f(self, docs)
  out.1 = glue  [3] out = []
  doc.1, s.2 = for loop0(docs.0)  [4] for doc in docs:
    body:
      _t1.1 = call#0(doc.1, self.0)  [5] self.a(inputs={'d': doc})
      s.1 = glue(_t1.1)  [5] s = self.a(inputs={'d': doc})
      if(s.1)  [6] if s['score'] > 0.5:
        then:
          out.2 = mutate(out.1, s.1)  [7] out.append(s['text'])
          _t2.1 = glue  [7] out.append(s['text'])
        else:
    else:
  barrier  [8] self.count = len(out)  ; stores to the attribute `self.count`
  _t3.1 = call#1(out.2, self.0)  [9] self.b(inputs=' '.join(out))
  return(_t3.1)  [9] return self.b(inputs=' '.join(out))
"""
    )


def test_printing_is_stable() -> None:
    text = "def f(self, x):\n    a, b = self.a(inputs={x, 1}), {y: self.b(inputs=y) for y in x}\n    return a, b"
    assert print_function(stages(text).lowered) == print_function(stages(text).lowered)


def written(text: str) -> ast.stmt:
    return ast.parse(text).body[0]


@pytest.mark.parametrize(
    ("op", "text"),
    [
        (Op("glue", 3, ("y.1",), ("x.0",), origin=written("y = x")), "y.1 = glue(x.0)  [3] y = x"),
        (Op("call", 3, ("t.1",), (), site=2, origin=written("f()")), "t.1 = call#2  [3] f()"),
        (
            Op("for", 3, ("x.1", "y.2"), ("z.0",), loop=1, origin=written("for x in z: y")),
            "x.1, y.2 = for loop1(z.0)  [3] for x in z:",
        ),
        (Op("barrier", 3, origin=written("g()"), reason="why"), "barrier  [3] g()  ; why"),
        (Op("break", 3), "break  [3]"),
    ],
)
def test_one_op(op: Op, text: str) -> None:
    assert print_op(op) == text


def test_nested_ops_come_in_program_order() -> None:
    inner = Op("glue", 2, ("a.1",)), Op("glue", 3, ("b.1",))
    outer = Op("if", 1, regions=(Region(inner[:1], "then"), Region(inner[1:], "else")))
    last = Op("return", 4)
    assert list(function(outer, last).walk()) == [outer, *inner, last]


def test_the_variable_of_a_value() -> None:
    assert base("x.12") == "x"
    assert base("_t1.1") == "_t1"


def test_valid() -> None:
    verify(
        function(
            Op("glue", 1, ("y.1",), ("x.0",)),
            Op("glue", 2, ("y.2",)),
            Op("return", 3, (), ("y.2",)),
        )
    )


INVALID = {
    "defined twice": (Op("glue", 1, ("y.1",)), Op("glue", 2, ("y.1",))),
    "defined twice, once in a region": (
        Op(
            "if",
            1,
            ("y.1",),
            regions=(Region((Op("glue", 2, ("y.1",)),), "then"), Region((), "else")),
        ),
    ),
    "twice by one op": (Op("glue", 1, ("y.1", "y.1")),),
    "unknown kind": (Op("jump", 1),),
    "unknown kind in a region": (Op("with", 1, regions=(Region((Op("jump", 1),), "body"),)),),
    "a branch with one arm": (Op("if", 1, regions=(Region((), "then"),)),),
    "a try without handlers, else and finally": (Op("try", 1, regions=(Region((), "body"),)),),
    "glue with a region": (Op("glue", 1, regions=(Region((), "body"),)),),
    "a call without a site": (Op("call", 1, ("t.1",), value=CALL),),
    "a call without its call": (Op("call", 1, ("t.1",), site=0),),
    "a helper without a site": (Op("helper", 1, ("t.1",), value=CALL),),
}


@pytest.mark.parametrize("name", INVALID)
def test_invalid(name: str) -> None:
    with pytest.raises(InvalidIR, match=r"\S"):
        verify(function(*INVALID[name]))


def test_what_a_pass_breaks_is_found() -> None:
    made = stages("def f(self, x):\n    y = self.a(inputs=x)\n    return y").lowered
    verify(made)
    with pytest.raises(InvalidIR):
        verify(replace(made, body=Region(made.body.ops + made.body.ops, "body")))
