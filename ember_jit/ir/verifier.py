"""Checks that IR is well formed.  It runs after every pass in tests and with `EMBER_JIT_STRICT=1`."""

from __future__ import annotations

from ember_jit.ir.ops import KINDS, Function, Op, Region

_REGIONS = {
    "if": (2, 2),
    "for": (2, 2),
    "while": (2, 3),
    "comp": (1, 1),
    "try": (3, 99),
    "with": (1, 1),
    "handler": (1, 1),
}


class InvalidIR(AssertionError):
    """A pass left IR that breaks an invariant: a bug in ember_jit."""


def verify(function: Function) -> None:
    """Raise `InvalidIR` unless every op is of a known kind, defined once, and used after its definition.

    A name's value may be used without a definition in view only as version 0 (a parameter, or a
    variable that an opaque op binds).
    """
    seen: set[str] = set()
    _region(function.body, seen)


def _region(region: Region, seen: set[str]) -> None:
    for op in region.ops:
        _op(op, seen)


def _op(op: Op, seen: set[str]) -> None:
    if op.kind not in KINDS:
        raise InvalidIR(f"unknown op kind {op.kind!r} at line {op.line}")
    low, high = _REGIONS.get(op.kind, (0, 0))
    if not low <= len(op.regions) <= high:
        raise InvalidIR(
            f"{op.kind} at line {op.line} has {len(op.regions)} regions, wants {low} to {high}"
        )
    if op.kind in ("call", "helper") and (op.site is None or op.value is None):
        raise InvalidIR(f"{op.kind} at line {op.line} has no site or no call")
    for region in op.regions:
        _region(region, seen)
    for value in op.defs:
        if value in seen:
            raise InvalidIR(f"{value} is defined twice (line {op.line})")
        seen.add(value)
