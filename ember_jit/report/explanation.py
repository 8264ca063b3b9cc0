"""What `explain` returns: plain data that prints well and turns into JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from ember_jit.report.notebook import fragment
from ember_jit.report.text import explanation_text


@dataclass(frozen=True, slots=True)
class Call:
    """One call site.

    Attributes:
        number: its number in the function; None for a call that is no site (it stands where nothing is
            scheduled).
        file, line, text: where it stands, and its source.
        receiver: the class of the operator, or the function, that is called, as far as it is known.
        effect: "pure", "query" or "unknown".
        evidence: how that is known.
        ahead: an issue program starts it ahead of its program point.  At run time a guard may still keep it
            in place: when its receiver has changed, or an argument is not made of plain values.
        helper: it is a quick pure function, which is worked out where it stands, in both programs.
        region: number of the region that it is issued in, or None.
        overlaps: numbers of the sites that may be in flight beside it; its own: its iterations overlap.
        waits_for: numbers of the sites whose results it needs.
        why: why it stays in order; empty if it is issued ahead.
        place: `file:line` of what keeps it in order, where that is somewhere else.
        fix: the change that would free it, or empty.
    """

    number: int | None
    file: str
    line: int
    text: str
    receiver: str
    effect: str
    evidence: str
    ahead: bool
    helper: bool = False
    region: int | None = None
    overlaps: tuple[int, ...] = ()
    waits_for: tuple[int, ...] = ()
    why: str = ""
    place: str = ""
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Barrier:
    """A place where everything outstanding is joined first.

    Attributes:
        file, line, text: where it stands, and its source.
        reason: what effect it has, or may have.
        fix: the change that would do away with it, or empty.
    """

    file: str
    line: int
    text: str
    reason: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """A stretch of lines whose calls are made in order."""

    first: int
    last: int
    reason: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One call of the critical path.

    Attributes:
        loop: "" outside loops, else "iterations overlap" or "iterations wait for each other".
    """

    number: int
    line: int
    text: str
    loop: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """An attribute that holds an operator, or several."""

    attribute: str
    operator: str
    effect: str
    evidence: str
    decorated: bool


@dataclass(frozen=True, slots=True)
class Runs:
    """What has happened so far.

    Attributes:
        overlapped: runs with an issue program.
        issued: calls that they issued ahead and that were made.
        compile_ms: milliseconds that compiling took.
        stages_ms: the same by stage.
    """

    overlapped: int = 0
    issued: int = 0
    compile_ms: float = 0.0
    stages_ms: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Specialised:
    """One kernel of a numeric region, or a combination of values that gets none.

    Attributes:
        seen: what the values were at first: types and shapes (a kernel serves all lengths).
        outcome: "a kernel", with what making it took and how fast it was; or why there is none.
    """

    seen: tuple[str, ...]
    outcome: str


@dataclass(frozen=True, slots=True)
class Region:
    """One numeric region.

    Attributes:
        number: its number in the function.
        first, last: its lines.
        text: its source.
        inputs: what comes in.
        fused: the operations that become one kernel.
        outputs: the variables that come out; "" for a value of its last statement.
        boundary: where it ends, and why: `line: reason`.
        specialised: what has been met so far.
        left: why it is not tried any more, or empty.
    """

    number: int
    first: int
    last: int
    text: str
    inputs: tuple[str, ...]
    fused: tuple[str, ...]
    outputs: tuple[str, ...]
    boundary: str
    specialised: tuple[Specialised, ...]
    left: str


@dataclass(frozen=True, slots=True)
class Loop:
    """One run of statements with a loop, in machine code or left to Python.

    Attributes:
        first, last: its lines.
        inputs: the variables that come in.
        outputs: what comes out.
        specialised: what has been met so far.
        left: why it is not tried (any more), or empty.
    """

    first: int
    last: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    specialised: tuple[Specialised, ...]
    left: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """One call that the tracing fallback has recorded.

    Attributes:
        name: `site#count`: which call in the function, and how often it had been made in that run.
        line: where it stands.
        callee: what was called.
        arguments: where each came from: a part of an input or of an earlier call's result, or a constant.
        ahead: it may be started ahead.
    """

    name: str
    line: int
    callee: str
    arguments: tuple[str, ...]
    ahead: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """What was done with one operator or function, and why the rest was not.

    Attributes:
        name: qualified name of the function.
        file, line: where it is defined.
        kind: "operator", "class", "function", "graph", or "mapped" (what `vmap`, `pmap` or `mesh_sharded` returned:
            the rest then speaks of what it maps).
        status: "compiled", "traced", "left alone", "not compiled yet", "not decorated" or "internal error"; of what is
            not compiled, its kind.
        headline: the outcome in one line.
        calls: its call sites, in program order.
        barriers: where everything outstanding is joined.
        left_alone: stretches of it that stay in order.
        critical_path: the longest chain of calls that wait for each other.
        parts: the operators that it holds.
        recorded: what the last run of a traced function has called, in order.
        regions: its numeric regions.
        loops: its loops over numbers, strings, lists and arrays.
        internal_errors: bugs of ember_jit that were met [EMB010].
        runs: what has happened so far.
        remarks: what else is worth knowing.
    """

    name: str
    file: str
    line: int
    kind: str
    status: str
    headline: str
    calls: tuple[Call, ...] = ()
    barriers: tuple[Barrier, ...] = ()
    left_alone: tuple[LeftAlone, ...] = ()
    critical_path: tuple[Step, ...] = ()
    parts: tuple[Part, ...] = ()
    internal_errors: tuple[str, ...] = ()
    runs: Runs = Runs()
    remarks: tuple[str, ...] = ()
    recorded: tuple[Recorded, ...] = ()
    regions: tuple[Region, ...] = ()
    loops: tuple[Loop, ...] = ()

    @property
    def pairs(self) -> int:
        """Pairs of call sites that may be in flight together, a site with itself included."""
        found = {
            (min(call.number, other), max(call.number, other))
            for call in self.calls
            if call.number is not None
            for other in call.overlaps
        }
        return len(found)

    def to_dict(self) -> dict[str, Any]:
        """The same as dicts, lists, strings and numbers."""
        made = _plain(asdict(self))
        assert isinstance(made, dict)
        made["pairs"] = self.pairs
        return made

    def __str__(self) -> str:
        return explanation_text(self)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return fragment(self)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value
