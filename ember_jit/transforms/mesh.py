"""`mesh_sharded`: the items of a batch, spread over the slots of a mesh.

A mesh is an n-dimensional arrangement of devices; a device is an execution slot: an integer stands for a
local thread, an object with `submit(fn, *args)` (`ExecutorLike`) for whatever is behind it.  The batch is
split, in contiguous and nearly equal shards, along the mesh axes that the `PartitionSpec` names; along the
others it is replicated, of which one replica is computed.  So each item is computed exactly once, and the
results are gathered in order.  Shards run at the same time, whatever the effects of the function: asking
for a mesh is the user's word that this is right.

Example:
    >>> mesh = DeviceMesh(devices=[0, 1, 2, 3], mesh_shape=(2, 2))
    >>> mesh_sharded(lambda item: {"y": item["x"] + 1}, mesh, PartitionSpec(0, 1))(inputs={"x": [1, 2, 3]})
    {'y': [2, 3, 4]}
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ember_jit.errors import BatchError
from ember_jit.transforms.devices import check_devices
from ember_jit.transforms.mapped import Mapped, axes_of
from ember_jit.transforms.sharding import Work, gather, on_slots, split


class DeviceMesh:
    """Devices in an n-dimensional arrangement, in row-major order."""

    def __init__(
        self,
        devices: Sequence[Any],
        mesh_shape: Sequence[int] | None = None,
        *,
        shape: Sequence[int] | None = None,
        axis_names: Sequence[str] | None = None,
    ) -> None:
        self.devices = check_devices(devices)
        self.shape = tuple(mesh_shape or shape or (len(self.devices),))
        self.axis_names = tuple(axis_names or (f"axis{i}" for i in range(len(self.shape))))
        if math.prod(self.shape) != len(self.devices):
            raise BatchError(
                f"a mesh of shape {self.shape} needs {math.prod(self.shape)} devices, not {len(self.devices)}"
            )
        if len(set(self.axis_names)) != len(self.shape):
            raise BatchError(
                f"a mesh of shape {self.shape} needs {len(self.shape)} different axis names, not {self.axis_names}"
            )

    def __repr__(self) -> str:
        axes = ", ".join(
            f"{name}={size}" for name, size in zip(self.axis_names, self.shape, strict=True)
        )
        return f"DeviceMesh({axes})"

    def get_device(self, *index: int) -> Any:
        """The device at `index`, one number for each axis."""
        if len(index) != len(self.shape) or not all(
            0 <= i < n for i, n in zip(index, self.shape, strict=True)
        ):
            raise BatchError(f"{self!r} of shape {self.shape} has no device at {index}")
        place = 0
        for i, size in zip(index, self.shape, strict=True):
            place = place * size + i
        return self.devices[place]

    def axis(self, which: int | str) -> int:
        """The number of an axis, given by number or name."""
        if isinstance(which, str) and which in self.axis_names:
            return self.axis_names.index(which)
        if type(which) is int and 0 <= which < len(self.shape):
            return which
        raise BatchError(f"{self!r} of shape {self.shape} has no axis {which!r}")

    def submesh(self, **fixed: int) -> DeviceMesh:
        """The mesh that is left when the named axes are held at an index: `mesh.submesh(axis0=1)`."""
        held = {self.axis(name): index for name, index in fixed.items()}
        free = [i for i in range(len(self.shape)) if i not in held]
        ranges = [(held[i],) if i in held else range(size) for i, size in enumerate(self.shape)]
        return DeviceMesh(
            [self.get_device(*index) for index in itertools.product(*ranges)],
            [self.shape[i] for i in free] or (1,),
            axis_names=[self.axis_names[i] for i in free] or ("axis0",),
        )


class PartitionSpec:
    """The mesh axes, by number or name, along which a batch is split; None replicates."""

    def __init__(self, *axes: int | str | None) -> None:
        self.axes = axes

    def __repr__(self) -> str:
        return f"PartitionSpec({', '.join(map(repr, self.axes))})"

    @property
    def data_axis(self) -> int | None:
        """The first axis of the data that is split."""
        return next((k for k, axis in enumerate(self.axes) if axis is not None), None)

    def mesh_axes(self, mesh: DeviceMesh) -> list[int]:
        """The numbers of the mesh axes that are named."""
        named = [mesh.axis(axis) for axis in self.axes if axis is not None]
        if len(set(named)) != len(named):
            raise BatchError(f"{self!r} names an axis of {mesh!r} twice")
        return named

    def slots(self, mesh: DeviceMesh) -> list[Any]:
        """The devices that get a shard, in order."""
        named = self.mesh_axes(mesh)
        index = [0] * len(mesh.shape)
        found = []
        for places in itertools.product(*(range(mesh.shape[axis]) for axis in named)):
            for axis, place in zip(named, places, strict=True):
                index[axis] = place
            found.append(mesh.get_device(*index))
        return found


class Sharded(Mapped):
    """What `mesh_sharded` returns."""

    def __init__(
        self, fn: Callable[..., Any], mesh: DeviceMesh, pspec: PartitionSpec, in_axes: Any
    ) -> None:
        own, out_axes = axes_of(fn)
        super().__init__("mesh_sharded", fn, own if in_axes is None else in_axes, out_axes)
        self.slots = pspec.slots(mesh)

    def run_items(self, items: list[Any], *, by_key: bool, first: int = 0) -> list[Any]:
        """The results, in order."""
        shards = split(items, len(self.slots), first)
        return gather(shards, on_slots(self.slots, Work(self.fn, by_key), shards))


def mesh_sharded(
    fn: Callable[..., Any],
    mesh: DeviceMesh,
    pspec: PartitionSpec | None = None,
    *,
    in_partition: Mapping[str, PartitionSpec | None] | None = None,
) -> Sharded:
    """Map `fn`, a function of one item, over a batch, sharded over `mesh`.

    Args:
        fn: a function of one item, a function or operator of `inputs=`, or `vmap` of one.
        mesh: where the shards run.
        pspec: the mesh axes that the batch is split over.
        in_partition: by key, where keys differ: the data axis in the place of the first mesh axis holds the
            items; None hands the value whole to every item.

    Raises:
        BatchError: the mesh has no such axis, specifications split over different axes, or the batch cannot
            be taken apart.  Of several failing items the first in order is raised, with what was finished in
            `partial_results`, by index.

    Example:
        >>> mesh = DeviceMesh([0, 1], axis_names=["rows"])
        >>> fn = mesh_sharded(lambda item: item["x"] in item["all"], mesh, in_partition={
        ...     "x": PartitionSpec("rows"), "all": None})
        >>> fn(inputs={"x": [1, 2, 3], "all": [1, 3]})
        [True, False, True]
    """
    given = [pspec] if pspec is not None else []
    axes: dict[str, int | None] | None = None
    if in_partition is not None:
        axes = {key: None if spec is None else spec.data_axis for key, spec in in_partition.items()}
        given += [spec for key, spec in in_partition.items() if spec and axes[key] is not None]
    if not given:
        raise BatchError(f"mesh_sharded: no axis of {mesh!r} is named: give a PartitionSpec")
    for other in given[1:]:
        if other.mesh_axes(mesh) != given[0].mesh_axes(mesh):
            raise BatchError(
                f"mesh_sharded: {given[0]!r} and {other!r} split over different axes of {mesh!r}; "
                "the items of one batch are split once"
            )
    return Sharded(fn, mesh, given[0], axes)
