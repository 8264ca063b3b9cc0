"""`passes.continues`: source on the left, the branch that comes out on the right."""

from __future__ import annotations

from ember_jit.compiler.passes.continues import without_continues
from ember_jit.ir.ops import Op, Region
from ember_jit.ir.verifier import verify
from tests.pipeline import stages


def loop(body: str) -> Op:
    lines = "".join(f"        {line}\n" for line in body.splitlines())
    text = f"def f(self, x):\n    out = []\n    for d in x:\n{lines}    return out"
    made = without_continues(stages(text).escaped)
    verify(made)
    return next(op for op in made.walk() if op.kind == "for")


def shown(region: Region) -> str:
    return " ".join(
        f"if({' | '.join(shown(each) for each in op.regions)})" if op.kind == "if" else op.kind
        for op in region.ops
    )


def test_what_follows_becomes_the_other_arm() -> None:
    made = loop("r = self.a(inputs=d)\nif r:\n    continue\nout.append(self.b(inputs=r))")
    assert shown(made.regions[0]) == "call glue if( | call mutate glue)"


def test_one_after_the_other() -> None:
    made = loop("if d:\n    out.append(1)\n    continue\nif x:\n    continue\nr = self.a(inputs=d)")
    assert shown(made.regions[0]) == "if(mutate glue | if( | call glue))"


def test_a_barrier_in_the_rest_keeps_the_branch() -> None:
    made = loop("if d:\n    continue\nself.n = d")
    assert shown(made.regions[0]) == "if(continue | ) barrier"


def test_a_continue_that_is_not_at_the_end_stays() -> None:
    made = loop("if d:\n    if x:\n        continue\n    out.append(d)\nr = self.a(inputs=d)")
    assert shown(made.regions[0]) == "if(if(continue | ) mutate glue | ) call glue"


def test_the_branch_binds_what_its_new_arm_binds() -> None:
    made = loop("if d:\n    continue\nr = self.a(inputs=d)")
    branch = next(op for op in made.walk() if op.kind == "if")
    assert any(value.startswith("r.") for value in branch.defs)
