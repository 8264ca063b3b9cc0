"""What the hooks in an instrumented function call; with no run (disabled, or sequential) they do nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ember_jit.runtime.tracing.recorder import TraceRun


def arrive(run: TraceRun | None, site: int, callee: Any, /, *args: Any, **kwargs: Any) -> Any:
    """The program is about to call `callee`: what it should call, `callee` itself or a hand-over."""
    if run is None:
        return callee
    try:
        return run.arrive(site, callee, args, kwargs)
    finally:
        del (
            args,
            kwargs,
            callee,
        )  # an exception that inference caught may keep this frame (its `f_back`) alive


def landed(run: TraceRun | None, site: int, value: Any, /) -> None:
    """The call at `site` has returned `value`."""
    if run is not None:
        run.landed(site, value)


def stores(run: TraceRun | None, target: Any, /) -> None:
    """The program is about to change `target` (None: a variable of an outer scope)."""
    if run is not None and run.flights:
        run.about_to_change(target)


def leave(run: TraceRun | None, /) -> None:
    """The program is about to return."""
    if run is not None:
        run.leave()
