"""`profile()`: the timeline is exact under virtual time, adds up, and goes where traces are looked at."""

from __future__ import annotations

import builtins
import doctest
import importlib
import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ember_jit import profile, structural_jit
from ember_jit.errors import MissingExtraError
from ember_jit.report.tasks import RunSpan, Task, Wait, duration
from ember_jit.report.timeline import Timeline
from ember_jit.runtime import events
from ember_jit.testing import fake_clock
from tests.report.timed import (
    Answer,
    Base,
    Locked,
    Narrow,
    Outer,
    Save,
    Saves,
    SavesInTurn,
)


def timeline_of(op: Any, inputs: Any = "q") -> Timeline:
    with fake_clock(), profile() as p:
        op(inputs=inputs)
    return p.timeline


def path(made: Timeline) -> list[tuple[str, str, float]]:
    """The critical path: kind, name, seconds."""
    return [
        (step.kind, made.tasks[step.task].name if step.task is not None else "", step.seconds)
        for step in made.critical_path
    ]


# ---------------------------------------------------------------------- what is in it
def test_a_diamond_is_exact() -> None:
    made = timeline_of(Answer())
    assert [(task.name, task.started, task.ended, task.cause) for task in made.tasks] == [
        ("self.search(inputs=inputs)", 0.0, 0.3, None),
        ("self.recall(inputs=inputs)", 0.0, 0.2, None),
        ("self.judge(inputs=[web, notes])", 0.3, 0.4, 0),
    ]
    assert (made.seconds, made.at_once, made.work) == (0.4, 2, 0.6)
    assert [(run.name, run.seconds, run.task) for run in made.runs] == [
        ("Answer.forward", 0.4, None)
    ]
    assert path(made) == [
        ("call", "self.search(inputs=inputs)", 0.3),
        ("call", "self.judge(inputs=[web, notes])", 0.1),
    ]
    share = made.where[0]
    assert (share.name, share.share, Path(share.file).name) == (
        "self.search(inputs=inputs)",
        pytest.approx(0.75),
        "timed.py",
    )


def test_a_wait_that_was_over_at_once_hides_no_other() -> None:
    """Two waits that end at the same moment: which calls the program's own thread makes is up to chance."""
    run = RunSpan(0, "f", "f.py", 1, "main", 2, 0.0, 0.6, None)
    calls = [(0.0, 0.3, "main"), (0.0, 0.3, "one"), (0.3, 0.6, "one"), (0.3, 0.6, "two")]
    tasks = tuple(
        Task(
            number, "g()", "f", "f.py", 2, 0, thread, 0.0, began, ended, ended, True, False, 0, None
        )
        for number, (began, ended, thread) in enumerate(calls)
    )
    waits = (Wait(0, 2, 0.3, 0.6), Wait(0, 3, 0.6, 0.6))
    made = Timeline(0.6, "main", tasks, (run,), waits)
    assert [(step.kind, step.began, step.ended) for step in made.critical_path] == [
        ("queue", 0.0, 0.3),
        ("call", 0.3, 0.6),
    ]


def test_calls_that_wait_for_a_worker() -> None:
    made = timeline_of(Narrow(), [1, 2, 3, 4, 5])
    assert sorted(task.queued for task in made.tasks) == [0.0, 0.0, 0.2, 0.2, 0.4]
    assert made.seconds == 0.6
    assert path(made) == [
        ("queue", "self.recall(inputs=each)", 0.4),
        ("call", "self.recall(inputs=each)", 0.2),
    ]
    help_ = made.help[0]
    assert (help_.kind, help_.seconds) == ("workers", 0.4)
    assert "one of the 2 that may be in flight; try `max_workers=4`" in help_.text


def test_a_call_that_stays_in_order_is_named_with_its_reason() -> None:
    made = timeline_of(Saves())
    assert made.seconds == 0.65
    assert ("in order", "self.save(inputs=inputs)", 0.05) in path(made)
    label = next(each for each in made.help if each.kind == "label")
    assert label.seconds == 0.05
    assert label.text.startswith("`self.save(inputs=inputs)` stays in order: ")
    assert "label Save `@query`" in label.text


def test_a_call_in_own_code_is_named_with_its_reason() -> None:
    """It stands in no region, so the log knows nothing of it: it is looked for between its neighbours."""
    made = timeline_of(Locked())
    assert ("own code", "", 0.05) in path(made)
    label = next(each for each in made.help if each.kind == "label")
    assert label.seconds == 0.05
    assert label.text.startswith("`self.save(inputs=inputs)` stays in order: ")


def test_a_call_that_the_program_made_in_its_turn() -> None:
    """The receiver has changed since: known at run time only, so the log has the call."""
    op = Answer()
    timeline_of(op)
    op.recall = Save()  # type: ignore[assignment]
    made = timeline_of(op)
    save = next(task for task in made.tasks if not task.ahead)
    assert (save.name, save.seconds, save.thread) == (
        "self.recall(inputs=inputs)",
        0.05,
        "MainThread",
    )
    assert [kind for kind, *_ in path(made)] == ["call", "in order", "call"]
    assert made.seconds == 0.45
    assert any("its receiver is not the one that was compiled" in each.text for each in made.help)


def test_values_that_are_handed_over_are_no_calls() -> None:
    """The list is one value to the program; its calls are made in their turn, after one that raised."""

    @structural_jit
    class Listed(Base):
        def forward(self, *, inputs: Any) -> Any:
            found = [self.search(inputs=each) for each in inputs]
            notes = self.recall(inputs=found)
            return self.judge(inputs=[notes, self.recall(inputs=inputs)])

    op = Listed()
    op.search = Save()  # type: ignore[assignment]
    made = timeline_of(op, ["a", "b"])
    in_turn = [task for task in made.tasks if not task.ahead]
    assert {task.name for task in in_turn if "search" in task.name} == {"self.search(inputs=each)"}
    assert [(task.started, task.ended) for task in in_turn[:2]] == [(0.0, 0.05), (0.05, 0.1)]
    assert all(task.name for task in made.tasks)
    assert sum(step.seconds for step in made.critical_path) == pytest.approx(made.seconds)


def test_a_call_in_its_turn_that_raises_has_an_end() -> None:
    op = SavesInTurn()
    timeline_of(op)
    op.search = Save()  # type: ignore[assignment]
    with fake_clock() as clock, profile() as p:
        with pytest.raises(ValueError, match="bad"):
            op(inputs="bad")
        clock.sleep(1)
    made = p.timeline
    first = made.tasks[0]
    assert (first.ahead, first.raised, first.ended) == (False, True, 0.05)
    assert made.critical_path[-1].kind == "outside"
    assert made.critical_path[-1].seconds == 1.0


def test_what_a_run_inside_a_call_did() -> None:
    made = timeline_of(Outer())
    outer, inner = made.runs
    assert inner.task is not None
    assert made.tasks[inner.task].name == "self.answer(inputs=inputs)"
    assert (made.depth(outer.number), made.depth(inner.number)) == (0, 1)
    assert path(made) == [
        ("call", "self.search(inputs=inputs)", 0.3),
        ("call", "self.judge(inputs=[web, notes])", 0.1),
        ("call", "self.judge(inputs=[first, second])", 0.1),
    ]
    assert made.work == 0.9  # the call that holds the inner run is not counted twice


@pytest.mark.parametrize("make", [Answer, Saves, SavesInTurn, Outer])
@pytest.mark.parametrize("times", [1, 3])
def test_the_path_adds_up_without_a_gap(make: Callable[[], Base], times: int) -> None:
    op = make()
    with fake_clock() as clock, profile() as p:
        for _ in range(times):
            clock.sleep(0.01)
            op(inputs="q")
    steps = p.timeline.critical_path
    assert steps[0].began == 0.0
    assert all(a.ended == b.began for a, b in zip(steps, steps[1:], strict=False))
    assert steps[-1].ended == p.timeline.seconds == clock.now
    assert sum(share.share for share in p.timeline.where) == pytest.approx(1.0)


def test_real_time_adds_up_as_well() -> None:
    op = Answer()
    with profile() as p:
        op(inputs="q")
    made = p.timeline
    assert len(made.tasks) == 3
    assert sum(step.seconds for step in made.critical_path) == pytest.approx(made.seconds)
    assert all(task.ready <= task.started <= task.ended <= made.seconds for task in made.tasks)
    assert abs(made.epoch - __import__("time").time()) < 3600


# ---------------------------------------------------------------------- the recording
def test_nothing_is_noted_where_nobody_records(monkeypatch: pytest.MonkeyPatch) -> None:
    op = Answer()

    def unwanted(*args: Any) -> Any:
        raise AssertionError("noted")

    for name in ("run_begins", "call_begins", "made_in_turn", "note", "run_ends", "clock"):
        monkeypatch.setattr(events, name, unwanted)
    assert op(inputs="q")[0] == "judge"


def test_recordings_nest_and_end() -> None:
    op = Answer()
    with fake_clock(), profile() as outer:
        op(inputs=1)
        with profile() as inner:
            op(inputs=2)
            assert len(outer.timeline.runs) == 2  # so far
        assert inner.timeline is inner.timeline
    assert (len(outer.timeline.runs), len(inner.timeline.runs)) == (2, 1)
    assert inner.timeline.seconds == 0.4
    op(inputs=3)
    assert len(outer.timeline.runs) == 2


def test_a_profile_that_records_already() -> None:
    p = profile()
    with p, pytest.raises(RuntimeError, match="recording already"):
        p.__enter__()


def test_it_hears_other_threads() -> None:
    op = Answer()
    with fake_clock(), profile() as p:
        thread = threading.Thread(target=lambda: op(inputs="q"), name="theirs")
        thread.start()
        thread.join()
    made = p.timeline
    assert made.runs[0].thread == "theirs"
    assert path(made)[0] == ("call", "self.search(inputs=inputs)", 0.3)
    assert list(made.threads)[0] == "MainThread"
    assert "theirs" in made.threads


def test_an_exception_goes_on_and_the_timeline_is_there() -> None:
    with fake_clock(), pytest.raises(KeyError), profile() as p:
        Answer()(inputs="q")
        raise KeyError
    assert len(p.timeline.tasks) == 3


def test_plain_code_has_nothing_to_show() -> None:
    with fake_clock(), profile() as p:
        pass
    text = str(p)
    assert "no compiled function overlapped anything" in text
    assert "nothing that stands out" in text


# ---------------------------------------------------------------------- as text
def test_as_text() -> None:
    lines = [
        line.split("MainThread")[0].rstrip() for line in str(timeline_of(Answer())).splitlines()
    ]
    assert lines[:6] == [
        "400 ms for 1 run with 3 calls, 2 at once; one after the other, the calls take 600 ms",
        "",
        "calls (* on the critical path, . ready and waiting for a worker, - in order)",
        "  * self.search(inputs=inputs)      |##############################          |   300 ms",
        f"    self.recall(inputs=inputs)      |####################                    |   200 ms  {lines[4].split()[-1]}",
        "  * self.judge(inputs=[web, notes]) |                              ##########|   100 ms",
    ]
    assert "   75.0%    300 ms  self.search(inputs=inputs)                    timed.py:56" in lines
    assert "  1. saves at most 300 ms, timed.py:56" in lines


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.00 µs"), (9e-10, "0.00 µs"), (4e-5, "40.0 µs"), (0.00099951, "1.00 ms"), (0.3, "300 ms"),
     (0.9999, "1.00 s"), (75, "75.0 s"), (3600, "3600 s")],
)  # fmt: skip
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_long_timeline_is_cut() -> None:
    made = timeline_of(Narrow(), list(range(80)))
    assert "    and 20 more" in str(made).splitlines()


# ---------------------------------------------------------------------- for other tools
def test_chrome_trace(tmp_path: Path) -> None:
    made = timeline_of(Outer())
    trace = json.loads(made.save(tmp_path / "trace.json").read_text())
    found = trace["traceEvents"]
    slices = [each for each in found if each["ph"] == "X"]
    assert len(slices) == len(made.tasks) + len(made.runs) + len(made.waits)
    names = {each["args"]["name"] for each in found if each["name"] == "thread_name"}
    assert names == {run.thread for run in made.runs} | {task.thread for task in made.tasks}
    search = next(each for each in slices if each["name"].startswith("self.search"))
    assert (search["ts"], search["dur"], search["args"]["critical"]) == (0.0, 300000.0, True)
    starts = {each["id"] for each in found if each["ph"] == "s"}
    assert starts == {each["id"] for each in found if each["ph"] == "f"} == {4, 5}


@pytest.mark.parametrize("make", [Outer, Saves, SavesInTurn])
def test_slices_of_one_track_nest(make: Callable[[], Base]) -> None:
    """Perfetto drops what overlaps on one track without being inside it."""
    found = json.loads(timeline_of(make()).to_chrome_json())["traceEvents"]
    tracks: dict[int, list[tuple[float, float]]] = {}
    for each in found:
        if each["ph"] == "X":
            open_ = tracks.setdefault(each["tid"], [])
            began, ended = each["ts"], each["ts"] + each["dur"]
            while open_ and open_[-1][1] <= began:
                open_.pop()
            assert not open_ or ended <= open_[-1][1] + 1e-6
            open_.append((began, ended))


def test_opentelemetry_spans_have_the_right_parents_across_threads() -> None:
    sdk = pytest.importorskip("opentelemetry.sdk.trace")
    export = importlib.import_module("opentelemetry.sdk.trace.export")
    memory = importlib.import_module("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    exporter, provider = memory.InMemorySpanExporter(), sdk.TracerProvider()
    provider.add_span_processor(export.SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("test")
    made = timeline_of(Outer())
    with tracer.start_as_current_span("request"):
        assert made.to_opentelemetry(tracer) == 8
    spans = {span.context.span_id: span for span in exporter.get_finished_spans()}
    parents = {
        span.name: spans[span.parent.span_id].name
        for span in spans.values()
        if span.parent and not span.name.startswith("self.recall")
    }
    assert parents == {
        "Outer.forward": "request",
        "self.answer(inputs=inputs)": "Outer.forward",
        "self.judge(inputs=[first, second])": "Outer.forward",
        "Answer.forward": "self.answer(inputs=inputs)",
        "self.search(inputs=inputs)": "Answer.forward",
        "self.judge(inputs=[web, notes])": "Answer.forward",
    }
    recalls = [span for span in spans.values() if span.name.startswith("self.recall")]
    assert {spans[span.parent.span_id].name for span in recalls} == {
        "Outer.forward",
        "Answer.forward",
    }
    assert {span.end_time - span.start_time for span in recalls} == {200_000_000}
    assert len({span.context.trace_id for span in spans.values()}) == 1
    assert {span.attributes["thread.name"] for span in recalls} != {"MainThread"}


def test_a_span_of_a_call_that_raised() -> None:
    sdk = pytest.importorskip("opentelemetry.sdk.trace")
    export = importlib.import_module("opentelemetry.sdk.trace.export")
    memory = importlib.import_module("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    exporter, provider = memory.InMemorySpanExporter(), sdk.TracerProvider()
    provider.add_span_processor(export.SimpleSpanProcessor(exporter))
    op = Answer()
    timeline_of(op)
    op.recall = Save()  # type: ignore[assignment]
    with fake_clock(), profile() as p, pytest.raises(ValueError, match="bad"):
        op(inputs="bad")
    p.timeline.to_opentelemetry(provider.get_tracer("test"))
    bad = [span.name for span in exporter.get_finished_spans() if not span.status.is_ok]
    assert "self.recall(inputs=inputs)" in bad


def test_without_opentelemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("opentelemetry"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    for name in [name for name in sys.modules if name.startswith("opentelemetry")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r'pip install "ember-jit\[otel\]".*EMB053'):
        timeline_of(Answer()).to_opentelemetry()


def test_as_plain_data() -> None:
    made = json.loads(json.dumps(timeline_of(Outer()).to_dict()))
    assert [each["name"] for each in made["runs"]] == ["Outer.forward", "Answer.forward"]
    assert {"tasks", "waits", "critical_path", "where", "help", "seconds"} <= made.keys()


@pytest.mark.parametrize("name", ["profile", "tasks"])
def test_examples(name: str) -> None:
    module = importlib.import_module(f"ember_jit.report.{name}")
    result = doctest.testmod(module)
    assert result.attempted
    assert not result.failed


def test_a_function_that_was_never_decorated_is_not_explained() -> None:
    """Composites inside a compiled operator run compiled as well; there is no decorator to ask about them."""

    class Part(Base):
        def forward(self, *, inputs: Any) -> Any:
            web = self.search(inputs=inputs)
            notes = self.recall(inputs=inputs)
            return [web, notes]

    @structural_jit
    class Whole(Base):
        def __init__(self) -> None:
            super().__init__()
            self.part = Part()

        def forward(self, *, inputs: Any) -> Any:
            one = self.part(inputs=inputs)
            return [one, self.judge(inputs=inputs)]

    made = timeline_of(Whole())
    assert made.seconds == 0.3
    assert str(made)
