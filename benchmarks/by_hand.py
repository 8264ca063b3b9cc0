"""What one would write instead of compiling: the same leaves, scheduled by hand over an explicit graph.

A `Graph` is the dataflow that the author of a hand-written version has in the head: its nodes in program
order, each with the operator it calls, its predecessors, and how its inputs are put together. The last node
is the only one that nothing depends on, and its result is the result.

Three schedulers run it. `ThreadsByHand` and `AsyncioByHand` call the very same blocking leaves as eager and
compiled code do, on a warm pool, and are what compiled code is measured against. `NativeAsyncio` awaits
`asyncio.sleep` instead: its leaves are others, so it is information only.
None of them keeps the contract: of two failures the first in *time* is raised, and context variables are lost.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks.harness import Call

Build = Callable[[Any, Sequence[Any]], Any]


@dataclass(frozen=True)
class Node:
    """One call: `op(inputs=build(inputs of the whole, results so far))`, after the nodes in `after`."""

    op: Call
    build: Build
    after: tuple[int, ...] = ()
    seconds: float = 0.0


class Graph:
    """Nodes in program order, with the counts and successors that dependence counting starts from."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = tuple(nodes)
        self.counts = [len(node.after) for node in nodes]
        self.sources = [i for i, node in enumerate(nodes) if not node.after]
        self.successors: list[list[int]] = [[] for _ in nodes]
        for i, node in enumerate(nodes):
            for before in node.after:
                if before >= i:
                    raise ValueError(f"node {i} comes after node {before}: not in program order")
                self.successors[before].append(i)
        if [i for i, after in enumerate(self.successors) if not after] != [len(nodes) - 1]:
            raise ValueError("the last node must be the only one that nothing depends on")

    def critical_path(self) -> float:
        """Seconds of the longest chain: what no schedule can beat."""
        finish: list[float] = []
        for node in self.nodes:
            finish.append(max((finish[i] for i in node.after), default=0.0) + node.seconds)
        return max(finish)

    def total(self) -> float:
        """Seconds of all nodes, one after the other."""
        return sum(node.seconds for node in self.nodes)


def warm_pool(threads: int) -> ThreadPoolExecutor:
    """A pool whose threads have all been started: each takes one task that waits for the others."""
    pool = ThreadPoolExecutor(max_workers=threads)
    everyone = threading.Barrier(threads)
    for future in [pool.submit(everyone.wait) for _ in range(threads)]:
        future.result()
    return pool


class ThreadsByHand:
    """Dependence counting on a thread pool.

    No layers: a node is submitted by the worker that finishes its last predecessor, and that worker goes on
    with the first such node itself, so a chain costs one submission and no hand-over. A lock is taken only
    to count down nodes with several predecessors, and the caller waits on one bare lock. Submitting every
    source and calling `Future.result()` on each takes the same time on a fan-out, and cannot do the others.
    """

    def __init__(self, graph: Graph, pool: ThreadPoolExecutor) -> None:
        self.graph, self.pool = graph, pool

    def __call__(self, *, inputs: Any) -> Any:
        """Run the graph and return the last node's result."""
        nodes, successors = self.graph.nodes, self.graph.successors
        submit = self.pool.submit
        waiting = self.graph.counts.copy()
        results: list[Any] = [None] * len(nodes)
        failures: list[BaseException] = []
        counting, finished = threading.Lock(), threading.Lock()
        last = len(nodes) - 1

        def finish_with(error: BaseException) -> None:
            with counting:
                failures.append(error)
                if len(failures) == 1:
                    finished.release()

        def work(i: int) -> None:
            while not failures:
                node = nodes[i]
                try:
                    results[i] = node.op(inputs=node.build(inputs, results))
                except BaseException as error:
                    finish_with(error)
                    return
                if i == last:
                    finished.release()
                    return
                following = -1
                for after in successors[i]:
                    if len(nodes[after].after) > 1:
                        with counting:
                            waiting[after] -= 1
                            ready = waiting[after] == 0
                        if not ready:
                            continue
                    if following < 0:
                        following = after
                    else:
                        submit(work, after)
                if following < 0:
                    return
                i = following

        finished.acquire()
        for source in self.graph.sources:
            submit(work, source)
        finished.acquire()
        if failures:
            raise failures[0]
        return results[last]


class AsyncioByHand:
    """One task per node, each awaiting its predecessors and then its blocking leaf on a warm pool.

    The event loop is kept between calls: starting one for each would cost more than many of these graphs.
    """

    def __init__(self, graph: Graph, pool: ThreadPoolExecutor) -> None:
        self.graph, self.pool = graph, pool
        self.loop = asyncio.new_event_loop()

    def __call__(self, *, inputs: Any) -> Any:
        """Run the graph and return the last node's result."""
        return self.loop.run_until_complete(self._run(inputs))

    def close(self) -> None:
        """Close the event loop."""
        self.loop.close()

    async def _run(self, inputs: Any) -> Any:
        results: list[Any] = [None] * len(self.graph.nodes)
        tasks: list[asyncio.Task[None]] = []

        async def run(i: int, node: Node) -> None:
            for before in node.after:
                await tasks[before]
            results[i] = await self._leaf(node, node.build(inputs, results))

        for i, node in enumerate(self.graph.nodes):
            tasks.append(self.loop.create_task(run(i, node)))
        await tasks[-1]
        return results[-1]

    async def _leaf(self, node: Node, inputs: Any) -> Any:
        return await self.loop.run_in_executor(self.pool, partial(node.op, inputs=inputs))


class NativeAsyncio(AsyncioByHand):
    """The same tasks over native coroutines: `asyncio.sleep`, then a leaf that does not block. Other leaves."""

    async def _leaf(self, node: Node, inputs: Any) -> Any:
        if node.seconds:
            await asyncio.sleep(node.seconds)
        return node.op(inputs=inputs)
