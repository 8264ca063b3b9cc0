"""What is known, by identity, about callables that are not user code (DESIGN 3).

    lookup(len)                  -> Known(kind="pure", protocol=True, ...)
    lookup(time.sleep)           -> Known(kind="pure", blocking=True, ...)
    lookup(requests.get)         -> Known(kind="query", blocking=True, fresh="handle", ...)
    lookup(print)                -> Known(kind="unknown", resource="stdout", ...), and deferrable
    lookup(your_function)        -> None: read its source instead

Invariants: no user code runs here; nothing is imported; an entry is found by what the object *is*,
never by what it is called. A missing entry only costs speed, a wrong "pure" is a silent bug: when in
doubt, leave it out. One file per kind of table: `builtin_tables`, `stdlib_tables`, `method_tables`,
`numpy_tables`, `client_tables` (queries), `effect_tables`.
"""

from __future__ import annotations

from ember_jit.compiler.analysis.registry.builtin_tables import GLUE_BUILTINS
from ember_jit.compiler.analysis.registry.known import Known
from ember_jit.compiler.analysis.registry.method_tables import MUTATORS
from ember_jit.compiler.analysis.registry.resolve import (
    INSTANCE_METHODS,
    class_method,
    deferrable,
    lookup,
    method,
)

PURE_METHOD_NAMES: dict[str, frozenset[type]]
"""For a method name, the types loaded by now on which it is pure. `method()` also knows later ones."""

__all__ = [
    "GLUE_BUILTINS",
    "MUTATORS",
    "PURE_METHOD_NAMES",
    "Known",
    "class_method",
    "deferrable",
    "lookup",
    "method",
]


def _pure_method_names() -> dict[str, frozenset[type]]:
    names: dict[str, set[type]] = {}
    for cls, table in INSTANCE_METHODS.entries():
        for name, known in table.items():
            if known.kind == "pure" and method(cls, name) is not None:
                names.setdefault(name, set()).add(cls)
    return {name: frozenset(types) for name, types in names.items()}


def __getattr__(name: str) -> dict[str, frozenset[type]]:
    """Builds `PURE_METHOD_NAMES` when it is first wanted: the tables stay unread until then."""
    if name != "PURE_METHOD_NAMES":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    table = globals()[name] = _pure_method_names()
    return table
