"""The operator protocol: a class with `forward(self, *, inputs)`, called as `op(inputs=...)`.

Any class that follows the protocol is an operator, with or without this base class.
"""

from __future__ import annotations

from typing import Any


class Operator:
    """Base class of operators: calling one calls its `forward`.

    Example:
        >>> class Double(Operator):
        ...     def forward(self, *, inputs):
        ...         return {"value": inputs["value"] * 2}
        >>> Double()(inputs={"value": 21})
        {'value': 42}
    """

    def __call__(self, *, inputs: Any) -> Any:
        return self.forward(inputs=inputs)  # type: ignore[attr-defined]
