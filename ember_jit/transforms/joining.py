"""Putting the results of items together: dicts as a dict of lists, arrays as a stacked array, all else as a list.

Example:
    >>> join([{"y": 1}, {"y": 2}], "f")
    {'y': [1, 2]}
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from sys import getrefcount
from typing import Any

from ember_jit import dependencies
from ember_jit.errors import BatchError

PART = 256  # results that are put away together, while they are still in the processor's cache


class _Columns(dict[Any, list[Any]]):
    """The values of plain dicts that all have the same keys, by key."""

    def __init__(self, first: Any) -> None:
        super().__init__((key, []) for key in (first if type(first) is dict else ()))
        self._takers = [(column.extend, itemgetter(key)) for key, column in self.items()]

    def take(self, part: Sequence[Any]) -> bool:
        """Put the values of dicts behind those that are there; False if one does not belong there."""
        if not self or [*map(type, part)].count(dict) != len(part):
            return False
        if sum(map(len, part)) != len(part) * len(self):  # each has at least these keys, see below
            return False
        size = len(next(iter(self.values())))
        try:
            for extend, value_of in self._takers:
                extend(map(value_of, part))
        except KeyError:
            for column in self.values():
                del column[size:]
            return False
        return True


def join(results: Sequence[Any], name: str) -> Any:
    """A list of dicts as a dict of lists, in order; anything else as it is.

    Raises:
        BatchError: they are dicts, but with different keys.
    """
    columns = _Columns(results[0] if results else None)
    for start in range(0, len(results), PART):
        if not columns.take(results[start : start + PART]):
            return _join_of_kinds(results, name)
    return dict(columns) if columns else _join_of_kinds(results, name)


class Joiner:
    """Joins results as they come: appended to `part`, and put away from there part by part.

    Of plain dicts with the same keys only the columns are kept, as long as nobody else holds one of the dicts, and
    could change it, or tell it from its like.  So a large batch does not fill the memory with a dict for each item.

    Attributes:
        part: results that are not put away yet.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.part: list[Any] = []
        self._columns: _Columns | None = None
        self._others: list[Any] | None = None  # all results, once they are not of that kind

    def put_away(self) -> None:
        """Make room for the next part."""
        if self._columns is None:
            self._columns = _Columns(self.part[0])
        if self._others is None and not self._is_taken(self._columns):
            self._others = self._rebuilt()
        if self._others is not None:
            self._others += self.part
        self.part.clear()

    def _is_taken(self, columns: _Columns) -> bool:
        held = sum(map(getrefcount, self.part))
        return held == _SOLE * len(self.part) and columns.take(self.part)

    def results(self) -> list[Any]:
        """All results so far, each by itself."""
        before = self._rebuilt() if self._others is None else self._others
        return [*before, *self.part]

    def value(self) -> Any:
        """All results, which are put away, joined."""
        return dict(self._columns or {}) if self._others is None else join(self._others, self.name)

    def _rebuilt(self) -> list[Any]:
        columns: dict[Any, list[Any]] = self._columns or {}
        rows = zip(*columns.values(), strict=True)
        return [dict(zip(columns, row, strict=True)) for row in rows]


_SOLE = next(map(getrefcount, [{}]))
"""The references that are counted for an object that a list holds, and nobody else."""


def _join_of_kinds(results: Sequence[Any], name: str) -> Any:
    """`join` where the results are not all plain dicts with the same keys."""
    if not results or not all(isinstance(each, dict) for each in results):
        return results
    first = results[0]
    for index, each in enumerate(results):
        if each.keys() != first.keys():
            raise BatchError(
                f"{name}: item {index} returned the keys {list(each)}, item 0 {list(first)}: they do not batch"
            )
    return {key: [each[key] for each in results] for key in first}


def stack(results: list[Any], out_axes: Any) -> Any:
    """Results as arrays, leaf by leaf, with the batch along `out_axes` (None: the same for every item).

    Raises:
        BatchError: they have different shapes.
    """
    if out_axes is None:
        return results[0]
    try:
        return _stacked(results, out_axes)
    except ValueError as exc:
        shapes = list(dict.fromkeys(str(getattr(each, "shape", type(each))) for each in results))
        raise BatchError(
            f"results cannot be stacked along out_axes {out_axes!r}: {exc} (shapes: {', '.join(shapes[:4])})"
        ) from exc


def leafwise(fn: Callable[[Any], Any], value: Any) -> Any:
    """`fn` of an array, or of each array in a tree."""
    if hasattr(value, "__array_interface__"):
        return fn(value)
    return trees("a tree of results").tree_map(fn, value)


def _stacked(results: list[Any], out_axes: Any) -> Any:
    import numpy as np

    if isinstance(out_axes, int) and all(hasattr(each, "__array_interface__") for each in results):
        return np.stack(results, axis=out_axes)
    optree = trees("out_axes")
    if isinstance(out_axes, int):
        return optree.tree_map(lambda *leaves: np.stack(leaves, axis=out_axes), *results)
    leaves = [optree.tree_leaves(each) for each in results]
    spec = optree.tree_structure(results[0])
    flat = optree.broadcast_prefix(out_axes, results[0], none_is_leaf=True)
    joined = [
        column[0] if axis is None else np.stack(column, axis=axis)
        for column, axis in zip(zip(*leaves, strict=True), flat, strict=True)
    ]
    return optree.tree_unflatten(spec, joined)


def trees(wanted_by: str) -> Any:
    """`optree`.

    Raises:
        BatchError: it cannot be imported.
    """
    found = dependencies.load("optree")
    if found is None:
        raise BatchError(
            f"{wanted_by}: trees of values are batched by optree, which cannot be imported"
        )
    return found
