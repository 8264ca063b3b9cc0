"""When loops are compiled and used: in the background, tried first, given up where they do not pay."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from typing import Any

import pytest

from ember_jit import explain, jit
from ember_jit.runtime import background
from ember_jit.runtime.dispatch import unit_of
from ember_jit.runtime.loops.site import LONGEST_REST, policy
from ember_jit.testing import loops_at_once, wait_for_kernels
from tests.loops.loop_runs import define, hits_of, sites_of

pytest.importorskip("llvmlite")


def total(xs, k):  # type: ignore[no-untyped-def]
    s = 0.0
    for x in xs:
        if x > k:
            s += x * x
    return s


def fresh(function: Any) -> Any:
    """A function object of its own, decorated."""
    return jit(type(function)(function.__code__, function.__globals__, function.__name__))


def test_compiled_in_the_background_and_tried_before_it_is_used() -> None:
    made = fresh(total)
    values = [float(k) for k in range(50_000)]
    expected = total(values, 3.0)
    assert made(values, 3.0) == expected  # has it compiled: so much work in one call
    wait_for_kernels()
    assert hits_of(made) == 0
    assert made(values, 3.0) == expected  # the trial
    assert made(values, 3.0) == expected
    (site,) = sites_of(made)
    (code,) = site.made.values()
    assert code.ready
    assert code.speedup is not None
    assert hits_of(made) == 2
    text = str(explain(made))
    assert "machine code, " in text
    assert "list[float], float" in text


def test_little_work_is_not_compiled() -> None:
    made = fresh(total)
    for _ in range(3):
        made([1.0], 0.0)
    (site,) = sites_of(made)
    assert not any(each.asked for each in site.made.values())


def test_a_loop_that_is_left_to_python_too_often_rests_and_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = "def program(n):\n    r = 1\n    for i in range(1, n):\n        r *= i\n    return r\n"
    plain, made = define(source, "program", "<rests>"), jit(define(source, "program", "<rests>"))
    code = plain.__code__
    with loops_at_once(trial=True):
        monkeypatch.setattr(policy, "patience", 1)
        calls = 0
        while sites_of(made)[0].on if unit_of(made).artifacts else True:
            assert made(40) == plain(40)
            calls += 1
            assert calls < 4 * LONGEST_REST
    assert made.__code__.co_code == code.co_code
    assert "left to Python" in str(explain(made))


def test_what_cannot_be_compiled_gets_its_own_code_back() -> None:
    source = "def program(xs):\n    n = 0\n    for x in xs:\n        n += x\n    return n\n"
    made = jit(define(source, "program", "<given up>"))
    with loops_at_once():
        for _ in range(300):
            assert made((1, 2)) == 3
    assert unit_of(made).stats.left_alone


def test_a_reason_for_each_loop_that_is_left() -> None:
    source = "def program(xs):\n    n = {}\n    for x in xs:\n        n[x] = 1\n        print(end='')\n    for x in xs:\n        yielded = {**n}\n    return n\n"
    made = jit(define(source, "program", "<reasons>"))
    assert made([1.0]) == {1.0: 1}
    text = str(explain(made))
    assert "line 5: left to Python: a call of `print`" in text
    assert "line 7: left to Python: the expression `Dict`" in text


def test_a_long_loop_is_interrupted_and_nothing_is_written() -> None:
    np = pytest.importorskip("numpy")
    source = "def program(a, n):\n    for i in range(n):\n        a[i % 3] += 1.0\n    return a\n"
    with loops_at_once():
        made = jit(define(source, "program", "<interrupted>"))
        data = np.zeros(3)
        made(data, 3)
        assert hits_of(made) == 1
        before = data.copy()

        def interrupt() -> None:
            os.kill(os.getpid(), signal.SIGINT)

        timer = threading.Timer(0.05, interrupt)
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            made(data, 2**62)  # ends only so
        timer.join()
    assert data.tolist() == before.tolist()


def test_other_threads_run_during_a_long_loop() -> None:
    source = "def program(xs, n):\n    k = 0\n    while xs[0] < 1:\n        k = (k + 1) % n\n    return k >= 0\n"
    with loops_at_once():
        made = jit(define(source, "program", "<threads>"))
        assert made([1], 5)
        flag = [0]
        thread = threading.Thread(target=lambda: flag.__setitem__(0, 1))
        timer = threading.Timer(0.05, thread.start)
        timer.start()
        assert made(flag, 5)  # a loop that waits for another thread sees what that does
        timer.join()
        thread.join()


def test_a_list_that_is_let_go_of_during_a_long_loop() -> None:
    source = "def program(rows, n):\n    row = rows[0]\n    while len(row) < n:\n        row = rows[0]\n    return len(row)\n"
    with loops_at_once():
        made = jit(define(source, "program", "<let go>"))
        assert made([[1, 2]], 1) == 2
        rows = [[1], [2]]
        timer = threading.Timer(0.05, lambda: rows.__setitem__(0, [1] * 5))
        timer.start()
        assert made(rows, 5) == 5
        timer.join()


def test_lines_are_seen_by_a_tracer() -> None:
    with loops_at_once():
        made = jit(
            define(
                "def program(n):\n    s = 0\n    for i in range(n):\n        s += i\n    return s\n",
                "program",
                "<traced>",
            )
        )
        assert made(4) == 6
        assert hits_of(made) == 1
        lines = []

        def tracer(frame: Any, event: str, arg: Any) -> Any:
            if frame.f_code.co_filename == "<traced>":
                lines.append(frame.f_lineno)
                return tracer
            return None

        before = sys.gettrace()
        sys.settrace(tracer)
        try:
            assert made(2) == 1
        finally:
            sys.settrace(before)
    assert lines.count(4) == 2


def test_globals_are_read_at_each_call() -> None:
    source = "STEP = 2\ndef program(n):\n    s = 0\n    for i in range(n):\n        s += i * STEP\n    return s\n"
    with loops_at_once():
        made = jit(define(source, "program", "<globals>"))
        assert made(4) == 12
        made.__globals__["STEP"] = 0.5
        assert made(4) == 3.0
        made.__globals__["range"] = lambda n: [7]
        assert made(4) == 3.5
        del made.__globals__["STEP"]
        with pytest.raises(NameError, match="STEP"):
            made(4)


def test_a_forward_keeps_what_is_around_the_loop() -> None:
    from ember_jit import Operator

    class Scores(Operator):
        def __init__(self) -> None:
            self.bias = 0.5

        def forward(self, *, inputs):  # type: ignore[no-untyped-def]
            xs, bias = inputs["xs"], self.bias
            found = []
            for x in xs:
                found.append(x * 2 + bias)
            return {"scores": found, "n": len(xs)}

    plain = Scores()(inputs={"xs": [1.0, 2.0]})
    with loops_at_once():
        jit(Scores)
        op = Scores()
        assert op(inputs={"xs": [1.0, 2.0]}) == plain == {"scores": [2.5, 4.5], "n": 2}
        assert hits_of(Scores.forward) == 1


SCRIPT = """
import sys, os
from ember_jit import jit
from ember_jit.testing import wait_for_kernels
@jit
def total(xs):
    s = 0.0
    for x in xs:
        s += x * 1.5
    return s
values = [1.0] * 60_000
print(total(values))
{then}
"""


@pytest.mark.parametrize(
    ("then", "out"),
    [
        ("", ""),  # ends while the loop is being compiled
        (
            "pid = os.fork()\nif pid == 0:\n    wait_for_kernels(); print(total(values)); sys.stdout.flush(); os._exit(0)\nos.waitpid(pid, 0)",
            "90000.0",
        ),
        (
            "wait_for_kernels(); total(values); print('llvmlite' in sys.modules, 'numpy' in sys.modules)",
            "True False",
        ),
    ],
)
def test_exit_fork_and_what_is_imported(then: str, out: str, tmp_path: Any) -> None:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT.format(then=textwrap.dedent(then)))
    environment = {**os.environ, "EMBER_JIT_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, str(path)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split("\n")[:2] == ["90000.0", out]
    if out == "True False":  # a second process takes it from the cache
        again = subprocess.run(
            [sys.executable, str(path)],
            capture_output=True,
            text=True,
            env=environment,
            timeout=120,
            check=False,
        )
        assert again.stdout.split("\n")[1] == "False False"


def test_without_llvmlite_loops_are_plain(tmp_path: Any) -> None:
    (tmp_path / "llvmlite.py").write_text("raise OSError('broken')")
    path = tmp_path / "script.py"
    path.write_text(SCRIPT.format(then="wait_for_kernels()\nfor _ in range(3): total(values)"))
    environment = {**os.environ, "EMBER_JIT_CACHE": "off"}
    done = subprocess.run(
        [sys.executable, str(path)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0
    assert done.stderr.count("EMB050") == 1


def test_background_is_quiet_at_the_end() -> None:
    wait_for_kernels()
    assert background.is_on()
