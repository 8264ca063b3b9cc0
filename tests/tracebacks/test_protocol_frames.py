"""The frame of `__call__` between a program and a `forward` that is entered straight: it is there, as in plain Python."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from ember_jit import Operator, explain, operators, query, structural_jit
from ember_jit.runtime import protocol_frame
from ember_jit.runtime.dispatch import unit_of


@query
class Fails(Operator):
    def forward(self, *, inputs: Any) -> Any:
        if inputs == "deep":
            return self(inputs=inputs)
        return inputs + {}["missing"]


class Chain(Operator):
    def __init__(self) -> None:
        self.fails = Fails()

    def forward(self, *, inputs: Any) -> Any:
        found = {"q": inputs}
        x = self.fails(inputs=inputs)
        y = self.fails(inputs=x)
        return y, found


def frames(op: Any, inputs: Any) -> list[tuple[FrameType, int]]:
    """The frames of what `op(inputs=inputs)` raises, and their lines, without this file's own."""
    with pytest.raises(Exception) as caught:  # noqa: PT011
        op(inputs=inputs)
    return list(traceback.walk_tb(caught.value.__traceback__))[1:]


def test_a_straight_call_has_it_with_its_variables() -> None:
    """Name, place, variables, and the frame behind it."""
    plain, op = Chain(), structural_jit(type("Chain", (Chain,), dict(vars(Chain))))()
    expected = [(frame.f_code.co_qualname, line) for frame, line in frames(plain, "x")]
    for _ in range(2):
        found = frames(op, "x")
        assert [(frame.f_code.co_qualname, line) for frame, line in found] == expected
    assert "straight to the operator's `forward`" in explain(op).headline
    between = found[2][0]
    assert between.f_code.co_filename == operators.__file__
    assert between.f_locals == {"self": op.fails, "inputs": "x"}
    assert between.f_back is found[1][0]


def test_where_there_is_no_room_for_it_the_exception_stays_the_same() -> None:
    op = structural_jit(type("Chain", (Chain,), dict(vars(Chain))))()
    frames(op, "x")
    with pytest.raises(RecursionError) as caught:
        op(inputs="deep")
    assert caught.value.__context__ is None


def test_it_is_made_outside_of_handlers_of_other_frames_alone() -> None:
    """Nothing is put anywhere but behind the frame that asks."""
    frame = protocol_frame.called(1, inputs=2)
    protocol_frame.through(frame)  # nothing is being handled
    try:
        {}["a"]
    except KeyError as exc:
        trace = exc.__traceback__
        assert trace is not None
        (lambda: protocol_frame.through(frame))()  # handled by another frame
        assert trace.tb_next is None
        protocol_frame.through(frame)
        assert trace.tb_next is not None
        assert trace.tb_next.tb_frame is frame


PROGRAM = """
from ember_jit import Operator, query
@query
class Ask(Operator):
    def forward(self, *, inputs):
        return inputs
class Inner:
    def __init__(self):
        self.a, self.b = Ask(), Ask()
    def __call__(self, *, inputs):
        return {text}
    def forward(self, *, inputs):
        a = self.a(inputs=inputs)
        b = self.b(inputs=inputs)
        return a + b + inputs.missing
class Outer(Operator):
    def __init__(self):
        self.ask, self.inner = Ask(), Inner()
    def forward(self, *, inputs):
        x = self.ask(inputs=inputs)
        y = self.inner(inputs=inputs)
        return x, y
"""


@pytest.mark.parametrize(
    "text",
    [
        "self.forward(inputs=inputs)",
        "self . forward( inputs = inputs )",
        "(self.forward)(inputs=inputs)",
        "self.forward(\n            inputs=inputs)",
        "self.forward(\n            inputs=inputs,\n        )",
    ],
)
def test_a_stand_in_is_entered_through_the_users_own_call(text: str, tmp_path: Path) -> None:
    path = tmp_path / "written.py"
    path.write_text(PROGRAM.replace("{text}", text))
    spec = importlib.util.spec_from_file_location("written", path)
    assert spec is not None
    assert spec.loader is not None
    shown = []
    for decorate in (lambda cls: cls, structural_jit(execution_strategy="parallel")):
        module = importlib.util.module_from_spec(spec)
        sys.modules["written"] = module
        spec.loader.exec_module(module)
        op = decorate(module.Outer)()
        for _ in range(2):
            with pytest.raises(AttributeError) as caught:
                op(inputs=1)
        trace = caught.value.__traceback__
        shown.append("".join(traceback.format_tb(trace)[1:]))
    del sys.modules["written"]
    assert unit_of(module.Outer.forward).stats.compiled  # type: ignore[union-attr]
    assert shown[1] == shown[0]
    assert shown[0].count("in __call__") == 2
