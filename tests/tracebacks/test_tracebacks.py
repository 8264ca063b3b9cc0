"""Tracebacks of compiled programs are those of plain Python, letter by letter: files, lines, carets, chains, notes.

`samples/programs.py` is executed twice, so that both twins have the same file and lines; what they raise is
compared as `traceback.format_exception` shows it.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

import ember_jit
from ember_jit import jit, operators, structural_jit
from ember_jit.config import config
from ember_jit.runtime.dispatch import unit_of
from ember_jit.transforms import pmap, vmap
from tests.bundled_mode import eagerly_bundled

FILE = Path(__file__).parent / "samples" / "programs.py"
CODE = compile(FILE.read_text(encoding="utf-8"), str(FILE), "exec", dont_inherit=True)
PACKAGE = str(Path(ember_jit.__file__).parent)
TIMEOUT = 20
Program = Callable[[], Any]


def programs(**given: Any) -> dict[str, Program]:
    """The programs of the file, made with what it is `given`."""
    space: dict[str, Any] = {"__name__": "programs", "vmap": vmap, "pmap": pmap, **given}
    exec(CODE, space)
    found: dict[str, Program] = space["PROGRAMS"]
    return found


def plain_map(fn: Any, **options: Any) -> Any:
    """What `vmap(fn)` and `pmap(fn)` are when nothing overlaps: the loop."""

    def mapped(*args: Any, inputs: Any = None) -> Any:
        rows = zip(*(args or inputs.values()), strict=True)
        out = []
        for number, row in enumerate(rows):
            try:
                out.append(fn(*row) if args else fn(inputs=dict(zip(inputs, row, strict=True))))
            except Exception as exc:
                exc.add_note(f"in item {number}")
                raise
        return out

    return mapped


PLAIN = programs(decorate=lambda target: target, meet=lambda: None, vmap=plain_map, pmap=plain_map)


def raised(program: Program) -> BaseException:
    try:
        program()
    except BaseException as exc:
        return exc
    raise AssertionError("nothing was raised")


def without(trace: TracebackType | None, hidden: Callable[[Any], bool]) -> TracebackType | None:
    """A traceback without the frames whose code is `hidden`."""
    if trace is None:
        return None
    rest = without(trace.tb_next, hidden)
    if hidden(trace.tb_frame.f_code):
        return rest
    return TracebackType(rest, trace.tb_frame, trace.tb_lasti, trace.tb_lineno)


def text(exc: BaseException) -> str:
    """What Python shows of an exception, the frames of this file left out."""
    links: list[BaseException | None] = [exc]
    while links:
        link = links.pop()
        if link is not None:
            link.__traceback__ = without(
                link.__traceback__, lambda code: code.co_filename == __file__
            )
            links += [link.__cause__, link.__context__, *getattr(link, "exceptions", ())]
    return "".join(traceback.format_exception(exc))


#: where the calls are made by the runtime's threads, if they may overlap
MODES: dict[str, Any] = {
    "auto": structural_jit,
    "parallel": structural_jit(execution_strategy="parallel"),
    "traced": jit(force_trace=True, speculate="query"),
    "bundle": eagerly_bundled,
}


class Both:
    """The programs of one mode."""

    def __init__(self, mode: str) -> None:
        barrier = threading.Barrier(2)
        self.overlaps = (
            mode != "traced"
        )  # which starts nothing early until it has seen the program run
        self.threads: set[str] = set()

        def meet() -> None:
            self.threads.add(threading.current_thread().name)
            if self.overlaps:
                barrier.wait(TIMEOUT)

        self.compiled = programs(decorate=MODES[mode], meet=meet)
        if "bundle" in mode:
            del self.compiled["BatchInside"]  # taking the fingerprint of a `vmap` takes seconds


@pytest.fixture(scope="module", params=MODES)
def both(request: pytest.FixtureRequest) -> Iterator[Both]:
    return Both(request.param)


@pytest.mark.parametrize("name", PLAIN)
def test_the_text_is_that_of_plain_python(name: str, both: Both) -> None:
    """The first call compiles, the second does not, the third has company."""
    if name not in both.compiled:
        pytest.skip("not in this mode")
    expected = text(raised(PLAIN[name]))
    assert str(FILE) in expected
    for _ in range(3):
        exc = raised(both.compiled[name])
        assert text(exc) == expected


def test_calls_were_made_on_other_threads(both: Both) -> None:
    """Two calls that meet at a barrier: one of them at least is not on the caller's thread."""
    both.threads.clear()
    raised(both.compiled["OnAnotherThread"])
    assert len(both.threads) == (2 if both.overlaps else 1)


def test_there_are_enough_of_them() -> None:
    assert len(PLAIN) >= 50


def test_the_names_of_generated_code_never_show(both: Both) -> None:
    for name, program in both.compiled.items():
        shown = text(raised(program))
        assert "<ember_jit" not in shown, name
        assert shown.replace(operators.__file__, "").count(PACKAGE) == 0, name


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("EMBER_JIT_FULL_TRACEBACK", "1")
    config.cache_clear()
    yield
    monkeypatch.undo()
    config.cache_clear()


def ours(program: Program) -> set[str]:
    """The files of this package in what a program raises."""
    found = traceback.extract_tb(raised(program).__traceback__)
    return {Path(each.filename).name for each in found if each.filename.startswith(PACKAGE)}


@pytest.mark.usefixtures("full")
def test_full_tracebacks_keep_our_frames() -> None:
    made = programs(decorate=MODES["parallel"], meet=lambda: None)
    first = ours(made["Leaf"])
    assert "dispatch.py" in first  # the stub, which compiled
    assert {"run.py", "working.py"} <= ours(made["Leaf"])
    assert {"mapped.py", "vectorise.py"} <= ours(made["Batch"])
    assert "sharding.py" in ours(made["BatchOfShards"])


def test_an_error_of_a_transform_points_at_the_call() -> None:
    exc = raised(lambda: vmap(len)())
    found = traceback.extract_tb(exc.__traceback__)
    assert {each.filename for each in found} == {__file__}


def test_recording_leaves_no_frames() -> None:
    """Under `autograph` decorated functions have a stub over their code; in another thread it is called through."""
    made = programs(decorate=MODES["parallel"], meet=lambda: None)
    expected = text(raised(PLAIN["Leaf"]))
    found: list[str] = []
    with ember_jit.autograph():
        other = threading.Thread(target=lambda: found.append(text(raised(made["Leaf"]))))
        other.start()
        other.join(TIMEOUT)
    assert found == [expected]


def test_the_frames_hold_the_users_variables() -> None:
    """What a debugger shows of the frame in `forward` after the fact."""
    made = programs(decorate=MODES["parallel"], meet=lambda: None)
    trace = raised(made["Leaf"]).__traceback__
    names = {}
    while trace is not None:
        names[trace.tb_frame.f_code.co_qualname] = dict(trace.tb_frame.f_locals)
        trace = trace.tb_next
    assert names["Fail.forward"]["found"] == {"key": 1}
    assert names["Leaf.forward"]["a"]["text"] == "1"
    assert unit_of(type(names["Leaf.forward"]["self"]).forward) is not None
