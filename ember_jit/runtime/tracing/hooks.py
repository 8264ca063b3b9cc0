"""What the hooks in an instrumented function call; with no run (disabled, or sequential) they do nothing.

Invariant: nothing of ours is raised here.  A bug ends the tracing and the plain code goes on (EMB010), as
it does when compiling fails; only what a signal handler of the user's raises goes through.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ember_jit.runtime.tracing.recorder import TraceRun


def arrive(run: TraceRun | None, site: int, callee: Any, /, *args: Any, **kwargs: Any) -> Any:
    """The program is about to call `callee`: what it should call, `callee` itself or a hand-over."""
    if run is None or run.ended:
        return callee
    try:
        return run.arrive(site, callee, args, kwargs)
    except Exception as exc:  # noqa: BLE001 - see above
        run.tracer.failed(exc, run)
        return callee
    finally:
        # an exception that inference caught may keep this frame (its `f_back`) alive
        del args, kwargs, callee


def landed(run: TraceRun | None, site: int, value: Any, /) -> None:
    """The call at `site` has returned `value`."""
    if run is None or run.ended:
        return
    try:
        run.landed(site, value)
    except Exception as exc:  # noqa: BLE001 - see above
        run.tracer.failed(exc, run)


def stores(run: TraceRun | None, target: Any, /) -> None:
    """The program is about to change `target` (None: a variable of an outer scope)."""
    if run is None or not run.flights:
        return
    try:
        run.about_to_change(target)
    except Exception as exc:  # noqa: BLE001 - see above
        run.tracer.failed(exc, run)


def leave(run: TraceRun | None, /) -> None:
    """The program is about to return."""
    if run is None or run.ended:
        return
    try:
        run.leave()
    except Exception as exc:  # noqa: BLE001 - see above
        run.tracer.failed(exc, run)
