"""How reductions carry their state through a loop: first value, one step, and the end.

Each reduction is a `Reducer`.  The state is a list of LLVM values with their types; a step takes a
vector of elements, of which only the first lanes may count (the rest repeat the last element, which
leaves maxima, `any` and positions alone, and is masked out of sums and products).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ember_jit.compiler.kernels.elementwise import (
    EXACT,
    Context,
    binary,
    compare,
    select,
    truth,
)
from ember_jit.compiler.kernels.text import VALUE, Text, scalar_constant, size
from ember_jit.ir.program import BOOL, FLOATS, INDEX, SIGNED, Node, Program


@dataclass(frozen=True, slots=True)
class Live:
    """Which elements a step looks at.

    Attributes:
        index: the position of lane 0 (an i64).
        mask: the lanes that count, or None for all.
        full: an i1, whether all lanes count, or None for yes.
    """

    index: str
    mask: str | None = None
    full: str | None = None


class Reducer:
    """A reduction of `node`'s argument; subclasses say how."""

    copies = True
    """Whether independent copies of the state may be kept, and merged at the end."""

    def __init__(self, context: Context, program: Program, node: Node) -> None:
        self.c = context
        self.text: Text = context.text
        self.node = node
        self.source = program.nodes[node.args[0]].dtype
        self.argument = program.nodes[node.args[0]]

    def kinds(self) -> list[str]:
        """The LLVM types of the state."""
        return [self.text.vector(self.node.dtype)]

    def first(self) -> list[str]:
        """The state before any element."""
        raise NotImplementedError

    def step(self, state: list[str], value: str, live: Live) -> list[str]:
        raise NotImplementedError

    def merge(self, a: list[str], b: list[str]) -> list[str]:
        """One state for two, of which `a` saw earlier elements."""
        raise NotImplementedError

    def result(self, state: list[str]) -> str:
        """The reduced value, as a scalar of the node's type."""
        return fold(self.text, self.kinds()[0], state[0], self.fold_step)

    def fold_step(self, a: str, b: str) -> str:
        """Combines two vectors of the state's first type."""
        return self.merge([a], [b])[0]

    def masked(self, value: str, live: Live, neutral: str) -> str:
        if live.mask is None:
            return value
        return select(self.text, live.mask, self.source, value, neutral)


def fold(text: Text, kind: str, value: str, combine: Callable[[str, str], str]) -> str:
    """All lanes into one by halves."""
    width = text.lanes // 2
    while width:
        order = [lane + width if lane < width else lane for lane in range(text.lanes)]
        mask = ", ".join(f"i32 {lane}" for lane in order)
        other = text.let(
            f"shufflevector {kind} {value}, {kind} poison, <{text.lanes} x i32> <{mask}>"
        )
        value = combine(value, other)
        width //= 2
    return text.let(f"extractelement {kind} {value}, i64 0")


class Accumulate(Reducer):
    """Sums and products in any order: integers wrap alike, and fast mode allows it."""

    def first(self) -> list[str]:
        return [self.text.splat(0 if self.node.op == "sum" else 1, self.node.dtype)]

    def step(self, state: list[str], value: str, live: Live) -> list[str]:
        return self.merge(state, [self.masked(value, live, self.first()[0])])

    def merge(self, a: list[str], b: list[str]) -> list[str]:
        name = "add" if self.node.op == "sum" else "multiply"
        return [EXACT[name](self.c, self.node.dtype, [a[0], b[0]])]


class InOrder(Reducer):
    """NumPy's product of floats: one factor after the other."""

    copies = False

    def kinds(self) -> list[str]:
        return [VALUE[self.node.dtype]]

    def first(self) -> list[str]:
        return [scalar_constant(1.0, self.node.dtype)]

    def step(self, state: list[str], value: str, live: Live) -> list[str]:
        value = self.masked(value, live, self.text.splat(1.0, self.node.dtype))
        product = state[0]
        for lane in range(self.text.lanes):
            factor = self.text.lane(self.node.dtype, value, lane)
            product = self.text.let(f"fmul {VALUE[self.node.dtype]} {product}, {factor}")
        return [product]

    def result(self, state: list[str]) -> str:
        return state[0]


class Pairwise(Reducer):
    """One leaf of NumPy's pairwise sum: eight running sums, then what is left one by one.

    The state is the eight sums and the rest.  Minus zero is what changes no sum, not even of zeros.
    """

    copies = False

    def kinds(self) -> list[str]:
        return [self.text.vector(self.node.dtype)] * 2

    def first(self) -> list[str]:
        return [self.text.splat(-0.0, self.node.dtype)] * 2

    def step(self, state: list[str], value: str, live: Live) -> list[str]:
        dtype, text = self.node.dtype, self.text
        if live.mask is None or live.full is None:
            return [binary(text, "fadd", dtype, state[0], value), state[1]]
        kind, nothing = text.vector(dtype), text.splat(-0.0, dtype)
        whole = text.let(f"select i1 {live.full}, {kind} {value}, {kind} {nothing}")
        part = select(text, live.mask, dtype, value, nothing)
        rest = text.let(f"select i1 {live.full}, {kind} {state[1]}, {kind} {part}")
        return [binary(text, "fadd", dtype, state[0], whole), rest]

    def leaf(self, state: list[str], any_left: str) -> str:
        """The sum of a leaf; `any_left` says whether its length is no multiple of eight."""
        dtype, text = self.node.dtype, self.text
        kind = VALUE[dtype]
        lanes = [text.lane(dtype, state[0], lane) for lane in range(8)]
        while len(lanes) > 1:
            lanes = [
                text.let(f"fadd {kind} {a}, {b}")
                for a, b in zip(lanes[::2], lanes[1::2], strict=True)
            ]
        slot = text.slot(kind)
        text.do(f"store {kind} {lanes[0]}, ptr {slot}")

        def add_rest() -> None:
            total = lanes[0]
            for lane in range(7):
                total = text.let(f"fadd {kind} {total}, {text.lane(dtype, state[1], lane)}")
            text.do(f"store {kind} {total}, ptr {slot}")

        text.when(any_left, add_rest)
        return text.let(f"load {kind}, ptr {slot}")


class Truth(Reducer):
    """`any` and `all`."""

    def first(self) -> list[str]:
        return [self.text.splat(self.node.op == "all", BOOL)]

    def step(self, state: list[str], value: str, live: Live) -> list[str]:
        return self.merge(state, [truth(self.text, self.source, value)])

    def merge(self, a: list[str], b: list[str]) -> list[str]:
        return [binary(self.text, "or" if self.node.op == "any" else "and", BOOL, a[0], b[0])]


class Extremum(Reducer):
    """`max` and `min`.

    Floats carry beside the best value whether a NaN was seen.  In strict mode a NaN, and a zero that
    may have met one of the other sign, are alerts: which NaN or zero comes out depends on NumPy's
    loop.
    """

    def kinds(self) -> list[str]:
        kinds = [self.text.vector(self.node.dtype)]
        return [*kinds, self.text.vector(BOOL)] if self.node.dtype in FLOATS else kinds

    def first(self) -> list[str]:
        dtype, largest = self.node.dtype, self.node.op == "max"
        if dtype in FLOATS:
            infinity = float("-inf") if largest else float("inf")
            return [self.text.splat(infinity, dtype), self.text.splat(False, BOOL)]
        if dtype == BOOL:
            return [self.text.splat(not largest, BOOL)]
        bits = 8 * size(dtype)
        low, high = (
            (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if dtype in SIGNED else (0, 2**bits - 1)
        )
        return [self.text.splat(low if largest else high, dtype)]

    def step(self, state: list[str], value: str, live: Live) -> list[str]:
        if self.node.dtype not in FLOATS:
            return self.merge(state, [value])
        return self.merge(state, [value, compare(self.text, "uno", self.node.dtype, value, value)])

    def merge(self, a: list[str], b: list[str]) -> list[str]:
        best = self.fold_step(a[0], b[0])
        return [best, binary(self.text, "or", BOOL, a[1], b[1])] if len(a) == 2 else [best]

    def fold_step(self, a: str, b: str) -> str:
        text, dtype = self.text, self.node.dtype
        if dtype == BOOL:
            return binary(text, "or" if self.node.op == "max" else "and", BOOL, a, b)
        better = "gt" if self.node.op == "max" else "lt"
        if dtype in FLOATS:  # one instruction (maxpd); that it flags a NaN does no harm here
            wins = text.let(f"fcmp o{better} {text.vector(dtype)} {b}, {a}")
        else:
            wins = compare(text, better, dtype, b, a)
        return select(text, wins, dtype, b, a)

    def result(self, state: list[str]) -> str:
        best = super().result(state[:1])
        dtype, text = self.node.dtype, self.text
        if dtype not in FLOATS:
            return best
        kind = VALUE[dtype]
        unordered = text.bits(state[1])
        if self.c.strict:
            doubt = text.splat_text(unordered, "i1") if text.lanes == 1 else unordered
            if self.argument.op not in ("absolute", "square", "exp", "exp2"):
                zero = text.let(f"fcmp oeq {kind} {best}, {scalar_constant(0.0, dtype)}")
                doubt = text.let(f"or i1 {doubt}, {zero}")
            self.c.alert(text.broadcast(doubt, "i1"))
        nan = scalar_constant(float("nan"), dtype)
        return text.let(f"select i1 {unordered}, {kind} {nan}, {kind} {best}")


class Position(Reducer):
    """`argmax` and `argmin`: the first best element, or the first NaN."""

    copies = False

    def __init__(self, context: Context, program: Program, node: Node) -> None:
        super().__init__(context, program, node)
        self.type = "b" if self.source == BOOL else self.source

    def kinds(self) -> list[str]:
        return [self.text.vector(self.type), self.text.vector(INDEX)]

    def first(self) -> list[str]:
        # No element was seen yet: a position of -1, which every element beats.
        return [self.text.splat(0, self.type), self.text.splat(-1, INDEX)]

    def step(self, state: list[str], value: str, live: Live) -> list[str]:
        text = self.text
        if self.source == BOOL:
            kind = text.vector(self.type)
            value = text.let(f"zext {text.vector(BOOL)} {value} to {kind}")
        lanes = ", ".join(f"i64 {lane}" for lane in range(text.lanes))
        start = text.broadcast(live.index, "i64")
        here = text.let(f"add {text.vector(INDEX)} {start}, <{lanes}>")
        better = "gt" if self.node.op == "argmax" else "lt"
        wins = compare(text, better, self.type, value, state[0])
        if self.type in FLOATS:
            kept = compare(text, "ord", self.type, state[0], state[0])
            nan = compare(text, "uno", self.type, value, value)
            wins = binary(text, "or", BOOL, wins, binary(text, "and", BOOL, nan, kept))
        fresh = compare(text, "lt", INDEX, state[1], text.splat(0, INDEX))
        wins = binary(text, "or", BOOL, wins, fresh)
        return [
            select(text, wins, self.type, value, state[0]),
            select(text, wins, INDEX, here, state[1]),
        ]

    def result(self, state: list[str]) -> str:
        text, kind = self.text, VALUE[self.type]
        best, place = text.lane(self.type, state[0], 0), text.lane(INDEX, state[1], 0)
        flag = "o" if self.type in FLOATS else ("s" if self.type in SIGNED else "u")
        word = "fcmp" if self.type in FLOATS else "icmp"
        better = flag + ("gt" if self.node.op == "argmax" else "lt")
        equal = "oeq" if self.type in FLOATS else "eq"
        for lane in range(1, text.lanes):
            value, at = text.lane(self.type, state[0], lane), text.lane(INDEX, state[1], lane)
            wins = text.let(f"{word} {better} {kind} {value}, {best}")
            ties = text.let(f"{word} {equal} {kind} {value}, {best}")
            if self.type in FLOATS:
                a = text.let(f"fcmp uno {kind} {value}, {value}")
                b = text.let(f"fcmp uno {kind} {best}, {best}")
                only = text.let(f"xor i1 {b}, true")
                wins = text.let(f"or i1 {wins}, {text.let(f'and i1 {a}, {only}')}")
                ties = text.let(f"or i1 {ties}, {text.let(f'and i1 {a}, {b}')}")
            earlier = text.let(f"icmp slt i64 {at}, {place}")
            wins = text.let(f"or i1 {wins}, {text.let(f'and i1 {ties}, {earlier}')}")
            seen = text.let(f"icmp sge i64 {at}, 0")
            wins = text.let(f"and i1 {wins}, {seen}")
            best = text.let(f"select i1 {wins}, {kind} {value}, {kind} {best}")
            place = text.let(f"select i1 {wins}, i64 {at}, i64 {place}")
        return place


def reducer(context: Context, program: Program, node: Node, pairwise: bool) -> Reducer:
    """The reducer of a node; `pairwise` as `Schedule.pairwise`."""
    if pairwise:
        return Pairwise(context, program, node)
    if node.op == "prod" and node.dtype in FLOATS and context.strict:
        return InOrder(context, program, node)
    kinds: dict[str, type[Reducer]] = {
        "any": Truth,
        "all": Truth,
        "max": Extremum,
        "min": Extremum,
        "argmax": Position,
        "argmin": Position,
    }
    return kinds.get(node.op, Accumulate)(context, program, node)
