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
from collections.abc import Callable, Sequence
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

    def slots(self, mesh: DeviceMesh) -> list[Any]:
        """The devices that get a shard, in order."""
        named = [mesh.axis(axis) for axis in self.axes if axis is not None]
        if len(set(named)) != len(named):
            raise BatchError(f"{self!r} names an axis of {mesh!r} twice")
        index = [0] * len(mesh.shape)
        found = []
        for places in itertools.product(*(range(mesh.shape[axis]) for axis in named)):
            for axis, place in zip(named, places, strict=True):
                index[axis] = place
            found.append(mesh.get_device(*index))
        return found


class Sharded(Mapped):
    """What `mesh_sharded` returns."""

    def __init__(self, fn: Callable[..., Any], mesh: DeviceMesh, pspec: PartitionSpec) -> None:
        super().__init__("mesh_sharded", fn, *axes_of(fn))
        self.slots = pspec.slots(mesh)

    def run_items(self, items: list[Any], *, by_key: bool, first: int = 0) -> list[Any]:
        """The results, in order."""
        shards = split(items, len(self.slots), first)
        return gather(shards, on_slots(self.slots, Work(self.fn, by_key), shards))


def mesh_sharded(fn: Callable[..., Any], mesh: DeviceMesh, pspec: PartitionSpec) -> Sharded:
    """Map `fn`, a function of one item, over a batch, sharded over `mesh`.

    Raises:
        BatchError: the mesh has no such axis, or the batch cannot be taken apart.  Of several failing items
            the first in order is raised, with what was finished in `partial_results`, by index.
    """
    return Sharded(fn, mesh, pspec)
