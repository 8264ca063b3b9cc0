"""Numeric regions: stretches of array arithmetic in a user's function, before any type is known.

    m = x.mean(axis=-1, keepdims=True)          inputs  x, self.scale
    y = (x - m) * self.scale               -->  %0 = input 0      %1 = mean %0 (-1, True)
                                                %2 = subtract %0 %1
                                                %3 = input 1      %4 = multiply %2 %3
                                                y = %4

A `Step` is one operation as NumPy names it; types, shapes and the kernel IR (`ir.program`) follow at run
time, from the values that come in.  The statements themselves stay in the function, for every other case.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["name", "field", "key", "view", "leaf"]


@dataclass(frozen=True, slots=True)
class Step:
    """One operation.

    Attributes:
        op: `"input"`, `"const"`, `"view"`, `"astype"`, `"where"`, a ufunc, or a reduction by its name.
        args: indexes of earlier steps.
        value: an input's index, a constant, a view's index, a type, or a reduction's `Reduction`.
        line: the line that it stands on.
    """

    op: str
    args: tuple[int, ...] = ()
    value: Any = None
    line: int = 0


@dataclass(frozen=True, slots=True)
class Reduction:
    """The arguments of a reduction that are constants in the source."""

    axis: int | None = None
    keepdims: bool = False
    ddof: int = 0


@dataclass(frozen=True, slots=True)
class Input:
    """A value that comes into a region.

    Attributes:
        node: the expression that gives it; evaluating it runs no code of the user's where `kind` says so.
        kind: a variable; a field of the function's owner; an item of an exact dict; a view of an exact
            array; or a leaf: any expression that stands before all operations, and is evaluated in place.
        safe: evaluating it cannot fail (a variable that is surely bound, a leaf).
    """

    node: ast.expr
    kind: Kind
    safe: bool

    @property
    def text(self) -> str:
        """Its source."""
        return ast.unparse(self.node)


@dataclass(slots=True)
class NumericRegion:
    """A region, and where it stands.

    Attributes:
        number: its number in the function.
        body: its statements; empty if it is an expression in a larger one.
        expression: the expression, where it is no run of statements.
        inputs, steps: what it computes.
        outputs: (name, step): what is assigned and read after it; the name is "" for a value of its last statement.
        results: the expressions of its last statement that are results, by the id of their node.
        functions: NumPy's functions that it calls: (the expression that names it, the live function).
        boundary: (line, why): what ended it.
        text: its source.
    """

    number: int
    body: list[ast.stmt] = field(default_factory=list)
    expression: ast.expr | None = None
    inputs: list[Input] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    outputs: list[tuple[str, int]] = field(default_factory=list)
    results: dict[int, int] = field(default_factory=dict)
    functions: list[tuple[ast.expr, Any]] = field(default_factory=list)
    boundary: tuple[int, str] = (0, "")
    text: str = ""

    @property
    def lines(self) -> tuple[int, int]:
        """Its first and last line."""
        if self.expression is not None:
            return self.expression.lineno, self.expression.end_lineno or self.expression.lineno
        return self.body[0].lineno, self.body[-1].end_lineno or self.body[-1].lineno

    @property
    def fused(self) -> tuple[str, ...]:
        """The operations that become one kernel."""
        return tuple(each.op for each in self.steps if each.op not in ("input", "const", "view"))

    def __str__(self) -> str:
        lines = []
        for index, step in enumerate(self.steps):
            words = [f"%{index} = {step.op}", *(f"%{arg}" for arg in step.args)]
            if step.op == "input":
                words.append(self.inputs[step.value].text)
            elif step.value is not None:
                words.append(repr(step.value))
            lines.append(" ".join(words))
        lines += [f"{name or 'result'} = %{step}" for name, step in self.outputs]
        return "\n".join(lines)
