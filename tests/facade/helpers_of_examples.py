"""What the published examples assume: operators, functions and data, as simple as they can be."""

from __future__ import annotations

from typing import Any

from ember_jit import Operator, query

CALLED: list[str] = []


def process(text: str) -> str:
    return text.strip().title()


def transform(data: str) -> str:
    return data.upper()


def compute_score(data: str) -> int:
    return len(data)


def normalize(data: str) -> str:
    return data.casefold()


def get_current_time() -> str:
    return "now"


class SubOperator1(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return {"query": inputs["query"], "trail": "1"}


class SubOperator2(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return {**inputs, "trail": inputs["trail"] + "2"}


class SubOperator3(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return {**inputs, "trail": inputs["trail"] + "3"}


@query
class Step(Operator):
    """Notes that it was called, and adds its name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def forward(self, *, inputs: Any) -> Any:
        CALLED.append(self.name)
        return {"query": inputs["query"], "by": [*inputs.get("by", []), self.name]}


class ParserOperator(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return inputs["text"].split()


class AnalyzerOperator(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return [(word, len(word)) for word in inputs]


class TransformerOperator(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return sorted(inputs, key=lambda pair: -pair[1])


class FormatterOperator(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return " ".join(word for word, _ in inputs)


class MyOperator(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return {"seen": inputs}


def surroundings() -> dict[str, Any]:
    """The names that an example may use without having made them."""
    names = [
        process,
        transform,
        compute_score,
        normalize,
        get_current_time,
        SubOperator1,
        SubOperator2,
        SubOperator3,
        ParserOperator,
        AnalyzerOperator,
        TransformerOperator,
        FormatterOperator,
    ]
    return {
        **{each.__name__: each for each in names},
        "Operator": Operator,
        **{f"op{number}": Step(f"op{number}") for number in (1, 2, 3)},
        "my_operator": MyOperator(),
        "test_input": {"query": "test"},
        "large_dataset": {"data": [f"d{n}" for n in range(11)], "id": list(range(11))},
        **{f"item{number}": f"Item {number}" for number in range(1, 6)},
        "global_metadata": {"source": "here"},
    }
