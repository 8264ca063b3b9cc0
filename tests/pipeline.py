"""The compiler's stages on a piece of source, for the tests of single stages.

Functions are defined from text, so that a test shows source and outcome side by side.  The text is put
into `linecache` under a name of its own, as a notebook does.
"""

from __future__ import annotations

import itertools
import linecache
import textwrap
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from ember_jit import Operator, query
from ember_jit.compiler.analysis.body import BodyAnalysis
from ember_jit.compiler.analysis.values import Known
from ember_jit.compiler.answers import inference_for
from ember_jit.compiler.frontend.lower import Lowering
from ember_jit.compiler.passes.escape import mark_escapes
from ember_jit.compiler.passes.regions import AheadRegion, find_regions
from ember_jit.compiler.source import Source, source_of
from ember_jit.ir.ops import Function
from ember_jit.ir.printer import print_op
from ember_jit.ir.verifier import verify
from ember_jit.runtime.dispatch import Options

_cells = itertools.count(1)


@query
class Ask(Operator):
    """A leaf whose calls may overlap."""

    def forward(self, *, inputs: Any) -> Any:
        return {"text": str(inputs), "score": 1, "items": [1, 2]}


class Log(Operator):
    """A leaf with an effect."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def forward(self, *, inputs: Any) -> Any:
        self.seen.append(inputs)
        return inputs


class Owner:
    """What `self` is in the snippets: `a`, `b` and `c` may overlap, `log` may not."""

    def __init__(self) -> None:
        self.a, self.b, self.c, self.log = Ask(), Ask(), Ask(), Log()
        self.list, self.join = Ask(), Ask()
        self.asks = [Ask(), Ask()]
        self.count = 0


@dataclass(frozen=True)
class Stages:
    """What the stages made of one function."""

    source: Source
    facts: BodyAnalysis
    lowered: Function
    escaped: Function
    regions: list[AheadRegion]


def namespace(text: str, filename: str | None = None, **names: Any) -> dict[str, Any]:
    """Run `text` (dedented) as a notebook cell; its globals."""
    text = textwrap.dedent(text).lstrip("\n")
    filename = filename or f"<cell {next(_cells)}>"
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    space: dict[str, Any] = {"__name__": "cell", "Operator": Operator, "query": query, **names}
    exec(compile(text, filename, "exec", dont_inherit=True), space)
    return space


def define(text: str, **names: Any) -> FunctionType:
    """The function `f` that `text` defines."""
    made = namespace(text, **names)["f"]
    assert isinstance(made, FunctionType)
    return made


def stages_of(function: FunctionType, owner: Any = None, options: Options | None = None) -> Stages:
    """Run the stages up to the regions, as the driver does, with a verified IR after each."""
    options = options or Options()
    source = source_of(function, function.__code__)
    facts = BodyAnalysis(
        inference_for(options), function, source, Known(owner) if owner is not None else None
    )
    facts.run()
    lowered = Lowering(source, facts, function.__qualname__).run()
    verify(lowered)
    escaped = mark_escapes(lowered)
    verify(escaped)
    return Stages(
        source, facts, lowered, escaped, find_regions(escaped, options.parallel_threshold)
    )


def stages(text: str, **names: Any) -> Stages:
    """The stages of `f` in `text`; its first parameter, if it is called `self`, is an `Owner`."""
    function = define(text, **names)
    owner = Owner() if function.__code__.co_varnames[:1] == ("self",) else None
    return stages_of(function, owner)


def outline(function: Function, kinds: frozenset[str] | None = None) -> str:
    """The ops of some kinds (all by default), in program order, one a line."""
    ops = [op for op in function.walk() if kinds is None or op.kind in kinds]
    return "\n".join(print_op(op) for op in ops)


def show_regions(regions: list[AheadRegion], lines: list[str] | tuple[str, ...] = ()) -> str:
    """The regions as text: first line, the kinds of their calls' sites, and the overlapping pairs."""
    out = []
    for region in regions:
        sites = sorted(
            {
                op.site
                for top in region.ops
                for op in top.walk()
                if op.kind == "call" and op.site is not None
            }
        )
        pairs = " ".join(f"{a}-{b}" for a, b in sorted(region.pairs))
        out.append(
            f"region {region.number} at line {region.start.lineno}: sites {sites} pairs {pairs}"
        )
    return "\n".join(out)
