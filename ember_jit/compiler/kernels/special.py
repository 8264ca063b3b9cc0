"""Fast mode: which approximation each operation has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ember_jit.compiler.kernels import exponentials, inverses, logarithms, trigonometry
from ember_jit.compiler.kernels.algebra import Algebra
from ember_jit.compiler.kernels.elementwise import Context, cast

APPROXIMATIONS: Final[dict[str, Callable[..., str]]] = {
    "exp": exponentials.exp,
    "exp2": exponentials.exp2,
    "expm1": exponentials.expm1,
    "tanh": exponentials.tanh,
    "sinh": exponentials.sinh,
    "cosh": exponentials.cosh,
    "log": logarithms.log,
    "log2": logarithms.log2,
    "log10": logarithms.log10,
    "log1p": logarithms.log1p,
    "power": logarithms.power,
    "sin": trigonometry.sin,
    "cos": trigonometry.cos,
    "tan": trigonometry.tan,
    "arcsin": inverses.arcsin,
    "arccos": inverses.arccos,
    "arctan": inverses.arctan,
    "arctan2": inverses.arctan2,
    "hypot": inverses.hypot,
}
"""Operation -> what writes it, given an `Algebra` and the arguments."""

IN_DOUBLE: Final = frozenset({"power", "tan", "sinh", "cosh", "hypot"})
"""Those that floats get by way of doubles."""


def approximate(c: Context, op: str, dtype: str, args: list[str]) -> str:
    """Write `op` to within 4 ULP."""
    write = APPROXIMATIONS[op]
    if dtype == "f" and op in IN_DOUBLE:
        wide = [cast(c, "f", "d", arg) for arg in args]
        return cast(c, "d", "f", write(Algebra(c, "d"), *wide))
    return write(Algebra(c, dtype), *args)
