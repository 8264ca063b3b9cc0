"""Devices: execution slots.  An integer is a local worker; anything with `submit(fn, *args)` is an executor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ember_jit.errors import BatchError
from ember_jit.protocols import ExecutorLike


def check_devices(devices: Sequence[Any]) -> tuple[Any, ...]:
    """The devices, if each is one."""
    for device in devices:
        if type(device) is not int and not isinstance(device, ExecutorLike):
            raise BatchError(
                f"{device!r} is no device: give an integer, or an object with submit(fn, *args)"
            )
    return tuple(devices)
