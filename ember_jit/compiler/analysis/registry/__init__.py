"""What is known, by identity, about callables that are not user code (DESIGN 3).

    lookup(len)                  -> Known(kind="pure", protocol=True, ...)
    lookup(time.sleep)           -> Known(kind="pure", blocking=True, ...)
    lookup(requests.get)         -> Known(kind="query", blocking=True, fresh="handle", ...)
    lookup(print)                -> Known(kind="unknown", resource="stdout", ...), and deferrable
    lookup(your_function)        -> None: read its source instead

Invariants: no user code runs here; nothing is imported; an entry is found by what the object *is*,
never by what it is called. A missing entry only costs speed, a wrong "pure" is a silent bug: when in
doubt, leave it out. One file per kind of table: `builtin_tables`, `stdlib_tables`, `method_tables`,
`numpy_tables`, `client_tables` (queries), `effect_tables`. `client_parts` knows what hangs on a client.
"""

from __future__ import annotations

from ember_jit.compiler.analysis.registry.builtin_tables import GLUE_BUILTINS, SCALAR_RESULTS
from ember_jit.compiler.analysis.registry.by_name import (
    PureMethodNames,
    methods_of_kind,
    plain_methods,
)
from ember_jit.compiler.analysis.registry.client_parts import is_part, method_of
from ember_jit.compiler.analysis.registry.known import Known
from ember_jit.compiler.analysis.registry.method_tables import MUTATORS
from ember_jit.compiler.analysis.registry.resolve import class_method, deferrable, lookup, method

PURE_METHOD_NAMES = PureMethodNames()
"""For a method name, the types loaded by now on which it is pure; `in` is cheap."""

__all__ = [
    "GLUE_BUILTINS",
    "MUTATORS",
    "PURE_METHOD_NAMES",
    "SCALAR_RESULTS",
    "Known",
    "class_method",
    "deferrable",
    "is_part",
    "lookup",
    "method",
    "method_of",
    "methods_of_kind",
    "plain_methods",
]
