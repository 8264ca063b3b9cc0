"""`explain`: what it says of each shape of program, and that it says it without running the program."""

from __future__ import annotations

import gc
import json
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest

import ember_jit
from ember_jit import (
    Operator,
    compile_report,
    disable_structural_jit,
    effects,
    explain,
    query,
    structural_jit,
)
from ember_jit.compiler import building
from ember_jit.errors import InternalCompilerWarning, NotAnOperatorError
from ember_jit.report.explanation import Call, Explanation
from ember_jit.runtime import events

HERE = str(Path(__file__))


@query
class Leaf(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return {"v": str(inputs), "ok": True}


class Counting(Operator):
    def __init__(self) -> None:
        self.count = 0

    def forward(self, *, inputs: Any) -> Any:
        self.count += 1
        return inputs


class Upper(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return inputs.upper()


class Holder(Operator):
    """Operators for the programs below to call."""

    def __init__(self) -> None:
        self.a, self.b, self.c = Leaf(), Leaf(), Leaf()
        self.counting, self.upper = Counting(), Upper()
        self.members = [Leaf(), Leaf(), Upper()]


def site(made: Explanation, number: int) -> Call:
    return next(call for call in made.calls if call.number == number)


def line_of(text: str) -> int:
    lines = Path(HERE).read_text().splitlines()
    return next(number for number, line in enumerate(lines, start=1) if text in line)


# ---------------------------------------------------------------------- what overlaps
@structural_jit
class Diamond(Holder):
    def forward(self, *, inputs: Any) -> Any:
        top = self.a(inputs=inputs)  # diamond: top
        left = self.b(inputs=top["v"])
        right = self.c(inputs=top["v"])
        return self.a(inputs=[left["v"], right["v"]])


def test_a_diamond() -> None:
    made = explain(Diamond())
    assert made.status == "compiled"
    assert made.headline == "compiled: 4 of 4 calls are issued ahead"
    assert [call.overlaps for call in made.calls] == [(), (2,), (1,), ()]
    assert [call.waits_for for call in made.calls] == [(), (0,), (0,), (1, 2)]
    assert [step.number for step in made.critical_path] == [0, 1, 3]
    assert made.pairs == 1


def test_each_call_says_where_it_stands_and_how_its_effect_is_known() -> None:
    call = site(explain(Diamond()), 0)
    assert (call.file, call.line) == (HERE, line_of("# diamond: top"))
    assert call.text == "self.a(inputs=inputs)"
    assert (call.receiver, call.effect, call.evidence) == ("Leaf", "query", "declared `query`")


def test_an_inferred_effect_names_the_code_that_it_was_read_from() -> None:
    @structural_jit
    class Op(Holder):
        def forward(self, *, inputs: Any) -> Any:
            return self.upper(inputs=inputs), self.upper(inputs=inputs)

    call = site(explain(Op()), 0)
    assert call.effect == "pure"
    assert f"inferred from the source of Upper.forward ({HERE}:" in call.evidence


def test_the_iterations_of_a_loop_overlap() -> None:
    @structural_jit
    class Op(Holder):
        def forward(self, *, inputs: Any) -> Any:
            out = []
            for x in inputs:
                out.append(self.a(inputs=x))
            return out

    made = explain(Op())
    assert site(made, 0).overlaps == (0,)
    assert [step.loop for step in made.critical_path] == ["iterations overlap"]
    assert "overlaps its own iterations" in str(made)


def test_a_carried_value_makes_iterations_wait() -> None:
    @structural_jit
    class Op(Holder):
        def forward(self, *, inputs: Any) -> Any:
            q = inputs
            for i in range(3):
                q = self.a(inputs=q)["v"]
                w = self.b(inputs=i)
            return q, w

    made = explain(Op())
    assert site(made, 0).overlaps == (1,)
    assert site(made, 1).overlaps == (0, 1)
    assert [step.loop for step in made.critical_path] == ["iterations wait for each other"]


def test_what_follows_an_early_return_waits_for_what_decides_it() -> None:
    @structural_jit
    class Op(Holder):
        def forward(self, *, inputs: Any) -> Any:
            x = self.a(inputs=inputs)
            y = self.b(inputs=inputs)
            if not x["ok"]:
                return None
            return self.c(inputs=inputs), y

    made = explain(Op())
    assert site(made, 2).waits_for == (0,)
    assert site(made, 2).overlaps == (1,)


def test_what_follows_a_loop_with_break_waits_for_what_decides_it() -> None:
    @structural_jit
    class Op(Holder):
        def forward(self, *, inputs: Any) -> Any:
            for i in range(3):
                x = self.a(inputs=i)
                self.b(inputs=i)
                if not x["ok"]:
                    break
            return self.c(inputs=1)

    made = explain(Op())
    assert site(made, 0).overlaps == (1,)
    assert site(made, 2).overlaps == (1,)


def test_the_arms_of_a_branch_do_not_overlap() -> None:
    @structural_jit
    class Op(Holder):
        def forward(self, *, inputs: Any) -> Any:
            x = self.a(inputs=inputs)
            if inputs:
                y = self.b(inputs=inputs)
            else:
                y = self.c(inputs=inputs)
            return x, y

    made = explain(Op())
    assert (site(made, 1).overlaps, site(made, 2).overlaps) == ((0,), (0,))


def test_what_it_says_overlaps_does() -> None:
    """The two calls that `explain` pairs meet at a barrier, and the event log has them in flight together."""
    barrier = threading.Barrier(2, timeout=10)

    @query
    class Meeting(Operator):
        def forward(self, *, inputs: Any) -> Any:
            if inputs == "meet":
                barrier.wait()
            return inputs

    @structural_jit
    class Op(Operator):
        def __init__(self) -> None:
            self.first, self.left, self.right = Meeting(), Meeting(), Meeting()

        def forward(self, *, inputs: Any) -> Any:
            x = self.first(inputs="alone")
            return self.left(inputs="meet"), self.right(inputs="meet"), x

    op = Op()
    assert site(explain(op), 1).overlaps == (0, 2)
    with events.record() as log:
        op(inputs=None)
    assert log.overlapped("self.left", "self.right")
    report = compile_report(op)
    assert (report["runs"], report["issued"]) == (1, 3)


# ---------------------------------------------------------------------- what stays in order, and why
@structural_jit
class WithCounter(Holder):
    def forward(self, *, inputs: Any) -> Any:
        x = self.a(inputs=inputs)
        n = self.counting(inputs=inputs)
        y = self.b(inputs=inputs)
        z = self.c(inputs=inputs)
        return x, n, y, z


def test_an_unknown_effect_is_traced_to_its_line() -> None:
    made = explain(WithCounter())
    call = site(made, 1)
    assert (call.effect, call.ahead) == ("unknown", False)
    assert "stores to the attribute `self.count`" in call.why
    assert call.place == f"{HERE}:{line_of('self.count += 1')}"
    assert call.fix.startswith("let Counting return the value instead of storing it")


def test_nothing_overlaps_across_a_call_of_unknown_effect() -> None:
    made = explain(WithCounter())
    assert site(made, 0).overlaps == ()
    assert site(made, 2).overlaps == (3,)
    assert [step.number for step in made.critical_path] == [0, 1, 2]


def test_a_store_is_a_barrier_with_its_line_and_a_fix() -> None:
    @structural_jit
    class Op(Holder):
        def forward(self, *, inputs: Any) -> Any:
            x = self.a(inputs=inputs)
            self.last = x  # store: here
            return self.b(inputs=inputs), self.c(inputs=inputs)

    made = explain(Op())
    (barrier,) = made.barriers
    assert barrier.line == line_of("# store: here")
    assert barrier.reason == "stores to the attribute `self.last`"
    assert "store it after the last call" in barrier.fix
    assert not site(made, 0).ahead
    assert f"before line {barrier.line}" in site(made, 0).why
    assert [(each.first, each.reason) for each in made.left_alone] == [
        (barrier.line - 1, "only one call, so there is nothing for it to overlap with")
    ]


def test_a_with_statement_is_a_barrier() -> None:
    lock = threading.Lock()

    @structural_jit
    class Op(Holder):
        def forward(self, *, inputs: Any) -> Any:
            with lock:
                x = self.a(inputs=inputs)
            return self.b(inputs=inputs), self.c(inputs=inputs), x

    assert any("`with` block" in barrier.fix for barrier in explain(Op()).barriers)


def test_a_call_with_a_resource_says_what_it_waits_for() -> None:
    @effects.ordered("db")
    class Save(Operator):
        def forward(self, *, inputs: Any) -> Any:
            return inputs

    @structural_jit
    class Op(Operator):
        def __init__(self) -> None:
            self.a, self.b, self.save = Leaf(), Leaf(), Save()

        def forward(self, *, inputs: Any) -> Any:
            self.save(inputs=inputs)
            a = self.a(inputs=inputs)
            self.save(inputs=inputs)
            self.log(inputs=inputs)
            self.gui(inputs=inputs)
            return a

    Log = type("Log", (Save,), {"__effects__": effects.ordered("log")})
    op = Op()
    op.log, op.gui = (
        Log(),
        effects.declare(gui := Leaf(), effects.query, effects.thread_bound) or gui,
    )
    made = explain(op)
    first, _, again, log, gui = (site(made, number) for number in range(5))
    assert first.ahead
    assert first.effect == "ordered"
    assert first.overlaps == (1,)
    assert not first.why
    assert (
        again.why
        == "declared `ordered('db')`: it starts when nothing in front of it can raise, and #1 may"
    )
    assert again.fix == "declare Leaf `nothrow`, if it never raises"
    assert log.fix == "declare Save `nothrow`, if it never raises"
    assert "made on the caller's thread" in gui.why
    assert "kept back: declared `ordered('db')`" in str(made)


def test_calls_in_generators_that_may_stop_early_are_listed() -> None:
    @structural_jit
    class Op(Holder):
        def forward(self, *, inputs: Any) -> Any:
            x, y = self.a(inputs=inputs), self.b(inputs=inputs)
            return any(self.c(inputs=i)["ok"] for i in range(3)), x, y

    call = next(call for call in explain(Op()).calls if call.number is None)
    assert call.text == "self.c(inputs=i)"
    assert "stop early" in call.why
    assert "list comprehension" in call.fix


def test_a_call_in_a_handler() -> None:
    @structural_jit
    class Op(Holder):
        def forward(self, *, inputs: Any) -> Any:
            out = []
            for i in range(3):
                try:
                    out.append(self.a(inputs=i))
                except ValueError:
                    out.append(self.b(inputs=i))
            return out

    made = explain(Op())
    assert "`except`" in site(made, 1).why
    assert [step.number for step in made.critical_path] == [0]


def test_an_argument_that_cannot_be_formed_early_is_traced_to_what_makes_it() -> None:
    @structural_jit
    class Op(Holder):
        def forward(self, *, inputs: Any) -> Any:
            try:
                k = int(inputs)  # lost: here
            except ValueError:
                k = 0
            x, y = self.a(inputs=inputs), self.b(inputs=inputs)
            return self.c(inputs=k), x, y

    last = site(explain(Op()), 2)
    if not last.ahead:
        assert "its arguments need `k`" in last.why
        assert "line" in last.why


def test_an_argument_without_a_name_is_shown_as_it_is_written() -> None:
    """Not as the value that the compiler calls `_t2`."""

    @structural_jit
    class Inside(Holder):
        def forward(self, *, inputs: Any) -> Any:
            with open(inputs) as file:
                return self.a(inputs=file.read()), self.b(inputs=inputs)

    first = site(explain(Inside()), 0)
    assert first.why.startswith("its arguments need `file.read()`, which")


def test_the_early_exit_that_ends_the_walk_is_named() -> None:
    @structural_jit
    class Op(Holder):
        def forward(self, *, inputs: Any) -> Any:
            x, y = self.a(inputs=1), self.b(inputs=2)
            for d in inputs:
                if not self.c(inputs=d)["ok"]:  # exit: here
                    return None
            return self.a(inputs=3), x, y

    made = explain(Op())
    last = site(made, 3)
    if not last.ahead:  # the walk may one day go on behind such a loop
        assert f"line {line_of('# exit: here')}" in last.why
        assert "early exit" in last.fix
    assert 2 not in last.overlaps


@pytest.mark.parametrize("advice", ["label", "store later", "copy", "list comprehension"])
def test_the_advice_works(advice: str) -> None:
    """Programs that follow the fixes that `explain` gives for the programs above."""

    @query
    class Labelled(Counting):
        pass

    @structural_jit
    class Later(Holder):
        def forward(self, *, inputs: Any) -> Any:
            x, y = self.a(inputs=inputs), self.b(inputs=inputs)
            self.last = x
            return x, y

    @structural_jit
    class Copy(Holder):
        def forward(self, *, inputs: Any) -> Any:
            out: list[Any] = []
            for i in range(3):
                out.append(self.a(inputs=i)["v"])
                seen = list(out)
                self.b(inputs=seen)
            return out

    @structural_jit
    class Listed(Holder):
        def forward(self, *, inputs: Any) -> Any:
            return any([self.c(inputs=i)["ok"] for i in range(3)])

    if advice == "label":
        op: Any = WithCounter()
        op.counting = Labelled()

        @structural_jit
        class Fresh(Holder):
            def forward(self, *, inputs: Any) -> Any:
                return self.a(inputs=inputs), self.labelled(inputs=inputs)

        op = Fresh()
        op.labelled = Labelled()
    else:
        op = {"store later": Later, "copy": Copy, "list comprehension": Listed}[advice]()
    made = explain(op)
    assert made.status == "compiled"
    assert made.pairs >= 1
    with disable_structural_jit():
        plain = op(inputs="x")
    assert op(inputs="x") == plain


# ---------------------------------------------------------------------- left alone, and not decorated
def test_triage_is_said_on_the_first_line() -> None:
    @structural_jit
    class One(Holder):
        def forward(self, *, inputs: Any) -> Any:
            return {"only": inputs}

    made = explain(One())
    assert made.status == "left alone"
    assert (
        str(made)
        .splitlines()[0]
        .endswith("left alone: it makes fewer than two calls, and none in a loop")
    )


def test_no_source_is_said_on_the_first_line() -> None:
    space: dict[str, Any] = {"Holder": Holder, "structural_jit": structural_jit}
    exec(
        "@structural_jit\nclass Op(Holder):\n"
        "    def forward(self, *, inputs):\n        return self.a(inputs=1), self.b(inputs=2)\n",
        space,
    )
    made = explain(space["Op"]())
    assert made.status == "left alone"
    assert "no source" in str(made).splitlines()[0]
    assert "no source" in str(explain(space["Op"])).splitlines()[0]


def test_a_chain_is_made_straight_and_its_calls_are_explained() -> None:
    @structural_jit
    class Chain(Holder):
        def forward(self, *, inputs: Any) -> Any:
            x = self.a(inputs=inputs)
            return self.b(inputs=x)

    made = explain(Chain())
    assert made.headline == (
        "compiled: nothing could overlap; 2 of 2 calls go straight to the operator's `forward`"
    )
    assert site(made, 1).why.startswith("it needs the result of #0")
    assert [step.number for step in made.critical_path] == [0, 1]


class Bare(Holder):
    def forward(self, *, inputs: Any) -> Any:
        return self.a(inputs=inputs), self.b(inputs=inputs)


def test_an_undecorated_operator_is_previewed_and_not_changed() -> None:
    code = Bare.forward.__code__
    made = explain(Bare())
    assert made.status == "not decorated"
    assert "@structural_jit" in made.headline
    assert "2 of 2 calls are issued ahead" in made.headline
    assert made.pairs == 1
    assert Bare.forward.__code__ is code


def test_an_undecorated_function() -> None:
    leaf = Leaf()

    def both(x: Any) -> Any:
        return leaf(inputs=x), leaf(inputs=x)

    assert explain(both).status == "not decorated"
    made = explain(structural_jit(both))
    assert (made.kind, made.status, made.pairs) == ("function", "compiled", 1)


def test_an_inherited_forward_is_compiled_where_it_stands() -> None:
    class Base(Holder):
        def forward(self, *, inputs: Any) -> Any:
            return self.a(inputs=inputs), self.b(inputs=inputs)

    @structural_jit
    class Sub(Base):
        pass

    assert explain(Sub()).status == "compiled"


def test_a_class_is_explained_without_constructing_or_compiling_it() -> None:
    @structural_jit
    class Op(Holder):
        def __init__(self) -> None:
            raise AssertionError("constructed")

        def forward(self, *, inputs: Any) -> Any:
            return self.a(inputs=inputs), self.b(inputs=inputs)

    made = explain(Op)
    assert (made.kind, made.status) == ("class", "not compiled yet")
    assert any("explain an operator" in remark for remark in made.remarks)
    op = Op.__new__(Op)
    Holder.__init__(op)
    assert explain(op).pairs == 1
    assert explain(Op).status == "compiled"


def test_nothing_of_the_users_runs() -> None:
    @query
    class Never(Operator):
        def forward(self, *, inputs: Any) -> Any:
            raise AssertionError("ran")

    class Hooked(Operator):
        def __init__(self) -> None:
            self.a, self.b = Never(), Never()

        def __getattr__(self, name: str) -> Any:
            raise AssertionError(f"looked up {name}")

        def __repr__(self) -> str:
            raise AssertionError("printed")

        def __eq__(self, other: object) -> bool:
            raise AssertionError("compared")

        __hash__ = None  # type: ignore[assignment]

        def forward(self, *, inputs: Any) -> Any:
            return self.a(inputs=inputs), self.b(inputs=inputs)

    structural_jit(Hooked)
    made = explain(Hooked())
    str(made), made.to_dict()
    assert made.status in ("compiled", "left alone")


def test_a_half_initialised_operator() -> None:
    op = Diamond.__new__(Diamond)
    assert str(explain(op))

    @structural_jit
    class Empty(Operator):
        def forward(self, *, inputs: Any) -> Any:
            return self.nothing(inputs=1), self.nobody(inputs=2)

    assert str(explain(Empty()))


def test_an_override_on_the_operator_is_pointed_out() -> None:
    op: Any = Diamond()
    op.forward = lambda inputs: inputs
    assert any("forward` of its own" in remark for remark in explain(op).remarks)


@pytest.mark.parametrize("target", [3, "text", [1], object(), int])
def test_what_is_no_operator_is_refused(target: Any) -> None:
    with pytest.raises(NotAnOperatorError, match="EMB002"):
        explain(target)


# ---------------------------------------------------------------------- the rest of it
def test_an_internal_error_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "_RESERVED", None)  # the compiler itself fails on it
    monkeypatch.setattr("ember_jit.config.config", lambda: ember_jit.config.Config())

    @structural_jit
    class Op(Holder):
        def forward(self, *, inputs: Any) -> Any:
            return self.a(inputs=inputs), self.b(inputs=inputs)

    with pytest.warns(InternalCompilerWarning):
        Op()(inputs=1)
    made = explain(Op())
    assert made.status == "internal error"
    assert made.internal_errors[0].startswith("AttributeError")
    assert "EMB010" in str(made).splitlines()[0]


def test_the_operators_it_holds() -> None:
    parts = {part.attribute: part for part in explain(WithCounter()).parts}
    assert parts["self.a"].operator == "Leaf"
    assert parts["self.counting"].effect == "unknown"
    assert parts["self.members"].operator == "2 x Leaf, 1 x Upper"
    assert parts["self.members"].effect == "query or pure"

    @structural_jit
    class Outer(Operator):
        def __init__(self) -> None:
            self.inner, self.leaf = Diamond(), Leaf()

        def forward(self, *, inputs: Any) -> Any:
            return self.inner(inputs=inputs), self.leaf(inputs=inputs)

    parts = {part.attribute: part for part in explain(Outer()).parts}
    assert (parts["self.inner"].decorated, parts["self.leaf"].decorated) == (True, False)


def test_another_operator_of_the_class_says_for_whom_it_was_compiled() -> None:
    first, second = Diamond(), Diamond()
    with disable_structural_jit():
        first(inputs="x")
    explain(first)
    remarks = [*explain(first).remarks, *explain(second).remarks]
    assert any("compiled for another Diamond" in remark for remark in remarks)


def test_it_turns_into_json() -> None:
    made = json.loads(json.dumps(explain(WithCounter()).to_dict()))
    assert made["status"] == "compiled"
    assert made["calls"][1]["fix"].startswith("let Counting return")
    assert made["pairs"] == 1


def test_compile_report() -> None:
    made = compile_report(WithCounter())
    assert made["compiled"] is True
    assert (made["sites"], made["inferred"], made["ahead"], made["pairs"]) == (4, 3, 3, 1)
    assert made["compile_ms"] > 0
    assert {"capture", "effects", "lower", "emit"} <= set(made["stages"])
    assert compile_report(Bare())["compiled"] is False


def test_explaining_keeps_no_operator_alive() -> None:
    @structural_jit
    class Op(Holder):
        def forward(self, *, inputs: Any) -> Any:
            return self.a(inputs=inputs), self.b(inputs=inputs)

    op = Op()
    made = explain(op)
    gone = weakref.ref(op)
    del op
    gc.collect()
    assert gone() is None
    assert made.pairs == 1
    assert explain(Op).pairs == 1
