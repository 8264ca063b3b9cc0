"""A branch that ends in `continue` becomes the two arms of one branch.

    for d in docs:                           for d in docs:
        r = self.a(inputs=d)                     r = self.a(inputs=d)
        if r["score"] > 9:            -->        if r["score"] > 9:
            skipped.append(d)                        skipped.append(d)
            continue                             else:
        kept.append(self.b(inputs=r))                kept.append(self.b(inputs=r))

The same program: what follows such a branch runs exactly if the branch is not taken.  But as an arm it says
what hangs on the test, and that the next iteration does not (R3), so a walk ahead need not wait for the test.
A loop whose rest holds a barrier is left as it is: there the walk ends anyway, and as late as it can.
"""

from __future__ import annotations

from dataclasses import replace

from ember_jit.ir.ops import Function, Op, Region, base


def without_continues(function: Function) -> Function:
    """The function with `continue` at the end of a branch replaced."""
    return replace(function, body=_region(function.body, False))


def _region(region: Region, is_loop_body: bool) -> Region:
    ops = [_op(op) for op in region.ops]
    if is_loop_body:
        for index in reversed(range(len(ops) - 1)):
            joined = _joined(ops[index], ops[index + 1 :])
            if joined is not None:
                ops[index:] = [joined]
    return replace(region, ops=tuple(ops))


def _op(op: Op) -> Op:
    if not op.regions:
        return op
    loop = op.kind in ("for", "while")
    regions = [_region(each, loop and index == 0) for index, each in enumerate(op.regions)]
    return replace(op, regions=tuple(regions))


def _joined(branch: Op, rest: list[Op]) -> Op | None:
    """`branch` with `rest` in its other arm; None if it does not end in `continue`, or `rest` has a barrier."""
    if branch.kind != "if" or len(branch.regions) != 2:
        return None
    then, other = branch.regions
    if not then.ops or then.ops[-1].kind != "continue":
        return None
    if any(inner.kind in ("barrier", "with") for op in rest for inner in op.walk()):
        return None
    # the value of a variable behind the branch is a new one; temporaries are used in their arm alone
    last = {base(value): f"{value}j" for op in rest for value in op.defs}
    names = {base(value) for value in branch.defs}
    joined = [
        value for name, value in last.items() if name not in names and not name.startswith("_t")
    ]
    return replace(
        branch,
        defs=(*branch.defs, *joined),
        regions=(replace(then, ops=then.ops[:-1]), replace(other, ops=(*other.ops, *rest))),
    )
