"""The structure of a graph as JSON, and back.

Callables go by name (`module:qualname`) and must be bound again: JSON holds no code, and none is imported
for it.  What JSON has no notation for is written as an object with one key that begins with `$`:

    {"$ref": "x", "path": ["hits", 0]}     a result or an input, or a part of it
    {"$dict": [[key, value], ...]}         a dict whose keys are not all text without `$`
    {"$tuple": [...]}, {"$set": [...]}, {"$float": "nan"}, {"$slice": [a, b, c]}
    {"$opaque": "app:Client"}              any other object: the graph cannot be executed until it is an input
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from ember_jit.errors import GraphError
from ember_jit.graph.capture import Captor, Container
from ember_jit.graph.nodes import REQUIRED, Node, dotted_name
from ember_jit.graph.recorded import Recorded, path_of, source_of

if TYPE_CHECKING:
    from ember_jit.graph.model import Graph

FORMAT = "ember-jit graph 1"


class Opaque:
    """An argument that JSON could not hold."""

    __slots__ = ("what",)

    def __init__(self, what: str) -> None:
        self.what = what

    def __repr__(self) -> str:
        return f"<{self.what}>"


def to_json(graph: Graph, indent: int | None) -> str:
    """See `Graph.to_json`."""
    content: dict[str, Any] = {
        "format": FORMAT,
        "name": graph.name,
        "incomplete": graph.incomplete,
        "inputs": [
            {"name": name}
            | (
                {}
                if each.default is REQUIRED
                else {"default": _plain(Captor().capture(each.default))}
            )
            for name, each in graph.inputs.items()
        ],
        "nodes": [_node(node) for node in graph.nodes.values()],
    }
    return json.dumps(content, indent=indent, allow_nan=False)


def _node(node: Node) -> dict[str, Any]:
    return {
        "name": node.name,
        "callee": node.callee_name,
        "args": [_plain(each) for each in node.args],
        "kwargs": {name: _plain(each) for name, each in node.kwargs.items()},
        "wired": node.wired,
        "after": node.after,
        "file": node.file,
        "line": node.line,
    }


def _plain(template: Any) -> Any:
    kind = type(template)
    if kind is Recorded:
        return {
            "$ref": source_of(template).name,
            "path": [_plain(key) for key in path_of(template)],
        }
    if kind is Container:
        return _container(template)
    if kind is tuple:
        return {"$tuple": [_plain(each) for each in template]}
    if kind is float and not math.isfinite(template):
        return {"$float": repr(template)}
    if kind in (str, int, float, bool, type(None)):
        return template
    if kind is slice:
        return {"$slice": [_plain(each) for each in (template.start, template.stop, template.step)]}
    return {"$opaque": template.what if kind is Opaque else dotted_name(template)}


def _container(template: Container) -> Any:
    if template.kind is dict:
        if all(type(key) is str and not key.startswith("$") for key, _ in template.parts):
            return {key: _plain(part) for key, part in template.parts}
        return {"$dict": [[_plain(key), _plain(part)] for key, part in template.parts]}
    parts = [_plain(part) for part in template.parts]
    if template.kind is list:
        return parts
    if template.kind in (tuple, set):
        return {f"${template.kind.__name__}": parts}
    return {"$opaque": f"{template.kind.__module__}:{template.kind.__qualname__}"}


def from_json(text: str, graph: Graph) -> Graph:
    """Fill an empty graph with what `to_json` wrote."""
    try:
        content = json.loads(text)
        if type(content) is not dict or content.get("format") != FORMAT:
            raise GraphError(f"this is no graph: its `format` is not {FORMAT!r}")
        graph.name = content["name"]
        graph.incomplete = content["incomplete"]
        for each in content["inputs"]:
            graph.input(
                each["name"], _value(each["default"], {}) if "default" in each else REQUIRED
            )
        known: dict[str, Any] = {name: Recorded(each) for name, each in graph.inputs.items()}
        for each in content["nodes"]:
            node = Node(
                graph,
                each["name"],
                None,
                tuple(_value(part, known) for part in each["args"]),
                {name: _value(part, known) for name, part in each["kwargs"].items()},
                wired=each["wired"],
                file=each["file"],
                line=each["line"],
            )
            node.callee_name = each["callee"]
            graph._check_free(node.name)
            known[node.name] = Recorded(graph.put(node))
        for each in content["nodes"]:
            for before in each["after"]:
                graph.add_edge(before, each["name"])
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        if isinstance(exc, GraphError):
            raise
        raise GraphError(
            f"this is no graph that `to_json` wrote ({type(exc).__name__}: {exc})"
        ) from None
    return graph


def _value(plain: Any, known: dict[str, Any]) -> Any:
    if type(plain) is list:
        return [_value(each, known) for each in plain]
    if type(plain) is not dict:
        return plain
    if "$ref" in plain:
        value = known[plain["$ref"]]
        for key in plain["path"]:
            value = value[_value(key, known)]
        return value
    if "$dict" in plain:
        return {_value(key, known): _value(part, known) for key, part in plain["$dict"]}
    if "$tuple" in plain:
        return tuple(_value(each, known) for each in plain["$tuple"])
    if "$set" in plain:
        return {_value(each, known) for each in plain["$set"]}
    if "$slice" in plain:
        return slice(*(_value(each, known) for each in plain["$slice"]))
    if "$float" in plain:
        return float(plain["$float"])
    if "$opaque" in plain:
        return Opaque(plain["$opaque"])
    return {key: _value(part, known) for key, part in plain.items()}


def opaque_in(node: Node) -> str:
    """What JSON could not hold of a node's arguments, or an empty string."""
    stack = [*node.args, *node.kwargs.values()]
    while stack:
        each = stack.pop()
        if type(each) is Opaque:
            return each.what
        if type(each) is Container:
            stack += [part[1] if each.kind is dict else part for part in each.parts]
        elif type(each) is tuple:
            stack += each
        elif type(each) is Recorded:
            stack += path_of(each)
    return ""
