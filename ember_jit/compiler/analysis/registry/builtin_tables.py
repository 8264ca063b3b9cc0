"""The functions and types of `builtins`.

`GLUE_BUILTINS` are those that are pure and cheap on plain values: the compiler may leave them in the
glue between calls. The identity of the live builtin is still to be checked with `lookup`.
"""

from __future__ import annotations

from ember_jit.compiler.analysis.registry.known import (
    CALLING_ITERATOR,
    DEEP_VALUE,
    DRAIN,
    ITERATOR,
    NO_CODE,
    VALUE,
    Rows,
    effect,
    pure,
)

_SORT = pure(calls_args=True, consumes=True, fresh="list")
_PICK = pure(calls_args=True, consumes=True, retains=True)  # max(a, b) is a or b

BUILTINS: Rows = (
    (VALUE, "abs len round divmod pow chr ord bin hex oct bool int float complex range"),
    (NO_CODE, "callable"),
    (DEEP_VALUE, "hash repr ascii format isinstance issubclass"),
    (DRAIN, "any all"),
    (
        pure(protocol=False, max_args=1, shares=True, bad_keywords="name bases dict metaclass"),
        "type",
    ),
    (pure(protocol=False, retains=True), "slice"),
    (pure(protocol=False, shares=False), "object"),
    (pure(consumes=True, retains=True), "sum"),  # sum([], start) is start
    (_SORT, "sorted"),
    (_PICK, "max min"),
    # str(b, codec) and bytes(s, codec) look the codec up by name
    (pure(shares=False, max_args=1, bad_keywords="encoding errors"), "str"),
    (pure(shares=False, consumes=True, max_args=1, bad_keywords="encoding errors"), "bytes"),
    (
        pure(
            fresh="bytearray",
            shares=False,
            consumes=True,
            max_args=1,
            bad_keywords="encoding errors",
        ),
        "bytearray",
    ),
    (pure(fresh="list", consumes=True, shallow=True), "list"),
    (pure(consumes=True, shallow=True, retains=True), "tuple"),  # tuple(t) is t
    (pure(fresh="dict", consumes=True, retains=True), "dict"),  # dict(k=x) keeps x
    (pure(fresh="set", consumes=True), "set"),
    (pure(consumes=True, retains=True), "frozenset"),
    (ITERATOR, "enumerate zip reversed"),
    # iter(f, sentinel) calls f later
    (pure(lazy=True, retains=True, shallow=True, calls_args=True), "iter"),
    (CALLING_ITERATOR, "map filter"),
    (effect("writes to stdout", "stdout"), "print"),
    (effect("waits for the user", "stdout", blocking=True), "input"),
    (effect("opens a file", "filesystem", blocking=True, fresh="handle"), "open"),
    (effect("advances its iterator", "argument", blocking=True), "next anext aiter"),
    (
        effect("runs code it is given", "process", calls_args=True),
        "exec eval __import__ __build_class__",
    ),
    (effect("may warn and reads the compiler's flags", "process"), "compile"),
    (effect("hands out the live namespace", "process"), "globals locals vars dir"),
    (effect("changes an attribute", "argument"), "setattr delattr"),
    (effect("may run the attribute's code", "argument"), "getattr hasattr"),
    (effect("depends on memory addresses", "process"), "id"),
    (effect("stops in the debugger", "process", blocking=True), "breakpoint"),
)

STATIC_METHODS: Rows = (
    (pure(fresh="dict"), "str.maketrans"),
    (VALUE, "bytes.maketrans bytearray.maketrans"),
)
"""Static methods: one object each, found by identity like a function."""

GLUE_BUILTINS: frozenset[str] = frozenset(
    [
        "abs",
        "all",
        "any",
        "ascii",
        "bin",
        "bool",
        "bytearray",
        "bytes",
        "callable",
        "chr",
        "complex",
        "dict",
        "divmod",
        "enumerate",
        "float",
        "format",
        "frozenset",
        "hash",
        "hex",
        "int",
        "isinstance",
        "issubclass",
        "len",
        "list",
        "max",
        "min",
        "oct",
        "ord",
        "pow",
        "range",
        "repr",
        "reversed",
        "round",
        "set",
        "slice",
        "sorted",
        "str",
        "sum",
        "tuple",
        "type",
        "zip",
    ]
)

SCALAR_RESULTS = frozenset(
    (
        "len",
        "str",
        "int",
        "float",
        "bool",
        "abs",
        "round",
        "repr",
        "format",
        "ord",
        "chr",
        "hash",
        "ascii",
        "bin",
        "hex",
        "oct",
        "isinstance",
        "issubclass",
        "callable",
        "any",
        "all",
    )
)
"""Builtins that give a number, a string or a truth value of plain values."""
