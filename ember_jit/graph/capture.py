"""Arguments of recorded calls: captured by value when the call is recorded, made anew when it is executed.

    inputs = {"q": q, "hits": x["hits"]}      a dict that holds a recorded value
    capture(inputs)                           Container(dict, [("q", q), ("hits", <recorded>)])
    build(that, value_of)                     {"q": q, "hits": [...]}

Exact dicts, lists, tuples and sets, and named tuples, are looked into; every other object is kept as it is.
A container that is changed after the call was recorded was not changed when the call would have been made,
so it is copied; one that two calls were given, unchanged in between, is one object again in each execution.

Invariant: a container holds itself in no capture: a cyclic one is kept as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ember_jit.graph.recorded import Recorded, path_of, source_of


class Container:
    """A captured container: its type, and what it holds (pairs, for a dict)."""

    __slots__ = ("kind", "parts")

    def __init__(self, kind: type, parts: list[Any]) -> None:
        self.kind = kind
        self.parts = parts


class Captor:
    """Captures the arguments of the calls of one recording."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[Any, Any]] = {}  # containers, kept so that an id stays its own
        self._open: set[int] = set()

    def capture(self, value: Any) -> Any:
        """The template of `value`."""
        kind = type(value)
        if kind not in (dict, list, tuple, set) and not _is_named_tuple(kind):
            return value
        key = id(value)
        if key in self._open:
            return value  # cyclic
        self._open.add(key)
        try:
            if kind is dict:
                parts: list[Any] = [(name, self.capture(each)) for name, each in value.items()]
            else:
                parts = [self.capture(each) for each in value]
        finally:
            self._open.discard(key)
        if kind is tuple and all(a is b for a, b in zip(parts, value, strict=True)):
            found: Any = value if not any(type(part) is Recorded for part in parts) else None
            if found is not None:
                return found
        before = self._seen.get(key)
        if before is not None and _same(before[1], kind, parts):
            return before[1]
        made = Container(kind, parts)
        self._seen[key] = (value, made)
        return made


def _is_named_tuple(kind: type) -> bool:
    return issubclass(kind, tuple) and kind is not tuple and hasattr(kind, "_fields")


def _same(old: Container, kind: type, parts: list[Any]) -> bool:
    if old.kind is not kind or len(old.parts) != len(parts):
        return False
    if kind is dict:
        return all(
            a[0] is b[0] and _equal(a[1], b[1]) for a, b in zip(old.parts, parts, strict=True)
        )
    return all(_equal(a, b) for a, b in zip(old.parts, parts, strict=True))


def _equal(a: Any, b: Any) -> bool:
    """Whether two templates are one; parts of one recorded value are made anew at every look."""
    if type(a) is Recorded and type(b) is Recorded:
        mine, other = path_of(a), path_of(b)
        return (
            source_of(a) is source_of(b)
            and len(mine) == len(other)
            and all(x is y for x, y in zip(mine, other, strict=True))
        )
    return a is b


def recorded_in(template: Any) -> Iterator[Recorded]:
    """The recorded values in a template, and in the keys that lead to parts of them, in order."""
    kind = type(template)
    if kind is Recorded:
        yield template
        for key in path_of(template):
            yield from recorded_in(key)
    elif kind is slice:
        for bound in (template.start, template.stop, template.step):
            yield from recorded_in(bound)
    elif kind is Container:
        for part in template.parts:
            yield from recorded_in(part[1] if template.kind is dict else part)


class Builder:
    """Makes the values of templates for one execution.

    Args:
        value_of: the value of a node or input.
        item: how a part of a value is looked up (`operator.getitem`, or a guarded one).
        key: called with each key of a dict and each element of a set, which will be hashed.
        made: the containers of this execution that hold no recorded value, by template.
    """

    __slots__ = ("item", "key", "made", "value_of")

    def __init__(
        self,
        value_of: Callable[[Any], Any],
        item: Callable[[Any, Any], Any],
        key: Callable[[Any], Any],
        made: dict[int, Any],
    ) -> None:
        self.value_of = value_of
        self.item = item
        self.key = key
        self.made = made

    def build(self, template: Any) -> Any:
        """The value that `template` stands for."""
        kind = type(template)
        if kind is Recorded:
            value = self.value_of(source_of(template))
            for step in path_of(template):
                value = self.item(value, self.build(step))
            return value
        if kind is slice:
            return slice(*[self.build(b) for b in (template.start, template.stop, template.step)])
        if kind is not Container:
            return template
        found = self.made.get(id(template))
        if found is not None:
            return found
        return self.made.setdefault(id(template), self._container(template))

    def _container(self, template: Container) -> Any:
        kind, parts = template.kind, template.parts
        if kind is dict:
            return {self.key(name): self.build(part) for name, part in parts}
        built = [self.build(part) for part in parts]
        if kind is list:
            return built
        if kind is set:
            return {self.key(part) for part in built}
        return tuple(built) if kind is tuple else kind._make(built)  # type: ignore[attr-defined]
