"""Kernels are made in the background; a test of one waits for it."""

from __future__ import annotations

from ember_jit.runtime import background


def wait_for_kernels() -> None:
    """Come back when no kernel is being made: a call with values like those seen before is native from now on.

    Example:
        >>> wait_for_kernels()
    """
    background.wait()
