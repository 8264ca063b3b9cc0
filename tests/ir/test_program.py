"""The kernel IR: what it prints, what its key tells apart, and what its verifier refuses."""

import doctest
import math
import struct

import pytest

from ember_jit.ir import program as ir
from ember_jit.ir.program import Builder, InvalidProgram, Node, Operand, Program, verify


def test_the_examples_of_the_module_are_true():
    assert doctest.testmod(ir).failed == 0


def test_equal_nodes_are_made_once():
    build = Builder()
    x = build.input("d")
    assert build.op("exp", x) == build.op("exp", x)
    assert build.const(0.0, "d") != build.const(-0.0, "d")
    assert build.const(1, "i") != build.const(1, "l")


def test_the_key_tells_nan_payloads_and_types_apart():
    other_nan = struct.unpack("<d", struct.pack("<Q", 0x7FF8_0000_0000_0001))[0]
    keys = set()
    for value in (0.0, -0.0, math.nan, other_nan):
        build = Builder()
        keys.add(build.program(build.op("add", build.input("d"), build.const(value, "d"))).key())
    assert len(keys) == 4
    for numerics in ("strict", "fast"):
        build = Builder(numerics)
        keys.add(build.program(build.op("negative", build.input("d", "strided"))).key())
    assert len(keys) == 6


def test_loops_are_named_once_and_in_strict_mode_alone():
    for numerics, loops in (("strict", (("exp", "d"), ("power", "d"))), ("fast", ())):
        build = Builder(numerics)
        x = build.input("d")
        e = build.op("exp", x)
        assert build.program(build.op("power", e, build.op("exp", e))).loops() == loops


X = Operand("d", "contiguous")
READ = Node("input", (), "d", 0)


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([Node("input", (), "d", 1)], "no operand 1"),
        ([Node("input", (), "f", 0)], "differs from"),
        ([Node("const", (), "d", 1.0)], "a constant is a scalar"),
        ([Node("const", (), "b", 300, "scalar")], "300 is no 'b'"),
        ([READ, Node("exp", (1,), "d")], "do not all come before it"),
        ([READ, Node("exp", (0,), "f")], "gives 'd', not 'f'"),
        ([READ, Node("invert", (0,), "d")], "cannot take"),
        ([READ, Node("less", (0, 0), "d")], "gives '\\?', not 'd'"),
        ([READ, Node("frobnicate", (0,), "d")], "unknown operation"),
        ([READ, Node("sum", (0,), "d")], "lowers its rank"),
        ([READ, Node("exp", (0,), "d", None, "row")], "is not the highest"),
        ([READ, Node("where", (0, 0, 0), "d")], "cannot take"),
        ([READ, Node("exp", (0,), "dd")], "unknown type"),
    ],
)
def test_the_verifier_refuses(nodes, message):
    with pytest.raises(InvalidProgram, match=message):
        verify(Program((X,), tuple(nodes), (len(nodes) - 1,)))


def test_outputs_must_exist():
    with pytest.raises(InvalidProgram, match="name no nodes"):
        verify(Program((X,), (READ,), (1,)))
