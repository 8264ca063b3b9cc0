"""Taking a batch apart into items, and putting the results together.

Two conventions.  *By key*: `fn(inputs=...)` or `fn(item)` called with `inputs={...}`: lists, tuples and
arrays are batched, everything else is handed to every item.  *By position*: array functions, with
`in_axes` for each argument as in `jax.vmap`; results are stacked along `out_axes` when an array was batched.

Example:
    >>> split_mapping({"x": [1, 2], "k": "all"}, 0, "f").items
    [{'x': 1, 'k': 'all'}, {'x': 2, 'k': 'all'}]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import islice, repeat, starmap
from operator import itemgetter
from typing import Any

from ember_jit import dependencies
from ember_jit.errors import BatchError

PART = 256  # results looked at together
Visit = Callable[[str, Any, list[Any]], None]


class Batch:
    """The items of one call.

    Attributes:
        keys: the batched keys, in order; empty by position.
        arrays: whether an array was batched by position, so that results are stacked.
    """

    __slots__ = ("_size", "_visit", "arrays", "keys")

    def __init__(
        self, size: int, visit: Visit, keys: tuple[Any, ...] = (), arrays: bool = False
    ) -> None:
        self._size, self._visit = size, visit
        self.keys, self.arrays = keys, arrays

    def __len__(self) -> int:
        return self._size

    @property
    def items(self) -> list[Any]:
        """All items: a dict by key, or a tuple by position, each."""
        found: list[Any] = []
        self._visit("item", None, found)
        return found

    def call(self, fn: Callable[..., Any], inputs: bool, out: list[Any]) -> None:
        """The plain loop: the result of each item, called as it is made, into `out`, up to a failure."""
        form = ("fn(inputs=item)" if inputs else "fn(item)") if self.keys else "fn(*item)"
        self._visit(form, fn, out)


@lru_cache(maxsize=256)
def _loop_by_key(form: str, batched: tuple[bool, ...]) -> Callable[..., None]:
    """The loop over items by key, for so many keys, of which these are batched, written out.

    With a dict display for each item it takes as long as the user's own loop would.  For the form "fn(item)"
    and two keys of which the first is batched:

        def loop(fn, out, rows, k0, v0, k1, v1):
            append = out.append
            for v0, in rows:
                append(fn({k0: v0, k1: v1}))
    """
    numbers = range(len(batched))
    taken = "".join(f"v{i}, " for i in numbers if batched[i])
    item = f"{{{', '.join(f'k{i}: v{i}' for i in numbers)}}}"
    source = (
        f"def loop(fn, out, rows{''.join(f', k{i}, v{i}' for i in numbers)}):\n"
        f"    append = out.append\n"
        f"    for {taken}in rows:\n"
        f"        append({form.replace('item', item)})\n"
    )
    space: dict[str, Any] = {}
    exec(compile(source, f"<ember_jit loop over items, {form}>", "exec"), space)
    made: Callable[..., None] = space["loop"]
    return made


def is_array(value: Any) -> bool:
    """Whether a value is an array with an axis."""
    return hasattr(value, "__array_interface__") and hasattr(value, "ndim") and value.ndim > 0


def _column(value: Any, axis: int, where: str) -> list[Any]:
    """What `value` has for each item, along `axis`."""
    if is_array(value):
        if not -value.ndim <= axis < value.ndim:
            raise BatchError(
                f"{where}: axis {axis} does not exist in an array of shape {value.shape}"
            )
        lead = (slice(None),) * (axis % value.ndim)
        return [value[(*lead, i)] for i in range(value.shape[axis])] if lead else list(value)
    if isinstance(value, (list, tuple)):
        if axis not in (0, -1):
            raise BatchError(f"{where}: a {type(value).__name__} has no axis {axis}, only 0")
        return list(value)
    raise BatchError(f"{where}: a {type(value).__name__} cannot be batched; give it in_axes None")


def _length(lengths: Mapping[str, int], name: str) -> int:
    if not lengths:
        raise BatchError(
            f"{name}: nothing to batch: give at least one list, tuple or array with an axis"
        )
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{where}: {length}" for where, length in lengths.items())
        raise BatchError(f"{name}: batched inputs of unequal lengths ({listed})")
    return next(iter(lengths.values()))


def split_mapping(inputs: Mapping[str, Any], in_axes: Any, name: str) -> Batch:
    """The items of `inputs`, by key."""
    by_key = isinstance(in_axes, Mapping)
    if by_key and (missing := [key for key in in_axes if key not in inputs]):
        raise BatchError(
            f"{name}: in_axes names {missing}, which inputs lack; they have {list(inputs)}"
        )
    columns: dict[Any, list[Any]] = {}
    for key, value in inputs.items():
        batchable = is_array(value) or isinstance(value, (list, tuple))
        axis = (
            in_axes.get(key, 0 if batchable else None)
            if by_key
            else (in_axes if batchable else None)
        )
        if axis is not None:
            columns[key] = _column(value, axis, f"{name}, key {key!r}")
    size = _length({key: len(column) for key, column in columns.items()}, name)
    batched = tuple(key in columns for key in inputs)
    pairs = [each for pair in inputs.items() for each in pair]

    def visit(form: str, fn: Any, out: list[Any]) -> None:
        rows = zip(*columns.values(), strict=False)
        _loop_by_key(form, batched)(fn, out, rows, *pairs)

    return Batch(size, visit, tuple(columns))


def split_positional(args: tuple[Any, ...], in_axes: Any, name: str) -> Batch:
    """The items of positional arguments; `in_axes` is one axis, or one (or a pytree) for each argument."""
    axes = in_axes if isinstance(in_axes, (tuple, list)) else (in_axes,) * len(args)
    if len(axes) != len(args):
        raise BatchError(f"{name}: in_axes has {len(axes)} entries for {len(args)} arguments")
    lengths: dict[str, int] = {}
    columns: list[Iterable[Any]] = []
    arrays = False
    for number, (value, axis) in enumerate(zip(args, axes, strict=True)):
        where = f"argument {number}"
        if axis is None:
            columns.append(repeat(value))
            continue
        if isinstance(axis, int) and (is_array(value) or isinstance(value, (list, tuple))):
            leaves, spec, flat = [value], None, [axis]
        else:
            optree = _optree(f"{name}, {where}")
            leaves, spec = optree.tree_flatten(value)
            flat = optree.broadcast_prefix(axis, value, none_is_leaf=True)
        parts: list[Iterable[Any]] = []
        for place, (leaf, along) in enumerate(zip(leaves, flat, strict=True)):
            if along is None:
                parts.append(repeat(leaf))
                continue
            here = where if spec is None else f"{where}, leaf {place}"
            column = _column(leaf, along, f"{name}, {here}")
            lengths[here] = len(column)
            arrays = arrays or is_array(leaf)
            parts.append(column)
        columns.append(parts[0] if spec is None else _Rebuilt(spec, parts))
    size = _length(lengths, name)

    def visit(form: str, fn: Any, out: list[Any]) -> None:
        rows = islice(zip(*columns, strict=False), size)
        out.extend(
            rows if form == "item" else starmap(fn, rows)
        )  # keeps what came before a failure

    return Batch(size, visit, arrays=arrays)


def _optree(wanted_by: str) -> Any:
    found = dependencies.load("optree")
    if found is None:
        raise BatchError(
            f"{wanted_by}: trees of values are batched by optree, which cannot be imported"
        )
    return found


class _Rebuilt:
    """The pytrees of an argument, one for each item."""

    def __init__(self, spec: Any, parts: list[Iterable[Any]]) -> None:
        self.spec, self.parts = spec, parts

    def __iter__(self) -> Iterator[Any]:
        return map(self.spec.unflatten, zip(*self.parts, strict=False))


def join(results: list[Any], name: str) -> Any:
    """A list of dicts as a dict of lists, in order; anything else as the list that it is."""
    if not results or type(results[0]) is not dict:
        return _join_of_kinds(results, name)
    joined: dict[Any, list[Any]] = {key: [] for key in results[0]}
    takers = [(column.extend, itemgetter(key)) for key, column in joined.items()]
    for start in range(
        0, len(results), PART
    ):  # part by part: each dict is fetched from memory once
        part = results[start : start + PART]
        if set(map(type, part)) != {dict} or set(map(len, part)) != {len(joined)}:
            return _join_of_kinds(results, name)
        try:
            for extend, take in takers:
                extend(map(take, part))
        except KeyError:
            return _join_of_kinds(results, name)
    return joined


def _join_of_kinds(results: list[Any], name: str) -> Any:
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
    return _optree("a tree of results").tree_map(fn, value)


def _stacked(results: list[Any], out_axes: Any) -> Any:
    import numpy as np

    if isinstance(out_axes, int) and all(hasattr(each, "__array_interface__") for each in results):
        return np.stack(results, axis=out_axes)
    optree = _optree("out_axes")
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
