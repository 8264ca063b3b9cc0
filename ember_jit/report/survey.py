"""From whatever `explain` and `dump` are given to what compiling it produced, without running user code.

an operator         its class's `forward`, compiled for this operator if that has not happened yet
a function          itself
a class             its `forward`: what is there, since compiling needs an operator to look at
something plain     a compilation that is looked at and not put in place
"""

from __future__ import annotations

from dataclasses import dataclass
from types import FunctionType, MethodType
from typing import Any

from ember_jit.compiler import driver
from ember_jit.compiler.building import Artifacts
from ember_jit.compiler.source import NoSource, Source, enclosing_class, source_of
from ember_jit.errors import NotAnOperatorError
from ember_jit.ir.ops import Function
from ember_jit.report.schedule import Schedule, schedule
from ember_jit.runtime import logs
from ember_jit.runtime.debugged import is_debugged
from ember_jit.runtime.dispatch import Options, Unit, unit_of
from ember_jit.runtime.mapping import is_transform
from ember_jit.runtime.originals import original_code
from ember_jit.runtime.statics import MISSING, instance_dict, type_lookup
from ember_jit.runtime.triage import reason_to_leave

COMPILED = "compiled"
TRACED = "traced"
LEFT_ALONE = "left alone"
NOT_YET = "not compiled yet"
NOT_DECORATED = "not decorated"
FAILED = "internal error"
MAPPED = "mapped"


@dataclass(slots=True)
class Survey:
    """What is there to report on.

    Attributes:
        name: qualified name of the function.
        function: the function.
        owner: the operator that was asked about, or None.
        kind: "operator", "class" or "function".
        status: one of the first six constants of this module.
        reason: why it is left alone, or traced and not compiled; or empty.
        unit: its unit; for what is not decorated, one that was made to look at.
        remarks: what else the reader should know.
    """

    name: str
    function: FunctionType
    owner: Any
    kind: str
    status: str
    reason: str
    unit: Unit
    remarks: list[str]

    @property
    def artifacts(self) -> Artifacts:
        """What the compiler produced, as far as it came."""
        found = self.unit.artifacts
        return found if isinstance(found, Artifacts) else Artifacts()

    @property
    def file(self) -> str:
        """The user's file."""
        return original_code(self.function).co_filename

    @property
    def line(self) -> int:
        """The line of the definition."""
        return original_code(self.function).co_firstlineno

    @property
    def source(self) -> Source | None:
        """The checked source, or None if there is none."""
        if self.artifacts.source is not None:
            return self.artifacts.source
        try:
            return source_of(self.function, original_code(self.function))
        except NoSource:
            return None

    @property
    def ir(self) -> Function | None:
        """The IR after the last pass, or None if the compiler did not come so far."""
        stages = list(self.artifacts.stages.values())
        return stages[-1] if stages else None

    def schedule(self) -> Schedule | None:
        """What becomes of its calls, or None if the compiler did not come so far."""
        found, ir = self.artifacts, self.ir
        if ir is None or found.notes is None or len(found.issues) != len(found.regions):
            return None
        return schedule(ir, found.regions, found.issues, found.notes)


def survey(target: Any) -> Survey:
    """Find and, if need be, compile what `target` runs; none of the user's code runs.

    Args:
        target: an operator, an operator class, or a function; decorated or not.

    Raises:
        NotAnOperatorError: it is none of these.
    """
    function, owner, kind = find_function(target)
    remarks: list[str] = []
    if owner is not None and "forward" in (instance_dict(owner) or {}):
        remarks.append(
            "this operator has a `forward` of its own, which hides the class's and runs as it is written"
        )
    unit = unit_of(function)
    decorated = unit is not None
    compilable = kind != "class" and (owner is not None or not _is_method(function))
    if unit is None:
        unit = Unit(function, Options(), driver.compile_unit)
        if compilable:
            _preview(unit, owner)
        else:
            unit.stats.left_alone = reason_to_leave(unit.original)
        remarks += _about_inheritance(target, function)
    elif compilable:
        unit.settle(function, owner)
        unit.look(owner)
        logs.flush()
        if unit.origin and unit.artifacts is None:
            remarks += _look_behind(unit, function, owner)
    status, reason = _status(unit, decorated)
    notes = unit.artifacts.notes if isinstance(unit.artifacts, Artifacts) else None
    compiled_for = notes.owner() if notes is not None and notes.owner is not None else owner
    if status == COMPILED and notes is not None and compiled_for is not owner:
        remarks.append(
            f"compiled for another {notes.owner_class}: effects are those of its operators "
            "(each call looks at the live ones again)"
        )
    if not compilable and status in (NOT_YET, NOT_DECORATED):
        remarks.append(
            "what its calls may do depends on the operators it holds: explain an operator, not its class"
        )
    if status == COMPILED and is_debugged():
        remarks.append(
            "a debugger follows this thread: the function runs as it is written, so that one can step through it"
        )
    return Survey(function.__qualname__, function, owner, kind, status, reason, unit, remarks)


def settled(unit: Unit, function: FunctionType) -> Survey:
    """The survey of a decorated function that has just been compiled, or left alone."""
    notes = unit.artifacts.notes if isinstance(unit.artifacts, Artifacts) else None
    owner = notes.owner() if notes is not None and notes.owner is not None else None
    status, reason = _status(unit, True)
    kind = "operator" if owner is not None else "function"
    return Survey(function.__qualname__, function, owner, kind, status, reason, unit, [])


def find_function(target: Any) -> tuple[FunctionType, Any, str]:
    """The function that calling `target` runs, the operator it is called on, and what `target` is."""
    if isinstance(target, FunctionType):
        return target, None, "function"
    if isinstance(target, MethodType) and isinstance(target.__func__, FunctionType):
        return target.__func__, target.__self__, "operator"
    kind = target if isinstance(target, type) else type(target)
    forward = type_lookup(kind, "forward")
    name = kind.__qualname__
    if isinstance(forward, FunctionType):
        return forward, *((None, "class") if isinstance(target, type) else (target, "operator"))
    if is_transform(kind):
        raise NotAnOperatorError(
            f"{target!r} runs no code of yours but what it maps: name that, or `explain` this."
        )
    if forward is MISSING:
        raise NotAnOperatorError(
            f"{name} has no `forward`: there is nothing to explain. "
            "Give it `def forward(self, *, inputs)`, or name an operator or a function."
        )
    raise NotAnOperatorError(
        f"{name}.forward is a {type(forward).__name__}, not a plain function: it runs as it is written. "
        "Write `def forward(self, *, inputs)`."
    )


def _is_method(function: FunctionType) -> bool:
    code = original_code(function)
    return enclosing_class(function.__qualname__) is not None and code.co_varnames[:1] == ("self",)


def _preview(unit: Unit, owner: Any) -> None:
    """Compile for the reader's eyes only."""
    try:
        unit.stats.compiled = driver.compile_unit(unit, owner) is not None
    except Exception as exc:  # noqa: BLE001 - a broken stage is shown, as it is for decorated code (EMB010)
        text = f"{type(exc).__name__}: {exc}"
        unit.stats.internal_errors.append(text)
        unit.stats.left_alone = f"internal compiler error: {text} [EMB010]"


def _look_behind(unit: Unit, function: FunctionType, owner: Any) -> list[str]:
    """A bundle brings no more than what runs: have the compiler show how it comes to that."""
    looked = Unit(function, unit.options, driver.compile_unit)
    looked.original, looked.bound = unit.original, unit.bound
    _preview(looked, owner)
    unit.artifacts = looked.artifacts
    return [f"its code is from {unit.origin}; this is what the compiler makes of the source"]


def _status(unit: Unit, decorated: bool) -> tuple[str, str]:
    stats = unit.stats
    if stats.internal_errors:
        return FAILED, stats.left_alone
    if not decorated:
        return NOT_DECORATED, stats.left_alone
    if unit.tracer is not None:
        if unit.tracer.retired:
            return LEFT_ALONE, unit.tracer.retired
        return TRACED, stats.left_alone
    if stats.left_alone:
        return LEFT_ALONE, stats.left_alone
    return (COMPILED, "") if stats.compiled else (NOT_YET, "")


def _about_inheritance(target: Any, function: FunctionType) -> list[str]:
    """A decorated subclass without a `forward` of its own is easily taken for a decorated one."""
    if isinstance(target, FunctionType | MethodType):
        return []
    kind = target if isinstance(target, type) else type(target)
    holder = next((cls for cls in kind.__mro__ if cls.__dict__.get("forward") is function), kind)
    if holder is kind:
        return []
    return [f"`forward` is inherited from {holder.__qualname__}: decorate that class"]
