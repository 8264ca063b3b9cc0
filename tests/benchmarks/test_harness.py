"""The benchmarks' arithmetic: statistics, identity of results, bars, tables, turns, and graphs by hand.

Nothing here measures time: clocks are counters, and overlap is proved with a barrier.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

import pytest

from benchmarks.by_hand import AsyncioByHand, Graph, NativeAsyncio, Node, ThreadsByHand, warm_pool
from benchmarks.flights import met
from benchmarks.harness import (
    Bar,
    Contender,
    calibrate,
    duration,
    interleave,
    median,
    paired_ratio,
    ratio,
    same,
    table,
    time_calls,
)


def test_median_and_ratio_pass_missing_figures_on() -> None:
    assert median([3.0, 1.0, 2.0]) == 2.0
    assert median([]) is None
    assert ratio(3.0, 2.0) == 1.5
    assert ratio(None, 2.0) is None
    assert ratio(3.0, None) is None
    assert ratio(3.0, 0.0) is None


def test_paired_ratio_ignores_a_machine_that_changes_speed() -> None:
    assert paired_ratio([1.0, 10.0, 1.0], [2.0, 20.0, 2.0, 99.0]) == 0.5
    assert paired_ratio([], [1.0]) is None


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ({"v": [1, (2.5, "x")]}, {"v": [1, (2.5, "x")]}, True),
        (1, True, False),
        (1, 1.0, False),
        (0.0, -0.0, False),
        (float("nan"), float("nan"), True),
        ([1, 2], [1, 2, 3], False),
        ([1, 2], (1, 2), False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, False),
        ({"a": 1}, {"a": 2}, False),
        (None, None, True),
    ],
)
def test_same(left: Any, right: Any, expected: bool) -> None:
    assert same(left, right) is expected


def test_bar_verdicts_lines_and_json() -> None:
    at_most, at_least = Bar("x path", 1.06), Bar("speed-up", 2.0, at_least=True)
    assert [at_most.verdict(value) for value in (1.06, 1.07, None)] == ["PASS", "MISS", "n/a"]
    assert [at_least.verdict(value) for value in (2.0, 1.9, None)] == ["PASS", "MISS", "n/a"]
    assert at_most.line(1.0312) == "  PASS  x path: 1.031 (bar <= 1.06)"
    assert at_least.line(None) == "  n/a   speed-up: - (bar >= 2)"
    assert at_least.as_json(1.9) == {
        "label": "speed-up",
        "at_least": 2.0,
        "value": 1.9,
        "verdict": "MISS",
    }


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(None, "-"), (10.3, "10.30 s"), (0.0213, "21.30 ms"), (1.5e-6, "1.50 us"), (42e-9, "42.0 ns")],
)
def test_duration(seconds: float | None, expected: str) -> None:
    assert duration(seconds) == expected


def test_table_aligns_its_columns() -> None:
    assert table(
        ("", "ms", ""), [["eager", "161.90", "plain"], ["us", "8.1", ""]]
    ).splitlines() == [
        "             ms",
        "  eager  161.90  plain",
        "  us        8.1",
    ]


def test_time_calls_divides_by_the_loops() -> None:
    ticks = iter([10.0, 14.0])
    calls: list[int] = []

    def call(*, inputs: int) -> int:
        calls.append(inputs)
        return len(calls)

    assert time_calls(call, 7, 4, lambda: next(ticks)) == (1.0, 4)
    assert calls == [7, 7, 7, 7]


def test_calibrate_fills_the_time_asked_for() -> None:
    now = 0.0

    def call(*, inputs: None) -> None:
        nonlocal now
        now += 0.25

    assert calibrate(call, None, 100.0, lambda: now) == 400
    assert calibrate(call, None, 0.1, lambda: now) == 1


def ticking() -> Iterator[float]:
    return map(float, count())


def test_interleave_takes_turns_and_starts_with_the_next_each_round() -> None:
    order: list[str] = []

    def contender(name: str, **options: Any) -> Contender:
        def call(*, inputs: Any) -> str:
            order.append(name)
            return name + str(inputs)

        return Contender(name, call, 1, **options)

    clock = ticking()
    taken = interleave(
        [
            contender("a", warmups=0),
            contender("b", warmups=2),
            contender("c", warmups=0, max_samples=1),
        ],
        3,
        lambda: next(clock),
    )
    assert "".join(order) == "bb" + "abc" + "ba" + "ab"
    assert [len(taken[name].seconds) for name in "abc"] == [3, 3, 1]
    assert taken["a"].seconds == [1.0, 1.0, 1.0]
    assert taken["b"].results == ["b1"] * 5


def test_interleave_reports_a_contender_that_raises_and_goes_on() -> None:
    def broken(*, inputs: Any) -> None:
        raise ValueError("no")

    def fine(*, inputs: Any) -> int:
        return 1

    taken = interleave([Contender("broken", broken, None), Contender("fine", fine, None)], 2)
    assert taken["broken"].error == "ValueError: no"
    assert taken["broken"].seconds == []
    assert len(taken["fine"].seconds) == 2


def tagged(name: str) -> Any:
    """A leaf whose result shows what it was made from."""

    def leaf(*, inputs: Any) -> str:
        return f"{name}({','.join(inputs) if isinstance(inputs, list) else inputs})"

    return leaf


def results_of(*indices: int) -> Any:
    return lambda inputs, results: [results[i] for i in indices]


def diamond() -> Graph:
    """a, then b and c, then d; b is the slow one."""
    return Graph(
        [
            Node(tagged("a"), lambda inputs, results: inputs, seconds=1.0),
            Node(tagged("b"), results_of(0), after=(0,), seconds=5.0),
            Node(tagged("c"), results_of(0), after=(0,), seconds=2.0),
            Node(tagged("d"), results_of(1, 2), after=(1, 2), seconds=1.0),
        ]
    )


def test_critical_path_is_the_longest_chain() -> None:
    graph = diamond()
    assert graph.critical_path() == 7.0
    assert graph.total() == 9.0
    assert graph.counts == [0, 1, 1, 2]
    assert graph.successors == [[1, 2], [3], [3], []]


@pytest.mark.parametrize(
    "after", [[(), (1,)], [(), ()]], ids=["not in program order", "two last nodes"]
)
def test_graph_refuses(after: Sequence[tuple[int, ...]]) -> None:
    with pytest.raises(ValueError, match=r"program order|last node"):
        Graph([Node(tagged("x"), results_of(), after=before) for before in after])


def test_schedulers_by_hand_agree() -> None:
    graph = diamond()
    quick = Graph([Node(node.op, node.build, node.after) for node in graph.nodes])
    pool = warm_pool(2)
    by_asyncio, native = AsyncioByHand(graph, pool), NativeAsyncio(quick, pool)
    try:
        results = {call(inputs="x") for call in (ThreadsByHand(graph, pool), by_asyncio, native)}
    finally:
        by_asyncio.close()
        native.close()
        pool.shutdown()
    assert results == {"d(b(a(x)),c(a(x)))"}


@pytest.mark.parametrize("scheduler", [ThreadsByHand, AsyncioByHand])
def test_schedulers_by_hand_overlap(scheduler: Any) -> None:
    both = threading.Barrier(2)

    def meet(*, inputs: Any) -> int:
        both.wait(timeout=30)
        return 1

    leaves = [Node(meet, lambda inputs, results: inputs) for _ in range(2)]
    graph = Graph([*leaves, Node(lambda *, inputs: sum(inputs), results_of(0, 1), after=(0, 1))])
    pool = warm_pool(2)
    call = scheduler(graph, pool)
    try:
        assert call(inputs=None) == 2
    finally:
        pool.shutdown()
        if scheduler is AsyncioByHand:
            call.close()


def test_threads_by_hand_raise_a_leaf_s_error() -> None:
    def broken(*, inputs: Any) -> None:
        raise ValueError("no")

    graph = Graph(
        [Node(broken, lambda inputs, results: inputs), Node(tagged("b"), results_of(0), after=(0,))]
    )
    pool = warm_pool(1)
    try:
        with pytest.raises(ValueError, match="no"):
            ThreadsByHand(graph, pool)(inputs=1)
    finally:
        pool.shutdown()


@pytest.mark.parametrize(
    ("first", "second", "together"),
    [
        ([(1.0, 3.0)], [(2.0, 4.0)], True),
        ([(2.0, 4.0)], [(1.0, 3.0)], True),
        ([(1.0, 9.0), (2.0, 3.0)], [(5.0, 6.0)], True),
        ([(1.0, 2.0)], [(2.0, 3.0)], False),
        ([(1.0, 3.0), (2.0, 4.0)], [(5.0, 6.0)], False),
        ([(1.0, 3.0), (2.0, 4.0)], [], True),
        ([(1.0, 2.0), (3.0, 4.0)], [], False),
        ([], [], False),
    ],
)
def test_flights_meet_if_they_are_in_the_air_at_one_moment(
    first: list[tuple[float, float]], second: list[tuple[float, float]], together: bool
) -> None:
    assert met(first, second) is together
