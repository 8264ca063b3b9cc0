"""The check for an override on the instance, which is written as a look-up without its call."""

from __future__ import annotations

import dis
import sys
from types import FunctionType
from typing import Any

import pytest

from ember_jit.compiler.codegen.chain import with_checks


def checked(_op0: Any) -> str:
    try:
        _op0.forward()
    except UnboundLocalError:
        return "its own"
    _bound = None
    return "of the class"


def patched() -> FunctionType:
    code = with_checks(checked.__code__, ["_op0"])
    assert code is not None
    return FunctionType(code, {"UnboundLocalError": UnboundLocalError})


class WithDict:
    def forward(self) -> None:
        raise AssertionError("it is not called")


class WithSlots:
    __slots__ = ("x",)

    def forward(self) -> None:
        raise AssertionError("it is not called")


class OfInt(int):
    def forward(self) -> None:
        raise AssertionError("it is not called")


@pytest.mark.parametrize("kind", [WithDict, WithSlots, OfInt])
def test_the_method_of_the_class(kind: type) -> None:
    function, op = patched(), kind()
    for _ in range(100):  # the look-up specialises itself
        assert function(op) == "of the class"


@pytest.mark.parametrize("own", [WithDict.forward, lambda: None, 3, None], ids=str)
def test_an_override_on_the_instance(own: Any) -> None:
    function, op = patched(), WithDict()
    for _ in range(20):
        assert function(op) == "of the class"
    op.forward = own  # type: ignore[method-assign]
    for _ in range(20):
        assert function(op) == "its own"
    del op.forward
    for _ in range(20):
        assert function(op) == "of the class"


def test_an_override_that_is_the_operator_itself() -> None:
    function, op = patched(), WithDict()
    op.forward = op  # type: ignore[method-assign, assignment]
    assert function(op) == "its own"


def test_references_are_neither_kept_nor_lost() -> None:
    function, op = patched(), WithDict()
    counts = [sys.getrefcount(op), sys.getrefcount(WithDict.forward)]
    for _ in range(1000):
        function(op)
    assert [sys.getrefcount(op), sys.getrefcount(WithDict.forward)] == counts


def test_nothing_else_is_touched() -> None:
    def other(_op0: Any, op: Any) -> Any:
        _bound = op.forward()
        return _op0.other(), _op0.forward(1), _bound

    code = with_checks(other.__code__, ["_op0"])
    assert code is not None
    names = [each.opname for each in dis.get_instructions(code)]
    assert names == [each.opname for each in dis.get_instructions(other.__code__)]
