"""What `explain` advises would really help, and where nothing would, it advises nothing."""

from __future__ import annotations

from typing import Any

from ember_jit import Operator, explain, query, structural_jit
from ember_jit.report.explanation import Call
from ember_jit.testing import record_schedule


@query
class Ask(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return {"text": str(inputs)}


class Holder(Operator):
    def __init__(self) -> None:
        self.ask, self.other = Ask(), Ask()


def call_of(op: Any, text: str) -> Call:
    (found,) = [call for call in explain(op).calls if call.text.startswith(text)]
    return found


class Growing(Holder):
    def forward(self, *, inputs: Any) -> Any:
        history: list[str] = []
        for line in inputs:
            history.append(self.ask(inputs=str(history) + line)["text"])
        return history


class Chat(Holder):
    def forward(self, *, inputs: Any) -> Any:
        history: list[str] = []
        for line in inputs:
            reply = self.ask(inputs={"line": line, "history": history})
            history.append(reply["text"])
        return history


class Summing(Holder):
    def forward(self, *, inputs: Any) -> Any:
        text = ""
        for line in inputs:
            text += self.ask(inputs=line + text)["text"]
        return text


def test_a_call_that_needs_its_own_last_result_gets_no_advice() -> None:
    for cls, through in ((Growing, "history"), (Chat, "history"), (Summing, "text")):
        made = explain(cls())
        (call,) = [each for each in made.calls if each.receiver.endswith("Ask")]
        assert call.why == f"each round needs its result of the round before, through `{through}`"
        assert call.fix == ""
        assert [barrier.fix for barrier in made.barriers if barrier.fix] == []


class Told(Holder):
    """Here a copy does free the calls."""

    def forward(self, *, inputs: Any) -> Any:
        told: list[str] = []
        out = []
        for line in inputs:
            told.append(line)
            out.append(self.ask(inputs=told))
        return out


class ToldCopies(Holder):
    def forward(self, *, inputs: Any) -> Any:
        told: list[str] = []
        out = []
        for line in inputs:
            told.append(line)
            out.append(self.ask(inputs=list(told)))
        return out


class ToldCopiesFirst(Holder):
    def forward(self, *, inputs: Any) -> Any:
        told: list[str] = []
        out = []
        for line in inputs:
            told.append(line)
            now = list(told)
            out.append(self.ask(inputs=now))
        return out


def test_a_copy_is_advised_where_it_helps() -> None:
    """What the first is advised to do is the third."""
    assert call_of(Told(), "self.ask").fix.startswith("hand the calls a copy")
    call = call_of(ToldCopies(), "self.ask")
    assert "its arguments are made of `told`, which changes (line" in call.why
    assert call.fix.endswith("in front of the call, such as `now = list(told)`")
    assert call_of(ToldCopiesFirst(), "self.ask").overlaps == (0,)


class Keeps(Holder):
    def keep(self, text: str) -> str:
        self.kept = text
        return text

    def forward(self, *, inputs: Any) -> Any:
        first = self.ask(inputs=inputs)
        self.keep(inputs)
        return first, self.other(inputs=inputs)


class Returns(Holder):
    """`Keeps`, as it is advised to be."""

    def keep(self, text: str) -> str:
        return text

    def forward(self, *, inputs: Any) -> Any:
        first = self.ask(inputs=inputs)
        kept = self.keep(inputs)
        second = self.other(inputs=inputs)
        self.kept = kept
        return first, second


def test_no_label_is_advised_for_what_stores() -> None:
    call = call_of(Keeps(), "self.keep")
    assert "stores to the attribute `self.kept`" in call.why
    assert (
        call.fix
        == "let Keeps.keep return the value instead of storing it, and store it behind the last call"
    )
    first, second = (call_of(Returns(), text) for text in ("self.ask", "self.other"))
    assert second.number in first.overlaps


class BehindALoop(Holder):
    def forward(self, *, inputs: Any) -> Any:
        parts = []
        for line in inputs:
            parts.append(self.ask(inputs=line)["text"])
        return parts, self.other(inputs=line)


class BehindALoopMended(Holder):
    def forward(self, *, inputs: Any) -> Any:
        parts = []
        for line in inputs:
            parts.append(self.ask(inputs=line)["text"])
        last = inputs[-1]
        return parts, self.other(inputs=last)


def test_the_variable_of_a_loop_behind_it() -> None:
    call = call_of(BehindALoop(), "self.other")
    assert "its arguments need `line`, which the loop of line" in call.why
    assert call.fix == "work `line` out again behind the loop"
    assert call_of(BehindALoopMended(), "self.other").ahead


class Bare:
    """Without a base class, and not decorated: it cannot be called."""

    def forward(self, *, inputs: Any) -> Any:
        return inputs


class CallsForward(Holder):
    def __init__(self) -> None:
        super().__init__()
        self.members = {"a": Ask(), "b": Ask()}
        self.bare = Bare()

    def forward(self, *, inputs: Any) -> Any:
        return [each.forward(inputs=inputs) for each in self.members.values()]


def test_the_operator_itself_is_to_be_called() -> None:
    made = explain(CallsForward())
    (call,) = made.calls
    assert call.fix.startswith("call the operator itself")
    assert made.parts[-1].evidence == "Bare has no `__call__`"


@query
class Split(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return {"parts": inputs.split()}


class FilledInALoop(Holder):
    def __init__(self) -> None:
        super().__init__()
        self.split = Split()

    def forward(self, *, inputs: Any) -> Any:
        out = []
        for part in self.split(inputs=inputs)["parts"]:
            out.append(self.ask(inputs=part))
        return [self.other(inputs=each["text"]) for each in out]


class FilledAtOnce(FilledInALoop):
    def forward(self, *, inputs: Any) -> Any:
        out = [self.ask(inputs=part) for part in self.split(inputs=inputs)["parts"]]
        return [self.other(inputs=each["text"]) for each in out]


def test_a_list_that_is_filled_in_a_loop_over_a_result() -> None:
    call = call_of(FilledInALoop(), "self.other")
    assert "it stands in a loop over `out`, which line" in call.why
    assert call.fix == "make `out` in a comprehension"
    call = call_of(FilledAtOnce(), "self.other")
    assert call.number in call.overlaps


class Rounds(Holder):
    """The rounds wait for each other, the calls of one round do not."""

    def __init__(self) -> None:
        super().__init__()
        self.members = [Ask(), Ask()]

    def forward(self, *, inputs: Any) -> Any:
        views = [inputs]
        for _ in range(2):
            views = [each(inputs=str(views)) for each in self.members]
        return views


def test_iterations_within_a_round_overlap() -> None:
    made = explain(Rounds())
    (call,) = made.calls
    assert call.overlaps == (0,)
    assert made.critical_path[0].loop == "iterations overlap"
    assert explain(Growing()).calls[0].overlaps == ()


class Keeper(Operator):
    def __init__(self) -> None:
        self.seen: list[Any] = []

    def forward(self, *, inputs: Any) -> Any:
        self.seen.append(inputs)
        return inputs


class Audited(Holder):
    def __init__(self) -> None:
        super().__init__()
        self.keeper = Keeper()

    def forward(self, *, inputs: Any) -> Any:
        return self.ask(inputs=inputs), self.keeper(inputs=inputs), self.other(inputs=inputs)


def test_no_label_is_advised_for_what_appends_to_its_own_list() -> None:
    assert call_of(Audited(), "self.keeper").fix.startswith("let Keeper return the value")


@structural_jit(execution_strategy="parallel")
def best_of(asked: Any, inputs: Any) -> Any:
    return [ask(inputs=each) for ask in asked for each in inputs]


def test_what_is_only_known_as_it_runs() -> None:
    (call,) = explain(best_of).calls
    assert "`ask` is not known before it runs: whether it starts early is decided there" in call.why
    with record_schedule() as schedule:
        assert len(best_of([Ask(), Ask()], "ab")) == 4
    assert len(schedule.log.calls) == 4
