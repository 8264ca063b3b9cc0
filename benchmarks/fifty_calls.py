"""A `forward` of 50 calls on 10 operator classes, compiled cold: `benchmarks compile` runs this file afresh each time.

`python -m benchmarks.fifty_calls auto|parallel` compiles it once and prints JSON: `compile_ms`, and `how` it was
found: from `compile_report`, or else as the first compiled call minus a plain one, whose leaves do nothing.  Beside it
`decorate_us`, the first decoration of the process, which imports the compiler.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import ember_jit
from benchmarks.harness import same
from ember_jit import Operator, pure, structural_jit


@pure
class AddOne(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return {"v": inputs["v"] + 1}


@pure
class SubtractOne(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return {"v": inputs["v"] - 1}


@pure
class Double(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return {"v": inputs["v"] * 2}


@pure
class AddTen(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return {"v": inputs["v"] + 10}


@pure
class SubtractTen(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return {"v": inputs["v"] - 10}


@pure
class Triple(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return {"v": inputs["v"] * 3}


@pure
class AddFive(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return {"v": inputs["v"] + 5}


@pure
class Wrap(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return {"v": inputs["v"] % 1_000_003}


@pure
class Sum(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return {"v": inputs["left"]["v"] + inputs["right"]["v"]}


@pure
class Largest(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return {"v": max([inputs["left"]["v"], inputs["right"]["v"]])}


def make_fifty_calls(decorate: Callable[[Any], Any]) -> Any:
    """Five blocks of two chains of four, a sum, and the largest of two."""

    @decorate
    class FiftyCalls(Operator):
        def __init__(self) -> None:
            self.add_one = AddOne()
            self.subtract_one = SubtractOne()
            self.double = Double()
            self.add_ten = AddTen()
            self.subtract_ten = SubtractTen()
            self.triple = Triple()
            self.add_five = AddFive()
            self.wrap = Wrap()
            self.sum = Sum()
            self.largest = Largest()

        def forward(self, *, inputs: Any) -> Any:
            left = self.add_one(inputs=inputs)
            right = self.subtract_ten(inputs=inputs)
            left = self.subtract_one(inputs=left)
            right = self.triple(inputs=right)
            left = self.double(inputs=left)
            right = self.add_five(inputs=right)
            left = self.add_ten(inputs=left)
            right = self.wrap(inputs=right)
            joined = self.sum(inputs={"left": left, "right": right})
            x = self.largest(inputs={"left": joined, "right": left})
            left = self.subtract_one(inputs=x)
            right = self.triple(inputs=x)
            left = self.double(inputs=left)
            right = self.add_five(inputs=right)
            left = self.add_ten(inputs=left)
            right = self.wrap(inputs=right)
            left = self.subtract_ten(inputs=left)
            right = self.add_one(inputs=right)
            joined = self.sum(inputs={"left": left, "right": right})
            x = self.largest(inputs={"left": joined, "right": left})
            left = self.double(inputs=x)
            right = self.add_five(inputs=x)
            left = self.add_ten(inputs=left)
            right = self.wrap(inputs=right)
            left = self.subtract_ten(inputs=left)
            right = self.add_one(inputs=right)
            left = self.triple(inputs=left)
            right = self.subtract_one(inputs=right)
            joined = self.sum(inputs={"left": left, "right": right})
            x = self.largest(inputs={"left": joined, "right": left})
            left = self.add_ten(inputs=x)
            right = self.wrap(inputs=x)
            left = self.subtract_ten(inputs=left)
            right = self.add_one(inputs=right)
            left = self.triple(inputs=left)
            right = self.subtract_one(inputs=right)
            left = self.add_five(inputs=left)
            right = self.double(inputs=right)
            joined = self.sum(inputs={"left": left, "right": right})
            x = self.largest(inputs={"left": joined, "right": left})
            left = self.subtract_ten(inputs=x)
            right = self.add_one(inputs=x)
            left = self.triple(inputs=left)
            right = self.subtract_one(inputs=right)
            left = self.add_five(inputs=left)
            right = self.double(inputs=right)
            left = self.wrap(inputs=left)
            right = self.add_ten(inputs=right)
            joined = self.sum(inputs={"left": left, "right": right})
            x = self.largest(inputs={"left": joined, "right": left})
            return x

    return FiftyCalls


def first_call_ms(op: Any) -> float:
    """Milliseconds of the next call."""
    start = time.perf_counter()
    op(inputs={"v": 1})
    return (time.perf_counter() - start) * 1e3


def compile_cold(strategy: str) -> dict[str, Any]:
    """Compile once in this process and say how long it took."""
    plain = make_fifty_calls(lambda cls: cls)()
    eager_ms = first_call_ms(plain)
    decorated: list[float] = []

    def decorate(cls: Any) -> Any:
        start = time.perf_counter()
        made = structural_jit(execution_strategy=strategy)(cls)
        decorated.append((time.perf_counter() - start) * 1e6)
        return made

    compiled = make_fifty_calls(decorate)()
    elapsed_ms = first_call_ms(compiled)
    identical = same(compiled(inputs={"v": 1}), plain(inputs={"v": 1}))
    report = (getattr(ember_jit, "compile_report", None) or (lambda _: {}))(compiled)
    reported = report.get("compile_ms")
    return {
        "compile_ms": elapsed_ms - eager_ms if reported is None else reported,
        "how": "first call minus eager" if reported is None else "compile_report",
        "decorate_us": decorated[0],
        "identical": identical,
    }


if __name__ == "__main__":
    print(json.dumps(compile_cold(sys.argv[1])))
