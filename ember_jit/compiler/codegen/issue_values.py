"""Values in an issue program: what is known of every variable, and the text that gives a value.

    # user                        # issue program                                         status of the target
    q = x["q"]                    q = _e.item(x, 'q')                                     KNOWN
    s = self.a(inputs=q)          s = _w.call(...)                                        MAYBE
    t = s["t"]                    t = _w.glue(lambda s: _e.item(s, 't'), s)               MAYBE
    u = f(t), [s]                                                                         LOST

A value that both programs must share, because its identity could be told, is *kept*: the issue program
makes it and the retire program takes it.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ember_jit.compiler.analysis.body import BodyAnalysis
from ember_jit.compiler.codegen.fresh import NEW, SHARED, Freshness, Shape
from ember_jit.compiler.codegen.guard import CannotGuard, Guard
from ember_jit.compiler.codegen.names import defined, free_in
from ember_jit.compiler.passes.regions import AheadRegion
from ember_jit.ir.ops import Function, Op, base
from ember_jit.ir.syntax import walk

if TYPE_CHECKING:
    from ember_jit.compiler.codegen.issue import Issue

KNOWN, MAYBE, LOST = 0, 1, 2


class IssueValues:
    """The state of an emitter, and everything about values.

    Attributes:
        issue: what is being made.
        local: names of the function's own variables.
        mutated: containers that the region changes, or of which each program makes one (`first, *rest = xs`).
        needed: names that arguments, receivers and control of calls depend on.
        status: name -> KNOWN, MAYBE or LOST, at the point that is being emitted.
        parts: texts of the generator functions beside the main one.
        lines, depth: the text that is being written.
        keys: index variables of the loops that are open.
        fresh: which expressions make objects of their own.
        loops_open: how many loops are open in the text that is being written.
        in_order: the issue program keeps a ledger.
        in_part: whether a part is being written, which may never be walked.
        in_block, block: whether a block of glue is being written, and for which op.
        now: the op that is being emitted.
        everything: the region's ops, those inside others among them.
        order, loops_of: the region's ops -> their position and the loops around them.
        mutations: (container, op) for every change of a container.
    """

    function: Function
    region: AheadRegion
    guard: Guard
    facts: BodyAnalysis
    in_order: bool
    next_site: int
    issue: Issue
    local: frozenset[str]
    mutated: set[str]
    needed: set[str]
    status: dict[str, int]
    parts: list[str]
    lines: list[str]
    depth: int
    keys: list[str]
    fresh: Freshness
    loops_open: int
    in_part: bool
    in_block: bool
    block: Op | None
    now: Op | None
    order: dict[Op, int]
    loops_of: dict[Op, frozenset[Op]]
    mutations: list[tuple[str, Op]]
    everything: list[Op]
    _part_count: int
    _unpacked: int
    _sink: list[str | None]
    _comps: list[Op]

    def line(self, text: str) -> None:
        """Write one line."""
        self.lines.append("    " * self.depth + text)

    def _ops(self, ops: tuple[Op, ...]) -> None:
        for op in ops:
            outer, self.now = self.now, op
            if self.in_order:
                self.before(op)
            mark = len(self.lines)
            getattr(self, "_op_" + op.kind)(op)
            if self.in_order:
                self.after(op, len(self.lines) > mark)
            self.now = outer

    def before(self, op: Op) -> None:
        """Emit what must hold before `op` (`issue_order`)."""

    def after(self, op: Op, emitted: bool) -> None:
        """Emit what must be known of `op` behind it (`issue_order`)."""

    def check(self, *ops: Op, evaluated: bool = False, within: Op | None = None) -> None:
        """Ask what the retire program asks in `ops` (`issue_asks`)."""

    def check_makers(self, op: Op) -> None:
        """Make sure of what makes a container (`issue_asks`)."""

    def check_genuine(self, op: Op) -> None:
        """Make sure of what was taken for a builtin (`issue_asks`)."""

    def _names(self, *trees: ast.AST | None) -> set[str]:
        found: set[str] = set()
        for tree in trees:
            if tree is not None:
                free_in(tree, frozenset(), found)
        return found

    def _state(self, *trees: ast.AST | None) -> int:
        return max((self.status.get(name, KNOWN) for name in self._names(*trees)), default=KNOWN)

    def _maybe_names(self, *trees: ast.AST | None) -> list[str]:
        return sorted(name for name in self._names(*trees) if self.status.get(name, KNOWN) == MAYBE)

    def _reads_mutated(self, *trees: ast.AST | None) -> bool:
        return bool(self._names(*trees) & self.mutated)

    def value(self, node: ast.expr) -> tuple[str, int]:
        """Text that gives `node`'s value (or a cell), and its status."""
        state = self._state(node)
        if state == LOST:
            return "", LOST
        try:
            text = ast.unparse(self.guard.expr(node))
        except CannotGuard:
            return "", LOST
        if state == KNOWN or isinstance(node, ast.Name):
            return text, state
        if not self._steady(node):
            return "", LOST
        return self._delayed(self._maybe_names(node), text, node), MAYBE

    def _callee(self, func: ast.expr) -> str:
        """Text that looks up a callee now; empty if that cannot be done."""
        try:
            text = ast.unparse(self.guard.callee(func))
        except CannotGuard:
            return ""
        return text if self._state(func) == KNOWN else ""

    def _steady(self, *trees: ast.AST | None) -> bool:
        """Whether the containers that an expression reads are changed no more, so that it may be evaluated later."""
        read = self._names(*trees) & self.mutated
        if not read or self.now is None:
            return not read
        here = self.order.get(self.now, -1)
        mine = self.loops_of.get(self.now, frozenset())
        return not any(
            name in read and (self.order[op] > here or mine & self.loops_of.get(op, frozenset()))
            for name, op in self.mutations
        )

    def _delayed(self, maybe: list[str], text: str, *trees: ast.AST | None) -> str:
        """Text that evaluates `text` when the `maybe` names have values."""
        return f"_w.glue(lambda {self._parameters(maybe, *trees)}: {text}, {', '.join(maybe)})"

    def _parameters(self, maybe: list[str], *trees: ast.AST | None) -> str:
        """Parameters of a delayed expression: known variables are bound now, for they may be assigned again."""
        known = sorted(
            name
            for name in self._names(*trees)
            if name in self.local and self.status.get(name) == KNOWN
        )
        known += [key for key in self.keys if key in self._names(*trees)]
        return ", ".join([*maybe, *[f"{name}={name}" for name in known]])

    def _lose(self, op: Op) -> None:
        for name in defined(op):
            self.status[name] = LOST

    # ------------------------------------------------------------------ glue
    def _op_glue(self, op: Op) -> None:
        names = [base(value) for value in op.defs]
        self.check_makers(op)
        self.check_genuine(op)
        if op.value is None or op.target is None:
            self.check(op)
            if op.value is None:
                self._lose(op)
            return
        if not any(name in self.needed for name in names):
            self.check(op)
            self._lose(op)
            return
        text, state = self.value(op.value)
        self.check(op, evaluated=state == KNOWN)
        if state == LOST or (self.fresh.copied(op.value) and not self.in_block):
            self._lose(op)
            return
        target = op.target
        if isinstance(target, ast.Name):
            if self.in_block:
                if self.fresh.value(op.value) and not self._only_inside(target.id):
                    self._lose(op)
                    return
            elif (
                target.id not in self.mutated
                and self.fresh.value(op.value)
                and not target.id.startswith("_t")
            ):
                kept = self._keep(op, text, state)
                if kept is None:
                    self._lose(op)
                    return
                text = kept
            self.line(f"{target.id} = {text}")
            self.status[target.id] = state
            if target.id.startswith("_t") and self.fresh.value(op.value):
                self.fresh.temps.add(target.id)
            return
        self._unpack(target, text, state, self._parts(op.value))

    def _unpack(self, target: ast.expr, text: str, state: int, shape: Shape = SHARED) -> None:
        """Assign the parts of `text`; a part that is an object made anew is lost."""
        elements = target.elts if isinstance(target, ast.Tuple | ast.List) else []
        deep = (ast.Name, ast.Tuple, ast.List) if state == KNOWN else (ast.Name,)
        shapes = shape if isinstance(shape, tuple) else (shape,) * len(elements)
        fits = bool(elements) and len(shapes) == len(elements) and shape != NEW
        starred = [each for each in elements if isinstance(each, ast.Starred)]
        own = state == KNOWN and shape == SHARED  # each program makes a list of its own
        if starred and not (own and all(isinstance(each.value, ast.Name) for each in starred)):
            fits = False
        if not fits or not all(isinstance(each, (*deep, ast.Starred)) for each in elements):
            for name in self._names(target):
                self.status[name] = LOST
            return
        names: list[str] = []
        nested: list[tuple[ast.expr, str, Shape]] = []
        for each, part in zip(elements, shapes, strict=True):
            if isinstance(each, ast.Name):
                names.append(each.id)
                self.status[each.id] = state if part == SHARED else LOST
            elif isinstance(each, ast.Starred):
                (name,) = self._names(each)
                names.append(f"*{name}")
                self.status[name] = KNOWN
            else:
                self._unpacked += 1
                names.append(f"_u{self._unpacked}")
                nested.append((each, names[-1], part))
        if state == KNOWN:
            self.line(f"{', '.join(names)}{',' if len(names) == 1 else ''} = _e.spread({text})")
        else:
            self.line(f"_u = _w.glue(lambda _v: _e.unpacked(_v, {len(names)}), {text})")
            for index, name in enumerate(names):
                self.line(f"{name} = _w.glue(lambda _v: _v[{index}], _u)")
        for each, name, part in nested:
            self._unpack(each, name, state, part)

    # ------------------------------------------------------------------ identity
    def _only_inside(self, name: str) -> bool:
        """Whether the retire program uses `name` only inside the block that is being emitted."""
        assert self.block is not None
        assert self.block.stmt is not None
        inside = {id(n) for n in walk(self.block.stmt)}
        return all(
            id(n) in inside
            for n in walk(self.facts.source.node)
            if isinstance(n, ast.Name) and n.id == name
        )

    def _parts(self, node: ast.expr) -> Shape:
        """Which parts of what is unpacked are objects made anew: the value itself is dropped, they stay."""
        if isinstance(node, ast.Tuple | ast.List) and not any(
            isinstance(each, ast.Starred) for each in node.elts
        ):
            return tuple([NEW if self.fresh.value(each) else SHARED for each in node.elts])
        plain = isinstance(node, ast.Name | ast.Subscript | ast.Attribute)
        return SHARED if plain and not self.fresh.elements(node) else NEW

    # ------------------------------------------------------------------ shared values
    def _key(self, site: int) -> str:
        """Text of what names one execution of `site`: its number, with the indices of the loops around it."""
        return f"({site}, {', '.join(self.keys)})" if self.keys else str(site)

    def _loops_now(self) -> tuple[int, ...]:
        return tuple(int(key[2:]) for key in self.keys)

    def _keep(self, op: Op, text: str, state: int) -> str | None:
        """Offer a value that both programs must share."""
        statement = op.stmt
        node = getattr(statement, "value", None)
        if isinstance(statement, ast.Assign) and len(statement.targets) > 1:
            return None  # one value, offered once
        if (
            not isinstance(statement, ast.Assign | ast.AnnAssign)
            or op.origin is not statement
            or node is None
        ):
            return None
        number = self.next_site
        within = set(walk(node))
        inner = tuple(site.number for site in self.function.sites if site.node in within)
        if any(isinstance(each, ast.NamedExpr) for each in within):
            return None  # the names in it are bound in their turn
        if inner and self.in_order:
            return None  # each of its calls has a turn of its own
        self.next_site += 1
        self.issue.kept[number] = (node, self._loops_now(), inner)
        keep = "keep" if state == KNOWN else "keep_pending"
        return f"_w.{keep}({self._key(number)}, {self.region.number}, {text})"
