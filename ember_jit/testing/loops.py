"""Compiled loops without waiting: in tests, code is made in the first call and used from then on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace

from ember_jit.runtime.loops import workshop
from ember_jit.runtime.loops.site import policy


@contextmanager
def loops_at_once(trial: bool = False) -> Iterator[None]:
    """While the block runs, loops are compiled in the very call that meets them, whatever that costs.

    Args:
        trial: run each loop in Python too when it is first compiled, compare, and use it only if it is not slower.

    Example:
        >>> with loops_at_once():
        ...     pass
    """
    before = replace(policy)
    policy.work, policy.background, policy.trial = 0, False, trial
    try:
        yield
    finally:
        for field in fields(policy):
            setattr(policy, field.name, getattr(before, field.name))


def wait_for_loops(timeout: float = 60.0) -> bool:
    """Wait until every loop that is being compiled is ready; False if that took longer than `timeout` seconds."""
    return workshop.wait(timeout)
