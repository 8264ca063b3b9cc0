"""Where an argument came from: a part of the inputs, a part of an earlier result, a constant, or made of these.

    self.judge(inputs={"q": inputs["q"], "hits": web["hits"], "k": 3})
    -> Made(dict, ("q", "hits", "k"), [a part of input 1, a part of the result of call 0, the constant 3])

A template is a guess that each further run narrows; a wrong one costs a misprediction, never a wrong result.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ember_jit.runtime.tracing.plain import ATOMS, copied, same

Path = tuple[Any, tuple[Any, ...]]  # where it starts (an input, a call), and the keys from there
_MOST_PATHS = 6


class Unresolved(Exception):
    """An argument is not known yet, or never will be."""


@dataclass(frozen=True, slots=True)
class Part:
    """A value that was found at these places; `constant` counts the runs in which it was the same."""

    paths: tuple[Path, ...]
    value: Any = None
    constant: int = 0

    def __str__(self) -> str:
        return path_text(self.paths[0]) if self.paths else repr(self.value)


@dataclass(frozen=True, slots=True)
class Made:
    """A container that the program put together."""

    kind: type
    keys: tuple[Any, ...]
    parts: tuple[Template, ...]

    def __str__(self) -> str:
        inner = [str(part) for part in self.parts]
        if self.kind is dict:
            pairs = zip(self.keys, inner, strict=True)
            return "{" + ", ".join(f"{key!r}: {part}" for key, part in pairs) + "}"
        return ("[%s]" if self.kind is list else "(%s)") % ", ".join(inner)


Template = Part | Made | None


def path_text(path: Path) -> str:
    """A path as `input[0]['q']` or `call 3#0['hits']`."""
    root, keys = path
    name = f"input {root[1]}" if root[0] == "input" else f"call {root[0]}#{root[1]}"
    return name + "".join(f"[{key!r}]" for key in keys)


class Places:
    """The plain data of one run so far, by where it came from."""

    def __init__(self, constants: frozenset[int]) -> None:
        self._roots: dict[Any, Any] = {}
        self._paths: dict[int, list[Path]] = {}
        self._copies: dict[int, Any] = {}
        self._constants = constants

    def add(self, root: Any, value: Any) -> None:
        """`value` has become known at `root`."""
        memo: dict[int, Any] = {}
        data = self._roots[root] = copied(value, memo)
        self._copies.update(memo)
        for path, each in _walk(data):
            found = self._paths.setdefault(id(each), [])
            if len(found) < _MOST_PATHS:
                found.append((root, path))

    def template(self, value: Any) -> Template:
        """Where `value` came from, or None if it is not plain data."""
        kind = type(value)
        if kind in ATOMS:
            return Part(tuple(self._paths.get(id(value), ())), value, 1)
        if kind not in (dict, list, tuple):
            return None
        copy = self._copies.get(id(value))
        paths = self._paths.get(id(copy), ())
        if paths and same(copy, value, {}, {}):  # the object of that identity may be another by now
            return Part(tuple(paths))
        keys = tuple(value) if kind is dict else ()
        if any(type(key) not in ATOMS for key in keys) or len(value) > 256:
            return None
        inner = tuple(self.template(each) for each in (value.values() if keys else value))
        return None if None in inner else Made(kind, keys, inner)

    def resolve(self, template: Template) -> Any:
        """The value that `template` stands for in this run.

        Raises:
            Unresolved: it is not known (yet).
        """
        if template is None:
            raise Unresolved
        if isinstance(template, Made):
            values = [self.resolve(part) for part in template.parts]
            made = zip(template.keys, values, strict=True) if template.kind is dict else values
            return template.kind(made)
        if template.constant and id(template.value) in self._constants:
            return template.value
        for root, keys in template.paths:
            try:
                value = self._roots[root]
                for key in keys:
                    value = value[key]
            except (KeyError, IndexError, TypeError):
                continue
            return value
        if template.constant > 1 and not template.paths:
            return template.value
        raise Unresolved


def _walk(data: Any) -> Iterator[tuple[tuple[Any, ...], Any]]:
    stack: list[tuple[tuple[Any, ...], Any]] = [((), data)]
    seen: set[int] = set()
    while stack:
        path, value = stack.pop()
        yield path, value
        if id(value) in seen or len(path) > 12:
            continue
        if type(value) is dict:
            seen.add(id(value))
            stack += [((*path, key), each) for key, each in value.items()]
        elif type(value) in (list, tuple):
            seen.add(id(value))
            stack += [((*path, index), each) for index, each in enumerate(value)]


def narrowed(old: Template, new: Template) -> Template:
    """What both of two runs agree on."""
    if isinstance(old, Made) and isinstance(new, Made):
        if old.kind is not new.kind or old.keys != new.keys or len(old.parts) != len(new.parts):
            return new
        pairs = zip(old.parts, new.parts, strict=True)
        return Made(new.kind, new.keys, tuple(narrowed(a, b) for a, b in pairs))
    if isinstance(old, Part) and isinstance(new, Part):
        common = tuple(path for path in old.paths if path in new.paths)
        same = bool(old.constant and new.constant) and old.value is new.value
        return Part(common, new.value if same else None, old.constant + 1 if same else 0)
    return new
