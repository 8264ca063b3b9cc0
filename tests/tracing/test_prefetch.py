"""The tracing fallback: what it overlaps, and what it throws away."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from ember_jit import Operator, explain, get_jit_stats, jit, pure, query


class Meeting:
    """Where two calls that overlap can meet; a call alone does not wait."""

    def __init__(self) -> None:
        self.barrier: threading.Barrier | None = None

    def __call__(self) -> None:
        if self.barrier is not None:
            self.barrier.wait(10)


meeting = Meeting()


@pure
class Leaf(Operator):
    def __init__(self, name: str) -> None:
        self.name = name

    def forward(self, *, inputs: Any) -> Any:
        meeting()
        return {"by": [self.name, inputs["q"]]}


@query
class Asked(Leaf):
    pass


SOURCE = """
class Both(Operator):
    def __init__(self, leaf):
        self.first, self.second = leaf("first"), leaf("second")
    def forward(self, *, inputs):
        one = getattr(self, "first")(inputs=inputs)
        two = self.second(inputs={"q": inputs["q"]})
        return one["by"], two["by"]
"""


@pytest.fixture(autouse=True)
def nobody_waits() -> Any:
    meeting.barrier = None
    yield
    meeting.barrier = None


def without_source(**options: Any) -> Any:
    space: dict[str, Any] = {"Operator": Operator}
    exec(SOURCE, space)
    return jit(execution_strategy="parallel", **options)(space["Both"])


class Computed(Operator):
    """Its source is there, and says nothing of what is called."""

    def __init__(self) -> None:
        self.first, self.second = Leaf("first"), Leaf("second")

    def forward(self, *, inputs: Any) -> Any:
        found = []
        for name in ("first", "second"):
            found.append(getattr(self, name)(inputs={"q": inputs["q"]})["by"])
        return found


def test_calls_of_code_without_source_overlap_from_the_second_run() -> None:
    op = without_source()(Leaf)
    op(inputs={"q": "a question"})
    meeting.barrier = threading.Barrier(2)
    assert op(inputs={"q": "another"}) == (["first", "another"], ["second", "another"])
    stats = get_jit_stats(op)
    assert (stats.traced, stats.prefetch_hits, stats.prefetch_misses) == (True, 1, 0)


@pytest.mark.parametrize("first", [{"k": "dict"}, ["list"], "text", ("tuple",), 7, Leaf("object")])
def test_a_function_is_known_by_itself_whatever_its_first_argument_is(first: Any) -> None:
    space: dict[str, Any] = {}
    exec(
        "def both(what, a, b, q):\n    return a(inputs={'q': q})['by'], b(inputs={'q': q})['by']",
        space,
    )
    both, one, two = jit(execution_strategy="parallel")(space["both"]), Leaf("1"), Leaf("2")
    both(first, one, two, "a")
    meeting.barrier = threading.Barrier(2)
    other = type(first)(first) if isinstance(first, dict | list) else first
    assert both(other, one, two, "b") == (["1", "b"], ["2", "b"])


def test_what_one_instance_calls_is_not_started_for_another() -> None:
    made = without_source()
    first, second = made(Leaf), made(Leaf)
    first(inputs={"q": "a"})
    second(inputs={"q": "b"})
    assert get_jit_stats(second).issued == 0


def test_calls_of_computed_receivers_overlap() -> None:
    op = jit(execution_strategy="parallel", force_trace=True)(Computed)()
    op(inputs={"q": "a question"})
    meeting.barrier = threading.Barrier(2)
    assert op(inputs={"q": "another"}) == [["first", "another"], ["second", "another"]]


def test_queries_are_prefetched_only_when_asked_for() -> None:
    op = without_source()(Asked)
    for question in ("one", "two", "three"):
        op(inputs={"q": question})
    assert get_jit_stats(op).issued == 0
    op = without_source(speculate="query")(Asked)
    op(inputs={"q": "one"})
    meeting.barrier = threading.Barrier(2)
    op(inputs={"q": "two"})
    assert get_jit_stats(op).prefetch_hits == 1


def test_no_extra_call_means_no_prefetch() -> None:
    op = without_source(max_extra_calls=0)(Leaf)
    for question in ("one", "two", "three"):
        op(inputs={"q": question})
    assert get_jit_stats(op).issued == 0


def test_a_receiver_that_changes_in_between_is_asked_again() -> None:
    space: dict[str, Any] = {"Operator": Operator, "Leaf": Leaf}
    source = """
class Renames(Operator):
    def __init__(self):
        self.first, self.second = Leaf("first"), Leaf("second")
    def forward(self, *, inputs):
        one = self.first(inputs={"q": inputs["q"]})
        self.second.name = one["by"][1]
        return self.second(inputs={"q": inputs["q"]})
"""
    exec(source, space)
    op = jit(execution_strategy="parallel", force_trace=True)(space["Renames"])()
    for question in ("one", "two", "three"):
        assert op(inputs={"q": question}) == {"by": [question, question]}


def test_a_result_that_holds_its_argument_holds_the_programs_own() -> None:
    @pure
    class Hands(Operator):
        def forward(self, *, inputs: Any) -> Any:
            return [inputs]

    space: dict[str, Any] = {}
    source = """
def run(inputs, first, second):
    mine = {"q": inputs["q"]}
    one = first(inputs={"q": inputs["q"]})
    two = second(inputs=mine)
    return two[0] is mine
"""
    exec(source, space)
    run = jit(execution_strategy="parallel", force_trace=True)(space["run"])
    first, second = Leaf("first"), Hands()
    for question in ("one", "two", "three"):
        inputs = {"q": question}
        assert run(inputs, first, second)


def test_mispredictions_switch_the_site_off() -> None:
    space: dict[str, Any] = {"Operator": Operator, "Leaf": Leaf}
    source = """
class Toggles(Operator):
    def __init__(self):
        self.first, self.second, self.runs = Leaf("first"), Leaf("second"), 0
    def forward(self, *, inputs):
        self.runs += 1
        one = self.first(inputs=inputs)
        if self.runs % 2:
            return self.second(inputs=inputs)
        return one
"""
    exec(source, space)
    op = jit(execution_strategy="parallel", force_trace=True)(space["Toggles"])()
    for _ in range(20):
        op(inputs={"q": "same"})
    assert 0 < get_jit_stats(op).prefetch_misses <= 3


def test_an_exception_is_raised_where_the_program_makes_the_call() -> None:
    @pure
    class Fails(Leaf):
        def forward(self, *, inputs: Any) -> Any:
            meeting()
            raise ValueError(inputs["q"])

    space: dict[str, Any] = {"Operator": Operator, "Leaf": Leaf, "Fails": Fails}
    source = """
class Catches(Operator):
    def __init__(self):
        self.first, self.second = Leaf("first"), Fails("second")
    def forward(self, *, inputs):
        one = self.first(inputs=inputs)
        try:
            return self.second(inputs=inputs)
        except ValueError as exc:
            return str(exc), one["by"]
"""
    exec(source, space)
    op = jit(execution_strategy="parallel", force_trace=True)(space["Catches"])()
    for question in ("one", "two", "three"):
        assert op(inputs={"q": question}) == (question, ["first", question])


def test_the_first_instance_is_compiled_when_it_is_made() -> None:
    @jit(sample_input={"q": ""})
    class Two(Operator):
        def __init__(self, ask: Any) -> None:
            self.first, self.second = ask("first"), ask("second")

        def forward(self, *, inputs: Any) -> Any:
            return self.first(inputs=inputs), self.second(inputs=inputs)

    op = Two(Asked)
    assert get_jit_stats(op).compiled
    assert len(op(inputs={"q": "x"})) == 2


def test_a_class_may_get_its_forward_later() -> None:
    @jit(sample_input={})
    class Later(Operator):
        def __init__(self) -> None:
            self.made = True

    with pytest.raises(AttributeError, match="forward"):
        Later()(inputs={})


def test_explain_shows_what_was_recorded() -> None:
    op = without_source()(Leaf)
    assert explain(op).status == "traced"
    op(inputs={"q": "a question"})
    made = explain(op)
    first, second = made.recorded[-2:]
    assert first.arguments == ("inputs: input 1",)
    assert second.arguments == ("inputs: {'q': input 1['q']}",)
    assert "2 of 2 recorded calls" in made.headline
    assert "recorded in the last run" in str(made)
    assert made.to_dict()["recorded"][-1]["ahead"]


def test_what_is_put_back_is_left_alone() -> None:
    op = without_source()(Asked)
    for _ in range(40):
        op(inputs={"q": "the same"})
    assert explain(op).status == "left alone"
    assert not get_jit_stats(op).traced


class Inner(Operator):
    def __init__(self, ask: Any) -> None:
        self.first, self.second = ask("first"), ask("second")

    def forward(self, *, inputs: Any) -> Any:
        return [self.first(inputs=inputs), self.second(inputs=inputs)]


def outer_of(ask: Any, **options: Any) -> Any:
    @jit(execution_strategy="parallel", **options)
    class Outer(Operator):
        def __init__(self) -> None:
            self.inner = Inner(ask)

        def forward(self, *, inputs: Any) -> Any:
            return self.inner(inputs=inputs)

    return Outer()


def test_what_undecorated_operators_hold_overlaps_too() -> None:
    op = outer_of(Asked)
    meeting.barrier = threading.Barrier(2)
    assert op(inputs={"q": "x"}) == [{"by": ["first", "x"]}, {"by": ["second", "x"]}]


def test_recursive_false_keeps_to_the_function_itself() -> None:
    threads: list[threading.Thread] = []

    @query
    class Noted(Leaf):
        def forward(self, *, inputs: Any) -> Any:
            threads.append(threading.current_thread())
            return self.name

    op = outer_of(Noted, recursive=False)
    for _ in range(4):
        assert op(inputs={"q": "x"}) == ["first", "second"]
    assert threads == [threading.current_thread()] * 8
