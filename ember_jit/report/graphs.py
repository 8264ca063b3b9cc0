"""`explain(graph)`: which nodes of a recorded or hand-built graph overlap when it is executed, and why not more.

An execution walks the nodes in program order.  A node that may run ahead starts when what it needs is there; any
other is made in its turn, behind everything before it and in front of everything after it (`graph.program`).
"""

from __future__ import annotations

from typing import Any

from ember_jit.compiler.analysis.facts import Effect
from ember_jit.compiler.analysis.infer import Inference
from ember_jit.compiler.analysis.notes import CallNote, describe_object
from ember_jit.compiler.answers import inference_for
from ember_jit.graph.model import Graph
from ember_jit.graph.nodes import Node
from ember_jit.graph.order import ancestors, longest_chain
from ember_jit.report.explanation import Call, Explanation, Step
from ember_jit.report.fixes import Why
from ember_jit.report.why import evidence_of, unknown_effect
from ember_jit.runtime.dispatch import Options

GRAPH = "graph"


def explanation_of_graph(graph: Graph) -> Explanation:
    """The explanation of a graph, executed with the default options."""
    nodes = [graph[name] for name in graph.order]
    numbers = {node.name: number for number, node in enumerate(nodes)}
    needs = {node.name: list(node.needs) for node in nodes}
    before = {name: ancestors(needs, [name]) - {name} for name in needs}
    stretch: list[int] = []  # nodes that are made in their turn part the others
    inference, part = inference_for(Options()), 0
    effects = [_effect(inference, node.callee) for node in nodes]
    free = [effect is not None and effect.schedulable for effect in effects]
    for each in free:
        stretch.append(part if each else -1)
        part += not each
    calls = []
    for number, (node, effect) in enumerate(zip(nodes, effects, strict=True)):
        overlaps = tuple(
            other
            for other, name in enumerate(numbers)
            if free[number]
            and other != number
            and stretch[other] == stretch[number]
            and name not in before[node.name]
            and node.name not in before[name]
        )
        note = None
        if effect is not None:
            note = CallNote("site", effect, describe_object(node.callee))
        why = _why(note)
        calls.append(
            Call(
                number=number,
                file=node.file,
                line=node.line,
                text=f"{node.name} = {node.text}",
                receiver=note.receiver.name if note is not None else "",
                effect=effect.kind if effect is not None else "unknown",
                evidence=evidence_of(effect, note.receiver) if note and effect else "",
                ahead=free[number],
                overlaps=overlaps,
                waits_for=tuple(numbers[name] for name in needs[node.name]),
                why=why.reason,
                place=why.place,
                fix=why.fix,
            )
        )
    return Explanation(
        graph.name,
        nodes[0].file if nodes else "",
        nodes[0].line if nodes else 0,
        GRAPH,
        GRAPH,
        _headline(graph, calls),
        tuple(calls),
        critical_path=tuple(_steps(nodes, needs, free, numbers)),
        remarks=(f"incomplete: {graph.incomplete}",) if graph.incomplete else (),
    )


def _effect(inference: Inference, callee: Any) -> Effect | None:
    if callee is None:
        return None
    effect = inference.effect(callee)
    return effect.later or effect


def _headline(graph: Graph, calls: list[Call]) -> str:
    ahead, beside = sum(call.ahead for call in calls), sum(bool(call.overlaps) for call in calls)
    if not beside:
        return f"a graph of {len(graph)} nodes, of which none overlap"
    return f"a graph of {len(graph)} nodes: {ahead} may start ahead, {beside} of them beside others"


def _why(note: CallNote | None) -> Why:
    if note is None:
        return Why("nothing is bound to it", "", "bind an operator to it: `graph.bind(...)`")
    if note.effect.schedulable:
        return Why("")
    return unknown_effect(note)


def _steps(
    nodes: list[Node], needs: dict[str, list[str]], free: list[bool], numbers: dict[str, Any]
) -> list[Step]:
    """The longest chain of nodes that wait for each other, those in their turn included."""
    waits = {name: list(others) for name, others in needs.items()}
    last: list[str] = []  # the last node that was made in its turn
    since: list[str] = []  # those behind it
    for node, may_start in zip(nodes, free, strict=True):
        waits[node.name] += last if may_start else last + since
        if may_start:
            since.append(node.name)
        else:
            last, since = [node.name], []
    chain = longest_chain(waits, [node.name for node in nodes])
    return [
        Step(numbers[name], nodes[numbers[name]].line, f"{name} = {nodes[numbers[name]].text}")
        for name in chain
    ]
