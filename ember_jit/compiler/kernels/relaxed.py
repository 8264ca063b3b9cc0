"""Fast mode: a division by one number of a whole row (or of everything) becomes a product with its reciprocal.

    x / s    -->    c = 1, but a power of two where the reciprocal of s would be no normal number
                    r = 1 / (s * c)        once a row
                    x * r * c

That is within 1.5 ULP, and ten times as quick as a division of each element.
"""

from __future__ import annotations

from dataclasses import replace

from ember_jit.ir.program import Builder, Node, Program

SAFE = {"d": (1000, 60), "f": (115, 30)}
"""Up to which power of two (and from its reciprocal on) numbers are taken as they are, and c for others."""


def relaxed(program: Program) -> Program:
    """The program as it is compiled: itself, in strict mode."""
    if program.numerics == "strict" or not any(_is_wanted(program, n) for n in program.nodes):
        return program
    build = Builder(program.numerics)
    places: list[int] = []
    for operand in program.operands:
        build.input(operand.dtype, operand.layout)
    for node in program.nodes:
        node = replace(node, args=tuple(places[arg] for arg in node.args))
        if _is_wanted(program, program.nodes[len(places)]):
            places.append(_product(build, *node.args))
        else:
            places.append(build.node(node))
    return build.program(*(places[output] for output in program.outputs))


def _is_wanted(program: Program, node: Node) -> bool:
    if node.op != "true_divide" or node.rank != "element":
        return False
    return program.nodes[node.args[1]].rank != "element"


def _product(build: Builder, x: int, s: int) -> int:
    dtype = build.dtype(s)
    safe, step = SAFE[dtype]
    size = build.op("absolute", s)
    large = build.op("greater", size, build.const(2.0**safe, dtype))
    small = build.op("less", size, build.const(2.0**-safe, dtype))
    one, down, up = (build.const(each, dtype) for each in (1.0, 2.0**-step, 2.0**step))
    c = build.where(large, down, build.where(small, up, one))
    r = build.op("reciprocal", build.op("multiply", s, c))
    return build.op("multiply", build.op("multiply", x, r), c)
