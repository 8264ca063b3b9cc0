"""What is tried in front of statements, and gives way to them: numeric regions and loops in machine code alike.

    K.on and gettrace() is None and ... (_r := K.entry(x)) is not K.miss or (_r := K.again(x)) is not K.miss

The site `K` stands in the constants of the compiled function.  Where the answer is `miss`, nothing has happened that
anybody could see, and the statements run as they were written.  So they do for whoever follows the lines.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from ember_jit.runtime import logs
from ember_jit.runtime.native.miss import MISS


class TriedFirst:
    """One region of a compiled function, and the machine code in front of it.

    Attributes:
        on: whether it is tried at all.
        entry: the code that was right last time.
        region: the region, for reports.
        left: why it is off, or empty.
        place: the function that it stands in, for messages.
        f0, f1, ...: the live functions that the region names, for its guards.

    Args:
        region: the region.
        disabled: says whether compiled functions run plain in this context.
        report: told of a bug of ours.
        left_off: called when the site has switched itself off.
    """

    miss = MISS

    def __init__(
        self,
        region: Any,
        disabled: ContextVar[bool],
        report: Callable[[Exception], None],
        left_off: Callable[[], None],
    ) -> None:
        self.on = True
        self.entry: Callable[..., Any] = missed
        self.region = region
        self.left = ""
        self.place = ""
        self._disabled = disabled
        self._report = report
        self._left_off = left_off
        for number, (_, live) in enumerate(region.functions):
            setattr(self, f"f{number}", live)

    def switch_off(self, why: str) -> None:
        """Run plain from now on."""
        self.on = False
        self.left = why
        self.entry = missed
        self.tell(f"not tried any more: {why}")
        self._left_off()

    def tell(self, what: str, seen: str = "") -> None:
        """Say on the logger `kernels` what became of the region, or of values that were `seen`; once no lock is held.

        Whoever holds no lock of ours gives it out: `logs.flush`.
        """
        if logs.wanted("kernels"):
            where = f"{self.place}, line {self.region.lines[0]}".removeprefix(", ")
            logs.later("kernels", f"{where}: {seen}: {what}" if seen else f"{where}: {what}")


def missed(*args: Any) -> Any:
    """The entry of a site that has no code."""
    return MISS


def error_state() -> ContextVar[Any] | None:
    """NumPy's error state, if it can be told and underflows are ignored in it; imports NumPy."""
    try:
        from numpy._core import umath
    except ImportError:
        return None
    state = getattr(umath, "_extobj_contextvar", None)
    return state if isinstance(state, ContextVar) and is_underflow_ignored() else None


def is_underflow_ignored() -> bool:
    """Whether NumPy is to say nothing of an underflow, as is its default; imports NumPy."""
    from numpy import geterr

    return bool(geterr()["under"] == "ignore")
