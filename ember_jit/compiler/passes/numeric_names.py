"""Which operators, functions and methods a numeric region may hold, and what they are to NumPy.

One table for operators, one for methods, one for functions; functions are told by identity, so a function
of the user's that has NumPy's name, or a replaced `np.exp`, is no member.  NumPy itself is only looked
at if the program has imported it.
"""

from __future__ import annotations

import ast
import sys
from functools import lru_cache
from types import ModuleType
from typing import Any

from ember_jit.ir.program import ELEMENTWISE
from ember_jit.runtime.members import genuine

BINARY: dict[type[ast.operator], str] = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "true_divide",
    ast.FloorDiv: "floor_divide",
    ast.Mod: "remainder",
    ast.Pow: "power",
    ast.BitAnd: "bitwise_and",
    ast.BitOr: "bitwise_or",
    ast.BitXor: "bitwise_xor",
    ast.LShift: "left_shift",
    ast.RShift: "right_shift",
}
UNARY: dict[type[ast.unaryop], str] = {
    ast.USub: "negative",
    ast.UAdd: "positive",
    ast.Invert: "invert",
}
COMPARISON: dict[type[ast.cmpop], str] = {
    ast.Lt: "less",
    ast.LtE: "less_equal",
    ast.Gt: "greater",
    ast.GtE: "greater_equal",
    ast.Eq: "equal",
    ast.NotEq: "not_equal",
}
#: methods of arrays, and the functions of the same meaning: name -> the reduction
REDUCTIONS = {
    "sum": "sum",
    "prod": "prod",
    "max": "max",
    "min": "min",
    "amax": "max",
    "amin": "min",
    "any": "any",
    "all": "all",
    "argmax": "argmax",
    "argmin": "argmin",
    "mean": "mean",
    "var": "var",
    "std": "std",
}
METHODS = frozenset(REDUCTIONS) - {"amax", "amin"} | {"astype", "clip"}
#: ufuncs that NumPy does not have
_NOT_NUMPYS = frozenset({"erf", "sigmoid"})
_UFUNCS, _IN_PYTHON = "numpy._core.umath", "numpy._core.fromnumeric"


def numpy_module() -> ModuleType | None:
    """NumPy, if the program has imported it and its promotion rules are those of NEP 50 (NumPy 2)."""
    found = sys.modules.get("numpy")
    version = getattr(found, "__version__", "1")
    return found if type(found) is ModuleType and int(version.split(".")[0]) >= 2 else None


@lru_cache(maxsize=1)
def _functions(numpy: ModuleType) -> dict[int, tuple[Any, str, str]]:
    """id of a function -> the function, what kind of operation it is, and its name in a region."""
    members = [
        *((_UFUNCS, name, "elementwise", name) for name in ELEMENTWISE if name not in _NOT_NUMPYS),
        *((_IN_PYTHON, name, "reduction", meaning) for name, meaning in REDUCTIONS.items()),
        ("numpy._core.multiarray", "where", "where", "where"),
        (_IN_PYTHON, "clip", "clip", "clip"),
        ("numpy.linalg._linalg", "norm", "reduction", "norm"),
        ("builtins", "abs", "elementwise", "absolute"),
    ]
    found: dict[int, tuple[Any, str, str]] = {}
    for home, name, kind, meaning in members:
        live = genuine(home, name)
        if live is not None:
            found[id(live)] = (live, kind, meaning)
    return found


def numeric_function(live: Any) -> tuple[str, str] | None:
    """The kind and name of a live callable as a numeric operation, or None."""
    numpy = numpy_module()
    if numpy is None:
        return None
    found = _functions(numpy).get(id(live))
    return None if found is None or found[0] is not live else found[1:]
