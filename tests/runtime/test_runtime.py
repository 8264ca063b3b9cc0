"""Threads, contexts, windows and interruptions: what the runtime promises of the machine it runs on.

That calls are in flight together is shown by barriers; that they are not, by counting.
"""

from __future__ import annotations

import contextvars
import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest

from ember_jit import Operator, disable_structural_jit, query, structural_jit

TIMEOUT = 10


@query
class Leaf(Operator):
    """Calls `act` with its input; counts what is in flight."""

    def __init__(self, act: Callable[[Any], Any] = lambda x: x) -> None:
        self.act = act
        self.lock = threading.Lock()
        self.now = self.most = self.begun = 0
        self.threads: set[int] = set()

    def forward(self, *, inputs: Any) -> Any:
        with self.lock:
            self.begun += 1
            self.now += 1
            self.most = max(self.most, self.now)
            self.threads.add(threading.get_ident())
        try:
            return self.act(inputs)
        finally:
            with self.lock:
                self.now -= 1


def fan(**options: Any) -> Any:
    @structural_jit(**options)
    class Fan(Operator):
        def __init__(self, leaf: Any) -> None:
            self.leaf = leaf

        def forward(self, *, inputs: Any) -> Any:
            out = []
            for x in inputs:
                out.append(self.leaf(inputs=x))
            return out

    return Fan


# ---------------------------------------------------------------------- contexts
request: contextvars.ContextVar[str] = contextvars.ContextVar("request", default="none")


def test_leaves_see_the_callers_context() -> None:
    barrier = threading.Barrier(3, timeout=TIMEOUT)

    def act(x: Any) -> Any:
        barrier.wait()
        return x, request.get()

    op = fan()(Leaf(act))
    assert op(inputs=[1, 2, 3]) == [(1, "none"), (2, "none"), (3, "none")]
    token = request.set("mine")
    try:
        assert op(inputs=[1, 2, 3]) == [(1, "mine"), (2, "mine"), (3, "mine")]
    finally:
        request.reset(token)
    assert contextvars.Context().run(op, inputs=[1, 2, 3]) == [
        (1, "none"),
        (2, "none"),
        (3, "none"),
    ]


def test_leaves_see_what_the_function_has_set_before_them() -> None:
    @structural_jit
    class Op(Operator):
        def __init__(self) -> None:
            self.leaf = Leaf(lambda x: (x, request.get()))

        def forward(self, *, inputs: Any) -> Any:
            a = self.leaf(inputs=1)
            b = self.leaf(inputs=2)
            token = request.set("inside")
            c = self.leaf(inputs=3)
            d = self.leaf(inputs=4)
            request.reset(token)
            e = self.leaf(inputs=5)
            f = self.leaf(inputs=6)
            return [a, b, c, d, e, f]

    values = ["none", "none", "inside", "inside", "none", "none"]
    for _ in range(3):
        assert Op()(inputs=0) == list(enumerate(values, 1))


def test_nested_composites_pass_the_context_on() -> None:
    inner = fan()(Leaf(lambda x: request.get()))
    outer = fan()(inner)
    token = request.set("deep")
    try:
        assert outer(inputs=[[1, 2], [3, 4]]) == [["deep"] * 2] * 2
    finally:
        request.reset(token)


# ---------------------------------------------------------------------- workers
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_max_workers_is_reached_and_never_exceeded(workers: int) -> None:
    barrier = threading.Barrier(workers, timeout=TIMEOUT)

    def act(x: int) -> int:
        barrier.wait()
        return x

    leaf = Leaf(act)
    op = fan(max_workers=workers)(leaf)
    for _ in range(5):
        assert op(inputs=list(range(12))) == list(range(12))
    assert leaf.most == workers


@pytest.mark.parametrize("workers", [1, 2])
def test_a_deep_tree_of_composites_does_not_deadlock(workers: int) -> None:
    @structural_jit(max_workers=workers)
    class Node(Operator):
        def __init__(self, left: Any, right: Any) -> None:
            self.left, self.right = left, right

        def forward(self, *, inputs: Any) -> Any:
            x = self.left(inputs=inputs + "0")
            y = self.right(inputs=inputs + "1")
            return x + y

    leaf = Leaf(lambda x: [x])

    def tree(depth: int) -> Any:
        return Node(tree(depth - 1), tree(depth - 1)) if depth else leaf

    op = tree(7)
    expected = [f"{n:07b}" for n in range(128)]
    for run in range(1, 4):
        assert op(inputs="") == expected
        assert leaf.begun == run * 128


def test_threads_are_used_again() -> None:
    barrier = threading.Barrier(4, timeout=TIMEOUT)
    leaf = Leaf(lambda x: barrier.wait() * 0 + x)
    op = fan()(leaf)
    for _ in range(5):
        op(inputs=[1, 2, 3, 4])
    warm = threading.active_count()
    leaf.threads.clear()
    for _ in range(50):
        assert op(inputs=[1, 2, 3, 4]) == [1, 2, 3, 4]
    # a thread may still be on its way to rest when the next run starts; 200 calls need nowhere near 200
    assert threading.active_count() <= warm + 4
    assert len(leaf.threads) <= warm + 4


def test_many_threads_call_one_operator_from_its_first_call_on() -> None:
    callers = 16
    start = threading.Barrier(callers, timeout=TIMEOUT)
    leaf = Leaf(lambda x: (x, x * x))
    op = fan()(leaf)
    wrong: list[Any] = []

    def caller(number: int) -> None:
        start.wait()
        for run in range(20):
            inputs = [number * 1000 + run * 10 + k for k in range(5)]
            try:
                found = op(inputs=inputs)
            except BaseException as exc:
                found = exc
            if found != [(x, x * x) for x in inputs]:
                wrong.append(found)

    threads = [threading.Thread(target=caller, args=(n,)) for n in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong
    assert leaf.begun == callers * 20 * 5


# ---------------------------------------------------------------------- interruptions
@pytest.mark.parametrize("kind", [KeyboardInterrupt, TimeoutError])
def test_a_signal_handler_that_raises_interrupts_the_wait(kind: type[BaseException]) -> None:
    """Handlers and cleanup run, what has not started never does, and the operator works afterwards."""
    release, log = threading.Event(), []
    main = threading.main_thread().ident
    assert main is not None

    def interrupt(number: int, frame: Any) -> None:
        raise kind("signal")

    def act(x: int) -> int:
        if x == 0:
            signal.pthread_kill(main, signal.SIGUSR1)
        if x >= 0:
            assert release.wait(TIMEOUT)
        return x

    leaf = Leaf(act)

    @structural_jit(max_workers=2)
    class Op(Operator):
        def __init__(self) -> None:
            self.leaf = leaf

        def forward(self, *, inputs: Any) -> Any:
            out = []
            try:
                for x in inputs:
                    out.append(self.leaf(inputs=x))
            except kind as exc:
                log.append(exc.args)
                raise
            finally:
                log.append("cleanup")
            return out

    op = Op()
    previous = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with pytest.raises(kind, match="signal"):
            op(inputs=range(20))
    finally:
        signal.signal(signal.SIGUSR1, previous)
    assert not release.is_set()
    assert log == [("signal",), "cleanup"]
    release.set()
    begun = leaf.begun
    assert begun <= 3
    assert op(inputs=range(-20, 0)) == list(range(-20, 0))
    assert leaf.begun == begun + 20


# ---------------------------------------------------------------------- brisk calls, windows
@pytest.mark.parametrize("where", ["same run", "next run", "parallel, many runs"])
def test_brisk_calls_that_suddenly_block_still_overlap(where: str) -> None:
    barrier = threading.Barrier(3, timeout=TIMEOUT)

    def act(x: int) -> int:
        if x >= 1000:
            barrier.wait()
        return x

    op = fan(execution_strategy="parallel" if "parallel" in where else "auto")(Leaf(act))
    brisk, slow = list(range(200)), [1000, 1001, 1002]
    if where == "same run":
        assert op(inputs=brisk + slow + brisk + slow) == brisk + slow + brisk + slow
        return
    for _ in range(40 if "parallel" in where else 1):
        assert op(inputs=brisk) == brisk
    assert op(inputs=slow) == slow


def test_the_window_is_bounded() -> None:
    """A call never begins more than a few hundred places behind the first that has not ended."""
    lock, unfinished = threading.Lock(), set(range(5000))
    enough = threading.Event()
    behind: list[int] = []

    def act(x: int) -> int:
        with lock:
            behind.append(
                x - min(unfinished) if x in (0, *range(50, 600, 50)) or x % 500 == 0 else 0
            )
            if len(behind) > 100:
                enough.set()
        if x == 0:
            assert enough.wait(TIMEOUT)
        with lock:
            unfinished.discard(x)
        return x

    assert fan()(Leaf(act))(inputs=list(range(5000))) == list(range(5000))
    assert len(behind) == 5000
    assert max(behind) <= 300


@pytest.mark.parametrize("workers", [1, 4])
def test_a_small_pool_has_a_small_window(workers: int) -> None:
    lock, ended, ahead = threading.Lock(), set(), []

    def act(x: int) -> int:
        with lock:
            first = next(n for n in range(x + 1) if n not in ended)
            ahead.append(x - first)
        with lock:
            ended.add(x)
        return x

    assert fan(max_workers=workers)(Leaf(act))(inputs=list(range(300))) == list(range(300))
    assert max(ahead) <= 4 * workers


def test_disabled_runs_stay_on_the_callers_thread() -> None:
    leaf = Leaf()
    op = fan()(leaf)
    with disable_structural_jit():
        op(inputs=list(range(10)))
    assert leaf.threads == {threading.get_ident()}
