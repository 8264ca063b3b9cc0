"""A bug of ours never breaks a user's call: the plain code runs, and one warning says so (EMB010)."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from ember_jit import Operator, query, structural_jit
from ember_jit.compiler import building, driver
from ember_jit.config import config
from ember_jit.errors import InternalCompilerWarning
from ember_jit.runtime import events
from ember_jit.runtime.learning import UnitRun

pytestmark = pytest.mark.usefixtures("as_users_run_it")

STAGES = [
    "source_of",
    "inference_for",
    "BodyAnalysis",
    "Lowering",
    "mark_escapes",
    "find_regions",
    "IssueEmitter",
    "retire_program",
    "_fill",
    "link_in_place",
    "link_issue_programs",
]


@query
class Ask(Operator):
    def forward(self, *, inputs: Any) -> Any:
        if inputs == "bad":
            raise LookupError(inputs)
        return f"{inputs}!"


def build() -> Any:
    @structural_jit
    class Op(Operator):
        def __init__(self) -> None:
            self.a, self.b = Ask(), Ask()
            self.calls = 0

        def forward(self, *, inputs: Any) -> Any:
            self.calls += 1
            x = self.a(inputs=inputs)
            y = self.b(inputs=inputs)
            return x + y

    return Op


def broken(exc: BaseException) -> Callable[..., Any]:
    """A stage that raises from a file of ours: what is raised in a user's file is the user's own."""
    space: dict[str, Any] = {"exc": exc}
    exec(compile("def stage(*args, **kwargs):\n    raise exc\n", building.__file__, "exec"), space)
    stage: Callable[..., Any] = space["stage"]
    return stage


def quiet(call: Callable[[], Any]) -> tuple[Any, list[warnings.WarningMessage]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        return call(), caught


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(
    "exc",
    [
        KeyError("lost"),
        AssertionError(),
        AttributeError("none"),
        NotImplementedError(),
        StopIteration(),
    ],
    ids=repr,
)
def test_the_plain_code_runs_and_one_warning_says_so(
    monkeypatch: pytest.MonkeyPatch, stage: str, exc: Exception
) -> None:
    where = building if hasattr(building, stage) else driver
    monkeypatch.setattr(where, stage, broken(exc))
    cls = build()
    op = cls()
    result, caught = quiet(lambda: [op(inputs=n) for n in range(3)])
    assert result == ["0!0!", "1!1!", "2!2!"]
    assert op.calls == 3
    assert [each.category for each in caught] == [InternalCompilerWarning]
    text = str(caught[0].message)
    for part in ("Op.forward", type(exc).__name__, "plain code runs", "[EMB010]"):
        assert part in text
    # another instance is the same function: neither compiled again nor warned of again
    assert quiet(lambda: cls()(inputs=1)) == ("1!1!", [])


def test_each_function_is_warned_of_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "find_regions", broken(KeyError("lost")))
    first, second = build()(), build()()
    _, caught = quiet(
        lambda: (first(inputs=1), second(inputs=1), first(inputs=2), second(inputs=2))
    )
    assert len(caught) == 2


def test_the_warning_points_at_the_users_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the function in the user's file, not at a line of ours: that is where filters and readers look."""
    monkeypatch.setattr(building, "find_regions", broken(KeyError("lost")))
    op = build()()
    _, caught = quiet(lambda: op.forward(inputs=1))
    assert caught[0].filename == __file__


def test_a_warning_turned_into_an_error_reaches_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """`-W error` is the user's wish; the next call runs plain."""
    monkeypatch.setattr(building, "find_regions", broken(KeyError("lost")))
    op = build()()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InternalCompilerWarning, match="EMB010"):
            op(inputs=1)
    result, _ = quiet(lambda: op(inputs=2))
    assert result == "2!2!"


def test_the_users_own_exception_is_not_taken_for_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "retire_program", broken(KeyError("lost")))
    op = build()()

    def call() -> BaseException:
        with pytest.raises(LookupError) as info:
            op(inputs="bad")
        return info.value

    exc, caught = quiet(call)
    assert exc.args == ("bad",)
    assert exc.__context__ is None
    assert len(caught) == 1
    names = [frame.name for frame in traceback.extract_tb(exc.__traceback__)]
    assert [name for name in names if name not in ("call", "__call__")] == ["forward", "forward"]


def test_a_broken_stage_in_a_nested_composite(monkeypatch: pytest.MonkeyPatch) -> None:
    """An undecorated part that cannot be compiled is called as it is."""
    original = building.Lowering

    class Breaks(original):  # type: ignore[misc, valid-type]
        def run(self) -> Any:
            if "Part" in self.name:
                broken(KeyError("lost"))()
            return super().run()

    class Part(Operator):
        def __init__(self) -> None:
            self.a, self.b = Ask(), Ask()

        def forward(self, *, inputs: Any) -> Any:
            return self.a(inputs=inputs) + self.b(inputs=inputs)

    @structural_jit
    class Whole(Operator):
        def __init__(self) -> None:
            self.left, self.right = Part(), Part()

        def forward(self, *, inputs: Any) -> Any:
            x = self.left(inputs=inputs)
            y = self.right(inputs=inputs)
            return x + y

    monkeypatch.setattr(building, "Lowering", Breaks)
    op = Whole()
    result, caught = quiet(lambda: [op(inputs=n) for n in range(3)])
    assert result == ["0!0!0!0!", "1!1!1!1!", "2!2!2!2!"]
    assert {each.category for each in caught} == {InternalCompilerWarning}
    assert len(caught) == 1


def test_no_room_on_the_stack_is_no_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    """Called too deep to compile: plain this time, compiled the next."""
    op = build()()
    with monkeypatch.context() as patched:
        patched.setattr(building, "find_regions", broken(RecursionError("deep")))
        assert quiet(lambda: op(inputs=1)) == ("1!1!", [])
    with events.record() as log:
        assert quiet(lambda: op(inputs=2)) == ("2!2!", [])
    assert len(log.calls) == 2


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_while_compiling_is_the_users(
    monkeypatch: pytest.MonkeyPatch, kind: type[BaseException]
) -> None:
    op = build()()
    with monkeypatch.context() as patched:
        patched.setattr(building, "find_regions", broken(kind()))
        with pytest.raises(kind):
            op(inputs=1)
        assert op.calls == 0
    assert quiet(lambda: op(inputs=2)) == ("2!2!", [])


def test_strict_raises_it_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBER_JIT_STRICT", "1")
    config.cache_clear()
    monkeypatch.setattr(building, "find_regions", broken(ZeroDivisionError("ours")))
    with pytest.raises(ZeroDivisionError, match="ours"):
        build()()(inputs=1)


@pytest.mark.parametrize("broken", ["measured", "_settle"])
def test_a_bug_behind_a_call_leaves_its_outcome_standing(
    monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """The call has been made: it is not made again, and the caller's thread does not wait for ever."""
    made: list[Any] = []

    @query
    class Note(Operator):
        def forward(self, *, inputs: Any) -> Any:
            made.append(inputs)
            return inputs * 2

    @structural_jit(execution_strategy="parallel")
    class Op(Operator):
        def __init__(self) -> None:
            self.a, self.b = Note(), Note()

        def forward(self, *, inputs: Any) -> Any:
            x = self.a(inputs=inputs)
            y = self.b(inputs=inputs + 1)
            return self.a(inputs=x + y)

    operator = Op()
    assert operator(inputs=1) == 12
    made.clear()
    monkeypatch.setattr(UnitRun, broken, None)  # calling it raises, in a frame of ours
    assert operator(inputs=1) == 12
    assert sorted(made) == [1, 2, 6]
