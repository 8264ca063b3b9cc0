"""A graph as a program of the runtime: a plan with one issue program, and the retire loop.

The same division as in a compiled function.  `issue` walks the nodes in program order, ahead, and starts
what may start (`runtime.run.Run` decides by the effects: `pure` and `query` calls overlap, at anything
unknown the walk waits).  `retire` goes through the nodes in program order on the caller's thread, takes what
has been started and makes the other calls itself; there values arrive and exceptions are raised.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Generator, Mapping
from time import monotonic
from typing import Any

from ember_jit.effects import label_of
from ember_jit.errors import ExecutionTimeout
from ember_jit.graph.capture import Builder, Captor
from ember_jit.graph.model import Graph
from ember_jit.graph.nodes import Node, convention
from ember_jit.graph.recorded import Recorded
from ember_jit.graph.timed import Expired, Lane, TimedRun, left_until
from ember_jit.options import XCSExecutionOptions
from ember_jit.runtime import guarded
from ember_jit.runtime.cells import OK, Cell, value_of
from ember_jit.runtime.dispatch import Options
from ember_jit.runtime.plan import Plan
from ember_jit.runtime.run import Run

WHOLE: Any = type("WholeInputs", (), {"name": "inputs"})()
"""The source whose value is the mapping of all inputs."""


class Step:
    """One node, ready to be called: what it needs, and the templates of its arguments."""

    __slots__ = ("args", "kwargs", "needs", "node")

    def __init__(self, graph: Graph, node: Node) -> None:
        self.node = node
        self.needs = node.needs
        self.args, self.kwargs = node.args, node.kwargs
        if not node.wired:
            return
        if not node.after:
            value: Any = Recorded(WHOLE)
        elif len(node.after) == 1:
            value = Recorded(graph[node.after[0]])
        else:
            parts = {name: Recorded(graph[name]) for name in node.after}
            value = Captor().capture(parts)
        how = convention(node.callee)
        self.args = (value,) if how == "first" else ()
        self.kwargs = {"inputs": value} if how == "inputs" else {}

    def arguments(self, builder: Builder) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments of this execution."""
        args = tuple([builder.build(each) for each in self.args])
        return args, {name: builder.build(each) for name, each in self.kwargs.items()}


class Program:
    """Some nodes of a graph, in program order, and the plan that runs them.

    Args:
        graph: the graph.
        names: which nodes, in program order.
        options: how.
    """

    def __init__(self, graph: Graph, names: list[str], options: XCSExecutionOptions) -> None:
        self.steps = [Step(graph, graph[name]) for name in names]
        plan = self.plan = Plan(graph.name)
        plan.slices = [_issue]
        for number, step in enumerate(self.steps):
            plan.site_slice[number] = 0
            plan.site_loops[number] = ()
            plan.site_lines[number] = step.node.line
            plan.site_names[number] = step.node.name
        plan.limit(options.max_workers)
        if options.max_extra_calls is not None:
            plan.window = min(plan.window, options.max_extra_calls + 1)
        plan.classify, plan.enter = _compiler(options)
        self.overlaps = options.scheduler != "sequential" and options.max_extra_calls != 0
        if options.scheduler == "auto" and self._is_chain():
            self.overlaps = False

    def _is_chain(self) -> bool:
        """Whether each node waits for the one before, so that nothing could overlap."""
        return all(
            before.node.name in step.needs
            for before, step in zip(self.steps, self.steps[1:], strict=False)
        )


def _compiler(options: XCSExecutionOptions) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """What the plan asks of the compiler: the verdict on a callable, and its stand-in."""
    from ember_jit.compiler import answers  # the compiler is loaded by who uses it

    chosen = Options(
        execution_strategy=options.scheduler,
        max_workers=options.max_workers,
        effects=options.effects,
        assume=options.assume,
        max_extra_calls=options.max_extra_calls,
    )
    inference = answers.inference_for(chosen)
    return (
        answers.verdicts_of(inference, chosen),
        answers.entrance(inference, chosen),
    )


class Execution:
    """One execution of a program: the values so far.

    Attributes:
        results: the results of the nodes that are done, in program order.
    """

    def __init__(
        self, program: Program, inputs: Mapping[Any, Any], whole: Any, timeout: float | None
    ) -> None:
        self.program = program
        self.results: dict[str, Any] = {}
        self.made: dict[int, Any] = {}
        self._inputs = inputs
        self._whole = whole
        self._timeout = timeout
        self._deadline = None if timeout is None else monotonic() + timeout

    def builder(
        self, nodes: Mapping[str, Any], item: Callable[[Any, Any], Any], key: Callable[[Any], Any]
    ) -> Builder:
        """What makes arguments from the values of `nodes`, by name."""

        def value(source: Any) -> Any:
            if type(source) is Node:
                return nodes[source.name]
            return self._whole if source is WHOLE else self._inputs[source.name]

        return Builder(value, item, key, self.made)

    def run(self) -> None:
        """Run all nodes; `results` has what is done, whatever happens."""
        plan = self.program.plan
        run: Run | None = None
        lane = None if self._deadline is None else Lane(self._deadline)
        if self.program.overlaps:
            if self._deadline is None:
                run = Run(plan, plan.max_workers, plan.window)
            else:
                run = TimedRun(plan, plan.max_workers, plan.window, self._deadline)
        try:
            if run is not None:
                run.ahead(0, self)
            self._retire(run, lane)
        finally:
            if run is not None:
                run.close()
            if lane is not None:
                lane.close()

    def _retire(self, run: Run | None, lane: Lane | None) -> None:
        builder = self.builder(self.results, operator.getitem, _same)
        for number, step in enumerate(self.program.steps):
            node = step.node
            try:
                if self._deadline is not None:
                    left_until(self._deadline)
                if run is not None and run.has(number):
                    value = run.take(number)
                else:
                    args, kwargs = step.arguments(builder)
                    value = self._make(run, lane, node.callee, args, kwargs)
                    if run is not None:
                        run.done(number, value)
            except Expired:
                raise ExecutionTimeout(
                    f"the graph was not done within timeout={self._timeout} s: it waited for node {node.name!r} "
                    f"({node.described}). What had not started never will"
                ) from None
            except BaseException as exc:
                _add_note(exc, f"in node {node.name!r}: {node.text} ({node.described})")
                raise
            self.results[node.name] = value

    def _make(
        self,
        run: Run | None,
        lane: Lane | None,
        callee: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        target = callee if run is None else run.enter(callee)
        if lane is None or _is_thread_bound(callee):
            return target(*args, **kwargs)
        return lane.make(target, args, kwargs)


def _issue(run: Run, guards: Any, execution: Execution) -> Generator[Any, Any, None]:
    """The issue program of every graph: starts what may start, in program order (lock held)."""
    del guards
    cells: dict[str, Any] = {}
    for number, step in enumerate(execution.program.steps):
        if run.full:
            yield
        callee, needs = step.node.callee, step.needs
        form = _former(execution, step)
        deps = [cells[name] for name in needs]
        try:
            if all(type(dep) is not Cell or dep.state == OK for dep in deps):
                value = run.call(number, callee, *form(*map(value_of, deps)))
            else:
                value = run.call_later(number, callee, form, *deps)
        except (guarded.Unsafe, LookupError, TypeError):
            value = run.inline(
                number, callee
            )  # its arguments cannot be formed here; the retire loop will
        if value is run:
            value = yield run.parked(number)
        cells[step.node.name] = value


def _former(execution: Execution, step: Step) -> Callable[..., Any]:
    def form(*values: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        known = dict(zip(step.needs, values, strict=True))
        return step.arguments(execution.builder(known, guarded.item, guarded.key))

    return form


def _is_thread_bound(callee: Any) -> bool:
    label = label_of(callee)
    return label is not None and label.thread_bound


def _add_note(exc: BaseException, note: str) -> None:
    """As `exc.add_note`, once, and past a `__setattr__` of the user's."""
    notes = vars(exc).get("__notes__")
    if type(notes) is not list:
        notes = []
        BaseException.__setattr__(exc, "__notes__", notes)
    if note not in notes:
        notes.append(note)


def _same(value: Any) -> Any:
    return value
