"""`PartitionSpec`, and what it makes of a batch: which axes of the data hold the items.

A specification has an entry for each leading axis of the data: the mesh axis (by name or number), or a tuple
of mesh axes, that it is split over, or None.  An axis that is split holds items; an axis that is not belongs to
every item whole.  So for a mesh of axes x and y

    PartitionSpec("x")            of (m, n):  m items of shape (n,), split over x
    PartitionSpec(None, "y")      of (m, n):  n items of shape (m,), split over y
    PartitionSpec("x", "y")       of (m, n):  m * n items, a block of them for each device
    PartitionSpec(("x", "y"))     of (m, n):  m items of shape (n,), split over the whole mesh
    PartitionSpec("x", "y")       of a list:  the same: it has one axis, so it is split over the whole mesh

The mesh axes that split one axis of the data are a *dimension* of the batch.  Values that are split over the
same mesh axes run along together, and must have the same length there; a value that lacks a dimension is the
same for all items along it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from ember_jit.errors import BatchError
from ember_jit.transforms.batching import is_array
from ember_jit.transforms.devices import DeviceMesh

Dimension: TypeAlias = tuple[int, ...]  # numbers of mesh axes; none: not split
Entry: TypeAlias = int | str | tuple[int | str, ...] | None


class PartitionSpec:
    """For each leading axis of the data the mesh axis, or a tuple of them, that it is split over; None: it is not.

    Raises:
        BatchError: an entry is nothing of that kind.

    Example:
        >>> PartitionSpec("rows", None, ("x", "y"))
        PartitionSpec('rows', None, ('x', 'y'))
    """

    def __init__(self, *axes: Entry) -> None:
        for entry in axes:
            parts = entry if type(entry) is tuple else () if entry is None else (entry,)
            if not all(type(each) in (int, str) for each in parts):
                raise BatchError(
                    f"PartitionSpec: {entry!r} is no mesh axis: give a name, a number, a tuple of them, or None"
                )
        self.axes = axes

    def __repr__(self) -> str:
        return f"PartitionSpec({', '.join(map(repr, self.axes))})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PartitionSpec) and self.axes == other.axes

    def __hash__(self) -> int:
        return hash(self.axes)

    def dimensions(self, mesh: DeviceMesh) -> tuple[Dimension | None, ...]:
        """What each leading axis of the data is split over, in numbers of mesh axes.

        Raises:
            BatchError: the mesh has no such axis, or one is named twice.
        """
        found: list[Dimension | None] = []
        for entry in self.axes:
            parts = entry if isinstance(entry, tuple) else () if entry is None else (entry,)
            found.append(tuple(mesh.axis(each) for each in parts) or None)
        named = [axis for each in found for axis in each or ()]
        if len(set(named)) != len(named):
            raise BatchError(f"{self!r} names an axis of {mesh!r} twice")
        while found and found[-1] is None:
            found.pop()
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the items of a batch are.

    Attributes:
        dimensions: those of the batch, in the order in which they are first mentioned.
        lengths: the number of items along each.
        places: by value, the dimension (its number) of each axis of it that is split; none: handed over whole.
    """

    dimensions: tuple[Dimension, ...]
    lengths: tuple[int, ...]
    places: dict[Any, dict[int, int]]


def axes_of_value(value: Any) -> int:
    """How many axes a value has that can be split."""
    if is_array(value):
        return int(value.ndim)
    return 1 if isinstance(value, (list, tuple)) else 0


def lay_out(
    values: Mapping[Any, Any],
    specs: Mapping[Any, PartitionSpec | None],
    default: PartitionSpec | None,
    mesh: DeviceMesh,
    name: str,
) -> Layout:
    """Find the items of `values`.

    Args:
        values: what is batched or handed over whole, by key or by number.
        specs: what they are split over; one with None, or that names no axis, is handed over whole.
        default: what all others with an axis are split over; where it names no axis, all items stay together.
        mesh: whose axes they name.
        name: what messages begin with, in front of the key or number: `mesh_sharded(f), key`.

    Raises:
        BatchError: it cannot be done; the message names the mesh, the axis and the shape.
    """
    dimensions: dict[Dimension, dict[Any, int]] = {}  # to the lengths of the values, by key
    places: dict[Any, dict[int, int]] = {key: {} for key in values}
    for key, split in _splits(values, specs, default, mesh).items():
        where = f"{name} {key!r}: {specs.get(key, default)!r} over {mesh!r}"
        shape = _shape(values[key])
        if split and not shape:
            raise BatchError(
                f"{where} cannot split a {type(values[key]).__name__}; "
                "give a list, a tuple or an array, or the partition None"
            )
        if len(split) > len(shape):
            raise BatchError(f"{where} splits axis {len(split) - 1}, but the shape is {shape}")
        for axis, dimension in enumerate(split):
            if dimension is None:
                continue
            for other in dimensions:
                if other != dimension and set(other) & set(dimension):
                    raise BatchError(
                        f"{where} splits an axis over {_named(dimension, mesh)}, but "
                        f"{next(iter(dimensions[other]))!r} is split over {_named(other, mesh)}: "
                        "a mesh axis belongs to one dimension of a batch"
                    )
            dimensions.setdefault(dimension, {})[key] = shape[axis]
            places[key][axis] = list(dimensions).index(dimension)
    for dimension, lengths in dimensions.items():
        if len(set(lengths.values())) > 1:
            listed = ", ".join(f"{key!r}: {length}" for key, length in lengths.items())
            raise BatchError(
                f"{name}s: batched inputs of unequal lengths along {_named(dimension, mesh)} of {mesh!r} ({listed})"
            )
    lengths_of_all = tuple(next(iter(each.values())) for each in dimensions.values())
    return Layout(tuple(dimensions), lengths_of_all, places)


def _splits(
    values: Mapping[Any, Any],
    specs: Mapping[Any, PartitionSpec | None],
    default: PartitionSpec | None,
    mesh: DeviceMesh,
) -> dict[Any, tuple[Dimension | None, ...]]:
    """What each leading axis of each value is split over; values that are handed over whole are left out.

    A batch has one axis as soon as one of its values has; that axis is then split over all that are named.
    """
    found: dict[Any, tuple[Dimension | None, ...]] = {}
    for key, value in values.items():
        spec = specs.get(key, default if axes_of_value(value) else None)
        if spec is not None:
            found[key] = spec.dimensions(mesh)
    flat = {split for key, split in found.items() if axes_of_value(values[key]) == 1}
    for key, split in found.items():
        if not split and key not in specs:
            found[key] = ((),)
        elif split and split in flat:
            found[key] = (tuple(axis for each in split for axis in each or ()),)
    return found


def _shape(value: Any) -> tuple[int, ...]:
    if is_array(value):
        return tuple(value.shape)
    return (len(value),) if axes_of_value(value) else ()


def _named(dimension: Dimension, mesh: DeviceMesh) -> str:
    names = [repr(mesh.axis_names[axis]) for axis in dimension]
    if not names:
        return "no axis"
    return f"axis {names[0]}" if len(names) == 1 else f"the axes ({', '.join(names)})"
