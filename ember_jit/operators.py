"""The operator protocol: a class with `forward(self, *, inputs)`, called as `op(inputs=...)`.

Any class that follows the protocol is an operator, with or without this base class; one that has no `__call__`
is given that of `Operator` where it is decorated.
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


def give_call(cls: type) -> None:
    """Let instances of a class with `forward` be called: it gets `Operator.__call__`, unless it has one by some way.

    It is the very function of `Operator`, so that everything that knows the one knows the other.  As with `Operator`
    as a base, subclasses inherit it, and their own `__call__` comes first.  A protocol is left as it is: what it
    holds, its implementations must have.
    """
    has_one = any(
        "__call__" in vars(each) for each in cls.__mro__
    )  # not the metaclass's, which makes instances
    if not has_one and not vars(cls).get("_is_protocol", False):
        type.__setattr__(cls, "__call__", Operator.__call__)  # past a metaclass that forbids it
