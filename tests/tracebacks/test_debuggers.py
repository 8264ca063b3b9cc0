"""Debuggers, tracers and profilers see compiled operators as they see plain ones."""

from __future__ import annotations

import cProfile
import json
import os
import pstats
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

import ember_jit
from ember_jit import explain, operators, structural_jit
from ember_jit.runtime.debugged import is_debugged
from tests.tracebacks.test_tracebacks import FILE, MODES, PLAIN, programs, raised

APP = Path(__file__).parent / "samples" / "app.py"
ROOT = Path(ember_jit.__file__).parent.parent
TIMEOUT = 60
LINES = APP.read_text(encoding="utf-8").splitlines()
FORWARD = 1 + LINES.index('        """Ask two, and put their answers together."""')
MAIN = 2 + LINES.index("def main():")


# ---------------------------------------------------------------------- pdb, in a process of its own
def debugged(mode: str, where: str, commands: str, *interpreter: str) -> str:
    """What a session with pdb shows."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("COV")},
        "PYTHONPATH": str(ROOT),
        "EMBER_JIT_STRICT": "1",
        "PYTHONBREAKPOINT": "",
    }
    done = subprocess.run(
        [sys.executable, *interpreter, str(APP), mode, where],
        input="\n".join(commands.split(";")) + "\n",
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def session(where: str, commands: str, *interpreter: str) -> str:
    """The same session, plain and compiled: it must not differ in a letter."""
    plain = debugged("PLAIN", where, commands, *interpreter)
    assert debugged("COMPILED", where, commands, *interpreter) == plain
    return plain


def test_breakpoints_stepping_and_frames_under_pdb() -> None:
    shown = session(
        "NOWHERE",
        f"b {FORWARD + 2};c;p inputs;w;n;n;p one;p [name for name in locals() if name[0] != '_'];"
        "s;s;s;s;s;n;w;up;up;p found;down;down;p self.name;r;r;n;n;c;q",
        "-m",
        "pdb",
    )
    assert "'why?'" in shown
    assert "'first: why?'" in shown
    assert "['self', 'inputs', 'found', 'one'" in shown
    assert "'second'" in shown


def test_a_breakpoint_by_name_and_until() -> None:
    shown = session(
        "NOWHERE",
        f"tbreak {MAIN};c;b Answer.forward;c;p inputs;l;until {FORWARD + 6};p found, one, two;c;q",
        "-m",
        "pdb",
    )
    assert "'why?'" in shown
    assert "first: why?" in shown


def test_breakpoint_in_forward() -> None:
    shown = session("FORWARD", "w;p one, two;up;p inputs;down;n;p both;c")
    assert "['first: why?', 'second: why?']" in shown


def test_breakpoint_in_a_leaf() -> None:
    """At the second call: in the first, the frames of the stub lie on the stack."""
    shown = session("LEAF", "n;c;n;w;up;p inputs;up;p one;n;n;c")
    assert "'first: why?'" in shown


def test_stepping_into_a_function_that_is_compiled() -> None:
    shown = session("AFTER", "n;s;s;s;s;n;n;n;s;s;s;s;w;r;r;r;c")
    assert "forward()" in shown


def test_stepping_into_a_function_before_it_is_compiled() -> None:
    """The function is entered by way of its stub, which looks like its first line; there is nothing else of ours."""
    commands = "n;s;s;s;s;s;s;n;n;n;w;c"
    shown = debugged("COMPILED", "BEFORE", commands)
    assert "found = []" in shown
    places = [line for line in shown.splitlines() if line.startswith(("> ", "  /"))]
    own = str(Path(ember_jit.__file__).parent)
    assert not [line for line in places if own in line and operators.__file__ not in line]


def test_the_program_runs_overlapped_without_a_debugger() -> None:
    assert debugged("COMPILED", "MEETS", "") == debugged("PLAIN", "MEETS", "")


# ---------------------------------------------------------------------- sys.settrace
def followed(call: Callable[[], Any], keep: Callable[[CodeType], bool]) -> list[Any]:
    """The events of a trace function, in frames whose code it is to `keep`."""
    events: list[Any] = []

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        code = frame.f_code
        if keep(code):
            events.append((event, Path(code.co_filename).name, code.co_qualname, frame.f_lineno))
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        raised(call)
    finally:
        sys.settrace(before)
    return events


BATCHES = {"Batch", "BatchInside", "BatchOfNumbers", "BatchOfShards"}
STEPPED = sorted(PLAIN.keys() - BATCHES)


@pytest.fixture(scope="module")
def compiled() -> dict[str, Callable[[], Any]]:
    """Programs that have run, and are compiled."""
    made = programs(decorate=MODES["parallel"], meet=lambda: None)
    for name in STEPPED:
        raised(made[name])
        raised(made[name])
    return made


PROTOCOL = Path(operators.__file__).name


def is_theirs(code: CodeType) -> bool:
    return code.co_filename == str(FILE)


def is_theirs_or_ours(code: CodeType) -> bool:
    return is_theirs(code) or code.co_filename.startswith((str(ROOT / "ember_jit"), "<ember_jit"))


@pytest.mark.parametrize("name", STEPPED)
def test_events_are_those_of_plain_python(
    name: str, compiled: dict[str, Callable[[], Any]]
) -> None:
    expected = followed(PLAIN[name], is_theirs_or_ours)
    assert len(expected) > 5
    assert followed(compiled[name], is_theirs_or_ours) == expected


@pytest.mark.parametrize("name", STEPPED)
def test_lines_of_traced_functions(name: str) -> None:
    """The tracing fallback's hooks may be seen, but not between the user's lines."""
    made = programs(decorate=MODES["traced"], meet=lambda: None)
    raised(made[name])
    assert followed(made[name], is_theirs) == followed(PLAIN[name], is_theirs)


def test_what_was_never_called_is_entered_by_its_stub() -> None:
    made = programs(decorate=MODES["parallel"], meet=lambda: None)
    expected = followed(PLAIN["Leaf"], is_theirs)
    first = next(at for at, event in enumerate(expected) if event[2] == "Leaf.forward")
    line = expected[first][-1]
    events = [each for each in followed(made["Leaf"], is_theirs_or_ours) if each[1] != PROTOCOL]
    assert [(event[0], event[-1]) for event in events[first : first + 2]] == [
        ("call", line),
        ("line", line),
    ]
    assert events[first + 2 : first + 14] == expected[first : first + 12]


def test_explain_says_that_a_debugger_follows() -> None:
    made = structural_jit(_Pair)()
    assert made(inputs=1) == (1, 1)
    before = sys.gettrace()
    sys.settrace(lambda *_: None)
    try:
        assert is_debugged()
        text = str(explain(made))
    finally:
        sys.settrace(before)
    assert "a debugger follows this thread" in text
    assert "a debugger" not in str(explain(made))


@ember_jit.query
class _Same(ember_jit.Operator):
    def forward(self, *, inputs: Any) -> Any:
        return inputs


class _Pair(ember_jit.Operator):
    def __init__(self) -> None:
        self.a, self.b = _Same(), _Same()

    def forward(self, *, inputs: Any) -> Any:
        a = self.a(inputs=inputs)
        b = self.b(inputs=inputs)
        return a, b


def test_what_is_decorated_under_a_debugger_is_left_alone() -> None:
    class Pair(_Pair):
        def forward(self, *, inputs: Any) -> Any:
            return self.a(inputs=inputs), self.b(inputs=inputs)

    code = Pair.forward.__code__
    before = sys.gettrace()
    sys.settrace(lambda *_: None)
    try:
        structural_jit(Pair)
    finally:
        sys.settrace(before)
    assert Pair.forward.__code__ is code
    assert "decorated under a debugger" in str(explain(Pair()))


def test_tracing_of_another_thread_changes_nothing() -> None:
    barrier = threading.Barrier(2)
    made = programs(decorate=MODES["parallel"], meet=lambda: barrier.wait(TIMEOUT))
    stop, started = threading.Event(), threading.Event()

    def traced() -> None:
        sys.settrace(lambda *_: None)
        started.set()
        stop.wait(TIMEOUT)

    other = threading.Thread(target=traced)
    other.start()
    started.wait(TIMEOUT)
    assert type(raised(made["OnAnotherThread"])) is LookupError  # and not a broken barrier
    stop.set()
    other.join(TIMEOUT)


# ---------------------------------------------------------------------- sys.monitoring
@contextmanager
def monitored(tool: int, lines: list[Any]) -> Iterator[None]:
    monitoring: Any = sys.monitoring  # type: ignore[attr-defined, unused-ignore]
    monitoring.use_tool_id(tool, "test")
    monitoring.register_callback(
        tool,
        monitoring.events.LINE,
        lambda code, line: lines.append(line) if code.co_filename == str(FILE) else None,
    )
    monitoring.set_events(tool, monitoring.events.LINE)
    try:
        yield
    finally:
        monitoring.set_events(tool, 0)
        monitoring.free_tool_id(tool)


def monitored_lines(tool: int, call: Callable[[], Any]) -> list[int]:
    found: list[int] = []
    with monitored(tool, found):
        raised(call)
    return found


#: a call that has been started early: the lines of its arguments do not run again (they are of its statement, so
#: coverage.py counts them with that)
ARGUMENTS = {"Fluent", "StarredArguments"}


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring is new in 3.12")
@pytest.mark.parametrize("name", STEPPED)
def test_monitoring(name: str) -> None:
    """A debugger is shown the plain program; any other tool the lines that run, which are the same."""
    made = programs(decorate=MODES["parallel"], meet=lambda: None)
    raised(made[name])
    debugger, other = 0, 3
    assert monitored_lines(debugger, made[name]) == monitored_lines(debugger, PLAIN[name])
    expected, found = monitored_lines(other, PLAIN[name]), monitored_lines(other, made[name])
    missing = set(expected) - set(found)
    assert not missing or name in ARGUMENTS


# ---------------------------------------------------------------------- coverage.py
def measured(mode: str, folder: Path) -> dict[str, Any]:
    """What coverage.py reports of the program, branches included."""
    data = folder / f".coverage.{mode}"
    run = [sys.executable, "-m", "coverage"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COVERAGE_FILE": str(data)}
    for arguments in (
        ["run", "--branch", f"--include={APP}", str(APP), mode, "MEETS"],
        ["json", "-o", str(folder / f"{mode}.json")],
    ):
        done = subprocess.run(
            [*run, *arguments], env=environment, capture_output=True, text=True, timeout=TIMEOUT
        )
        assert done.returncode == 0, done.stderr + done.stdout
    (found,) = json.loads((folder / f"{mode}.json").read_text())["files"].values()
    return dict(found)


def test_coverage_is_the_same_and_leaves_the_overlap(tmp_path: Path) -> None:
    pytest.importorskip("coverage")
    plain, compiled = measured("PLAIN", tmp_path), measured("COMPILED", tmp_path)
    keys = ("executed_lines", "missing_lines", "executed_branches", "missing_branches")
    assert {key: compiled[key] for key in keys} == {key: plain[key] for key in keys}


# ---------------------------------------------------------------------- cProfile
def profiled(call: Callable[[], Any]) -> dict[str, tuple[int, int]]:
    """Calls of each function of the file: all, and those that are not recursive."""
    profile = cProfile.Profile()
    profile.enable()
    try:
        call()
    finally:
        profile.disable()
    rows: Any = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    return {
        f"{line}({name})": (calls, primitive)
        for (file, line, name), (primitive, calls, *_) in rows.items()
        if file == str(FILE)
    }


@pytest.mark.parametrize("name", ["Straight", "Recursion", "Helper", "ForLoop"])
def test_calls_are_counted(name: str) -> None:
    """Where nothing overlaps, each function as often as in plain Python."""
    made = programs(decorate=structural_jit(execution_strategy="sequential"), meet=lambda: None)
    raised(made[name])
    assert profiled(lambda: raised(made[name])) == profiled(lambda: raised(PLAIN[name]))


def test_calls_of_the_callers_thread_are_counted() -> None:
    """Where calls overlap, the profile has what the caller's thread did: `forward` once, and its share of the rest."""
    made = programs(decorate=MODES["parallel"], meet=lambda: None)
    raised(made["Leaf"])
    plain, found = profiled(lambda: raised(PLAIN["Leaf"])), profiled(lambda: raised(made["Leaf"]))
    assert all(calls <= plain[key] for key, calls in found.items())
    line = FILE.read_text().splitlines().index("class Leaf(Two):") + 2
    assert plain[f"{line}(forward)"] == found[f"{line}(forward)"] == (1, 1)
