"""Which NaN comes out: where that depends on how NumPy's loop runs, a kernel has to give the call up.

Of two NaNs, `a - b` and `a / b` keep the first.  `a + b`, `a * b`, `fmax` and `fmin` keep one or the other: the vectors
in the middle of NumPy's loop the first, the elements at its ends perhaps the second; so do sums and products of
several.  That shows where the two differ in sign or payload, as one that was negated does.

    x * y + b       x * y is ambiguous; what b is added to is one NaN at most, if b is none
    (x * a) * (x - c)    both come from x: the same NaN

Only operations are watched in which NaNs of two origins can meet.  A scalar that takes part is looked at once.
"""

from __future__ import annotations

from ember_jit.ir.program import FLOATS, REDUCTIONS, TRANSCENDENTAL, Node, Program

_EITHER = frozenset(["add", "multiply", "fmax", "fmin"])
_KEEP = frozenset(
    [
        *(
            "add",
            "subtract",
            "multiply",
            "true_divide",
            "square",
            "reciprocal",
            "positive",
            "where",
        ),
        *("sqrt", "floor", "ceil", "trunc", "rint", "maximum", "minimum", "fmax", "fmin"),
    ]
)
"""What hands a NaN of an argument on as it is; all else makes another of it."""


def ambiguous(program: Program) -> frozenset[int]:
    """The nodes of which NumPy may give one NaN or another.

    They are operations to be watched where they are computed, reductions whose result must be no NaN, and
    scalar inputs that must be none.
    """
    if program.numerics != "strict":
        return frozenset()
    scalars = frozenset(
        index
        for index, node in enumerate(program.nodes)
        if node.op == "input" and node.rank == "scalar"
    )
    origins: list[frozenset[int]] = []
    found: set[int] = set()
    for index, node in enumerate(program.nodes):
        args = [origins[arg] for arg in node.args]
        origins.append(_origins(index, node, args))
        if node.dtype not in FLOATS:
            continue
        if node.op in ("sum", "prod"):
            if args[0]:
                found.add(index)
        elif node.op in _EITHER and node.args[0] != node.args[1]:
            met = args[0] | args[1]
            if all(args) and len(met) > 1:
                found |= met & scalars
                if all(each - scalars for each in args) and len(met - scalars) > 1:
                    found.add(index)
    return frozenset(found)


def _origins(index: int, node: Node, args: list[frozenset[int]]) -> frozenset[int]:
    """Where the NaNs of a node come from; those of reductions end the call."""
    if node.dtype not in FLOATS or node.op in REDUCTIONS:
        return frozenset()
    if node.op == "input":
        return frozenset([index])
    if node.op == "const":
        return frozenset([index]) if node.value != node.value else frozenset()
    inherited = frozenset[int]().union(*args)
    if node.op in _KEEP:
        return inherited
    made_anew = inherited or node.op in TRANSCENDENTAL
    return frozenset([index]) if made_anew else frozenset()
