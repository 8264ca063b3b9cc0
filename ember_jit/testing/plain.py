"""`eager`: an operator as plain Python runs it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from ember_jit.protocols import check_operator
from ember_jit.runtime.dispatch import disable_structural_jit


class eager:
    """Run an operator or a function plain: nothing that was compiled overlaps, at any depth.

    Called, it makes one plain call.  As a context it hands out the operator, and everything in the block runs
    plain.  Other threads and tasks are not affected (`disable_structural_jit`).

    Args:
        op: an operator or a function, compiled or not.

    Raises:
        NotAnOperatorError: `op` is neither.

    Example:
        >>> from ember_jit import structural_jit
        >>> @structural_jit
        ... def twice(inputs):
        ...     return [str(inputs), repr(inputs)]
        >>> eager(twice)(inputs=1)
        ['1', '1']
        >>> with eager(twice) as plain:
        ...     plain(2)
        ['2', '2']
    """

    def __init__(self, op: Any) -> None:
        check_operator(op, "eager")
        self._op = op
        self._blocks: list[AbstractContextManager[None]] = []

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Make one plain call."""
        with disable_structural_jit():
            return self._op(*args, **kwargs)

    def __enter__(self) -> Any:
        """Run everything plain until the block ends; hands out the operator itself."""
        block = disable_structural_jit()
        block.__enter__()
        self._blocks.append(block)
        return self._op

    def __exit__(self, *failure: Any) -> None:
        """Go back to how it was."""
        self._blocks.pop().__exit__(*failure)
