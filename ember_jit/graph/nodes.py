"""What a graph is made of: nodes (one call each), inputs, and the edges between nodes."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any

from ember_jit.graph.capture import Container, recorded_in
from ember_jit.graph.recorded import Recorded, source_of, text_of

if TYPE_CHECKING:
    from ember_jit.graph.model import Graph

REQUIRED: Any = type("Required", (), {"__repr__": lambda self: "<required>", "__slots__": ()})()
"""The default of an input that has none."""


class Input:
    """A value that `execute(graph, inputs={name: ...})` gives.

    Attributes:
        name: its name.
        default: what it is if it is not given, or `REQUIRED`.
        graph: whose input it is.
    """

    __slots__ = ("default", "graph", "name")

    def __init__(self, graph: Graph, name: str, default: Any) -> None:
        self.graph = graph
        self.name = name
        self.default = default

    @property
    def described(self) -> str:
        """What it is, for messages."""
        return "an input of the graph"

    def __repr__(self) -> str:
        default = "" if self.default is REQUIRED else f", default={self.default!r}"
        return f"Input({self.name!r}{default})"


class Node:
    """One call of a graph.

    Attributes:
        name: unique in its graph.
        callee: what is called, or None in a graph that was read from JSON and not bound.
        callee_name: `module:qualname` of the function, or of the operator's class.
        args: templates of the positional arguments (`capture`).
        kwargs: templates of the keyword arguments.
        wired: it was given no arguments: what comes in by its edges is its `inputs`.
        after: nodes that `add_edge` put before it.
        file: where the call stands, or an empty string.
        line: in that file.
        graph: whose node it is.
    """

    __slots__ = (
        "after",
        "args",
        "callee",
        "callee_name",
        "file",
        "graph",
        "kwargs",
        "line",
        "name",
        "wired",
    )

    def __init__(
        self,
        graph: Graph,
        name: str,
        callee: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        wired: bool = False,
        file: str = "",
        line: int = 0,
    ) -> None:
        self.graph = graph
        self.name = name
        self.callee = callee
        self.callee_name = dotted_name(callee) if callee is not None else ""
        self.args = args
        self.kwargs = kwargs
        self.wired = wired
        self.after: list[str] = []
        self.file = file
        self.line = line

    @property
    def recorded(self) -> Iterator[Recorded]:
        """The recorded values in its arguments."""
        for template in (*self.args, *self.kwargs.values()):
            yield from recorded_in(template)

    @property
    def needs(self) -> list[str]:
        """Names of the nodes that must be done first, each once, in order of mention."""
        found = {source_of(each).name: None for each in self.recorded if _is_node(each)}
        found.update(dict.fromkeys(self.after))
        return list(found)

    @property
    def described(self) -> str:
        """What it is, for messages: `Search at app.py:12`."""
        return f"{self.short_name}{f' at {self.file}:{self.line}' if self.file else ''}"

    @property
    def short_name(self) -> str:
        """The callee's own name."""
        return self.callee_name.rpartition(":")[2].rpartition(".")[2] or "?"

    @property
    def text(self) -> str:
        """The call in one line: `Search(inputs={'q': q})`."""
        if self.wired:
            shown = [", ".join(self.after)] if self.after else ["..."]
        else:
            shown = [template_text(each) for each in self.args]
            shown += [f"{name}={template_text(each)}" for name, each in self.kwargs.items()]
        return f"{self.short_name}({', '.join(shown)})"

    def __repr__(self) -> str:
        return f"Node({self.name!r}: {self.text})"


class Edge(tuple[str, str]):
    """The pair of names (source, target): target waits for source.

    Attributes:
        label: what of the source's result is used (`x['hits']`), or an empty string for order alone.
    """

    label: str

    def __new__(cls, source: str, target: str, label: str = "") -> Edge:
        made = super().__new__(cls, (source, target))
        made.label = label
        return made

    @property
    def source(self) -> str:
        """The node that comes first."""
        return self[0]

    @property
    def target(self) -> str:
        """The node that waits."""
        return self[1]


def _is_node(value: Recorded) -> bool:
    return type(source_of(value)) is Node


def dotted_name(callee: Any) -> str:
    """`module:qualname` of a function, method or class, or of an operator's class."""
    if isinstance(callee, MethodType):
        owner = callee.__self__
        kind = owner if isinstance(owner, type) else type(owner)
        return f"{kind.__module__}:{kind.__qualname__}.{callee.__name__}"
    named = callee if isinstance(callee, type | FunctionType) else None
    if named is None:
        named = callee if hasattr(callee, "__qualname__") else type(callee)
    return f"{getattr(named, '__module__', None) or 'builtins'}:{named.__qualname__}"


def convention(callee: Any) -> str:
    """How a callee that was given no arguments takes what comes in by its edges: "inputs", "first" or "none"."""
    try:
        parameters = inspect.signature(callee).parameters.values()
    except (TypeError, ValueError):
        return "first"
    for each in parameters:
        if each.kind is each.VAR_KEYWORD or (
            each.name == "inputs" and each.kind is not each.POSITIONAL_ONLY
        ):
            return "inputs"
    return "first" if parameters else "none"


def template_text(template: Any, longest: int = 40) -> str:
    """An argument in one line, as the user would write it."""
    kind = type(template)
    if kind is Recorded:
        return text_of(template)
    if kind is not Container:
        return _shortened(template, longest)
    if template.kind is dict:
        inner = ", ".join(f"{key!r}: {template_text(part)}" for key, part in template.parts)
        return f"{{{inner}}}"
    inner = ", ".join(template_text(part) for part in template.parts)
    if template.kind is list:
        return f"[{inner}]"
    if template.kind is set:
        return f"{{{inner}}}"
    return f"({inner}{',' if len(template.parts) == 1 else ''})"


def _shortened(value: Any, longest: int) -> str:
    if type(value) not in (int, float, bool, str, bytes, complex, type(None), tuple):
        return f"<{type(value).__name__}>"
    text = repr(value)
    return text if len(text) <= longest else f"{text[: longest - 3]}..."
