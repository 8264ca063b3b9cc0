"""`execute`: results, overlap by effects, failures, timeouts, options."""

from __future__ import annotations

import contextvars
import gc
import threading
import time
import traceback
import weakref
from typing import Any

import pytest

from ember_jit import (
    ExecutionResult,
    Graph,
    Operator,
    XCSExecutionOptions,
    autograph,
    disable_structural_jit,
    effects,
    execute,
    execution_options,
    jit,
    query,
    thread_bound,
)
from ember_jit.errors import ExecutionTimeout, GraphInputError, OptionError
from ember_jit.runtime import events
from tests.graph.ops import MADE, Ask, Fail, Meet, Plain, doubled, joined

op, ask = Plain(), Ask()


@pytest.fixture(autouse=True)
def nothing_made() -> None:
    MADE.clear()


def pair(callee: Any) -> Graph:
    with autograph() as graph:
        a = callee(inputs=1)
        b = callee(inputs=2)
        c = joined(a, b)
    return graph


# ---------------------------------------------------------------------- results
def test_results_by_name_in_program_order() -> None:
    results = execute(pair(ask))
    assert results == {"a": "<1>", "b": "<2>", "c": "<1>+<2>"}
    assert list(results) == ["a", "b", "c"]
    assert isinstance(results, ExecutionResult)
    assert isinstance(results, dict)
    assert results.seconds > 0


def test_only_what_the_outputs_need_is_run() -> None:
    with autograph() as graph:
        x = op(inputs="x")
        y = op(inputs=x["got"])
        z = op(inputs=y)
    assert execute(graph, output_nodes=["y"]) == {"y": {"got": "x", "hits": [{"id": 1}, {"id": 2}]}}
    assert MADE == ["x", "x"]
    assert list(execute(graph, output_nodes=["y", "x", "y"])) == ["y", "x"]
    assert list(execute(graph, output_nodes="z")) == ["z"]
    assert execute(graph, output_nodes=[]) == {}


def test_a_graph_may_be_executed_again_and_changed_in_between() -> None:
    graph = pair(op)
    first = execute(graph)
    assert execute(graph) == first
    graph.add_node("d", joined, "d")
    assert execute(graph)["d"] == "d+-"
    graph.bind(d=lambda text: text * 2)
    assert execute(graph)["d"] == "dd"


def test_values_are_handed_on_as_they_are() -> None:
    value = object()
    graph = Graph()
    given = graph.input("given")
    a = graph.add_node("a", op, inputs=given)
    graph.add_node("b", op, inputs=a["got"])
    results = execute(graph, inputs={"given": value})
    assert results["a"]["got"] is results["b"]["got"] is value


def test_operators_that_were_compiled_and_functions_run_compiled() -> None:
    @jit
    class Both(Operator):
        def __init__(self) -> None:
            self.meet = Meet()

        def forward(self, *, inputs: Any) -> Any:
            left = self.meet(inputs=inputs)
            right = self.meet(inputs=inputs)
            return [left, right]

    both = Both()
    with autograph() as graph:
        x = both(inputs=1)
    assert execute(graph) == {"x": [1, 1]}


@pytest.mark.parametrize("wrong", [3, None, "graph"])
def test_only_graphs_are_executed(wrong: Any) -> None:
    with pytest.raises(TypeError, match="takes a Graph"):
        execute(wrong)


# ---------------------------------------------------------------------- inputs
def test_missing_and_unknown_inputs() -> None:
    graph = Graph()
    question = graph.input("question")
    graph.input("unused")
    limit = graph.input("limit", default=3)
    graph.add_node("a", joined, question, limit)
    assert execute(graph, inputs={"question": "q"})["a"] == "q+3"
    assert execute(graph, inputs={"question": "q", "limit": 4, "unused": 1})["a"] == "q+4"
    with pytest.raises(
        GraphInputError, match=r"needs the input 'question'.*given: 'limit'.*EMB034"
    ):
        execute(graph, inputs={"limit": 1})
    with pytest.raises(GraphInputError, match=r"no input 'qestion'; did you mean 'question'\?"):
        execute(graph, inputs={"qestion": "q"})
    with pytest.raises(GraphInputError, match=r"no input 'x'.*there are none.*graph.input\('x'\)"):
        execute(pair(op), inputs={"x": 1})


def test_an_input_that_the_outputs_do_not_need_may_be_missing() -> None:
    graph = Graph()
    graph.add_node("a", joined, "a")
    graph.add_node("b", joined, graph.input("later"))
    assert execute(graph, output_nodes=["a"]) == {"a": "a+-"}


# ---------------------------------------------------------------------- overlap
@pytest.mark.parametrize("scheduler", ["auto", "parallel"])
@pytest.mark.parametrize("timeout", [None, 20])
def test_queries_that_are_independent_overlap(scheduler: str, timeout: Any) -> None:
    options = execution_options(scheduler=scheduler, timeout=timeout)
    assert execute(pair(Meet()), options=options)["c"] == "1+2"


def test_what_is_inferred_overlaps_too() -> None:
    class Wait(Operator):
        def forward(self, *, inputs: Any) -> Any:
            time.sleep(0.02)
            return inputs + 1

    with events.record() as log:
        assert execute(pair(Wait()))["c"] == "2+3"
    assert log.overlapped("a", "b")


def test_dependence_counting_not_layers() -> None:
    first, second = Meet(), threading.Event()

    @query
    class Late(Operator):
        def forward(self, *, inputs: Any) -> Any:
            assert second.wait(20), "the other chain waited for this one's layer"
            return inputs

    @query
    class Release(Operator):
        def forward(self, *, inputs: Any) -> Any:
            second.set()
            return inputs

    late, release = Late(), Release()
    with autograph() as graph:
        slow = late(inputs=1)
        a = ask(inputs=1)
        b = ask(inputs=a)
        c = release(inputs=b)
        d = joined(slow, c)
    assert execute(graph)["d"] == "1+<<1>>"


def test_unknown_effects_run_in_order_on_the_callers_thread_behind_everything_before() -> None:
    threads: list[Any] = []

    class Where(Operator):
        def forward(self, *, inputs: Any) -> Any:
            threads.append(threading.current_thread())
            MADE.append(inputs)
            return inputs

    where, gate = Where(), Meet()
    with autograph() as graph:
        a = gate(inputs="a")
        b = gate(inputs="b")
        c = where(inputs="c")
        d = where(inputs="d")
        e = ask(inputs="e")
    execute(graph, options=execution_options(scheduler="parallel"))
    assert MADE == ["c", "d", "e"]
    assert set(threads) == {threading.current_thread()}


def test_sequential_runs_in_order_on_the_callers_thread() -> None:
    threads: set[Any] = set()

    @query
    class Where(Operator):
        def forward(self, *, inputs: Any) -> Any:
            threads.add(threading.current_thread())
            MADE.append(inputs)
            return inputs

    graph = pair(Where())
    execute(graph, options=execution_options(scheduler="sequential"))
    with disable_structural_jit():
        execute(graph)
    execute(graph, options=execution_options(max_extra_calls=0))
    assert MADE == [1, 2] * 3
    assert threads == {threading.current_thread()}


def test_stateless_and_strict() -> None:
    class Opaque(Operator):
        def __init__(self) -> None:
            self.meet = threading.Barrier(2)

        def forward(self, *, inputs: Any) -> Any:
            self.meet.wait(20)
            return inputs

    assert execute(pair(Opaque()), options=execution_options(assume="stateless"))["c"] == "1+2"


def test_one_worker_is_enough() -> None:
    for timeout in (None, 20):
        options = execution_options(max_workers=1, timeout=timeout)
        with autograph() as graph:
            parts = [ask(inputs=number) for number in range(20)]
            whole = joined(*parts)
        assert execute(graph, options=options)["whole"] == "+".join(f"<{n}>" for n in range(20))


def test_at_most_max_workers_are_in_flight() -> None:
    lock, now, most = threading.Lock(), [0], [0]
    pairs = threading.Barrier(2)

    @query
    class Count(Operator):
        def forward(self, *, inputs: Any) -> Any:
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])
            pairs.wait(20)
            with lock:
                now[0] -= 1
            return inputs

    count = Count()
    with autograph() as graph:
        for number in range(8):
            count(inputs=number)
    execute(graph, options=execution_options(max_workers=2, timeout=60))
    assert most[0] == 2


def test_a_large_graph() -> None:
    graph = Graph()
    before = graph.add_node("n0", doubled, 1)
    for number in range(1, 1500):
        before = graph.add_node(f"n{number}", joined, number, before if number % 50 else 0)
    assert len(execute(graph)) == 1500


def test_context_variables_reach_the_nodes_and_come_back_from_those_in_order() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("v", default="none")

    @query
    class Read(Operator):
        def forward(self, *, inputs: Any) -> Any:
            return variable.get()

    class Set(Operator):
        def forward(self, *, inputs: Any) -> Any:
            variable.set(inputs)
            return inputs

    read, setter = Read(), Set()
    for timeout in (None, 20):
        variable.set("before")
        with autograph() as graph:
            a, b = read(inputs=1), read(inputs=2)
            c = setter(inputs="changed")
            d, e = read(inputs=1), read(inputs=2)
        results = execute(graph, options=execution_options(timeout=timeout))
        assert list(results.values()) == ["before", "before", "changed", "changed", "changed"]
        assert variable.get() == "changed"


# ---------------------------------------------------------------------- failures
@pytest.mark.parametrize("timeout", [None, 20])
@pytest.mark.parametrize("scheduler", ["parallel", "sequential"])
def test_the_first_failure_in_program_order_with_its_node_and_the_results_before(
    scheduler: str, timeout: Any
) -> None:
    late, early = ValueError("late"), KeyError("early")
    parallel = scheduler == "parallel"
    second = Fail(early)
    first = Fail(late, second.done if parallel else None)
    with autograph() as graph:
        a = ask(inputs="a")
        slow = first(inputs=a)
        fast = second(inputs="x")
        after = op(inputs=[slow, fast])
    with pytest.raises(ValueError) as caught:
        execute(graph, options=execution_options(scheduler=scheduler, timeout=timeout))
    assert caught.value is late
    assert caught.value.__notes__ == [
        f"in node 'slow': Fail(inputs=a) (Fail at {__file__}:{graph['slow'].line})"
    ]
    assert caught.value.partial_results == {"a": "<a>"}  # type: ignore[attr-defined]
    assert caught.value.__cause__ is None
    assert "a" in MADE
    assert len(MADE) == 1, "what comes behind was never made"


def test_the_traceback_leads_to_the_users_line() -> None:
    class Broken(Operator):
        def forward(self, *, inputs: Any) -> Any:
            return inputs["missing"]  # here

    broken = Broken()
    for options in (execution_options(), execution_options(timeout=20)):
        with autograph() as graph:
            x = broken(inputs={})
        with pytest.raises(KeyError) as caught:
            execute(graph, options=options)
        assert "# here" in traceback.format_exception(caught.value)[-3]


def test_a_part_that_is_not_there_fails_at_the_node_that_uses_it() -> None:
    with autograph() as graph:
        x = ask(inputs=1)
        y = ask(inputs=2)
        z = ask(inputs=x["no"])
    with pytest.raises(TypeError, match="indices") as caught:
        execute(graph)
    assert "in node 'z'" in caught.value.__notes__[0]
    assert caught.value.partial_results == {"x": "<1>", "y": "<2>"}  # type: ignore[attr-defined]


def test_user_code_of_indexing_runs_in_its_turn_on_the_callers_thread() -> None:
    seen: list[Any] = []

    class Lazy:
        def __getitem__(self, key: Any) -> Any:
            seen.append((key, threading.current_thread()))
            return key

    @query
    class Make(Operator):
        def forward(self, *, inputs: Any) -> Any:
            return Lazy()

    make = Make()
    with autograph() as graph:
        x = make(inputs=1)
        y = make(inputs=2)
        z = joined(x["a"], y["b"])
    assert execute(graph)["z"] == "a+b"
    assert seen == [("a", threading.current_thread()), ("b", threading.current_thread())]


def test_an_exception_that_allows_no_attributes_is_raised_all_the_same() -> None:
    class Stubborn(Exception):
        def __setattr__(self, name: str, value: Any) -> None:
            raise AttributeError(name)

    failing = Fail(Stubborn("s"))
    with autograph() as graph:
        x = failing(inputs=1)
    with pytest.raises(Stubborn):
        execute(graph)


def test_stop_iteration_and_interrupts_are_outcomes_like_any_other() -> None:
    for error in (StopIteration(3), KeyboardInterrupt(), SystemExit(2)):
        for timeout in (None, 20):
            failing = Fail(error)
            with autograph() as graph:
                a = ask(inputs=1)
                x = failing(inputs=a)
                y = ask(inputs=2)
            with pytest.raises(type(error)) as caught:
                execute(graph, options=execution_options(timeout=timeout))
            assert caught.value is error
            assert error.partial_results == {"a": "<1>"}  # type: ignore[union-attr]


# ---------------------------------------------------------------------- timeouts
@pytest.mark.parametrize("scheduler", ["parallel", "sequential"])
@pytest.mark.parametrize("declared", [True, False])
def test_a_timeout_names_the_node_and_never_hangs(scheduler: str, declared: bool) -> None:
    release = threading.Event()

    class Hang(Operator):
        def forward(self, *, inputs: Any) -> Any:
            release.wait(60)
            return inputs

    hang = Hang()
    if declared:
        effects.declare(hang, query)
    with autograph() as graph:
        a = ask(inputs="a")
        stuck = hang(inputs=a)
        after = op(inputs=stuck)
    began = time.monotonic()
    try:
        with pytest.raises(
            TimeoutError, match=r"timeout=0.2 s.*node 'stuck' \(Hang at .*EMB036"
        ) as caught:
            execute(graph, options=execution_options(timeout=0.2, scheduler=scheduler))
    finally:
        release.set()
    assert time.monotonic() - began < 20
    assert isinstance(caught.value, ExecutionTimeout)
    assert caught.value.partial_results == {"a": "<a>"}  # type: ignore[attr-defined]
    assert MADE == ["a"], "what had not started never will"


def test_what_waits_for_a_worker_is_cancelled_by_a_timeout() -> None:
    release, started = threading.Event(), []

    @query
    class Hang(Operator):
        def forward(self, *, inputs: Any) -> Any:
            started.append(inputs)
            release.wait(60)
            return inputs

    hang = Hang()
    with autograph() as graph:
        for number in range(10):
            hang(inputs=number)
    with pytest.raises(TimeoutError, match="'Hang'"):
        execute(graph, options=execution_options(timeout=0.2, max_workers=2))
    assert len(started) == 2
    release.set()
    assert execute(graph, options=execution_options(timeout=20))["Hang_10"] == 9
    assert len(started) == 12


def test_what_is_bound_to_the_callers_thread_stays_there_under_a_timeout() -> None:
    threads: list[Any] = []

    @thread_bound
    class Here(Operator):
        def forward(self, *, inputs: Any) -> Any:
            threads.append(threading.current_thread())

    class Anywhere(Operator):
        def forward(self, *, inputs: Any) -> Any:
            threads.append(threading.current_thread())

    here, anywhere = Here(), Anywhere()
    with autograph() as graph:
        here(inputs=1)
        anywhere(inputs=2)
        anywhere(inputs=3)
    execute(graph, options=execution_options(timeout=20))
    assert threads[0] is threading.current_thread()
    assert threads[1] is threads[2]


# ---------------------------------------------------------------------- options
def test_options_are_a_value() -> None:
    options = execution_options(max_workers=4, scheduler="parallel")
    assert isinstance(options, XCSExecutionOptions)
    assert repr(options) == "XCSExecutionOptions(max_workers=4, scheduler='parallel')"
    assert (options.max_workers, options.scheduler, options.timeout) == (4, "parallel", None)
    assert options == XCSExecutionOptions(max_workers=4, scheduler="parallel")
    assert options != execution_options(max_workers=4)
    assert execution_options().scheduler == "auto"
    with pytest.raises(AttributeError):
        options.max_workers = 5  # type: ignore[misc]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"max_worker": 4},
            r"'max_worker'; did you mean 'max_workers'\? \(fields: max_workers, scheduler, timeout",
        ),
        ({"colour": 4}, r"'colour' \(fields: max_workers, scheduler, timeout"),
        ({"scheduler": "fast"}, "'auto', 'parallel', 'sequential'"),
        ({"max_workers": 0}, "at least 1"),
        ({"max_workers": True}, "at least 1"),
        ({"timeout": -1}, "positive"),
        ({"timeout": "1"}, "positive"),
        ({"assume": "pure"}, "'stateless'"),
        ({"max_extra_calls": -1}, "at least 0"),
    ],
)
def test_bad_options_are_refused_with_the_good_ones(given: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        execution_options(**given)


def test_something_else_is_no_options() -> None:
    with pytest.raises(TypeError, match="execution_options"):
        execute(pair(op), options={"max_workers": 3})  # type: ignore[arg-type]


def order_of(graph: Graph, options: Any = None) -> str:
    """Which thread made the calls: "here" or "elsewhere"."""
    threads = set(execute(graph, options=options).values())
    return "here" if threads == {threading.current_thread().name} else "elsewhere"


@query
class Name(Operator):
    def forward(self, *, inputs: Any) -> Any:
        time.sleep(
            0.02
        )  # long enough that the caller cannot make all of them before a thread wakes
        return threading.current_thread().name


def names() -> Graph:
    name = Name()
    with autograph() as graph:
        for number in range(6):
            name(inputs=number)
    return graph


def test_options_are_a_context_manager_that_nests_and_restores() -> None:
    graph = names()
    sequential = execution_options(scheduler="sequential")
    assert order_of(graph) == "elsewhere"
    with sequential as entered:
        assert entered is sequential
        assert order_of(graph) == "here"
        with execution_options(max_workers=2):
            assert order_of(graph) == "here", "what the inner one does not give, the outer one does"
            with execution_options(scheduler="parallel"):
                assert order_of(graph) == "elsewhere"
            with sequential, sequential:
                pass
            assert order_of(graph) == "here"
        assert order_of(graph, execution_options(scheduler="parallel")) == "elsewhere"
    assert order_of(graph) == "elsewhere"
    with pytest.raises(ZeroDivisionError):
        with sequential:
            1 / 0
    assert order_of(graph) == "elsewhere"


def test_options_of_a_block_are_those_of_its_context_alone() -> None:
    graph, seen = names(), []
    with execution_options(scheduler="sequential"):
        thread = threading.Thread(target=lambda: seen.append(order_of(graph)))
        thread.start()
        thread.join()
    assert seen == ["elsewhere"]


# ---------------------------------------------------------------------- lifetimes
def test_a_graph_and_its_results_can_be_collected() -> None:
    class Value:
        pass

    graph = Graph()
    graph.add_node("a", lambda: Value())
    graph.add_node("b", op)
    graph.add_edge("a", "b")
    results = execute(graph)
    value, kept = weakref.ref(results["a"]), weakref.ref(graph)
    MADE.clear()
    del results
    gc.collect()
    assert value() is None
    del graph
    gc.collect()
    assert kept() is None
