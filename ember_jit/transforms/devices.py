"""Devices: execution slots.  An integer is a local worker; anything with `submit(fn, *args)` is an executor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

from ember_jit.errors import BatchError


@runtime_checkable
class ExecutorLike(Protocol):
    """What may stand behind a slot: `submit` returns something with `result()`."""

    def submit(self, fn: Callable[..., Any], /, *args: Any) -> Any:
        """Start `fn(*args)`."""


def check_devices(devices: Sequence[Any]) -> tuple[Any, ...]:
    """The devices, if each is one."""
    for device in devices:
        if type(device) is not int and not isinstance(device, ExecutorLike):
            raise BatchError(
                f"{device!r} is no device: give an integer, or an object with submit(fn, *args)"
            )
    return tuple(devices)
