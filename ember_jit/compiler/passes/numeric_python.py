"""A region as a Python function of its inputs: for reading, and for measuring what plain NumPy takes.

def region(x, self_w):
    s2 = x * self_w
    s3 = np.exp(s2)
    return s3
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Callable, Sequence
from types import CodeType, FunctionType
from typing import Any

from ember_jit.ir.region import NumericRegion, Reduction, Step

_SIGNS = {
    "add": "+", "subtract": "-", "multiply": "*", "true_divide": "/", "floor_divide": "//", "remainder": "%",
    "power": "**", "bitwise_and": "&", "bitwise_or": "|", "bitwise_xor": "^", "left_shift": "<<",
    "right_shift": ">>", "less": "<", "less_equal": "<=", "greater": ">", "greater_equal": ">=", "equal": "==",
    "not_equal": "!=", "negative": "-", "positive": "+", "invert": "~",
}  # fmt: skip


def python_of(region: NumericRegion, outputs: Sequence[int]) -> str:
    """The source of a function `region(inputs...)` that returns `outputs`, with NumPy as `np`."""
    names = _names(region)
    lines = [f"def region({', '.join(names)}):"]
    texts: list[str] = []
    for index, step in enumerate(region.steps):
        if step.op == "input":
            texts.append(names[step.value])
        elif step.op == "const":
            texts.append(_number(step.value))
        else:
            texts.append(f"s{index}")
            lines += [f"    {line}" for line in _line(step, f"s{index}", texts)]
    lines.append("    return " + ", ".join(texts[each] for each in outputs))
    return "\n".join(lines) + "\n"


def plain_function(region: NumericRegion, outputs: Sequence[int]) -> Callable[..., Any]:
    """The same, as a function."""
    import numpy

    return FunctionType(region_code(region, outputs), {"np": numpy, "__builtins__": builtins})


def region_code(region: NumericRegion, outputs: Sequence[int]) -> CodeType:
    """The same, compiled; its globals must have NumPy as `np`."""
    module = compile(python_of(region, outputs), "<ember_jit region>", "exec")
    return next(each for each in module.co_consts if isinstance(each, CodeType))


def _names(region: NumericRegion) -> list[str]:
    found: list[str] = []
    for number, each in enumerate(region.inputs):
        name = re.sub(r"\W+", "_", each.text).strip("_")
        plain = name.isidentifier() and name != "np" and not re.fullmatch(r"s\d+", name)
        found.append(name if plain and name not in found and each.kind != "leaf" else f"x{number}")
    return found


def _number(value: Any) -> str:
    text = repr(value)
    return f"float({text!r})" if text.strip("-") in ("inf", "nan") else text


def _line(step: Step, name: str, texts: list[str]) -> list[str]:
    args = [texts[arg] for arg in step.args]
    if step.value == "in place":
        return [f"{name} = {args[0]}", f"{name} {_SIGNS[step.op]}= {args[1]}"]
    if step.value == "operator" and step.op in _SIGNS:
        sign = _SIGNS[step.op]
        return [
            f"{name} = {sign}{args[0]}"
            if len(args) == 1
            else f"{name} = {args[0]} {sign} {args[1]}"
        ]
    if isinstance(step.value, Reduction):
        how = step.value
        given = [f"axis={how.axis}"] if how.axis is not None else []
        given += ["keepdims=True"] if how.keepdims else []
        given += [f"ddof={how.ddof}"] if how.ddof else []
        if step.op == "norm":
            return [f"{name} = np.linalg.norm({', '.join([args[0], *given])})"]
        return [f"{name} = {args[0]}.{step.op}({', '.join(given)})"]
    if step.op == "view":
        index = ", ".join(
            ":" if each == "all" else "..." if each is ... else "None" for each in step.value
        )
        return [f"{name} = {args[0]}[{index}]"]
    if step.op == "astype":
        kind = step.value if isinstance(step.value, str) else getattr(step.value, "__name__", "")
        return [f"{name} = {args[0]}.astype({kind!r})"]
    return [f"{name} = np.{step.op}({', '.join(args)})"]
