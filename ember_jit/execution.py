"""`execute(graph)`: run a recorded or hand-built graph on the runtime of compiled operators.

    results = execute(graph, inputs={"query": "why?"}, options=execution_options(max_workers=4))
    results["answer"]

Nodes that are `pure` or `query` overlap as soon as what they need is there; a node of unknown effect runs in
program order on the caller's thread, behind everything before it.  The first failure in program order is
raised, as it is, with the node's name in a note and what was done before it in `partial_results`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from time import perf_counter
from typing import Any

from ember_jit.errors import GraphInputError, RecordingError, UnknownNodeError, near_misses
from ember_jit.graph.model import Graph
from ember_jit.graph.nodes import REQUIRED, Input
from ember_jit.graph.program import Execution, Program
from ember_jit.graph.recorded import source_of
from ember_jit.graph.recorder import current
from ember_jit.options import XCSExecutionOptions, options_in_force
from ember_jit.runtime.dispatch import is_disabled
from ember_jit.runtime.frames import leave_no_trace

_KEPT = 8  # programs of one graph that are remembered


class ExecutionResult(dict[str, Any]):
    """What `execute` returns: a dict of node name to result, in program order.

    Attributes:
        seconds: how long the execution took.
    """

    seconds: float = 0.0

    def __missing__(self, name: str) -> Any:
        raise UnknownNodeError(f"the results have no node {name!r}{near_misses(name, self)}")


def execute(
    graph: Graph,
    inputs: Mapping[str, Any] | None = None,
    options: XCSExecutionOptions | None = None,
    output_nodes: Iterable[str] | str | None = None,
) -> ExecutionResult:
    """Make the calls of `graph`.

    Args:
        graph: a graph that `autograph` recorded, or that was built by hand.
        inputs: the values of `graph.inputs`, by name; those with a default may be left out.
        options: `execution_options(...)`; what it does not give, the blocks around it do.
        output_nodes: names of the nodes whose results are wanted; only what they need is run.

    Returns:
        The results by node name: of all nodes, or of `output_nodes`.

    Raises:
        UnknownNodeError: there is no such node.
        GraphInputError: an input is missing or unknown.
        RecordingError: the graph is still being recorded, or incomplete.
        UnboundNodeError: it was read from JSON and not bound again.
        ExecutionTimeout: a `TimeoutError` that names the node that was waited for.
        Exception: what the first failing node, in program order, raised: with a note that names the node, and
            the results before it in `partial_results`.

    Example:
        >>> graph = Graph()
        >>> word = graph.input("word")
        >>> ref = graph.add_node("loud", str.upper, word)
        >>> execute(graph, inputs={"word": "why"})
        {'loud': 'WHY'}
    """
    if not isinstance(graph, Graph):
        raise TypeError(f"execute() takes a Graph, not {type(graph).__name__}: {graph!r:.80}")
    if options is not None and not isinstance(options, XCSExecutionOptions):
        raise TypeError(
            f"options={options!r} is a {type(options).__name__}: write options=execution_options(max_workers=4)"
        )
    wanted = [output_nodes] if isinstance(output_nodes, str) else output_nodes
    outputs = None if wanted is None else list(dict.fromkeys(wanted))
    _check_usable(graph, outputs)
    chosen = options_in_force(options)
    if is_disabled():
        chosen = XCSExecutionOptions(**{**chosen.given, "scheduler": "sequential"})
    program = _program(graph, outputs, chosen)
    values = _input_values(graph, program, inputs)
    execution = Execution(program, values, inputs if inputs is not None else {}, chosen.timeout)
    began = perf_counter()
    token = current.set(None)  # calls are made, also where another graph is being recorded
    try:
        execution.run()
    except BaseException as exc:
        # past a `__setattr__` of the user's
        BaseException.__setattr__(exc, "partial_results", ExecutionResult(execution.results))
        leave_no_trace()
        raise
    finally:
        current.reset(token)
    names = execution.results if outputs is None else outputs
    result = ExecutionResult({name: execution.results[name] for name in names})
    result.seconds = perf_counter() - began
    return result


def _check_usable(graph: Graph, outputs: list[str] | None) -> None:
    if graph.recording:
        raise RecordingError(f"{graph!r} is still being recorded: leave its `with` block first")
    if graph.incomplete and outputs is None:
        raise RecordingError(
            f"{graph!r} is incomplete: {graph.incomplete}. Record it again, or name the nodes to run: "
            "`execute(graph, output_nodes=[...])`"
        )


def _program(graph: Graph, outputs: list[str] | None, options: XCSExecutionOptions) -> Program:
    """The program of these nodes; kept, for what the plan has learnt."""
    key = (
        graph.version,
        None if outputs is None else tuple(outputs),
        tuple(sorted((n, v) for n, v in options.given.items() if n != "timeout")),
    )
    kept = graph.programs
    found = kept.get(key)
    if found is None:
        order = graph.topological_order()
        needed = set(order) if outputs is None else graph.needed_for(outputs)
        names = [name for name in order if name in needed]
        graph.check_bound(names)
        while len(kept) >= _KEPT:
            kept.pop(next(iter(kept)), None)
        found = kept[key] = Program(graph, names, options)
    return found


def _input_values(
    graph: Graph, program: Program, inputs: Mapping[str, Any] | None
) -> dict[str, Any]:
    given = dict(inputs) if inputs is not None else {}
    takes_all = any(step.node.wired and not step.node.after for step in program.steps)
    for name in given:
        if name not in graph.inputs and not takes_all:
            why = near_misses(name, graph.inputs)
            raise GraphInputError(
                f"{graph!r} has no input {name!r}{why}. Declare it where the graph is made: `graph.input({name!r})`"
            )
    used = {
        source_of(each).name: source_of(each)
        for step in program.steps
        for each in step.node.recorded
        if type(source_of(each)) is Input
    }
    missing = [n for n, each in used.items() if n not in given and each.default is REQUIRED]
    if missing:
        raise GraphInputError(
            f"{graph!r} needs the input{'s' if len(missing) > 1 else ''} {', '.join(map(repr, missing))}: "
            f"execute(graph, inputs={{{missing[0]!r}: ...}}); given: {', '.join(map(repr, given)) or 'nothing'}"
        )
    return {name: given.get(name, each.default) for name, each in used.items()}
