"""Issue programs: generated generator functions that walk a region ahead of the retire program.

    # user                                         # issue program
    for doc in docs:                               for _i0, doc in _w.each(docs):
        s = self.summ(inputs={"d": doc})               if _w.full: yield
        if s["score"] > 0.5:                           _t1 = _w.call((0, _i0), _e.attr(self, 'summ'), (), {'inputs': {'d': doc}})
            out.append(s["text"])                      if _t1 is _w: _t1 = yield (0, _i0)

Every variable is *known* (a value), *maybe* (a cell or a value) or *lost* (given up).  An expression over
known values is evaluated where it stands; over maybe values it becomes `_w.glue(lambda ...)`; over lost
ones it is lost.  A call with a lost argument is not issued.  Giving up is always sound: the retire
program makes the call itself.  What neither arguments nor control need is not emitted.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field

from ember_jit.compiler.analysis.body import BodyAnalysis
from ember_jit.compiler.codegen.forget import forget_dead
from ember_jit.compiler.codegen.fresh import Freshness
from ember_jit.compiler.codegen.guard import Guard
from ember_jit.compiler.codegen.issue_calls import IssueCalls
from ember_jit.compiler.codegen.issue_control import IssueControl
from ember_jit.compiler.codegen.issue_values import KNOWN, LOST
from ember_jit.compiler.codegen.names import enclosing_loops, needed_names, starred_names
from ember_jit.compiler.passes.regions import AheadRegion
from ember_jit.ir.ops import Function, Later, Op, base
from ember_jit.ir.syntax import walk


@dataclass(slots=True)
class Issue:
    """The text of one issue program and what the retire program must know about it.

    Attributes:
        sites: calls that it may issue, with the loops around each.
        kept: values that both programs share.
        loops: loops that it walks.
        trusted: calls whose results it takes for plain values, as they were when it was written.
    """

    text: str
    name: str
    params: tuple[str, ...]
    sites: dict[int, tuple[int, ...]] = field(default_factory=dict)
    kept: dict[int, tuple[ast.expr, tuple[int, ...], tuple[int, ...]]] = field(default_factory=dict)
    loops: set[int] = field(default_factory=set)
    trusted: set[int] = field(default_factory=set)


class IssueEmitter(IssueCalls, IssueControl):
    """Writes one issue program: the state and the frame here, the ops in the bases.

    Args:
        function: the lowered function.
        region: what to walk.
        facts: facts about the function's calls.
        next_site: first free number for values that are handed to the retire program.
        in_order: keep a ledger: some calls of the region may not start freely.
    """

    def __init__(
        self,
        function: Function,
        region: AheadRegion,
        facts: BodyAnalysis,
        next_site: int,
        in_order: bool,
    ) -> None:
        self.function = function
        self.region = region
        self.guard = Guard(facts, facts.source.class_name)
        self.facts = facts
        self.in_order = in_order
        self.walked = set()
        self.next_site = next_site
        self.local = facts.local_names | {base(v) for op in function.walk() for v in op.defs}
        everything = self.everything = [inner for op in region.ops for inner in op.walk()]
        self.mutated = {base(op.defs[0]) for op in everything if op.kind == "mutate"}
        self.mutated |= starred_names(everything)
        self.fresh = Freshness(everything, self.mutated)
        self.bound = function.bound.get(region.start, frozenset())
        self.status = {}
        self.parts = []
        self.lines = []
        self.depth = 1
        self.keys = []
        self.loops_open = 0
        self.in_part = False
        self.in_block = False
        self.now = None
        self.block = None
        self.order = {op: index for index, op in enumerate(everything)}
        self.loops_of = enclosing_loops(region.ops)
        self.find_writers(everything)
        self.mutations = [(base(op.defs[0]), op) for op in everything if op.kind == "mutate"]
        self._part_count = 0
        self._unpacked = len(function.loops)  # `_u0`, `_u1` ... are the elements of the loops
        self._sink = []
        self._comps = []
        self.issue = Issue("", f"_ahead_{region.number}", ())

    def run(self) -> Issue:
        """Emit the program."""
        used = {base(use) for op in self.region.ops for inner in op.walk() for use in inner.uses}
        lazily = (node for later in self.function.later for node in walk(later.node))
        used |= self._free_names()
        used |= {node.id for node in lazily if isinstance(node, ast.Name)} & self.local
        params = sorted(name for name in used if name in self.bound and not name.startswith("_t"))
        self.find_asked(self.everything, params)
        self.needed = needed_names(self.everything, self.asked_by_name())
        for name in self.local:
            self.status[name] = LOST
        for name in params:
            self.status[name] = LOST if name in self.mutated else KNOWN
        self.check_inputs()
        if self.function.later:
            before, within = self._later()
            self._expect(before)
            for op in self.region.ops:
                self._expect(within.get(op, ()))
                self._ops((op,))
        else:
            self._ops(self.region.ops)
        body = forget_dead(self.lines, tuple(params)) or ["    pass"]
        head = f"def {self.issue.name}({', '.join(['_w', '_e', *params])}):"
        tail = ["    return", "    yield"]
        self.issue.text = "\n".join([*self.parts, head, *body, *tail]) + "\n"
        self.issue.params = tuple(params)
        return self.issue

    def _later(self) -> tuple[list[Later], dict[Op, list[Later]]]:
        """What may happen anywhere in the region, and what from one of its ops on (`frontend.later`)."""
        before: list[Later] = []
        within: dict[Op, list[Later]] = {}
        order = {stmt: index for index, stmt in enumerate(self.function.within)}
        start = self.region.start
        loops = set(self.function.within[start])
        op_of: dict[ast.stmt, Op] = {}
        for op in self.region.ops:
            for inner in op.walk():
                if inner.stmt is not None:
                    op_of.setdefault(inner.stmt, op)
        for later in self.function.later:
            found = op_of.get(later.stmt)
            again = bool(loops & set(self.function.within[later.stmt]))
            if not later.once and (again or order[later.stmt] < order[start]):
                before.append(later)
            elif found is not None:
                within.setdefault(found, []).append(later)
        return before, within

    def _expect(self, laters: Iterable[Later]) -> None:
        """Stop here unless all of these are without effect."""
        lines: list[str] = []
        for later in laters:
            node = later.node
            lines.append(
                self.required(node.func) if isinstance(node, ast.Call) else "return _w.stop()"
            )
        for text in dict.fromkeys(lines):
            self.line(text)

    def _free_names(self) -> set[str]:
        names: set[str] = set()
        for op in self.region.ops:
            for inner in op.walk():
                for tree in (inner.value, inner.target):
                    if tree is not None:
                        names |= {n.id for n in walk(tree) if isinstance(n, ast.Name)}
        return names & self.local
