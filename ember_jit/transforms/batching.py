"""Taking a batch apart into items, and putting the results together.

Two conventions.  *By key*: `fn(inputs=...)` or `fn(item)` called with `inputs={...}`: lists, tuples and
arrays are batched, everything else is handed to every item.  *By position*: array functions, with
`in_axes` for each argument as in `jax.vmap`; results are stacked along `out_axes` when an array was batched.

Example:
    >>> split_mapping({"x": [1, 2], "k": "all"}, 0, "f").items
    [{'x': 1, 'k': 'all'}, {'x': 2, 'k': 'all'}]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ember_jit.errors import BatchError


@dataclass(slots=True)
class Batch:
    """The items of one call.

    Attributes:
        items: the arguments of each item: a dict by key, or a tuple by position.
        keys: the batched keys, in order; empty by position.
        arrays: whether an array was batched by position, so that results are stacked.
    """

    items: list[Any]
    keys: tuple[str, ...] = ()
    arrays: bool = False


def _is_array(value: Any) -> bool:
    return hasattr(value, "__array_interface__") and hasattr(value, "ndim") and value.ndim > 0


def _at(value: Any, axis: int, where: str) -> tuple[int, Callable[[int], Any]]:
    """Length of `value` along `axis`, and how to take one item of it."""
    if _is_array(value):
        if not -value.ndim <= axis < value.ndim:
            raise BatchError(
                f"{where}: axis {axis} does not exist in an array of shape {value.shape}"
            )
        lead = (slice(None),) * (axis % value.ndim)
        return value.shape[axis], lambda i: value[(*lead, i)]
    if isinstance(value, (list, tuple)):
        if axis not in (0, -1):
            raise BatchError(f"{where}: a {type(value).__name__} has no axis {axis}, only 0")
        return len(value), value.__getitem__
    raise BatchError(f"{where}: a {type(value).__name__} cannot be batched; give it in_axes None")


def _same(value: Any) -> Callable[[int], Any]:
    return lambda _: value


def _rebuilt(spec: Any, gets: list[Callable[[int], Any]]) -> Callable[[int], Any]:
    return lambda i: spec.unflatten([get(i) for get in gets])


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
    lengths, take = {}, {}
    for key, value in inputs.items():
        batchable = _is_array(value) or isinstance(value, (list, tuple))
        axis = (
            in_axes.get(key, 0 if batchable else None)
            if by_key
            else (in_axes if batchable else None)
        )
        if axis is not None:
            lengths[key], take[key] = _at(value, axis, f"{name}, key {key!r}")
    size = _length(lengths, name)
    shared = dict(inputs)
    items = [shared | {key: get(i) for key, get in take.items()} for i in range(size)]
    return Batch(items, tuple(take))


def split_positional(args: tuple[Any, ...], in_axes: Any, name: str) -> Batch:
    """The items of positional arguments; `in_axes` is one axis, or one (or a pytree) for each argument."""
    import optree

    axes = in_axes if isinstance(in_axes, (tuple, list)) else (in_axes,) * len(args)
    if len(axes) != len(args):
        raise BatchError(f"{name}: in_axes has {len(axes)} entries for {len(args)} arguments")
    lengths: dict[str, int] = {}
    makers: list[Callable[[int], Any]] = []
    arrays = False
    for number, (value, axis) in enumerate(zip(args, axes, strict=True)):
        where = f"argument {number}"
        if axis is None:
            makers.append(_same(value))
        elif isinstance(axis, int) and (_is_array(value) or isinstance(value, (list, tuple))):
            lengths[where], get = _at(value, axis, f"{name}, {where}")
            arrays = arrays or _is_array(value)
            makers.append(get)
        else:
            leaves, spec = optree.tree_flatten(value)
            flat = optree.broadcast_prefix(axis, value, none_is_leaf=True)
            gets: list[Callable[[int], Any]] = []
            for place, (leaf, along) in enumerate(zip(leaves, flat, strict=True)):
                if along is None:
                    gets.append(_same(leaf))
                    continue
                lengths[f"{where}, leaf {place}"], get = _at(
                    leaf, along, f"{name}, {where}, leaf {place}"
                )
                arrays = arrays or _is_array(leaf)
                gets.append(get)
            makers.append(_rebuilt(spec, gets))
    size = _length(lengths, name)
    return Batch([tuple(make(i) for make in makers) for i in range(size)], arrays=arrays)


def join(results: list[Any], name: str) -> Any:
    """A list of dicts as a dict of lists, in order; anything else as the list that it is."""
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
    """Results as arrays, leaf by leaf, with the batch along `out_axes` (None: the same for every item)."""
    import numpy as np
    import optree

    if out_axes is None:
        return results[0]
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
