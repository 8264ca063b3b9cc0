"""NumPy's pairwise summation as a loop over leaves with a stack of its own.

NumPy sums `n` numbers as (first half) + (second half), where the first half's length is rounded
down to a multiple of 8, until at most 128 are left; those go to eight running sums (`Pairwise` in
`reductions`).  The recursion is unrolled here onto two small stacks: of lengths still to do, where
0 means "add the last two sums", and of sums.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ember_jit.compiler.kernels.reductions import Pairwise
from ember_jit.compiler.kernels.text import VALUE, Text, scalar_constant, size

LEAF = 128
DEPTH = 64  # halvings of a length below 2**63, and then some

Walk = Callable[[str, str], list[list[str]]]


def pairwise_sums(
    text: Text, leaves: Sequence[Pairwise], walk: Walk, count: str, block: object
) -> list[str]:
    """The sums of `count` elements, in NumPy's order.

    Args:
        leaves: one for each sum.
        walk: writes the loop over some elements (begin, count) and gives the leaves' states.
        block: NumPy's buffer size if it feeds the sum by blocks, else None.
    """
    kinds = [VALUE[leaf.node.dtype] for leaf in leaves]
    zeros = [scalar_constant(0.0, leaf.node.dtype) for leaf in leaves]

    def one_block(begin: str, totals: list[str]) -> list[str]:
        left = text.let(f"sub i64 {count}, {begin}")
        if block is not None:
            short = text.let(f"icmp slt i64 {left}, {block}")
            left = text.let(f"select i1 {short}, i64 {left}, i64 {block}")
        sums = _tree(text, leaves, walk, begin, left)
        return [
            text.let(f"fadd {kind} {total}, {part}")
            for kind, total, part in zip(kinds, totals, sums, strict=True)
        ]

    step = count if block is None else str(block)
    # The step of an empty sum would be 0, but then there is no round either.
    return text.loop("0", count, step, list(zip(kinds, zeros, strict=True)), one_block)


def _tree(text: Text, leaves: Sequence[Pairwise], walk: Walk, begin: str, count: str) -> list[str]:
    kinds = [VALUE[leaf.node.dtype] for leaf in leaves]
    todo, sums = text.slot("i64", 2 * DEPTH), [text.slot(kind, DEPTH) for kind in kinds]
    height, filled, place = text.slot("i64"), text.slot("i64"), text.slot("i64")
    text.do(f"store i64 {count}, ptr {todo}")
    text.do(f"store i64 1, ptr {height}")
    text.do(f"store i64 0, ptr {filled}")
    text.do(f"store i64 {begin}, ptr {place}")

    def read(slot: str) -> str:
        return text.let(f"load i64, ptr {slot}")

    def add(slot: str, value: str, more: str) -> None:
        text.do(f"store i64 {text.let(f'add i64 {value}, {more}')}, ptr {slot}")

    names = ("next", "inner", "split", "sum", "again", "done")
    next_, inner, split, leaf_, again, done = (text.fresh(name) for name in names)
    text.goto(next_)
    text.place(next_)
    top = text.let(f"sub i64 {read(height)}, 1")
    text.do(f"store i64 {top}, ptr {height}")
    length = read(text.offset(todo, top, 8))
    depth = read(filled)
    small = text.let(f"icmp sle i64 {length}, {LEAF}")
    join = text.let(f"icmp eq i64 {length}, 0")
    combine = text.fresh("join")
    text.branch(join, combine, inner)

    text.place(combine)
    second, first = (text.let(f"sub i64 {depth}, {back}") for back in (1, 2))
    for kind, slot, leaf in zip(kinds, sums, leaves, strict=True):
        width = size(leaf.node.dtype)
        target = text.offset(slot, first, width)
        a = text.let(f"load {kind}, ptr {target}")
        b = text.let(f"load {kind}, ptr {text.offset(slot, second, width)}")
        text.do(f"store {kind} {text.let(f'fadd {kind} {a}, {b}')}, ptr {target}")
    text.do(f"store i64 {second}, ptr {filled}")
    text.goto(again)

    text.place(inner)
    text.branch(small, leaf_, split)
    text.place(split)
    half = text.let(f"lshr i64 {length}, 1")
    front = text.let(f"and i64 {half}, -8")
    back = text.let(f"sub i64 {length}, {front}")
    for above, value in enumerate(("0", back, front)):
        at = text.let(f"add i64 {top}, {above}")
        text.do(f"store i64 {value}, ptr {text.offset(todo, at, 8)}")
    add(height, top, "3")
    text.goto(again)

    text.place(leaf_)
    start = read(place)
    states = walk(start, length)
    rest = text.let(f"and i64 {length}, 7")
    some = text.let(f"icmp ne i64 {rest}, 0")
    for kind, slot, leaf, state in zip(kinds, sums, leaves, states, strict=True):
        total = leaf.leaf(state, some)
        text.do(f"store {kind} {total}, ptr {text.offset(slot, depth, size(leaf.node.dtype))}")
    add(filled, depth, "1")
    add(place, start, length)
    text.goto(again)

    text.place(again)
    more = text.let(f"icmp sgt i64 {read(height)}, 0")
    text.branch(more, next_, done)
    text.place(done)
    return [text.let(f"load {kind}, ptr {slot}") for kind, slot in zip(kinds, sums, strict=True)]
