"""`Graph`: calls and what they need of one another, recorded or built by hand.

    graph = Graph()
    query = graph.input("query")
    hits = graph.add_node("hits", search, inputs={"q": query})
    graph.add_node("answer", judge, inputs={"q": query, "hits": hits["docs"]})
    execute(graph, inputs={"query": "why?"})["answer"]

A node that is given no arguments is wired by its edges: it is called with the result of the node before it,
with a dict of results by name if there are several, with the inputs of the execution if there is none.

Invariants: names are unique among nodes and inputs; edges form no cycle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from ember_jit.errors import (
    GraphError,
    RecordingError,
    UnboundNodeError,
    UnknownNodeError,
    near_misses,
)
from ember_jit.graph import order as orders
from ember_jit.graph.capture import Captor
from ember_jit.graph.nodes import REQUIRED, Edge, Input, Node, dotted_name
from ember_jit.graph.recorded import Recorded, source_of, text_of
from ember_jit.graph.recorder import RecordedCall, recordable


class Graph:
    """A graph of calls (see the module).

    Args:
        name: what it is called where it is shown.

    Attributes:
        name: what it is called where it is shown.
        recording: it is being recorded right now.
        incomplete: why its recording ended early, or an empty string.

    Example:
        >>> graph = Graph()
        >>> ref = graph.add_node("a", str.upper, "x")
        >>> ref = graph.add_node("b", str.lower)
        >>> graph.add_edge("a", "b")
        >>> graph.topological_order()
        ['a', 'b']
    """

    def __init__(self, name: str = "graph") -> None:
        self.name = name
        self.recording = False
        self.incomplete = ""
        self._nodes: dict[str, Node] = {}
        self._inputs: dict[str, Input] = {}
        self._needs: dict[str, list[str]] = {}
        self._forward = True  # every edge leads from an older node to a younger one
        self._captor: Captor | None = None
        self._numbers: dict[str, int] = {}
        self.version = 0
        self.programs: dict[Any, Any] = {}  # what `execute` has made of it

    # ------------------------------------------------------------------ building
    def input(self, name: str, default: Any = REQUIRED) -> Any:
        """An input of the graph: what stands for the value that `execute(graph, inputs={name: ...})` gives.

        Raises:
            GraphError: the name is taken.
        """
        if type(name) is not str or not name:
            raise GraphError(f"the name of an input is text, not {name!r}")
        if name in self._inputs and self._inputs[name].default is default:
            return Recorded(self._inputs[name])
        self._check_free(name)
        self._inputs[name] = Input(self, name, default)
        self.version += 1
        return Recorded(self._inputs[name])

    def op(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, so that calls of it are recorded while a recording runs; otherwise they are made as always."""
        return recordable(function)

    def add_node(self, name: str, callee: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Add one call.

        Args:
            name: the node's name, and its result's in what `execute` returns.
            callee: the operator or function to call.
            *args: its arguments; with those of `kwargs` they may hold what `input` and `add_node` returned, whole,
                indexed, or in dicts, lists, tuples and sets.
            **kwargs: its keyword arguments.  Without any argument the node is wired by its edges.

        Returns:
            What stands for the result, to be used in arguments of other nodes.

        Raises:
            GraphError: the name is taken, or the callee cannot be called.
            RecordingError: an argument belongs to another graph.
        """
        if type(name) is not str or not name:
            raise GraphError(
                f"the name of a node is text, not {name!r}: add_node(name, callee, ...)"
            )
        if not callable(callee):
            raise GraphError(f"node {name!r}: {callee!r} cannot be called")
        self._check_free(name)
        wired = not args and not kwargs
        return Recorded(self.put(Node(self, name, _unwrapped(callee), args, kwargs, wired=wired)))

    def put(self, node: Node) -> Node:
        """Add a node whose arguments are not captured yet."""
        captor = self._captor or Captor()
        node.args = tuple(captor.capture(each) for each in node.args)
        node.kwargs = {key: captor.capture(each) for key, each in node.kwargs.items()}
        for each in node.recorded:
            if source_of(each).graph is not self:
                raise RecordingError(
                    f"{text_of(each)} belongs to {source_of(each).graph!r}, not to the graph that {node.name!r} "
                    "is added to. Execute the other graph first and hand its result over, or record both into one"
                )
        self._nodes[node.name] = node
        self._needs[node.name] = node.needs
        self.version += 1
        return node

    def add_edge(self, source: str, target: str) -> None:
        """Put `source` before `target`; if `target` was given no arguments, the result is handed over too.

        Raises:
            UnknownNodeError: there is no such node; the message names those that look like it.
            GraphError: the edge would close a cycle; the message shows it.
        """
        for name in (source, target):
            self[name]
        if source == target:
            raise orders.cycle_error([source, source])
        names = list(self._nodes) if self._forward else []
        if not self._forward or names.index(source) > names.index(target):
            ring = orders.path(self._needs, target, source)
            if ring is not None:
                raise orders.cycle_error([*ring, target])
            self._forward = False
        node = self._nodes[target]
        if source not in node.after:
            node.after.append(source)
            self._needs[target] = node.needs
            self.version += 1

    def bind(self, callees: Mapping[str, Any] | None = None, /, **more: Any) -> Graph:
        """Give nodes what they call, by node name or by the callee's name (`"app:Search"`); hands back the graph.

        Raises:
            UnknownNodeError: neither a node nor a callee has that name.
            GraphError: what is given cannot be called.
        """
        for name, callee in {**(callees or {}), **more}.items():
            if not callable(callee):
                raise GraphError(f"{name!r} is bound to {callee!r}, which cannot be called")
            found = [self._nodes[name]] if name in self._nodes else []
            found = found or [each for each in self._nodes.values() if each.callee_name == name]
            if not found:
                known = dict.fromkeys(
                    [*self._nodes, *(n.callee_name for n in self._nodes.values())]
                )
                raise UnknownNodeError(
                    f"{self!r} has nothing to bind to {name!r}{near_misses(name, known)}"
                )
            for node in found:
                node.callee = _unwrapped(callee)
                node.callee_name = dotted_name(node.callee)
        self.version += 1
        return self

    def fresh_name(self, wanted: str | None, base: str) -> str:
        """`wanted` if it is free, else `base`, `base_2`, `base_3`..."""
        if wanted is not None and wanted not in self._nodes and wanted not in self._inputs:
            return wanted
        number = self._numbers.get(base, 1)
        name = base if number == 1 else f"{base}_{number}"
        while name in self._nodes or name in self._inputs:
            number += 1
            name = f"{base}_{number}"
        self._numbers[base] = number  # where to look on, the next time
        return name

    def _check_free(self, name: str) -> None:
        taken = "a node" if name in self._nodes else "an input" if name in self._inputs else ""
        if taken:
            raise GraphError(f"{self!r} already has {taken} {name!r}; choose another name")

    # ------------------------------------------------------------------ looking
    @property
    def nodes(self) -> Mapping[str, Node]:
        """The nodes by name, in the order in which they were added."""
        return MappingProxyType(self._nodes)

    @property
    def inputs(self) -> Mapping[str, Input]:
        """The declared inputs by name."""
        return MappingProxyType(self._inputs)

    @property
    def edges(self) -> tuple[Edge, ...]:
        """What waits for what: pairs of names, each with a `label`."""
        made: list[Edge] = []
        for name in self._nodes:
            node = self._nodes[name]
            labels: dict[str, list[str]] = {each: [] for each in node.needs}
            for value in node.recorded:
                if source_of(value).name in labels:
                    labels[source_of(value).name].append(text_of(value))
            made += [
                Edge(each, name, ", ".join(dict.fromkeys(texts))) for each, texts in labels.items()
            ]
        return tuple(made)

    @property
    def order(self) -> tuple[str, ...]:
        """Program order: that of the recording, as far as edges that were added allow."""
        return tuple(self.topological_order())

    def topological_order(self) -> list[str]:
        """The names of the nodes, each after those that it waits for, otherwise as they were added."""
        return orders.topological(self._needs)

    @property
    def critical_path(self) -> tuple[str, ...]:
        """The longest chain of nodes that wait for each other, by the number of nodes."""
        return tuple(orders.longest_chain(self._needs, self.topological_order()))

    def needed_for(self, names: Iterable[str]) -> set[str]:
        """`names` and the nodes that they need.

        Raises:
            UnknownNodeError: there is no such node.
        """
        return orders.ancestors(self._needs, [self[name].name for name in names])

    def check_bound(self, names: Iterable[str]) -> None:
        """Raise `UnboundNodeError` if one of these nodes has lost what it calls, or an argument."""
        from ember_jit.graph.serial import opaque_in

        loose = [self._nodes[name] for name in names if self._nodes[name].callee is None]
        if loose:
            example = f"graph.bind({{{loose[0].name!r}: ...}})"
            what = ", ".join(f"{each.name!r} ({each.callee_name})" for each in loose)
            raise UnboundNodeError(
                f"{self!r} was read from JSON, which holds no code: nothing is bound to {what}. "
                f"Write {example} with the operators to call"
            )
        for name in names:
            hidden = opaque_in(self._nodes[name])
            if hidden:
                raise UnboundNodeError(
                    f"{self!r} was read from JSON, which could not hold {hidden}, an argument of {name!r}. "
                    "Make such values inputs of the graph: `graph.input(name)`"
                )

    def __getitem__(self, name: str) -> Node:
        found = self._nodes.get(name)
        if found is None:
            raise UnknownNodeError(f"{self!r} has no node {name!r}{near_misses(name, self._nodes)}")
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._nodes

    def __len__(self) -> int:
        return len(self._nodes)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        state = "recording" if self.recording else "incomplete" if self.incomplete else ""
        return f"<{self.name} of {len(self._nodes)} nodes{f', {state}' if state else ''}>"

    # ------------------------------------------------------------------ showing and storing
    def __str__(self) -> str:
        from ember_jit.drawing import to_text
        from ember_jit.graph.render import drawing_of

        return to_text(drawing_of(self))

    def to_mermaid(self) -> str:
        """The graph in Mermaid's `flowchart` notation."""
        from ember_jit.drawing import to_mermaid
        from ember_jit.graph.render import drawing_of

        return to_mermaid(drawing_of(self))

    def to_dot(self) -> str:
        """The graph in Graphviz's DOT language."""
        from ember_jit.drawing import to_dot
        from ember_jit.graph.render import drawing_of

        return to_dot(drawing_of(self))

    def _repr_html_(self) -> str:
        """The graph as a picture for notebooks: one `<svg>`, nothing loaded from elsewhere."""
        from ember_jit.graph.render import to_html

        return to_html(self)

    def to_json(self, indent: int | None = None) -> str:
        """The structure as JSON: callables by name; arguments that JSON cannot hold are marked (`from_json`)."""
        from ember_jit.graph.serial import to_json

        return to_json(self, indent)

    @classmethod
    def from_json(cls, text: str, bind: Mapping[str, Any] | None = None) -> Graph:
        """The graph that `to_json` wrote; its callables are bound with `bind` (or `graph.bind`) before it is executed.

        Raises:
            GraphError: the text is no graph.
        """
        from ember_jit.graph.serial import from_json

        graph = from_json(text, cls())
        return graph.bind(bind) if bind else graph


def _unwrapped(callee: Any) -> Any:
    """The function itself, where `graph.op` has made it recordable."""
    return callee.__wrapped__ if type(callee) is RecordedCall else callee
