"""What `effects.verify` does: one plain run in which each declared call is compared with its label.

    before = the state that the call can reach        arguments, `self`, globals and cells that its code reads
    the call
    after  = the same again; a difference contradicts `pure` or `query`

Calls inside the operator are seen by a profile function, since a declared leaf may be called from anywhere: its frame
says whose `forward`, or which function, has been entered and left.  Only functions written in Python have one, and
only those of the calling thread are seen.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import CodeType, FrameType, FunctionType, MemberDescriptorType, MethodType
from typing import TYPE_CHECKING, Any

from ember_jit.errors import EffectViolation, NotAnOperatorError
from ember_jit.runtime.dispatch import disable_structural_jit
from ember_jit.runtime.originals import original_code
from ember_jit.runtime.statics import type_lookup
from ember_jit.snapshot import Snapshot

if TYPE_CHECKING:
    from ember_jit.effects import Label

LabelOf = Callable[[Any], "Label | None"]
State = dict[str, Snapshot]
_SUSPENDS = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


def verify(op: Any, inputs: Any, label_of: LabelOf) -> Any:
    """`effects.verify`, which is where labels are looked up."""
    label = label_of(op)
    function = op if isinstance(op, FunctionType) else getattr(type(op), "forward", None)
    if _promises(label):
        before = _state(op, function, {"inputs": inputs})
        result = op(inputs=inputs)
        _compare(type(op).__name__, label, before, _state(op, function, {"inputs": inputs}))
        return result
    watch = _Watch(label_of)
    outer = sys.getprofile()
    try:
        with disable_structural_jit():
            sys.setprofile(watch)
            try:
                result = op(inputs=inputs)
            finally:
                sys.setprofile(outer)
    except Exception as exc:
        if watch.found is not None:
            raise watch.found from exc
        raise
    if watch.found is not None:
        raise watch.found
    if not watch.calls:
        raise NotAnOperatorError(
            f"{type(op).__name__} is not declared `pure` or `query`, and no such call was made in it: "
            "there is nothing to verify."
        )
    return result


def _promises(label: Label | None) -> bool:
    """Whether a label says that nothing changes."""
    return label is not None and label.kind in ("pure", "query")


@dataclass(frozen=True, slots=True)
class _Call:
    """A declared call under way: its frame, whose it is, what it may do, and the state before it."""

    frame: FrameType
    name: str
    label: Label | None
    owner: Any
    function: FunctionType
    arguments: Mapping[str, Any]
    before: State


class _Watch:
    """A profile function that compares the state around declared calls.

    Attributes:
        calls: declared calls that were seen.
        found: the first contradiction, or None.
    """

    def __init__(self, label_of: LabelOf) -> None:
        self.calls = 0
        self.found: EffectViolation | None = None
        self._label_of = label_of
        self._open: list[_Call] = []

    def __call__(self, frame: FrameType, event: str, arg: Any) -> None:
        if event == "call" and not frame.f_code.co_flags & _SUSPENDS:
            self._enter(frame)
        elif event == "return" and self._open and self._open[-1].frame is frame:
            call = self._open.pop()
            after = _state(call.owner, call.function, call.arguments)
            try:
                _compare(call.name, call.label, call.before, after)
            except EffectViolation as exc:
                self.found = self.found or exc

    def _enter(self, frame: FrameType) -> None:
        for owner, function, label in _entered(frame, self._label_of):
            if _promises(label):
                self.calls += 1
                code, values = frame.f_code, frame.f_locals
                names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
                arguments = {name: values[name] for name in names if values[name] is not owner}
                name = function.__name__ if owner is None else type(owner).__name__
                before = _state(owner, function, arguments)
                self._open.append(_Call(frame, name, label, owner, function, arguments, before))
                return


def _entered(
    frame: FrameType, label_of: LabelOf
) -> Iterator[tuple[Any, FunctionType, Label | None]]:
    """Who may have been called with this frame: (operator or None, its function, its label)."""
    code, values = frame.f_code, frame.f_locals
    if code.co_argcount:
        owner = values[code.co_varnames[0]]
        function = type_lookup(type(owner), code.co_name)
        if isinstance(function, FunctionType) and function.__code__ is code:
            operator = code.co_name in ("forward", "__call__")
            yield owner, function, label_of(owner if operator else MethodType(function, owner))
    around = frame.f_back.f_locals if frame.f_back is not None else {}
    for found in (frame.f_globals.get(code.co_name), around.get(code.co_name)):
        if isinstance(found, FunctionType) and found.__code__ is code:
            yield None, found, label_of(found)


def _state(owner: Any, function: Any, arguments: Mapping[str, Any]) -> State:
    """What a call can reach: its arguments, the attributes of `owner`, what its code reads of globals and cells."""
    state = {f"its argument `{name}`": Snapshot(value) for name, value in arguments.items()}
    for name, value in getattr(owner, "__dict__", {}).items():
        state[f"`self.{name}`"] = Snapshot(value)
    for cls in type(owner).__mro__:
        for name, slot in cls.__dict__.items():
            if type(slot) is MemberDescriptorType and hasattr(owner, name):
                state[f"`self.{name}`"] = Snapshot(getattr(owner, name))
    if not isinstance(function, FunctionType):
        return state
    code: CodeType = original_code(function)
    for name in code.co_names:
        if name in function.__globals__:
            state[f"the global `{name}`"] = Snapshot(function.__globals__[name])
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        try:
            state[f"the outer variable `{name}`"] = Snapshot(cell.cell_contents)
        except ValueError:
            pass  # not assigned yet
    return state


def _compare(name: str, label: Label | None, before: State, after: State) -> None:
    """Raise `EffectViolation` where the two differ."""
    for place, value in before.items():
        if place not in after or after[place] != value:
            raise EffectViolation(
                f"{name} is declared `{label}` but changed {place}. "
                f"Remove the label, or stop {name} from storing there."
            )
    added = sorted(set(after) - set(before))
    if added:
        raise EffectViolation(f"{name} is declared `{label}` but added {added[0]}.")
