"""How a kernel is entered: which values it takes, where they come from, and what it gives back.

A `Program` says what is computed; a `Signature` adds what only the caller knows: how many dimensions
there are, and whether a scalar operand is a Python float or a NumPy one, which NEP 50 tells apart.  An
entry checks exactly that and answers `MISS` for anything else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from ember_jit.ir.program import Layout, Rank


Source = Literal["array", "float", "int", "bool", "numpy"]

MOST_DIMENSIONS: Final = 6


class Parameter(NamedTuple):
    """One input.

    Attributes:
        source: `"array"`; an exact Python `"float"`, `"int"` or `"bool"`; a `"numpy"` scalar.
        dtype: the type in which the kernel reads it; the exact type of an array or NumPy scalar.
        layout: the kernel's (`ir.program`).
        ndim: the array's own dimensions; 0 for anything else.
    """

    source: Source
    dtype: str
    layout: Layout
    ndim: int


class Result(NamedTuple):
    """One output: an array of the space, of its rows, or (rank `"scalar"`) a NumPy scalar."""

    dtype: str
    rank: Rank
    keepdims: bool = False


class Signature(NamedTuple):
    """What an entry checks and makes.

    Attributes:
        ndim: dimensions of the iteration space, from 1 to `MOST_DIMENSIONS`.
        rowwise: the last dimension is a row (there are operands, or results, of one value a row or
            column); otherwise a dense space of any shape is one long row.
        reduces: an empty space has to be left to NumPy.
        splits: how a large space may be divided between threads: by rows, anywhere, or not.
        loops: the kernel takes a table of NumPy's inner loops behind its outputs.
    """

    parameters: tuple[Parameter, ...]
    results: tuple[Result, ...]
    ndim: int
    rowwise: bool
    reduces: bool
    splits: Literal["rows", "anywhere", "no"]
    loops: bool

    def key(self) -> str:
        """Text that is equal for equal signatures, in every process."""
        inputs = ",".join(f"{p.source}{p.dtype}{p.layout}{p.ndim}" for p in self.parameters)
        outputs = ",".join(f"{r.dtype}{r.rank}{int(r.keepdims)}" for r in self.results)
        marks = f"{self.ndim}{int(self.rowwise)}{int(self.reduces)}{self.splits}{int(self.loops)}"
        return f"{inputs};{outputs};{marks}"
