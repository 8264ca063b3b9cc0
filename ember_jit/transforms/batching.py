"""Taking a batch apart into items.

Two conventions.  *By key*: `fn(inputs=...)` or `fn(item)` called with `inputs={...}`: lists, tuples and
arrays are batched, everything else is handed to every item.  *By position*: array functions, with
`in_axes` for each argument as in `jax.vmap`.

Example:
    >>> split_mapping({"x": [1, 2], "k": "all"}, 0, "f").items
    [{'x': 1, 'k': 'all'}, {'x': 2, 'k': 'all'}]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import islice, repeat
from typing import Any

from ember_jit.errors import BatchError
from ember_jit.transforms.joining import PART, Joiner, trees

#: puts `fn` of each of these rows into a list, in one of the forms in which `fn` is called
Visit = Callable[[str, Any, list[Any], Iterator[Any]], None]


class Batch:
    """The items of one call.

    Attributes:
        keys: the batched keys, in order; empty by position.
        arrays: whether an array was batched by position, so that results are stacked.
    """

    __slots__ = ("_rows", "_size", "_visit", "arrays", "keys")

    def __init__(
        self,
        size: int,
        rows: Callable[[], Iterator[Any]],
        visit: Visit,
        keys: tuple[Any, ...] = (),
        arrays: bool = False,
    ) -> None:
        self._size, self._rows, self._visit = size, rows, visit
        self.keys, self.arrays = keys, arrays

    def __len__(self) -> int:
        return self._size

    @property
    def indices(self) -> range:
        """The numbers of the items."""
        return range(self._size)

    @property
    def items(self) -> list[Any]:
        """All items: a dict by key, or a tuple by position, each."""
        found: list[Any] = []
        self._visit("item", None, found, self._rows())
        return found

    def call(self, fn: Callable[..., Any], inputs: bool, out: Joiner) -> None:
        """The plain loop, by key: the result of each item, called as it is made, into `out`, up to a failure."""
        form = "fn(inputs=item)" if inputs else "fn(item)"
        rows = self._rows()
        for _ in range(0, self._size, PART):
            self._visit(form, fn, out.part, islice(rows, PART))
            out.put_away()


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


def _column(value: Any, axis: Any, where: str, hint: str = "") -> list[Any]:
    """What `value` has for each item, along `axis`."""
    if not isinstance(axis, int):
        raise BatchError(f"{where}: in_axes has {axis!r}, which is no axis: give a number, or None")
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
    kind = type(value).__name__
    article = "an" if kind[:1] in "aeiou" else "a"
    raise BatchError(f"{where}: {article} {kind} cannot be batched; give it in_axes None{hint}")


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

    def rows() -> Iterator[Any]:
        return zip(*columns.values(), strict=False)

    def visit(form: str, fn: Any, out: list[Any], rows: Iterator[Any]) -> None:
        _loop_by_key(form, batched)(fn, out, rows, *pairs)

    return Batch(size, rows, visit, tuple(columns))


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
            optree = trees(f"{name}, {where}")
            leaves, spec = optree.tree_flatten(value)
            flat = optree.broadcast_prefix(axis, value, none_is_leaf=True)
        hint = ", or batches by key as inputs={...}" if isinstance(value, Mapping) else ""
        parts: list[Iterable[Any]] = []
        for place, (leaf, along) in enumerate(zip(leaves, flat, strict=True)):
            if along is None:
                parts.append(repeat(leaf))
                continue
            here = where if spec is None else f"{where}, leaf {place}"
            column = _column(leaf, along, f"{name}, {here}", hint)
            lengths[here] = len(column)
            arrays = arrays or is_array(leaf)
            parts.append(column)
        columns.append(parts[0] if spec is None else _Rebuilt(spec, parts))
    size = _length(lengths, name)

    def rows() -> Iterator[Any]:
        return islice(zip(*columns, strict=False), size)

    def visit(form: str, fn: Any, out: list[Any], rows: Iterator[Any]) -> None:
        out.extend(rows)

    return Batch(size, rows, visit, arrays=arrays)


class _Rebuilt:
    """The pytrees of an argument, one for each item."""

    def __init__(self, spec: Any, parts: list[Iterable[Any]]) -> None:
        self.spec, self.parts = spec, parts

    def __iter__(self) -> Iterator[Any]:
        return map(self.spec.unflatten, zip(*self.parts, strict=False))
