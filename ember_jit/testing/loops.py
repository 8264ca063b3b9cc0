"""Compiled loops without waiting: in tests, code is made in the first call and used from then on.

Where the cost model is to be as users have it, `wait_for_kernels` waits for what is being compiled.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from ember_jit.runtime.loops import site


def loops_at_once(trial: bool = False) -> AbstractContextManager[None]:
    """While the block runs, loops are compiled in the very call that meets them, whatever that costs.

    Args:
        trial: run each loop in Python too when it is first compiled, compare, and use it only if it is not slower.

    Example:
        >>> with loops_at_once():
        ...     pass
    """
    return site.at_once(trial)
