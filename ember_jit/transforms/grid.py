"""The items of a batch of one or more dimensions: taken apart into a block for each device, and put together.

    mesh of axes x=2, y=3        batch of 4 x 6 items        block of the device (1, 0)
                                                             items (2..3, 0..1)

Blocks are contiguous and of nearly equal size; uneven ones are fine, and empty ones are left out.  Along the
mesh axes that split nothing the batch is replicated, of which one replica is computed: the first.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from ember_jit.errors import BatchError
from ember_jit.transforms import batching, joining
from ember_jit.transforms.devices import DeviceMesh
from ember_jit.transforms.partition import Dimension, Layout
from ember_jit.transforms.sharding import bounds

Axes = tuple[int | None, ...]
"""For each leading axis of a result the dimension (its number) that runs along it; None: its own."""
Found = Sequence[tuple[tuple[int, ...], Any]]
"""Results, each with the index of its item, or the place of its block, in order."""


@dataclass(frozen=True, slots=True)
class Block:
    """The items of one device.

    Attributes:
        place: the number of the block along each dimension.
        ranges: the items along each.
        device: where it runs.
    """

    place: tuple[int, ...]
    ranges: tuple[range, ...]
    device: Any

    @property
    def indices(self) -> Sequence[Any]:
        """The items in order: by number, or by a tuple of numbers where there are several dimensions."""
        return self.ranges[0] if len(self.ranges) == 1 else list(itertools.product(*self.ranges))


def blocks(layout: Layout, mesh: DeviceMesh) -> list[Block]:
    """The blocks of a batch, in order."""
    parts = [
        bounds(length, math.prod(mesh.shape[axis] for axis in dimension))
        for dimension, length in zip(layout.dimensions, layout.lengths, strict=True)
    ]
    return [
        Block(
            place,
            tuple(part[number] for part, number in zip(parts, place, strict=True)),
            mesh.get_device(*_position(place, layout.dimensions, mesh)),
        )
        for place in itertools.product(*(range(len(part)) for part in parts))
    ]


def _position(
    place: tuple[int, ...], dimensions: Sequence[Dimension], mesh: DeviceMesh
) -> list[int]:
    """Where on the mesh a block lies."""
    position = [0] * len(mesh.shape)
    for number, dimension in zip(place, dimensions, strict=True):
        rest = number
        for axis in reversed(dimension):
            rest, position[axis] = divmod(rest, mesh.shape[axis])
    return position


# ---------------------------------------------------------------------- taking apart
def items_of(block: Block, values: Sequence[Any], places: Sequence[dict[int, int]]) -> list[Any]:
    """The items of a block: a tuple each, with a part of every value."""
    indices = list(itertools.product(*block.ranges))
    columns = [map(_taker(*each), indices) for each in zip(values, places, strict=True)]
    return list(zip(*columns, strict=True))


def _taker(value: Any, places: dict[int, int]) -> Callable[[tuple[int, ...]], Any]:
    """What picks an item's part of `value`, given the item's index."""
    if not places:
        return lambda index: value
    if not batching.is_array(value):
        along = places[0]
        return lambda index: value[index[along]]
    pattern = [places.get(axis) for axis in range(max(places) + 1)]
    return lambda index: value[tuple(slice(None) if d is None else index[d] for d in pattern)]


def part_of(block: Block, values: Sequence[Any], places: Sequence[dict[int, int]]) -> list[Any]:
    """The block's part of each value, whole, as the one thing that is called for."""
    return [tuple(_cut(block, *each) for each in zip(values, places, strict=True))]


def _cut(block: Block, value: Any, places: dict[int, int]) -> Any:
    if not places:
        return value
    spans = {axis: slice(block.ranges[d].start, block.ranges[d].stop) for axis, d in places.items()}
    if not batching.is_array(value):
        return value[spans[0]]
    return value[tuple(spans.get(axis, slice(None)) for axis in range(max(places) + 1))]


# ---------------------------------------------------------------------- putting together
class Disagreement(Exception):
    """Results differ along a dimension that is left out.

    Attributes:
        dimension: its number.
        two: the two results, each with its index.
    """

    def __init__(self, dimension: int, two: Found) -> None:
        super().__init__(dimension, two)
        self.dimension, self.two = dimension, two


def put_together(
    results: Found, lengths: Sequence[int], axes: Axes, *, arrays: bool = False
) -> Any:
    """Items' results as nested lists, or stacked as arrays, along `axes`.

    Args:
        results: each with the index of its item.
        lengths: the number of items along each dimension.
        axes: where the dimensions go; results are the same along one that goes nowhere.
        arrays: stack them, leaf by leaf.

    Raises:
        Disagreement: they are not the same.
    """
    named = [d for d in axes if d is not None]
    picked = _agreed(results, named)
    if not named:
        return picked[()]
    shape = [lengths[d] for d in named]
    flat = [picked[index] for index in itertools.product(*map(range, shape))]
    if not arrays and None not in axes:
        return nested(iter(flat), shape)

    def place(leaf: Any) -> Any:
        import numpy as np

        spots = [axis for axis, d in enumerate(axes) if d is not None]
        if leaf.ndim - 1 + len(shape) < len(axes):
            raise BatchError(
                f"out_partition has {len(axes)} axes, but an item's result has the shape {leaf.shape[1:]}"
            )
        return np.moveaxis(leaf.reshape(*shape, *leaf.shape[1:]), range(len(shape)), spots)

    return joining.leafwise(place, joining.stack(flat, 0))


def nested(flat: Iterator[Any], shape: Sequence[int]) -> Any:
    """Values in row-major order as lists in lists."""
    if len(shape) == 1:
        return list(itertools.islice(flat, shape[0]))
    return [nested(flat, shape[1:]) for _ in range(shape[0])]


def concatenate(results: Found, axes: Axes) -> Any:
    """Blocks' results as one, along `axes`; dicts and tuples of them part by part.

    Raises:
        Disagreement: blocks differ along a dimension that the result lacks.
        BatchError: they do not fit together.
    """
    first = results[0][1]
    if isinstance(first, Mapping) and all(
        isinstance(each, Mapping) and each.keys() == first.keys() for _, each in results
    ):
        return {
            key: concatenate([(place, each[key]) for place, each in results], axes) for key in first
        }
    if type(first) is tuple and all(
        type(each) is tuple and len(each) == len(first) for _, each in results
    ):
        return tuple(
            concatenate([(place, each[part]) for place, each in results], axes)
            for part in range(len(first))
        )
    spots = [axis for axis, d in enumerate(axes) if d is not None]
    picked = _agreed(results, [d for d in axes if d is not None])
    return _joined(picked, spots)


def _joined(parts: Mapping[tuple[int, ...], Any], spots: list[int]) -> Any:
    """The parts at places of as many numbers as there are `spots`, joined along these axes."""
    if not spots:
        return parts[()]
    rows: dict[int, dict[tuple[int, ...], Any]] = {}
    for place, part in sorted(parts.items(), key=itemgetter(0)):
        rows.setdefault(place[0], {})[place[1:]] = part
    joined = [_joined(row, spots[1:]) for row in rows.values()]
    if all(isinstance(each, list) for each in joined) and spots[0] == 0:
        return [item for each in joined for item in each]
    if not all(batching.is_array(each) for each in joined):
        kinds = sorted({type(each).__name__ for each in joined})
        raise BatchError(
            f"the results of blocks cannot be joined along axis {spots[0]}: they are {', '.join(kinds)}; "
            "return arrays or lists, or say with out_partition that all blocks agree: PartitionSpec()"
        )
    import numpy as np

    try:
        return np.concatenate(joined, axis=spots[0])
    except ValueError as exc:
        shapes = ", ".join(str(each.shape) for each in joined)
        raise BatchError(
            f"the results of blocks cannot be joined along axis {spots[0]}: their shapes are {shapes}"
        ) from exc


def _agreed(results: Found, named: list[int]) -> dict[tuple[int, ...], Any]:
    """The results by what their index has for the dimensions `named`; those of one place agree."""
    picked: dict[tuple[int, ...], tuple[tuple[int, ...], Any]] = {}
    for index, result in results:
        other, value = picked.setdefault(tuple(index[d] for d in named), (index, result))
        if not same(value, result):
            lacking = next(d for d in range(len(index)) if d not in named and index[d] != other[d])
            raise Disagreement(lacking, [(other, value), (index, result)])
    return {key: value for key, (_, value) in picked.items()}


def same(one: Any, other: Any) -> bool:
    """Whether two results are equal, NaN included."""
    if one is other:
        return True
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)) and type(one) is type(other):
        return len(one) == len(other) and all(map(same, one, other))
    if batching.is_array(one) or batching.is_array(other):
        import numpy as np

        a, b = np.asarray(one), np.asarray(other)
        return a.shape == b.shape and bool(np.all((a == b) | ((a != a) & (b != b))))
    return bool(one == other) or bool(one != one and other != other)
