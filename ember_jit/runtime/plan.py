"""The contract between compiler and runtime: all that a compiled function needs at run time.

The compiler fills a `Plan` and hands it to the runtime; the runtime never imports the compiler.  What
it must ask at run time (the effect of a live receiver) goes through `Plan.classify`; the compiler answers, or a bundle.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ember_jit.config import config


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of one live callable, as far as the runtime cares.

    Attributes:
        schedulable: the call may start before its program point.
        plain_arguments: it may, provided that its arguments are plain builtin values.
        nothrow: it never raises.
        enter: a compiled stand-in for the receiver (a nested composite), or None.
        journal: `enter` defers its output to a journal.
        by_class: it holds for every instance of the class that has no `forward` of its own.
        labelled: it may not start freely, but its label says what it may pass (see `ledger`).
        discardable: nobody is harmed if it is made in vain.
        thread_bound: it must be made on the caller's thread.
        claims: (word, resource) for what it does to which resources.
        plain: no operation on its result runs code of the program.
        once: one call of it may start ahead; until that has been delivered, others are made in their turn.
    """

    schedulable: bool
    plain_arguments: bool = False
    nothrow: bool = False
    enter: Callable[..., Any] | None = None
    by_class: bool = False
    journal: bool = False
    labelled: bool = False
    discardable: bool = True
    thread_bound: bool = False
    claims: tuple[tuple[str, str], ...] = ()
    plain: bool = False
    once: bool = False


UNKNOWN = Verdict(schedulable=False)


@dataclass(slots=True)
class Plan:
    """One compiled function.

    Attributes:
        name: qualified name of the user's function.
        slices: the issue programs (generator functions), by slice number.
        parts: what issue programs walk when a pending value is known, by name.
        groups: a call or a value that is handed over whole -> the call sites inside its expression, in order.
        site_slice: call site -> slice that may issue it.
        site_loops: call site -> loops (inside its slice) whose iteration number names the instance.
        site_lines: call site -> line in the user's file.
        site_names: call site -> its text in the user's source; of a value that is handed over, "".
        loop_count: number of instrumented loops.
        classify: asks for the verdict on a live callable.
        enter: gives a compiled stand-in for a live callable (an undecorated composite), or the callable itself.
        max_workers: calls that may be in flight on threads.
        window: calls that may have been issued and not yet retired.
        brisk: calls in a row that took next to no time.
        in_turn: issue programs that keep a ledger of what stands in front of each call.
        trusted: call sites whose results were taken for plain values when the issue programs were written.
        labelled: call sites whose labels were known when the issue programs were written.
        budget: calls that may have started in vain when an earlier one raises; None: any number.
    """

    name: str
    slices: list[Callable[..., Any]] = field(default_factory=list)
    parts: dict[str, Callable[..., Any]] = field(default_factory=dict)
    groups: dict[int, tuple[int, ...]] = field(default_factory=dict)
    site_slice: dict[int, int] = field(default_factory=dict)
    site_loops: dict[int, tuple[int, ...]] = field(default_factory=dict)
    site_lines: dict[int, int] = field(default_factory=dict)
    site_names: dict[int, str] = field(default_factory=dict)
    loop_count: int = 0
    classify: Callable[[Any], Verdict] = field(default=lambda _: UNKNOWN)
    enter: Callable[[Any], Any] = field(default=lambda callee: callee)
    max_workers: int = 64
    window: int = 256
    brisk: int = 0
    in_turn: frozenset[int] = frozenset()
    trusted: frozenset[int] = frozenset()
    labelled: frozenset[int] = frozenset()
    budget: int | None = None

    def limit(self, max_workers: int | None) -> None:
        """Let so many calls be in flight (None: what the settings say), and a few times as many be issued."""
        self.max_workers = max_workers or config().max_workers
        self.window = 4 * self.max_workers


_pure_calls: tuple[Callable[[Any], bool], ...] = ()
_pure_methods: tuple[Callable[[type, str], bool], ...] = ()
_pure_names: tuple[Callable[[str], bool], ...] = ()


def install_tables(
    calls: Callable[[Any], bool],
    methods: Callable[[type, str], bool],
    names: Callable[[str], bool] | None = None,
) -> None:
    """Tell the guarded operations of more callables and methods that are pure on plain values.

    Args:
        calls: whether a callable is; the compiler's registry, or what a bundle has of it.
        methods: whether a method of a class is.
        names: whether a method of this name is one of any class; without it, any name may be.
    """
    global _pure_calls, _pure_methods, _pure_names
    if calls not in _pure_calls:
        _pure_calls = (*_pure_calls, calls)
        _pure_methods = (*_pure_methods, methods)
        if names is not None:
            _pure_names = (*_pure_names, names)


def pure_call(function: Any) -> bool:
    """Whether `function` is pure, cheap and eager on plain values."""
    return any(knows(function) for knows in _pure_calls)


def pure_method(kind: type, name: str) -> bool:
    """Whether `kind.name` is pure on plain values."""
    return any(knows(kind, name) for knows in _pure_methods)


def pure_method_name(name: str) -> bool:
    """Whether a method of this name is taken for a pure one where the type of its owner is not known."""
    return not _pure_names or any(knows(name) for knows in _pure_names)
