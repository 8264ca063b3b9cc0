"""The benchmark harness on a clock of its own: no real time is measured here."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ember_jit import Operator, __version__, query, structural_jit
from ember_jit.cli import main
from ember_jit.errors import InputError, OptionError
from ember_jit.report import critical
from ember_jit.report.bench import KINDS, Bench, bench, bench_text, pinned
from ember_jit.report.bench_json import changes_text, compare, is_slower, stats, to_json
from ember_jit.report.samples import Interval, Sample
from ember_jit.report.survey import survey
from ember_jit.runtime import events
from ember_jit.runtime.dispatch import is_disabled, unit_of
from ember_jit.testing import fake_clock, fake_latency


class Clock:
    """Seconds that pass when somebody says so."""

    def __init__(self) -> None:
        self.now = 0.0
        self.lock = threading.Lock()

    def __call__(self) -> float:
        return self.now

    def spend(self, seconds: float) -> None:
        with self.lock:
            self.now += seconds


CLOCK = Clock()


def make(eager: float = 2.0, compiled: float = 1.0, answers: Any = None) -> Any:
    """An operator that takes so long, plain and compiled."""

    class Slow(Operator):
        kinds: list[str] = []

        def forward(self, *, inputs: Any) -> Any:
            unit = unit_of(type(self).forward)
            assert unit is not None
            kind = "eager" if is_disabled() else "sequential" if unit._sequential else "compiled"
            self.kinds.append(kind)
            CLOCK.spend(eager if is_disabled() else compiled)
            inputs.append("its own copy")
            return next(answers) if answers is not None else list(inputs)

    return structural_jit(Slow)()


def measured(op: Any, **options: Any) -> Bench:
    return bench(op, [1], clock=CLOCK, **options)


class Leaf(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return inputs


@structural_jit(execution_strategy="parallel")
class Two(Operator):
    """Takes a second, and ten where it is recorded, as on a machine that has become slow."""

    def __init__(self) -> None:
        self.a, self.b = query(Leaf()), query(Leaf())

    def forward(self, *, inputs: Any) -> Any:
        CLOCK.spend(10 if events.recording() else 1)
        return self.a(inputs=inputs), self.b(inputs=inputs)


@pytest.mark.parametrize("repeat", [1, 3])
def test_no_run_takes_less_than_its_critical_path(
    repeat: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recorded runs took ten seconds, eight of them on the path; the timed ones took one."""
    monkeypatch.setattr(critical, "longest_chain", lambda *_: 8.0)
    made = measured(Two(), repeat=repeat)
    assert made.samples["compiled"].median == 1.0
    assert (made.critical, made.critical_ratio) == (1.0, 1.25)


@fake_latency(0.1)
@query
class Slow(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return inputs


@structural_jit(execution_strategy="parallel")
class Rounds(Operator):
    def __init__(self) -> None:
        self.members = [Slow(), Slow()]

    def forward(self, *, inputs: Any) -> Any:
        for _ in range(3):
            inputs = [each(inputs=str(inputs)) for each in self.members]
        return inputs


def test_the_critical_path_of_rounds_has_one_call_of_each() -> None:
    """The calls of a round wait for those of the round before, not for each other."""
    op = Rounds()
    op(inputs="x")
    with fake_clock(), events.record() as log:
        op(inputs="x")
    found = survey(op)
    made = found.schedule()
    assert made is not None
    assert critical.longest_chain(made, found, log.calls) == pytest.approx(0.3)


def test_medians_and_ratios() -> None:
    made = measured(make(), repeat=4)
    assert {kind: sample.times for kind, sample in made.samples.items()} == {
        "eager": (2.0,) * 4,
        "compiled": (1.0,) * 4,
    }
    assert made.samples["compiled"].over(made.samples["eager"]) == Interval(0.5, 0.5, 0.5)
    assert (made.identical, made.repeatable, made.baseline) == (True, True, "eager")
    assert made.answer == "[1, 'its own copy']"
    text = bench_text(made)
    assert "4 runs of each kind after 1 to warm up" in text
    assert "0.50 (0.50 to 0.50)" in text


def test_kinds_take_turns_after_the_warm_up() -> None:
    op = make()
    made = measured(op, vs=["eager", "sequential"], repeat=2, warmup=3)
    first = ["compiled", "eager"]  # the first run, and the answer to compare with
    assert op.kinds[:2] == first
    assert op.kinds[2:17] == ["eager", "sequential", "compiled"] * 5
    assert all(len(sample.times) == 2 for sample in made.samples.values())


def test_whole_runs_on_threads() -> None:
    op = make(eager=2.0)
    made = measured(op, vs=["threads"], repeat=2, warmup=0, workers=4)
    assert made.samples["threads"].times == (
        2.0,
        2.0,
    )  # of a clock that adds up: 8 seconds for 4 runs
    assert op.kinds.count("eager") == 1 + 2 * 4


def test_all_kinds_have_names() -> None:
    made = measured(make(), vs=KINDS, repeat=1)
    assert list(made.samples) == [*KINDS, "compiled"]
    with pytest.raises(OptionError, match="none of eager, threads, sequential, parallel"):
        measured(make(), vs=["eagre"])


def test_another_answer_and_no_repeatable_one() -> None:
    answers = iter(["compiled", *["plain", "plain", "compiled"] * 9])
    op = make(answers=answers)
    made = measured(op, repeat=1, warmup=0)
    assert (made.identical, made.different) == (False, "'compiled'")
    moody = measured(make(answers=iter(range(99))), repeat=2)
    assert not moody.repeatable
    assert "does not repeat itself" in bench_text(moody)


# ---------------------------------------------------------------------- statistics
def test_an_interval_holds_the_median_and_is_repeatable() -> None:
    sample = Sample((1.0, 1.1, 1.2, 1.3, 9.0, 1.1, 1.0, 1.2, 1.1, 1.3))
    value, low, high = sample.interval()
    assert low <= value <= high
    assert value == pytest.approx(1.15)
    assert high < 9
    assert sample.interval() == sample.interval()
    assert Sample((1.0,)).interval() == Interval(1.0, 1.0, 1.0)
    assert Sample((0.0, 0.0)).over(Sample((0.0,))) == Interval(1.0, 1.0, 1.0)


def test_wider_samples_have_wider_intervals() -> None:
    narrow = Sample(tuple(10 + 0.01 * number for number in range(20))).interval()
    wide = Sample(tuple(10 + 0.1 * number for number in range(20))).interval()
    assert wide.high - wide.low > 5 * (narrow.high - narrow.low)


def test_statistics_by_pytest_benchmarks_names() -> None:
    found = stats(Sample((1.0, 2.0, 3.0, 4.0, 100.0)))
    assert (found["min"], found["max"], found["mean"], found["median"]) == (1.0, 100.0, 22.0, 3.0)
    assert (found["q1"], found["q3"], found["iqr"]) == (2.0, 4.0, 2.0)
    assert (found["ld15iqr"], found["hd15iqr"], found["outliers"]) == (1.0, 4.0, "1;1")
    assert (found["rounds"], found["iterations"], found["total"]) == (5, 1, 110.0)
    assert found["ops"] == pytest.approx(1 / 22)


# ---------------------------------------------------------------------- JSON and comparison
def saved(path: Path, **options: Any) -> Path:
    made = measured(make(**options), repeat=5)
    path.write_text(json.dumps(to_json(made, __version__)))
    return path


def test_json_has_what_pytest_benchmark_writes(tmp_path: Path) -> None:
    found = json.loads(saved(tmp_path / "a.json").read_text())
    assert found.keys() >= {"machine_info", "commit_info", "benchmarks", "datetime", "version"}
    eager, compiled = found["benchmarks"]
    assert compiled.keys() >= {
        "group",
        "name",
        "fullname",
        "params",
        "extra_info",
        "options",
        "stats",
    }
    assert compiled["name"].endswith("Slow.forward[compiled]")
    assert eager["extra_info"] == {"compiled_over_this": [0.5, 0.5, 0.5]}
    assert compiled["extra_info"]["identical"] is True
    assert found["machine_info"]["node"] == ""


def test_comparison_of_two_files(tmp_path: Path) -> None:
    old, new = saved(tmp_path / "old.json"), saved(tmp_path / "new.json", compiled=1.5)
    eager, compiled = compare(old, new)
    assert eager.ratio == Interval(1.0, 1.0, 1.0)
    assert compiled.ratio == Interval(1.5, 1.5, 1.5)
    text = changes_text([eager, compiled], 1.05)
    assert text.splitlines()[-1].endswith("1.50 (1.50 to 1.50)  SLOWER")
    assert "SLOWER" not in changes_text([eager, compiled], 2.0)


def test_files_of_others_and_benchmarks_that_came_and_went(tmp_path: Path) -> None:
    def write(name: str, **medians: float) -> Path:
        rows = [{"fullname": key, "stats": {"median": at}} for key, at in medians.items()]
        path = tmp_path / name
        path.write_text(json.dumps({"benchmarks": rows}))
        return path

    changes = compare(write("a.json", gone=1.0, same=2.0), write("b.json", same=3.0, came=4.0))
    assert [(each.name, each.old, each.new) for each in changes] == [
        ("same", 2.0, 3.0),
        ("came", None, 4.0),
        ("gone", 1.0, None),
    ]
    assert changes[0].ratio == Interval(1.5, 1.5, 1.5)
    assert "-" in changes_text(changes, None).splitlines()[2]
    (tmp_path / "bad.json").write_text("[1]")
    with pytest.raises(InputError, match="holds no benchmarks"):
        compare(tmp_path / "bad.json", tmp_path / "a.json")
    with pytest.raises(InputError, match="cannot be read"):
        compare(tmp_path / "a.json", tmp_path / "none.json")


def test_noise_alone_is_not_slower() -> None:
    assert is_slower(Interval(1.2, 1.1, 1.3), 1.05)
    assert not is_slower(Interval(1.2, 0.9, 1.5), 1.05)
    assert not is_slower(Interval(1.04, 1.03, 1.06), 1.05)


# ---------------------------------------------------------------------- processors
@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system binds no processes")
def test_binding_to_processors() -> None:
    before = os.sched_getaffinity(0)
    one = min(before)
    with pinned((one,)):
        assert os.sched_getaffinity(0) == {one}
    assert os.sched_getaffinity(0) == before
    with pytest.raises(OptionError, match="may not use 9999"), pinned((one, 9999)):
        pass


# ---------------------------------------------------------------------- the command line
def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["bench", *arguments])


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An operator that is slow when it is compiled, by the clock of the harness."""
    path = tmp_path / "slow_when_compiled.py"
    path.write_text(
        "from ember_jit import Operator\n"
        "from ember_jit.runtime.dispatch import is_disabled\n"
        "class Clock:\n    now = 0.0\n"
        "class Slow(Operator):\n"
        "    def forward(self, *, inputs):\n"
        "        Clock.now += 1.0 if is_disabled() else 1.1\n"
        "        return inputs\n"
    )
    import ember_jit.report.bench as harness

    def now() -> float:
        import sys

        module = sys.modules.get("slow_when_compiled")
        return module.Clock.now if module is not None else 0.0

    monkeypatch.setattr(
        harness.bench, "__kwdefaults__", {**harness.bench.__kwdefaults__, "clock": now}
    )
    return f"{path}:Slow"


def test_fail_if_slower(slow: str) -> None:
    assert call(slow, "--inputs", "1").exit_code == 0
    assert call(slow, "--inputs", "1", "--fail-if-slower", "1.2").exit_code == 0
    done = call(slow, "--inputs", "1", "--fail-if-slower", "1.05")
    assert done.exit_code == 3
    assert "compiled takes 1.10 times as long as eager; 1.05 was the limit" in done.stderr


def test_compare_on_the_command_line(tmp_path: Path) -> None:
    old, new = saved(tmp_path / "old.json"), saved(tmp_path / "new.json", compiled=1.5)
    done = call("compare", str(old), str(new))
    assert (done.exit_code, len(done.stdout.splitlines())) == (0, 3)
    assert call("compare", str(old), str(new), "--fail-if-slower", "1.05").exit_code == 3
    assert call("compare", str(new), str(old), "--fail-if-slower", "1.05").exit_code == 0
    wrong = call("compare", str(old), str(tmp_path / "none.json"))
    assert wrong.exit_code == 2
    assert "[EMB005]" in wrong.stderr


def test_mistakes(slow: str) -> None:
    assert "is none of eager" in call(slow, "--inputs", "1", "--vs", "fast").stderr
    assert "not a list of processors" in call(slow, "--inputs", "1", "--cpu", "a").stderr
    assert "Usage: " in call("--help").stdout
