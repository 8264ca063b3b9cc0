"""Devices, which are execution slots, and meshes, which arrange them.

An integer is a local worker; anything with `submit(fn, *args)` (`ExecutorLike`) is an executor of the user's.

Example:
    >>> mesh = DeviceMesh([0, 1, 2, 3, 4, 5], (2, 3), axis_names=("rows", "columns"))
    >>> mesh, mesh.get_device(1, 0), mesh.submesh(rows=1)
    (DeviceMesh(rows=2, columns=3), 3, DeviceMesh(columns=3))
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Any

from ember_jit.errors import BatchError, near_misses
from ember_jit.protocols import ExecutorLike


def check_devices(devices: Iterable[Any], asked_by: str) -> tuple[Any, ...]:
    """The devices, if each is one.

    Raises:
        BatchError: there are none, or one is neither an integer nor an executor.
    """
    if isinstance(devices, str) or not isinstance(devices, Iterable):
        raise BatchError(f"{asked_by}: devices={devices!r} is no list of devices: [0, 1]")
    found = tuple(devices)
    if not found:
        raise BatchError(f"{asked_by}: devices is empty; give at least one")
    for device in found:
        if type(device) is not int and not isinstance(device, ExecutorLike):
            raise BatchError(
                f"{asked_by}: {device!r} is no device: give an integer, or an object with submit(fn, *args)"
            )
    return found


class DeviceMesh:
    """Devices in an n-dimensional arrangement, in row-major order.

    Args:
        devices: one for each place of the mesh.
        mesh_shape: the length of each axis; one axis of all devices if it is not given.
        shape: another name of `mesh_shape`.
        axis_names: what the axes are called; `axis0`, `axis1`... if they are not given.

    Raises:
        BatchError: the devices do not fill the shape, or the names do not fit it.
    """

    def __init__(
        self,
        devices: Sequence[Any],
        mesh_shape: Sequence[int] | None = None,
        *,
        shape: Sequence[int] | None = None,
        axis_names: Sequence[str] | None = None,
    ) -> None:
        self.devices = check_devices(devices, "DeviceMesh")
        if shape is not None and mesh_shape is not None and tuple(shape) != tuple(mesh_shape):
            raise BatchError(
                f"DeviceMesh: mesh_shape={mesh_shape!r} and shape={shape!r} are the same thing; give one"
            )
        given = mesh_shape if mesh_shape is not None else shape
        self.shape = (len(self.devices),) if given is None else _lengths(given)
        if math.prod(self.shape) != len(self.devices):
            raise BatchError(
                f"a mesh of shape {self.shape} needs {math.prod(self.shape)} devices, not {len(self.devices)}"
            )
        self.axis_names = (
            tuple(f"axis{i}" for i in range(len(self.shape)))
            if axis_names is None
            else _names(axis_names)
        )
        if len(set(self.axis_names)) != len(self.axis_names) or len(self.axis_names) != len(
            self.shape
        ):
            raise BatchError(
                f"a mesh of shape {self.shape} needs {len(self.shape)} different axis names, not {self.axis_names}"
            )

    def __repr__(self) -> str:
        axes = ", ".join(
            f"{name}={size}" for name, size in zip(self.axis_names, self.shape, strict=True)
        )
        return f"DeviceMesh({axes})"

    def get_device(self, *index: int) -> Any:
        """The device at `index`, one number for each axis.

        Raises:
            BatchError: there is none.
        """
        if len(index) != len(self.shape) or not all(
            type(i) is int and 0 <= i < n for i, n in zip(index, self.shape, strict=True)
        ):
            raise BatchError(f"{self!r} of shape {self.shape} has no device at {index}")
        place = 0
        for i, size in zip(index, self.shape, strict=True):
            place = place * size + i
        return self.devices[place]

    def axis(self, which: int | str) -> int:
        """The number of an axis, given by number or name.

        Raises:
            BatchError: there is no such axis.
        """
        if isinstance(which, str) and which in self.axis_names:
            return self.axis_names.index(which)
        if type(which) is int and 0 <= which < len(self.shape):
            return which
        hint = near_misses(which, self.axis_names) if isinstance(which, str) else ""
        raise BatchError(f"{self!r} of shape {self.shape} has no axis {which!r}{hint}")

    def submesh(self, **fixed: int) -> DeviceMesh:
        """The mesh that is left when the named axes are held at an index: `mesh.submesh(axis0=1)`.

        Raises:
            BatchError: there is no such axis, or no such index.
        """
        held = {self.axis(name): index for name, index in fixed.items()}
        free = [i for i in range(len(self.shape)) if i not in held]
        ranges = [(held[i],) if i in held else range(size) for i, size in enumerate(self.shape)]
        return DeviceMesh(
            [self.get_device(*index) for index in itertools.product(*ranges)],
            [self.shape[i] for i in free] or (1,),
            axis_names=[self.axis_names[i] for i in free] or ("axis0",),
        )


def _lengths(shape: Any) -> tuple[int, ...]:
    lengths = tuple(shape) if isinstance(shape, Iterable) and not isinstance(shape, str) else None
    if not lengths or any(type(each) is not int or each < 1 for each in lengths):
        raise BatchError(
            f"DeviceMesh: mesh_shape={shape!r} is no shape: give the length of each axis, (2, 2)"
        )
    return lengths


def _names(names: Any) -> tuple[str, ...]:
    if isinstance(names, str) or not all(isinstance(each, str) for each in names):
        raise BatchError(
            f'DeviceMesh: axis_names={names!r} is no list of names: ("rows", "columns")'
        )
    return tuple(names)
