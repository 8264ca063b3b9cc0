"""Whether a thread waits for another thread, read off its topmost frame.

A lock does not say who waits for it, and a thread that has been woken looks like one that sleeps until it runs
again.  But whoever wakes a thread first takes down a note: the run no longer has a cell that it waits for, the
pool has the worker among its idle ones no more, a condition has no such waiter.  These notes are what is
read here, one rule for each function in which a thread may stand.

Invariant: what a rule hands out is never the same for two waits that follow each other with work in between.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import thread as executors
from types import CodeType, FrameType
from typing import Any

from ember_jit.graph.timed import Lane, TimedRun
from ember_jit.runtime.pool import Pool
from ember_jit.runtime.watch import Watch
from ember_jit.runtime.working import WorkingRun

Rule = Callable[[FrameType, Mapping[int, FrameType]], Any]


def waits_for(frame: FrameType, frames: Mapping[int, FrameType]) -> Any:
    """What the thread with this topmost frame waits for, or None if it runs (or waits for nothing known).

    Args:
        frame: the thread's topmost frame.
        frames: those of all threads (`sys._current_frames`).
    """
    rule = _RULES.get(frame.f_code)
    try:
        return rule(frame, frames) if rule is not None else None
    except KeyError:
        return None  # the function has just been left, or entered: its variables are not there


def place(frame: FrameType) -> str:
    """Where a thread is: the function that it runs, with file and line."""
    return f"{frame.f_code.co_qualname} ({frame.f_code.co_filename}:{frame.f_lineno})"


def is_ours(thread: threading.Thread) -> bool:
    """Whether `thread` is one of the runtime's: it takes part in whatever compiled code does."""
    return Pool.is_worker(thread) or isinstance(thread, Watch)


def register(function: Callable[..., Any], rule: Rule) -> None:
    """Take threads that stand in `function` for waiting if `rule` hands out something."""
    _RULES[function.__code__] = rule


def _run(frame: FrameType, frames: Mapping[int, FrameType]) -> Any:
    """The caller's thread of a run waits for a cell; whoever wakes it clears `waiting`."""
    run = frame.f_locals["self"]
    return (run, run.waiting, run.progress) if run.waiting is not None else None


def _idle_worker(frame: FrameType, frames: Mapping[int, FrameType]) -> Any:
    pool, worker = frame.f_locals["self"], frame.f_locals["worker"]
    return (pool, pool.handed) if pool.is_idle(worker) else None


def _watch(frame: FrameType, frames: Mapping[int, FrameType]) -> Any:
    watch = frame.f_locals["self"]
    return watch if watch.has_nothing_to_start() else None


def _lane_caller(frame: FrameType, frames: Mapping[int, FrameType]) -> Any:
    call = frame.f_locals.get("call")
    return call if call is not None and call.done.locked() else None


def _lane(frame: FrameType, frames: Mapping[int, FrameType]) -> Any:
    lane = frame.f_locals["self"]
    return lane if lane._calls.empty() else None


def _condition(frame: FrameType, frames: Mapping[int, FrameType]) -> Any:
    """Events, barriers, queues and futures all wait here; a thread that starts another does so only for a moment."""
    waiter = frame.f_locals.get("waiter")
    if waiter is None or waiter not in frame.f_locals["self"]._waiters:
        return None
    caller = frame.f_back.f_back if frame.f_back is not None else None
    starts = caller is not None and caller.f_code is threading.Thread.start.__code__
    return None if starts else waiter


def _join(frame: FrameType, frames: Mapping[int, FrameType]) -> Any:
    thread = frame.f_locals["self"]
    return thread if thread.ident in frames else None


def _executor_worker(frame: FrameType, frames: Mapping[int, FrameType]) -> Any:
    queue = frame.f_locals["work_queue"]
    return queue if queue.empty() else None


_RULES: dict[CodeType, Rule] = {
    WorkingRun._hear.__code__: _run,
    TimedRun._hear.__code__: _run,
    Lane.make.__code__: _lane_caller,
    Lane._work.__code__: _lane,
    Pool.rest.__code__: _idle_worker,
    Watch.run.__code__: _watch,
    threading.Condition.wait.__code__: _condition,
    # 3.13 waits in `join` itself, earlier versions in a method that it calls
    getattr(threading.Thread, "_wait_for_tstate_lock", threading.Thread.join).__code__: _join,
    executors._worker.__code__: _executor_worker,
}
