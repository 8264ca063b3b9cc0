"""A list that the function makes and goes on filling is one list, under whatever name and in whatever it is handed on."""

from __future__ import annotations

import linecache
from typing import Any

import pytest

from ember_jit import Operator, disable_structural_jit, query, structural_jit

STARTS = {
    "filled": "xs = []\n        xs.append(1)",
    "the rest": "_, *xs = inputs",
    "a dict": "xs = {}\n        xs[0] = 1",
}
ALIASES = [
    "y = xs",
    "y = z = xs",
    "y, z = xs, 1",
    "y = (xs,)[0]",
    "y = [xs][0]",
    "y = {'a': xs}['a']",
    "y = xs if inputs else None",
    "y = None if not inputs else xs",
    "y = xs or None",
    "(y := xs)",
    "y = list([xs])[0]",
    "y = max([xs], key=len)",
    "y = [xs for _ in (1,)][0]",
    "y = next(iter([xs]))",
    "box = {}; box['a'] = xs; y = box['a']",
    "box = []; box.append(xs); y = box[0]",
    "box = [xs]; y, = box",
    "y = dict(a=xs)['a']",
    "y = [*[xs]][0]",
    "y = ([xs] + [1])[0]",
    "for y in [xs]: pass",
    "for _, y in enumerate([xs]): pass",
    "y = [z for z in [xs]][0]",
    "y = {'a': xs}.get('a')",
]


@query
class Same(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return inputs


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("alias", ALIASES)
def test_same_as_plain(start: str, alias: str) -> None:
    text = f"""
class Op(Operator):
    def __init__(self): self.a, self.b = Same(), Same()
    def forward(self, *, inputs):
        {STARTS[start]}
        {alias}
        e = self.a(inputs=y)
        g = self.b(inputs=[y])
        h = self.b(inputs=(y, xs))
        k = self.a(inputs={{"y": y}})
        return e is xs, g[0] is xs, h[0] is h[1], k["y"] is y, e is y, xs, self.a(inputs=2)
"""
    filename = f"<copies {hash((start, alias))}>"
    linecache.cache[filename] = (len(text), None, text.splitlines(True), filename)
    space: dict[str, Any] = {"Operator": Operator, "Same": Same}
    exec(compile(text, filename, "exec"), space)
    op = structural_jit(execution_strategy="parallel")(space["Op"])()
    with disable_structural_jit():
        plain = op(inputs=[3, 4, 5])
    assert op(inputs=[3, 4, 5]) == plain
    del linecache.cache[filename]
