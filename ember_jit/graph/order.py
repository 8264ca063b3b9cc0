"""The order of a graph's nodes: program order, cycles, and the longest chain.

The order is that in which the nodes were recorded or added, as far as the edges allow: of the nodes that
could come next, the oldest does.
"""

from __future__ import annotations

import graphlib
import heapq
from collections.abc import Iterable, Mapping, Sequence

from ember_jit.errors import GraphError

Needs = Mapping[str, Sequence[str]]  # node -> the nodes that it waits for


def topological(needs: Needs) -> list[str]:
    """The names in `needs`, each after those that it waits for; otherwise in their own order.

    Raises:
        GraphError: there is a cycle; the message shows it.
    """
    seen: set[str] = set()
    for name, before in needs.items():
        if not seen.issuperset(before):
            break
        seen.add(name)
    else:
        return list(needs)  # recorded, or built front to back
    sorter = graphlib.TopologicalSorter(needs)
    try:
        sorter.prepare()
    except graphlib.CycleError as exc:
        raise cycle_error(exc.args[1]) from None
    age = {name: number for number, name in enumerate(needs)}
    names = list(needs)
    ready = [age[name] for name in sorter.get_ready()]
    heapq.heapify(ready)
    ordered: list[str] = []
    while ready:
        name = names[heapq.heappop(ready)]
        ordered.append(name)
        sorter.done(name)
        for each in sorter.get_ready():
            heapq.heappush(ready, age[each])
    return ordered


def path(needs: Needs, source: str, target: str) -> list[str] | None:
    """Names from `source` to `target` along the edges, or None if there is no way."""
    back: dict[str, str] = {}
    stack = [target]
    while stack:
        name = stack.pop()
        if name == source:
            chain = [source]
            while chain[-1] != target:
                chain.append(back[chain[-1]])
            return chain
        for each in needs[name]:
            if each not in back:
                back[each] = name
                stack.append(each)
    return None


def cycle_error(cycle: Iterable[str]) -> GraphError:
    """What is raised for nodes that wait for one another in a ring."""
    return GraphError(
        f"these nodes would wait for each other: {' -> '.join(cycle)}. A graph has no cycles: "
        "leave one of the edges out, or put the loop into an operator"
    )


def ancestors(needs: Needs, names: Iterable[str]) -> set[str]:
    """`names` and everything that they wait for."""
    found: set[str] = set()
    stack = list(names)
    while stack:
        name = stack.pop()
        if name not in found:
            found.add(name)
            stack.extend(needs[name])
    return found


def longest_chain(needs: Needs, order: Iterable[str]) -> list[str]:
    """The longest chain of nodes that wait for each other; of two, the one that comes first."""
    length: dict[str, int] = {}
    before: dict[str, str | None] = {}
    for name in order:
        previous = max(needs[name], key=length.__getitem__, default=None)
        length[name] = 1 + (length[previous] if previous is not None else 0)
        before[name] = previous
    at: str | None = max(length, key=length.__getitem__, default=None)
    chain: list[str] = []
    while at is not None:
        chain.append(at)
        at = before[at]
    return chain[::-1]
