"""The types of values inside a compiled loop, and how two of them join in one variable.

A scalar is exact: `int` is a Python int that fits 64 bits, `npf` a `numpy.float64`, `char` a string of one
character.  A variable that holds now an int and now a float is a *union*: its value carries a tag.

    int | float      one variable, two kinds
    list[float]      a list that came in: read in place, object by object
    local[float]     a list made by the loop itself: a block of numbers
    array[d,2]       a NumPy array of float64 with two dimensions
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


class Unfit(Exception):
    """A loop is left to Python: why, and on which line."""

    def __init__(self, why: str, line: int = 0) -> None:
        super().__init__(why)
        self.line = line


class Retry(Exception):
    """What was assumed of a variable has changed: write the function again."""


@dataclass(frozen=True, slots=True)
class Type:
    """One type.

    Attributes:
        kind: a key of `PARTS`, or `union`.
        element: of a list.
        kinds: of a union.
        dtype, ndim: of an array.
        items: of a tuple.
    """

    kind: str
    element: Type | None = None
    kinds: frozenset[str] = frozenset()
    dtype: str = ""
    ndim: int = 0
    items: tuple[Type, ...] = ()

    def __str__(self) -> str:
        if self.kind == "union":
            return " | ".join(sorted(self.kinds))
        if self.kind in ("list", "local"):
            return f"{self.kind}[{self.element or ''}]"
        if self.kind == "array":
            return f"array[{self.dtype},{self.ndim}]"
        if self.kind == "tuple":
            return f"({', '.join(map(str, self.items))})"
        return self.kind


INT: Final = Type("int")
FLOAT: Final = Type("float")
BOOL: Final = Type("bool")
NPF: Final = Type("npf")
NPI: Final = Type("npi")
NPB: Final = Type("npb")
CHAR: Final = Type("char")
STR: Final = Type("str")
NONE: Final = Type("none")

TAGS: Final = {"int": 0, "float": 1, "bool": 2, "npf": 3, "npi": 4}
"""The kinds that may stand in a union, and how they are told apart there."""

_PARTS: Final[dict[str, tuple[str, ...]]] = {
    "int": ("i64",),
    "float": ("double",),
    "bool": ("i1",),
    "npf": ("double",),
    "npi": ("i64",),
    "npb": ("i1",),
    "char": ("i32",),
    "str": ("ptr", "ptr", "i64", "i64"),  # the object, its characters, their number, bytes of each
    "none": (),
    "list": ("ptr",),
    "local": ("ptr",),
    "union": ("i64", "i64"),  # the tag, and the bits
}


def parts(type_: Type) -> tuple[str, ...]:
    """The LLVM types of what a value consists of."""
    if (
        type_.kind == "array"
    ):  # the data, the lengths, the strides in bytes, the record for taking writes back
        return ("ptr", *("i64",) * type_.ndim, *("i64",) * type_.ndim, "ptr")
    if type_.kind == "tuple":
        return tuple(each for item in type_.items for each in parts(item))
    return _PARTS[type_.kind]


def kinds_of(type_: Type) -> frozenset[str]:
    """The kinds that a number may have; empty for what is no number."""
    if type_.kind == "union":
        return type_.kinds
    return frozenset([type_.kind]) if type_.kind in TAGS else frozenset()


def join(left: Type, right: Type) -> Type:
    """The type of a variable that holds now this, now that.

    Raises:
        Unfit: there is none.
    """
    if left == right:
        return left
    kinds = kinds_of(left), kinds_of(right)
    if kinds[0] and kinds[1]:
        return Type("union", kinds=kinds[0] | kinds[1])
    if left.kind == right.kind and left.kind in ("local", "list"):
        if left.element is None or right.element is None:
            return Type(left.kind, left.element or right.element)
        return Type(left.kind, join(left.element, right.element))
    raise Unfit(f"one variable is now {left}, now {right}")
