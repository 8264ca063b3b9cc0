"""Where the retire program makes a call itself, the issue program goes on behind it, waits for it, or ends.

The leaves write to one log: what a call of unknown effect writes must stand in front of what starts behind it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from ember_jit import Operator, disable_structural_jit, query, structural_jit
from ember_jit.testing import record_schedule

compiled = structural_jit(execution_strategy="parallel")


class Odd:
    """An object that answers operations with code of its own."""

    def __init__(self, log: list[Any], fails: bool = False) -> None:
        self.log, self.fails = log, fails

    def __add__(self, other: Any) -> Any:
        self.log.append("odd")
        if self.fails:
            raise TypeError("odd")
        return other


class Note(Operator):
    """Of unknown effect."""

    def __init__(self, log: list[Any]) -> None:
        self.log = log

    def forward(self, *, inputs: Any) -> Any:
        self.log.append(("note", inputs))
        return inputs


@query
class Ask(Operator):
    """Sees the log as it is when it starts."""

    def __init__(self, log: list[Any]) -> None:
        self.log = log

    def forward(self, *, inputs: Any) -> Any:
        return inputs, len(self.log)


@query
class Late(Operator):
    """Fails, after the others have had time to start."""

    def forward(self, *, inputs: Any) -> Any:
        time.sleep(0.02)
        raise ValueError(inputs)


class Add(Operator):
    """Inferred to be pure, for plain arguments."""

    def forward(self, *, inputs: Any) -> Any:
        return inputs + 1


class Hand(Operator):
    """Inferred; gives whatever its owner holds."""

    def __init__(self, owner: Any) -> None:
        self.owner = owner

    def forward(self, *, inputs: Any) -> Any:
        return self.owner.held


class Base(Operator):
    def __init__(self, fails: bool) -> None:
        self.log: list[Any] = []
        self.held = Odd(self.log, fails)
        self.late = Late()
        self.note, self.ask, self.add, self.hand = (
            Note(self.log),
            Ask(self.log),
            Add(),
            Hand(self),
        )


def in_arguments(self: Any, *, inputs: Any) -> Any:
    first = self.ask(inputs=self.note(inputs=1))
    return first, self.ask(inputs=2), self.ask(inputs=3)


def twice_in_arguments(self: Any, *, inputs: Any) -> Any:
    first = self.note(inputs=self.note(inputs=1))
    second = self.ask(inputs=self.note(inputs=[first, self.note(inputs=2)]))
    return first, second, self.ask(inputs=3)


def in_arguments_in_a_loop(self: Any, *, inputs: Any) -> Any:
    out = []
    for each in inputs:
        out.append(self.ask(inputs=self.note(inputs=each)))
        out.append(self.ask(inputs=each))
    return out


def kept_list(self: Any, *, inputs: Any) -> Any:
    made = [self.note(inputs=each) for each in inputs]
    first = self.ask(inputs=made)
    return made, first, first[0] is made, self.ask(inputs=2)


def effect_in_a_handler(self: Any, *, inputs: Any) -> Any:
    try:
        first, second = self.ask(inputs=1), self.ask(inputs=2)
        inputs[9]
    except IndexError:
        first = second = self.note(inputs=3)
    return first, second, self.ask(inputs=4)


def effect_in_a_handler_and_a_break(self: Any, *, inputs: Any) -> Any:
    first: Any = None
    second: Any = None
    for each in inputs:
        try:
            first = self.late(inputs=each)
            second = self.ask(inputs=2)
            if each < 3:
                break
        except ValueError:
            second = self.note(inputs=3)
    return first, second, self.ask(inputs=4), self.ask(inputs=5)


def effect_at_last_and_a_continue(self: Any, *, inputs: Any) -> Any:
    out = []
    for each in inputs:
        try:
            out.append(self.ask(inputs=each))
            if each < 3:
                continue
        finally:
            self.note(inputs=each)
        out.append(self.ask(inputs=each))
    return out, self.ask(inputs=5)


def effect_at_last(self: Any, *, inputs: Any) -> Any:
    try:
        first, second = self.ask(inputs=1), self.ask(inputs=2)
    finally:
        self.note(inputs=3)
    return first, second, self.ask(inputs=4)


def pending_argument(self: Any, *, inputs: Any) -> Any:
    held = self.hand(inputs=1)
    try:
        added = self.add(inputs=held)
    except TypeError:
        added = None
    return added, self.ask(inputs=2)


def pending_argument_inside(self: Any, *, inputs: Any) -> Any:
    held = {"x": [self.hand(inputs=1)]}
    added = self.add(inputs=held["x"][0]) if inputs else None
    return added, self.ask(inputs=2)


def waiting_branch(self: Any, *, inputs: Any) -> Any:
    """What stands behind the branch depends on it, and the branch waits for a call that raises."""
    first = self.ask(inputs=1)
    if first[0]:
        try:
            self.add(inputs=self.held)
        except TypeError:
            pass
        then = 1
    else:
        then = 2
    return self.ask(inputs=then)


def waiting_branch_left_out(self: Any, *, inputs: Any) -> Any:
    """The call is not even reached."""
    first = self.ask(inputs=1)
    if first[0]:
        try:
            inputs[9]
            self.add(inputs=self.held)
        except IndexError:
            pass
        then = 1
    else:
        then = 2
    return self.ask(inputs=then)


def only_called(self: Any, *, inputs: Any) -> Any:
    def bump(value: Any) -> Any:
        return self.note(inputs=value)

    first, second = self.ask(inputs=1), self.ask(inputs=2)
    third = bump(3)
    return first, second, third, self.ask(inputs=4), bump(5), self.ask(inputs=6)


def made_behind(self: Any, *, inputs: Any) -> Any:
    first, second = self.ask(inputs=1), self.ask(inputs=2)
    later = (self.note(inputs=each) for each in inputs)
    third = self.ask(inputs=3)
    return first, second, third, list(later), self.ask(inputs=4)


def made_in_a_loop(self: Any, *, inputs: Any) -> Any:
    out: list[Any] = []
    later: Any = iter(())
    for each in inputs:
        out += [self.ask(inputs=each), *later, self.ask(inputs=each)]
        later = (self.note(inputs=each) for each in (each,))
    return out, list(later), self.ask(inputs=4)


def handed_on(self: Any, *, inputs: Any) -> Any:
    def bump(value: Any = None) -> Any:
        return self.note(inputs=value)

    kept = [bump]
    first = self.ask(inputs=1)
    return first, [each(2) for each in kept], self.ask(inputs=2)


def used_up(self: Any, *, inputs: Any) -> Any:
    first = self.ask(inputs=1)
    found = any(self.note(inputs=each) for each in inputs)
    second = self.ask(inputs=2)
    ordered = sorted(inputs, key=lambda each: self.note(inputs=-each))
    return first, found, second, ordered, self.ask(inputs=3)


PROGRAMS: list[Callable[..., Any]] = [
    in_arguments,
    twice_in_arguments,
    in_arguments_in_a_loop,
    kept_list,
    effect_in_a_handler,
    effect_in_a_handler_and_a_break,
    effect_at_last_and_a_continue,
    effect_at_last,
    pending_argument,
    pending_argument_inside,
    waiting_branch,
    waiting_branch_left_out,
    only_called,
    made_behind,
    made_in_a_loop,
    handed_on,
    used_up,
]


def observed(op: Any) -> Any:
    outcomes: list[Any] = []
    for inputs in ([1, 2, 3], [], [2]):
        try:
            outcomes.append(op(inputs=inputs))
        except TypeError as exc:
            outcomes.append(repr(exc))
    return outcomes, op.log


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("forward", PROGRAMS, ids=lambda forward: forward.__name__)
def test_same_as_plain(forward: Callable[..., Any], fails: bool) -> None:
    with disable_structural_jit():
        plain = observed(type("Plain", (Base,), {"forward": forward})(fails))
    op = compiled(type("Op", (Base,), {"forward": forward}))(fails)
    answers: list[Any] = []
    # on a thread of its own: a program that waits for itself would hang the suite
    thread = threading.Thread(target=lambda: answers.append(observed(op)), daemon=True)
    thread.start()
    thread.join(20)
    assert answers == [plain]


@pytest.mark.parametrize(
    ("forward", "calls"),
    [
        (in_arguments, 2),
        (twice_in_arguments, 1),
        (in_arguments_in_a_loop, 3),
        (kept_list, 1),
        (effect_in_a_handler, 2),
        (effect_at_last, 2),
        (only_called, 2),
        (made_behind, 2),
    ],
)
def test_issued_behind_or_in_front(forward: Callable[..., Any], calls: int) -> None:
    op = compiled(type("Op", (Base,), {"forward": forward}))(False)
    with record_schedule() as schedule:
        op(inputs=[1, 2, 3])
    assert len([call for call in schedule.log.calls if call.name.startswith("self.ask")]) >= calls
