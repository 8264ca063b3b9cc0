"""A bug in a hook never reaches the user: the plain code goes on, and one warning says so (EMB010)."""

from __future__ import annotations

import signal
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ember_jit import Operator, autograph, disable_structural_jit, get_jit_stats, jit, pure
from ember_jit.compiler.tracing import fallback
from ember_jit.errors import InternalCompilerWarning
from ember_jit.runtime.tracing import recorder

pytestmark = pytest.mark.usefixtures("as_users_run_it")

STAGES = [
    (recorder.Places, "add"),
    (recorder.Places, "template"),
    (recorder, "_reference"),
    (recorder, "Flight"),
    (recorder.TraceRun, "arrive"),
    (recorder.TraceRun, "landed"),
    (recorder.TraceRun, "about_to_change"),
    (recorder.TraceRun, "leave"),
    (recorder.Tracer, "finished"),
    (fallback, "standing_of"),
]


def broken(exc: BaseException) -> Callable[..., Any]:
    """A part that raises from a file of ours: what is raised in a user's file is the user's own."""
    space: dict[str, Any] = {"exc": exc}
    exec(compile("def part(*args, **kwargs):\n    raise exc\n", recorder.__file__, "exec"), space)
    part: Callable[..., Any] = space["part"]
    return part


@pure
class Leaf(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return {"n": inputs["n"]}


def build(**options: Any) -> Any:
    @jit(force_trace=True, execution_strategy="parallel", **options)
    class Op(Operator):
        def __init__(self) -> None:
            self.first, self.second, self.runs = Leaf(), Leaf(), 0

        def forward(self, *, inputs: Any) -> Any:
            one = self.first(inputs={"n": inputs["n"]})
            self.runs += 1
            return one["n"], self.second(inputs={"n": inputs["n"]})["n"]

    return Op()


def caught(call: Callable[[], Any]) -> tuple[Any, list[warnings.WarningMessage]]:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        return call(), found


@pytest.mark.parametrize("exc", [KeyError("lost"), AttributeError()], ids=repr)
@pytest.mark.parametrize(
    ("owner", "name"), STAGES, ids=lambda each: getattr(each, "__name__", each)
)
def test_the_plain_code_goes_on_and_one_warning_says_so(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, exc: Exception
) -> None:
    op = build()
    op(inputs={"n": 0})
    monkeypatch.setattr(owner, name, broken(exc))
    result, found = caught(lambda: [op(inputs={"n": n}) for n in range(1, 5)])
    assert result == [(n, n) for n in range(1, 5)]
    assert op.runs == 5
    assert [each.category for each in found] == [InternalCompilerWarning]
    assert found[0].filename == __file__
    stats = get_jit_stats(op)
    assert not stats.traced and stats.deoptimised == 1 and "EMB010" in stats.reason


def test_the_users_own_exception_goes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stop(Exception):
        pass

    def stop(*args: Any) -> None:
        raise Stop  # what a signal handler of the user's may do at any place

    op = build()
    op(inputs={"n": 0})
    before = signal.signal(signal.SIGALRM, stop)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(
                recorder, "_reference", lambda callee: signal.raise_signal(signal.SIGALRM)
            )
            with pytest.raises(Stop):
                op(inputs={"n": 1})
    finally:
        signal.signal(signal.SIGALRM, before)
    assert caught(lambda: op(inputs={"n": 2})) == ((2, 2), [])


def test_runs_of_many_threads_do_not_mix() -> None:
    op = build(max_workers=2)
    gate = threading.Barrier(8)

    def ask(thread: int) -> bool:
        gate.wait(10)
        return all(op(inputs={"n": n})[0] == n for n in range(thread * 100, thread * 100 + 50))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(8)))
    stats = get_jit_stats(op)
    assert stats.runs == 400
    assert stats.prefetch_hits + stats.prefetch_misses == stats.issued > 0


def test_nothing_is_started_where_the_compiler_is_disabled_or_a_graph_is_recorded() -> None:
    op = build()
    for n in range(2):
        op(inputs={"n": n})
    issued = get_jit_stats(op).issued
    assert issued == 1
    with disable_structural_jit():
        op(inputs={"n": 2})
    with autograph():
        op(inputs={"n": 3})
    assert get_jit_stats(op).issued == issued
    op(inputs={"n": 4})
    assert get_jit_stats(op).issued == issued + 1


def test_a_declared_call_that_prints_prints_in_its_turn(capsys: pytest.CaptureFixture[str]) -> None:
    @pure
    class Says(Operator):
        def forward(self, *, inputs: Any) -> Any:
            print("leaf")
            return inputs

    @jit(force_trace=True, execution_strategy="parallel")
    def run(inputs: Any, first: Any, second: Any) -> Any:
        one = first(inputs=inputs)
        print("between")
        return one, second(inputs=inputs)

    first, second = Says(), Says()
    for n in range(3):
        run(n, first, second)
    assert capsys.readouterr().out == "leaf\nbetween\nleaf\n" * 3
