"""Random programs about containers in containers, a few of them; any number by `nested_containers.main`."""

from __future__ import annotations

import linecache
from typing import Any

import pytest

from ember_jit import Operator, disable_structural_jit, query, structural_jit
from ember_jit.runtime import guarded
from tests.differential.nested_containers import difference, program

BATCHES = 8
PROGRAMS = 10  # in a batch
FOUND = [1072]  # programs that have differed


@pytest.mark.parametrize("batch", range(BATCHES))
def test_same_as_plain(batch: int) -> None:
    for seed in range(batch * PROGRAMS, (batch + 1) * PROGRAMS):
        text = program(seed)
        if text is not None:
            assert not difference(seed, text)


@pytest.mark.parametrize("seed", FOUND)
def test_programs_that_have_differed(seed: int) -> None:
    text = program(seed)
    assert text is not None
    assert not difference(seed, text)


class Meddler:
    """Hashes like 0, and notes when it is compared."""

    def __init__(self) -> None:
        self.asked = 0

    def __hash__(self) -> int:
        return 0

    def __eq__(self, other: object) -> bool:
        self.asked += 1
        return self is other


@pytest.mark.parametrize("fill", [0, guarded.MANY_KEYS])
def test_a_key_that_meddles_is_never_asked(fill: int) -> None:
    meddler = Meddler()
    held: dict[Any, int] = {meddler: 1, **{str(number): 1 for number in range(fill)}}
    for look in (
        lambda: guarded.item(held, 0),
        lambda: guarded.compare("in", 0, held),
        lambda: guarded.compare("in", 0, set(held)),
        lambda: guarded.method(held, "get", 0),
        lambda: {0: 1, **guarded.mapping(held)},
        lambda: guarded.store(held, 0, 1),
        lambda: guarded.mutate(held, "pop", 0),
    ):
        with pytest.raises(guarded.Unsafe):
            look()
    assert meddler.asked == 0


REBOUND = [
    ("list", "d = list()", "d.append(1)"),
    ("list", "d = defaultdict(list)", "d[1].append(1)"),
    ("defaultdict", "d = defaultdict(list)", "d[1].append(1)"),
    ("list", "d = defaultdict(lambda: defaultdict(list))", "d[1][2].append(1)"),
    ("list", "d = {'a': list()}", "d['a'].append(1)"),
]


@pytest.mark.parametrize("where", ["in the region", "in front of it"])
@pytest.mark.parametrize(("name", "make", "change"), REBOUND)
def test_a_name_that_makes_something_else_later(
    name: str, make: str, change: str, where: str
) -> None:
    """What is compiled for `list` must not be believed of whatever stands under that name in a later call."""
    text = f"""
class Odd(Operator):
    def __init__(self, *args): LOG.append("made")
    def append(self, value): LOG.append("changed")
    def __getitem__(self, key): LOG.append("asked"); return self

class Op(Operator):
    def __init__(self):
        self.a, self.b = Count(), Count()
    def forward(self, *, inputs):
        {make}
        {"LOG.append('barrier')" if where == "in front of it" else "pass"}
        a = self.a(inputs=1)
        {change}
        return a, self.b(inputs=2), len(LOG)
"""
    filename = f"<rebound {hash((name, make, where))}>"
    linecache.cache[filename] = (len(text), None, text.splitlines(True), filename)
    log: list[str] = []

    @query
    class Count(Operator):
        def forward(self, *, inputs: Any) -> Any:
            return len(log)

    space: dict[str, Any] = {"Operator": Operator, "Count": Count, "LOG": log}
    exec("from collections import defaultdict", space)
    exec(compile(text, filename, "exec"), space)
    op: Any = structural_jit(execution_strategy="parallel")(space["Op"])()
    op(inputs=1)
    space[name] = space["Odd"]
    log.clear()
    with disable_structural_jit():
        plain = op(inputs=1), list(log)
    log.clear()
    assert (op(inputs=1), list(log)) == plain
    del linecache.cache[filename]
