"""What a method name alone tells, read from the tables without touching the types they describe.

plain_methods("strip")            the entries of `str.strip` and `bytes.strip`
plain_methods("partition")        pure for `str`, but it changes an `ndarray`
methods_of_kind("list", "sort")   the entry of `list.sort`
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

from ember_jit.compiler.analysis.registry.known import Known
from ember_jit.compiler.analysis.registry.method_tables import METHODS
from ember_jit.compiler.analysis.registry.numpy_tables import NUMPY_METHODS
from ember_jit.compiler.analysis.registry.resolve import INSTANCE_METHODS

_PLAIN = (
    *(
        f"builtins:{name}"
        for name in [
            "str",
            "bytes",
            "list",
            "tuple",
            "dict",
            "set",
            "frozenset",
            "int",
            "bool",
            "float",
            "complex",
            "range",
            "slice",
        ]
    ),
    "numpy:ndarray",
)
"""The types that a plain value consists of (as the runtime checks before it starts a call early)."""


class PureMethodNames(Mapping[str, frozenset[type]]):
    """For a method name, the types loaded by now on which it is pure. Asking for a name touches those types only."""

    def __init__(self) -> None:
        self._paths: dict[str, list[str]] | None = None

    def _index(self) -> dict[str, list[str]]:
        if self._paths is None:
            self._paths = {}
            for path, rows in (*METHODS.items(), *NUMPY_METHODS.items()):
                for known, words in rows:
                    for name in words.split() if known.kind == "pure" else ():
                        self._paths.setdefault(name, []).append(path)
        return self._paths

    def _types(self, name: str) -> Iterator[type]:
        for path in self._index().get(name, ()):
            cls = INSTANCE_METHODS.named(path)
            if cls is not None and INSTANCE_METHODS.get(cls, name) is not None:
                yield cls

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and next(self._types(name), None) is not None

    def __getitem__(self, name: str) -> frozenset[type]:
        found = frozenset(self._types(name))
        if not found:
            raise KeyError(name)
        return found

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._index() if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


@lru_cache(maxsize=512)
def plain_methods(name: str) -> tuple[Known, ...]:
    """The entries of this method for every plain type that has it."""
    return tuple(known for path in _PLAIN for known in _entries(path, name))


@lru_cache(maxsize=512)
def methods_of_kind(kind: str, name: str) -> tuple[Known, ...]:
    """The entries of this method for types of this name."""
    ending = f":{kind}"
    return tuple(
        known
        for path in (*METHODS, *NUMPY_METHODS)
        if path.endswith(ending)
        for known in _entries(path, name)
    )


def _entries(path: str, name: str) -> list[Known]:
    rows = METHODS.get(path) or NUMPY_METHODS.get(path, ())
    return [known for known, words in rows if name in words.split()]
