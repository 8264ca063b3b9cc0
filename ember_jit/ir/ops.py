"""The intermediate representation: SSA over structured regions.

It is as coarse as the decisions taken on it.  A call that may be scheduled is an op; the glue between
calls is one op that holds its syntax tree; what the compiler does not follow is an op with the names it
binds.  Control flow is nested regions, not a graph of blocks.

    region   := op*
    op       := defs "=" kind ["#" site] uses [text] region*
    value    := name "." version          (names starting with "%" are temporaries)

    kind        operands                      regions
    call        site, callee and arguments
    helper      site, a pure function's call
    glue        an assignment or expression of operations on values
    mutate      a change to a container made here, and not yet seen by anyone else
    barrier     anything with effects: issue programs end here
    if          test                          then, else
    for, while  iterable / test               body, else
    comp        a comprehension               body (loops, ifs, and an `emit`)
    try         -                             body, handlers..., else, finally
    with        managers                      body      (a barrier on both sides)
    return, raise, break, continue, assert    (exits: what follows is not certain)

Ops are immutable; facts about them live in side tables and are dropped when the IR changes.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ember_jit.effects import Label

from ember_jit.ir.syntax import source_text

EXITS = frozenset({"return", "raise", "break", "continue"})
KINDS = EXITS | {
    "call",
    "helper",
    "glue",
    "mutate",
    "barrier",
    "if",
    "for",
    "while",
    "comp",
    "emit",
    "try",
    "with",
    "assert",
    "handler",
}


_COMPOUND = frozenset({"if", "for", "while", "try", "with", "comp"})


@dataclass(frozen=True, slots=True)
class Region:
    """A straight sequence of ops."""

    ops: tuple[Op, ...] = ()
    label: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Op:
    """One operation.

    Attributes:
        kind: one of `KINDS`.
        line: line in the user's file.
        defs: SSA values it defines.
        uses: SSA values it reads.
        target: for `glue`, `for` and `comp`: what is assigned (a syntax tree), if anything.
        value: the expression of `glue`, the call of `call`, the test, the iterable, the element.
        regions: nested regions.
        site: number of the call site.
        loop: number of the loop.
        stmt: the user's statement that it belongs to.
        origin: the user's node that it was made from.
        reason: for `barrier`: why.
        relies_on: callees that are taken for the builtins of that name: what runs a generator to its end, `getattr`.
        binds: for `call` and `helper`: its arguments bind names of the function, so they must be evaluated in its turn.
    """

    kind: str
    line: int
    defs: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    target: ast.expr | None = None
    value: ast.expr | None = None
    regions: tuple[Region, ...] = ()
    site: int | None = None
    loop: int | None = None
    stmt: ast.stmt | None = None
    origin: ast.AST | None = None
    reason: str = ""
    relies_on: tuple[ast.expr, ...] = ()
    binds: bool = False

    @property
    def changed(self) -> ast.expr | None:
        """Of a `mutate`: what gives the container that is changed; if it is no name, only a name leads to it."""
        if isinstance(self.target, ast.Subscript):
            return self.target.value
        call = self.value if self.target is None else None
        func = call.func if isinstance(call, ast.Call) else None
        return func.value if isinstance(func, ast.Attribute) else self.target

    @property
    def text(self) -> str:
        """The user's source, shortened; of what holds others, the first line."""
        return source_text(self.origin, self.kind in _COMPOUND)[:100]

    def walk(self) -> Iterator[Op]:
        """This op and all nested ones, in program order."""
        yield self
        for region in self.regions:
            for op in region.ops:
                yield from op.walk()


@dataclass(frozen=True, slots=True)
class Site:
    """A call that may be scheduled.

    Attributes:
        number: its number in the function.
        node: the user's call.
        line: where it stands.
        effect: what inference said of the receiver that was there at compile time.
        evidence: how that is known.
        lazy: it stands where a short circuit may skip it.
        label: its label, if that keeps some order.
    """

    number: int
    node: ast.Call
    line: int
    effect: str
    evidence: str
    loops: tuple[int, ...] = ()
    lazy: bool = False
    label: Label | None = None

    @property
    def text(self) -> str:
        """Its source."""
        return source_text(self.node)


@dataclass(frozen=True, slots=True)
class Later:
    """A call, or another effect, in a body that runs later or never: that of a nested function, lambda or generator.

    Attributes:
        node: the call or effect.
        stmt: the statement from which on it may happen.
        once: it may happen in that statement alone.
    """

    node: ast.expr
    stmt: ast.stmt
    once: bool = False


@dataclass(frozen=True, slots=True)
class Function:
    """A lowered function.

    `bound` says which names are bound for certain in front of each statement, `within` the loops around it; both
    have the statements in program order.  `is_method` says that the first parameter is the operator.
    """

    name: str
    params: tuple[str, ...]
    body: Region
    sites: tuple[Site, ...] = ()
    loops: tuple[ast.AST, ...] = ()
    left_alone: tuple[tuple[int, str], ...] = ()
    bound: dict[ast.stmt, frozenset[str]] = field(default_factory=dict)
    within: dict[ast.stmt, tuple[int, ...]] = field(default_factory=dict)
    later: tuple[Later, ...] = ()
    is_method: bool = False

    def walk(self) -> Iterator[Op]:
        """All ops in program order."""
        for op in self.body.ops:
            yield from op.walk()


def base(value: str) -> str:
    """The variable of an SSA value."""
    return value.rsplit(".", 1)[0]
