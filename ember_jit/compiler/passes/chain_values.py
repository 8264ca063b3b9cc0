"""The values that a chain computes with, and the statements that compute them.

    Scalar(node)      an expression without effect whose value is an exact int, str, float, bool, None or complex
    Anything(name)    a variable: nothing is known of what it holds, and it is only passed on
    Record(fields)    a dict made in the chain, which exists only if somebody gets to see it
    Receiver(live)    an operator, in a variable, whose class has been checked

What is demanded of a value (`Block.scalar`, `Block.mapping`) becomes a check in front of its use: a `break`
leaves the attempt.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ember_jit.runtime.speculation import SCALARS

ARITHMETIC = (
    ast.Add,
    ast.Sub,
    ast.Mult,
    ast.Div,
    ast.FloorDiv,
    ast.Mod,
    ast.BitAnd,
    ast.BitOr,
    ast.BitXor,
)
COMPARISONS = (ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn)
#: methods of `str` that give plain values for plain values
METHODS = frozenset(
    {"capitalize", "casefold", "center", "count", "endswith", "expandtabs", "find", "index", "isalnum", "isalpha",
     "isdigit", "islower", "isspace", "istitle", "isupper", "ljust", "lower", "lstrip", "removeprefix",
     "removesuffix", "replace", "rfind", "rindex", "rjust", "rstrip", "startswith", "strip", "swapcase", "title",
     "upper", "zfill", "bit_length", "is_integer", "conjugate"}
)  # fmt: skip

_VARIABLE = re.compile(r"_v\d+")
#: no call, in which threads could switch, and no `in`, which would ask the metaclass
_IS_SCALAR = " or ".join(
    ["_class is _int", *(f"_class is _kinds[{n}]" for n in range(1, len(SCALARS)))]
)


class CannotFold(Exception):
    """The chain has something in it that is not computed ahead of its commitment; the message says what."""


@dataclass(slots=True)
class Scalar:
    """A name or a constant."""

    node: ast.expr


@dataclass(slots=True)
class Anything:
    """What a variable holds.

    Attributes:
        name: the variable.
        is_dict: whether it is known to be an exact `dict`.
    """

    name: str
    is_dict: bool = False


@dataclass(slots=True)
class Record:
    """A dict with constant keys.

    Attributes:
        fields: its items, in order.
        name: the variable that holds it, once it has had to be made.
    """

    fields: dict[str, Value]
    name: str | None = None


@dataclass(slots=True)
class Receiver:
    """An operator.

    Attributes:
        live: the one that was there when the chain was compiled.
        name: the variable that holds the one which is there now.
    """

    live: Any
    name: str


Value = Scalar | Anything | Record | Receiver


@dataclass
class Block:
    """The statements of an attempt.

    Attributes:
        body: the statements so far.
        place: the user's node that they are there for; tracebacks of an interrupt show it.
        scalars: variables that have been found to hold a scalar.
    """

    body: list[ast.stmt] = field(default_factory=list)
    place: ast.AST | None = None
    scalars: set[str] = field(default_factory=set)
    _count: int = 0

    def add(self, *made: ast.stmt) -> None:
        """Append statements of ours."""
        for statement in made:
            for node in ast.walk(statement):
                if "lineno" in node._attributes and self.place is not None:
                    ast.copy_location(node, self.place)
            self.body.append(statement)

    def check(self, text: str) -> None:
        """Leave the attempt unless the condition `text` holds."""
        self.add(*ast.parse(f"if not ({text}): pass").body)
        branch = self.body[-1]
        assert isinstance(branch, ast.If)
        branch.body = [ast.copy_location(ast.Break(), branch)]

    def variable(self, node: ast.expr) -> str:
        """A new variable that holds the value of an expression."""
        name = f"_v{self._count}"
        self._count += 1
        self.add(ast.Assign([ast.Name(name, ast.Store())], node))
        return name

    def scalar(self, value: Value) -> ast.expr:
        """A value as the operand of an operator.

        Raises:
            CannotFold: it is not, and cannot be checked to be, a scalar.
        """
        if isinstance(value, Scalar):
            return copy.copy(value.node)
        if not isinstance(value, Anything) or value.is_dict:
            raise CannotFold("an operator on something that is no plain value")
        if value.name not in self.scalars:
            self.add(*ast.parse(f"_class = _type({value.name})").body)
            self.check(_IS_SCALAR)
            self.scalars.add(value.name)
        return ast.Name(value.name, ast.Load())

    def mapping(self, value: Value) -> Record | Anything:
        """A value as a dict with string keys that is looked into.

        Raises:
            CannotFold: it is not, and cannot be checked to be, a dict.
        """
        if isinstance(value, Record):
            return value
        if not isinstance(value, Anything) or value.name in self.scalars:
            raise CannotFold("a look into something that is no dict")
        if not value.is_dict:
            self.check(f"_type({value.name}) is _dict")
            value.is_dict = True
        return value

    def object(self, value: Value) -> ast.expr:
        """A value as an object that somebody gets to see.

        Raises:
            CannotFold: it is an operator: the variable that holds it is about to hold another.
        """
        if isinstance(value, Scalar):
            return copy.copy(value.node)
        if isinstance(value, Receiver):
            raise CannotFold("an operator that is passed on")
        name = value.name
        if name is None:
            assert isinstance(value, Record)
            name = value.name = self.variable(self.display(value))
        return ast.Name(name, ast.Load())

    def display(self, value: Record) -> ast.expr:
        """The display that makes a record."""
        keys: list[ast.expr | None] = [ast.Constant(key) for key in value.fields]
        return ast.Dict(keys, [self.object(each) for each in value.fields.values()])


def reuse_variables(body: list[ast.stmt], result: ast.stmt) -> Iterator[str]:
    """Let variables share names, so that nothing is held on to longer than it is needed; the names that are left."""
    every = [*body, result]
    last: dict[str, int] = {}
    for number, statement in enumerate(every):
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and _VARIABLE.fullmatch(node.id):
                last[node.id] = number
    free: list[str] = []
    names: dict[str, str] = {}
    made = 0
    for number, statement in enumerate(every):
        loads = [n for n in ast.walk(statement) if isinstance(n, ast.Name) and n.id in last]
        for name in dict.fromkeys(n.id for n in loads if isinstance(n.ctx, ast.Load)):
            if last[name] == number:
                free.append(names[name])
        for node in loads:
            if isinstance(node.ctx, ast.Store):
                if not free:
                    free.append(f"_v{made}")
                    made += 1
                names[node.id] = free.pop()
        renamed = {id(node): names[node.id] for node in loads}
        for node in loads:
            node.id = renamed[id(node)]
    yield from (f"_v{number}" for number in range(made))
