"""IR as text, for dumps and golden tests."""

from __future__ import annotations

from ember_jit.ir.ops import Function, Op, Region


def print_function(function: Function) -> str:
    """The whole function, one op a line, nested regions indented."""
    lines = [f"func {function.name}({', '.join(function.params)})"]
    _region(function.body, 1, lines)
    return "\n".join(lines) + "\n"


def _region(region: Region, depth: int, lines: list[str]) -> None:
    for op in region.ops:
        lines.append("  " * depth + print_op(op))
        for inner in op.regions:
            lines.append("  " * (depth + 1) + f"{inner.label}:")
            _region(inner, depth + 2, lines)


def print_op(op: Op) -> str:
    """One op without its regions."""
    defs = ", ".join(op.defs)
    head = f"{defs} = {op.kind}" if defs else op.kind
    if op.site is not None:
        head += f"#{op.site}"
    if op.loop is not None:
        head += f" loop{op.loop}"
    uses = f"({', '.join(op.uses)})" if op.uses else ""
    reason = f"  ; {op.reason}" if op.reason else ""
    return f"{head}{uses}  [{op.line}] {op.text}{reason}".rstrip()
