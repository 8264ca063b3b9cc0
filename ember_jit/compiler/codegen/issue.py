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
from dataclasses import dataclass, field
from typing import Any

from ember_jit.compiler.analysis.body import BodyAnalysis
from ember_jit.compiler.codegen.fresh import Freshness
from ember_jit.compiler.codegen.guard import CannotGuard, Guard
from ember_jit.compiler.passes.regions import AheadRegion
from ember_jit.ir.ops import EXITS, Function, Op, Region, base

KNOWN, MAYBE, LOST = 0, 1, 2


@dataclass(slots=True)
class Issue:
    """The text of one issue program and what the retire program must know about it."""

    text: str
    name: str
    params: tuple[str, ...]
    sites: dict[int, tuple[int, ...]] = field(default_factory=dict)
    kept: dict[int, tuple[ast.expr, tuple[int, ...], tuple[int, ...]]] = field(default_factory=dict)
    loops: set[int] = field(default_factory=set)


class IssueEmitter:
    """Writes one issue program.

    Args:
        function: the lowered function.
        region: what to walk.
        facts: facts about the function's calls.
        next_site: first free number for values that are handed to the retire program.
        bounded: pause before each call when the window is full, not only in loops.
    """

    def __init__(
        self,
        function: Function,
        region: AheadRegion,
        facts: BodyAnalysis,
        next_site: int,
        bounded: bool,
    ) -> None:
        self.function = function
        self.region = region
        self.guard = Guard(facts, facts.source.class_name)
        self.facts = facts
        self.bounded = bounded
        self.next_site = next_site
        self.local = facts._locals | {base(v) for op in function.walk() for v in op.defs}
        everything = [inner for op in region.ops for inner in op.walk()]
        self.mutated = {base(op.defs[0]) for op in everything if op.kind == "mutate"}
        self.fresh = Freshness(everything, self.mutated)
        self.needed = _needed(everything)
        self.bound = function.bound.get(region.start, frozenset())
        self.status: dict[str, int] = {}
        self.parts: list[str] = []
        self.lines: list[str] = []
        self.depth = 1
        self.keys: list[str] = []
        self.loops_open = 0
        self.parents = {
            child: node
            for node in ast.walk(facts.source.node)
            for child in ast.iter_child_nodes(node)
        }
        self.in_block = False
        self.now: Op | None = None
        self.block: Op | None = None
        self.order = {op: index for index, op in enumerate(everything)}
        self.loops_of = _enclosing_loops(region.ops)
        self.mutations = [(base(op.defs[0]), op) for op in everything if op.kind == "mutate"]
        self._part_count = 0
        self._sink: list[str | None] = []
        self.issue = Issue("", f"_ahead_{region.number}", ())
        self._names_used: set[str] = set()

    # ------------------------------------------------------------------ entry
    def run(self) -> Issue:
        """Emit the program."""
        used = {base(use) for op in self.region.ops for inner in op.walk() for use in inner.uses}
        used |= (
            self._free_names()
            | {
                n.id
                for lazy in self.function.lazy
                for n in ast.walk(lazy)
                if isinstance(n, ast.Name)
            }
            & self.local
        )
        params = sorted(name for name in used if name in self.bound and not name.startswith("_t"))
        for name in self.local:
            self.status[name] = LOST
        for name in params:
            self.status[name] = LOST if name in self.mutated else KNOWN
        for lazy in self.function.lazy:  # it may run anywhere in the region
            self._require(lazy.func) if isinstance(lazy, ast.Call) else self.line(
                "return _w.stop()"
            )
        self._ops(self.region.ops)
        body = self.lines or ["    pass"]
        head = f"def {self.issue.name}({', '.join(['_w', '_e', *params])}):"
        tail = ["    return", "    yield"]
        self.issue.text = "\n".join([*self.parts, head, *body, *tail]) + "\n"
        self.issue.params = tuple(params)
        return self.issue

    def _free_names(self) -> set[str]:
        names: set[str] = set()
        for op in self.region.ops:
            for inner in op.walk():
                for tree in (inner.value, inner.target):
                    if tree is not None:
                        names |= {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
        return names & self.local

    def line(self, text: str) -> None:
        """Write one line."""
        self.lines.append("    " * self.depth + text)

    # ------------------------------------------------------------------ expressions
    def _names(self, *trees: ast.AST | None) -> set[str]:
        found: set[str] = set()
        for tree in trees:
            if tree is not None:
                _free_in(tree, frozenset(), found)
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
            text = ast.unparse(ast.fix_missing_locations(self.guard.expr(node)))
        except CannotGuard:
            return "", LOST
        if state == KNOWN or isinstance(node, ast.Name):
            return text, state
        if not self._steady(node):
            return "", LOST
        return self._delayed(self._maybe_names(node), text, node), MAYBE

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

    # ------------------------------------------------------------------ ops
    def _ops(self, ops: tuple[Op, ...]) -> None:
        for op in ops:
            outer, self.now = self.now, op
            getattr(self, "_op_" + op.kind)(op)
            self.now = outer

    def _lose(self, op: Op) -> None:
        for name in _defined(op):
            self.status[name] = LOST

    def _op_glue(self, op: Op) -> None:
        names = [base(value) for value in op.defs]
        if op.value is None or op.target is None:
            if op.value is None:
                self._lose(op)
            return
        if not any(name in self.needed for name in names):
            self._lose(op)
            return
        text, state = self.value(op.value)
        if state == LOST:
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
        if self._fresh_parts(op.value):
            self._lose(op)
            return
        self._unpack(target, text, state)

    def _unpack(self, target: ast.expr, text: str, state: int) -> None:
        if not isinstance(target, ast.Tuple | ast.List) or not all(
            isinstance(each, ast.Name) for each in target.elts
        ):
            for name in self._names(target):
                self.status[name] = LOST
            return
        names = [each.id for each in target.elts if isinstance(each, ast.Name)]
        if state == KNOWN:
            self.line(f"{', '.join(names)}{',' if len(names) == 1 else ''} = _e.spread({text})")
        else:
            self.line(f"_u = _w.glue(lambda _v: _e.unpacked(_v, {len(names)}), {text})")
            for index, name in enumerate(names):
                self.line(f"{name} = _w.glue(lambda _v: _v[{index}], _u)")
        for name in names:
            self.status[name] = state

    def _only_inside(self, name: str) -> bool:
        """Whether the retire program uses `name` only inside the block that is being emitted."""
        assert self.block is not None
        assert self.block.stmt is not None
        inside = {id(n) for n in ast.walk(self.block.stmt)}
        return all(
            id(n) in inside
            for n in ast.walk(self.facts.source.node)
            if isinstance(n, ast.Name) and n.id == name
        )

    def _fresh_parts(self, node: ast.expr) -> bool:
        return self.fresh.elements(node) or not isinstance(
            node, ast.Name | ast.Subscript | ast.Attribute | ast.Tuple | ast.List
        )

    def _key(self, site: int) -> str:
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
            or self._lambda_scope()
        ):
            return None
        number = self.next_site
        self.next_site += 1
        inner = tuple(
            site.number
            for site in self.function.sites
            if any(n is site.node for n in ast.walk(node))
        )
        self.issue.kept[number] = (node, self._loops_now(), inner)
        return f"_w.keep({self._key(number)}, {self.region.number}, {text})"

    def _lambda_scope(self) -> bool:
        return False

    # ------------------------------------------------------------------ calls
    def _register(self, op: Op) -> str:
        assert op.site is not None
        self.issue.sites[op.site] = self._loops_now()
        return self._key(op.site)

    def _op_call(self, op: Op) -> None:
        assert isinstance(op.value, ast.Call)
        node = op.value
        temp = base(op.defs[0])
        key = self._register(op)
        if self.bounded:
            self.line("if _w.full: yield")
        self.line(f"# line {op.line}: {op.text}")
        try:
            callee = ast.unparse(ast.fix_missing_locations(self.guard.callee(node.func)))
        except CannotGuard:
            callee = ""
        if not callee or self._state(node.func) != KNOWN:
            self.line("return _w.stop()")
            self.status[temp] = LOST
            return
        issued = self._call_text(node, key, callee)
        self.line(f"{temp} = {issued}")
        self.line(f"if {temp} is _w: {temp} = yield _w.parked({key})")
        self.status[temp] = MAYBE

    def _call_text(self, node: ast.Call, key: str, callee: str) -> str:
        trees = [*node.args, *[k.value for k in node.keywords]]
        state = self._state(*trees)
        inline = f"_w.inline({callee})"
        if state == LOST or (self._reads_live_out(trees)):
            return inline
        try:
            args, keywords = self.guard.arguments(node)
        except CannotGuard:
            return inline
        args_text = ast.unparse(ast.fix_missing_locations(ast.Tuple(args, ast.Load())))
        pairs: list[tuple[ast.expr | None, ast.expr]] = [
            (ast.Constant(k.arg) if k.arg else None, k.value) for k in keywords
        ]
        kwargs_text = ast.unparse(
            ast.fix_missing_locations(ast.Dict([k for k, _ in pairs], [v for _, v in pairs]))
        )
        if state == KNOWN:
            return f"_w.call({key}, {callee}, {args_text}, {kwargs_text})"
        maybe = self._maybe_names(*trees)
        if not self._steady(*trees):
            return inline
        parameters = self._parameters(maybe, *trees)
        return f"_w.call_later({key}, {callee}, lambda {parameters}: ({args_text}, {kwargs_text}), {', '.join(maybe)})"

    def _reads_live_out(self, trees: list[ast.expr]) -> bool:
        """Whether an argument is a container built here that the retire program goes on using."""
        return any(
            name in self.mutated and self._used_elsewhere(name, trees)
            for name in self._names(*trees)
        )

    def _used_elsewhere(self, name: str, trees: list[ast.expr]) -> bool:
        """Whether anything but building it, before this call, touches the container `name`.

        The issue program passes a container of its own to the call.  The retire program's must not be
        seen beside it, or the two could be told apart.
        """
        mine = {id(n) for tree in trees for n in ast.walk(tree)}
        first = min((getattr(tree, "lineno", 0) for tree in trees), default=0)
        for inner in ast.walk(self.facts.source.node):
            if not isinstance(inner, ast.Name) or inner.id != name or id(inner) in mine:
                continue
            if not isinstance(inner.ctx, ast.Load):
                continue
            if inner.lineno >= first or self.keys or not self._only_looks(inner):
                return True
        return False

    def _only_looks(self, node: ast.Name) -> bool:
        """Whether this use of a container neither keeps it nor hands it on."""
        parent = self.parents.get(node)
        if isinstance(parent, ast.Attribute | ast.Subscript | ast.Compare | ast.UnaryOp):
            return True
        if isinstance(parent, ast.For | ast.comprehension):
            return parent.iter is node
        if isinstance(parent, ast.If | ast.While):
            return True
        if isinstance(parent, ast.Call) and isinstance(parent.func, ast.Name):
            return parent.func.id in ("len", "sum", "sorted", "min", "max", "list", "tuple", "set")
        return False

    def _op_helper(self, op: Op) -> None:
        assert isinstance(op.value, ast.Call)
        node = op.value
        temp = base(op.defs[0])
        self.status[temp] = LOST
        try:
            callee = ast.unparse(ast.fix_missing_locations(self.guard.callee(node.func)))
            args, keywords = self.guard.arguments(node)
        except CannotGuard:
            self.line("return _w.stop()")
            return
        if self._state(node.func) != KNOWN:
            self.line("return _w.stop()")
            return
        trees = [*node.args, *[k.value for k in node.keywords]]
        state = self._state(*trees)
        if temp not in self.needed or state == LOST or self._reads_mutated(*trees):
            self.line(f"_w.require({callee})")
            return
        key = self._register(op)
        call = ast.Call(
            ast.Attribute(ast.Name("_w", ast.Load()), "helper", ast.Load()),
            [ast.parse(callee, mode="eval").body, *args],
            keywords,
        )
        text = ast.unparse(ast.fix_missing_locations(call))
        self.line(f"_w.require({callee})")
        if state == MAYBE:
            text = self._delayed(self._maybe_names(*trees), text, *trees, node.func)
        self.line(f"{temp} = _w.keep({key}, {self.region.number}, {text})")
        self.status[temp] = state

    def _op_mutate(self, op: Op) -> None:
        name = base(op.defs[0])
        state = self.status.get(name, LOST)
        if name not in self.needed or state == LOST:
            self.status[name] = LOST
            return
        text = self._mutation(op, name)
        if text is None:
            self.status[name] = LOST
            return
        trees = self._mutation_operands(op)
        total = max(state, self._state(*trees))
        if total == LOST:
            self.status[name] = LOST
        elif total == KNOWN:
            self.line(text)
        else:
            names = sorted({name, *self._maybe_names(*trees)})
            rest = [tree for tree in trees if not (isinstance(tree, ast.Name) and tree.id == name)]
            self.line(f"{name} = {self._delayed(names, text, *rest)}")
            self.status[name] = MAYBE

    def _mutation_operands(self, op: Op) -> list[ast.expr]:
        if isinstance(op.target, ast.Subscript):
            return [op.target.slice, *([op.value] if op.value is not None else [])]
        return [*op.value.args] if isinstance(op.value, ast.Call) else []

    def _mutation(self, op: Op, name: str) -> str | None:
        try:
            if isinstance(op.target, ast.Subscript) and op.value is not None:
                parts = [
                    ast.Name(name, ast.Load()),
                    self.guard.expr(op.target.slice),
                    self.guard.expr(op.value),
                ]
                call: ast.expr = ast.Call(
                    ast.Attribute(ast.Name("_e", ast.Load()), "store", ast.Load()), parts, []
                )
            elif (
                isinstance(op.value, ast.Call)
                and isinstance(op.value.func, ast.Attribute)
                and not op.value.keywords
            ):
                args, _ = self.guard.arguments(op.value)
                call = ast.Call(
                    ast.Attribute(ast.Name("_e", ast.Load()), "mutate", ast.Load()),
                    [ast.Name(name, ast.Load()), ast.Constant(op.value.func.attr), *args],
                    [],
                )
            else:
                return None
        except CannotGuard:
            return None
        return ast.unparse(ast.fix_missing_locations(call))

    # ------------------------------------------------------------------ control
    def _op_return(self, op: Op) -> None:
        self.line("return _w.stop()")

    _op_raise = _op_return

    def _op_break(self, op: Op) -> None:
        self.line(
            op.kind if self.loops_open else "return _w.stop()"
        )  # the loop may stand around the region

    _op_continue = _op_break

    def _op_assert(self, op: Op) -> None:
        assert op.value is not None
        test = self._decision(op.value)
        self.line(f"if not {test}: return _w.stop()" if test else "return _w.stop()")

    def _decision(self, node: ast.expr) -> str:
        """Text for the truth of `node`, waiting for it if need be; empty if it is lost."""
        text, state = self.value(node)
        if state == LOST:
            return ""
        return f"_e.truth((yield {text}))" if state == MAYBE else f"_e.truth({text})"

    def _op_if(self, op: Op) -> None:
        assert op.value is not None
        inner = [each for region in op.regions for o in region.ops for each in o.walk()]
        calls = any(each.kind in ("call", "helper", "emit") for each in inner)
        exits = _has_exit(op)
        wanted = bool(_defined(op) & self.needed)
        if not (calls or exits or wanted):
            self._lose(op)
            return
        text, state = self.value(op.value)
        if state == LOST:
            if exits:
                self.line("return _w.stop()")
            else:
                self._skip(op)
            return
        if state == KNOWN or exits:
            self._inline_if(op, self._decision(op.value))
            return
        if self._glue_block(op):
            return
        if any(each.kind == "emit" for each in inner) and self._sink:
            self._sink[-1] = None
        self._fork(op, text, "if")

    def _glue_block(self, op: Op) -> bool:
        """A branch or loop without calls, over pending values: one piece of glue, evaluated when they are there."""
        inner = [each for region in op.regions for o in region.ops for each in o.walk()]
        if self.in_block or any(
            each.kind not in ("glue", "mutate", "if", "for", "while", "break", "continue")
            for each in inner
        ):
            return False
        if op.kind == "if" and any(each.kind in ("break", "continue") for each in inner):
            return False
        outputs = sorted(n for n in _defined(op) & self.needed if self.status.get(n, LOST) != LOST)
        names = {n for each in op.walk() for n in self._names(each.value, each.target)} & self.local
        taken = sorted(n for n in names if self.status.get(n, LOST) != LOST)
        if not outputs:
            return False
        self._part_count += 1
        name = f"_ahead_{self.region.number}_{self._part_count}"
        saved = (
            self.lines,
            self.depth,
            dict(self.status),
            self.loops_open,
            self.keys,
            set(self.issue.loops),
        )
        self.lines, self.depth, self.loops_open, self.keys = [], 1, 0, []
        self.in_block, self.block = True, op
        for each in taken:
            self.status[each] = KNOWN
        getattr(self, "_op_" + op.kind)(op)
        outputs = [each for each in outputs if self.status.get(each, LOST) == KNOWN]
        self.line(f"return ({', '.join(outputs)},)")
        body = self.lines
        self.in_block, self.block = False, None
        self.lines, self.depth, self.status, self.loops_open, self.keys, self.issue.loops = saved
        if not outputs:
            return False
        self.parts.append(
            "\n".join([f"def {name}({', '.join(['_w', '_e', *taken])}):", *body]) + "\n"
        )
        maybe = [n for n in taken if self.status[n] == MAYBE]
        known = [n for n in taken if self.status[n] == KNOWN]
        parameters = ", ".join([*maybe, *[f"{n}={n}" for n in known]])
        call = f"_w.parts[{name!r}]({', '.join(['_w', '_e', *taken])})"
        self.line(f"_v = _w.glue(lambda {parameters}: {call}, {', '.join(maybe)})")
        self._lose(op)
        for index, each in enumerate(outputs):
            self.line(f"{each} = _w.glue(lambda _v: _v[{index}], _v)")
            self.status[each] = MAYBE
        return True

    def _inline_if(self, op: Op, test: str) -> None:
        before = dict(self.status)
        arms = []
        for index, region in enumerate(op.regions):
            if index and not region.ops:
                arms.append((dict(before), False))
                continue
            self.line(f"if {test}:" if index == 0 else "else:")
            self.status = dict(before)
            self.depth += 1
            mark = len(self.lines)
            self._ops(region.ops)
            if len(self.lines) == mark:
                self.line("pass")
            self.depth -= 1
            arms.append((self.status, bool(region.ops) and region.ops[-1].kind in EXITS))
        self.status = _meet([status for status, leaves in arms if not leaves] or [before])

    def _skip(self, op: Op) -> None:
        """Leave out what cannot be walked, after checking that nothing in it has an effect."""
        for inner in op.walk():
            if inner.kind in ("call", "helper") and isinstance(inner.value, ast.Call):
                try:
                    callee = ast.unparse(
                        ast.fix_missing_locations(self.guard.callee(inner.value.func))
                    )
                except CannotGuard:
                    callee = ""
                if not callee or self._state(inner.value.func) != KNOWN:
                    self.line("return _w.stop()")
                    break
                self.line(f"_w.require({callee})")
        self._lose(op)
        if any(inner.kind == "emit" for inner in op.walk()) and self._sink:
            self._sink[-1] = None

    def _fork(self, op: Op, gate: str, kind: str) -> None:
        """Walk what hangs on `gate` when it is known, and go on behind it meanwhile (DESIGN 3, R3)."""
        callees = self._callees(op)
        outputs = sorted({base(v) for v in op.defs} & self.needed - self.mutated)
        self._part_count += 1
        name = f"_ahead_{self.region.number}_{self._part_count}"
        used = {n for inner in op.walk() for n in self._names(inner.value, inner.target)} | set(
            outputs
        )
        captured = sorted(
            n
            for n in used
            if self.status.get(n, LOST) != LOST and n in self.local and n not in self.mutated
        )
        captured += list(self.keys)
        saved = self.lines, self.depth, dict(self.status), self.loops_open
        self.lines, self.depth, self.loops_open = [], 1, 0
        for each in self.mutated:
            self.status[each] = LOST
        for each in outputs:
            if each not in captured:
                self.line(f"{each} = _w.nothing")
        if kind == "if":
            self._inline_if(op, "_e.truth(_gate)")
        else:
            self._walk_for(op, "_gate")
        results = [
            each if self.status.get(each, LOST) != LOST else "_w.nothing" for each in outputs
        ]
        self.line(f"return ({', '.join(results)}{',' if results else ''})")
        self.line("yield")
        part = (
            "\n".join(
                [f"def {name}(_w, _e, _gate{''.join(', ' + c for c in captured)}):", *self.lines]
            )
            + "\n"
        )
        self.parts.append(part)
        self.lines, self.depth, self.status, self.loops_open = saved
        self._lose(op)
        targets = "".join(f"{each}, " for each in outputs) or "_"
        arguments = "".join(", " + c for c in captured)
        deferred = f"_w.defer(_w.parts[{name!r}], {len(outputs)}, {gate}{arguments})"
        waited = f"yield from _w.parts[{name!r}](_w, _e, (yield {gate}){arguments})"
        if callees is None:
            self.line(f"{targets.rstrip()} = {waited}")
        else:
            if callees:
                self.line(f"if _w.clear({', '.join(callees)}):")
                self.line(f"    {targets.rstrip()} = {deferred}")
                self.line("else:")
                self.line(f"    {targets.rstrip()} = {waited}")
            else:
                self.line(f"{targets.rstrip()} = {deferred}")
        for each in outputs:
            self.status[each] = MAYBE

    def _callees(self, op: Op) -> list[str] | None:
        """Receivers of all calls in `op`, if they can be looked up now; None if one cannot."""
        found: list[str] = []
        inside = {base(value) for inner in op.walk() if inner is not op for value in inner.defs}
        for inner in op.walk():
            if inner.kind not in ("call", "helper") or not isinstance(inner.value, ast.Call):
                continue
            func = inner.value.func
            if (
                self._state(func) != KNOWN
                or self._names(func) & inside
                or self._names(func) & self._names(op.target)
            ):
                return None
            try:
                found.append(ast.unparse(ast.fix_missing_locations(self.guard.callee(func))))
            except CannotGuard:
                return None
        return sorted(set(found))

    # ------------------------------------------------------------------ loops
    def _op_for(self, op: Op) -> None:
        assert op.value is not None
        inner = [each for region in op.regions for o in region.ops for each in o.walk()]
        calls = any(each.kind in ("call", "helper", "emit") for each in inner)
        leaves = _leaves_function(op)
        wanted = bool(_defined(op) & self.needed)
        if not (calls or leaves or wanted):
            self._lose(op)
            return
        text, state = self.value(op.value)
        if state == LOST:
            if leaves:
                self.line("return _w.stop()")
            else:
                self._skip(op)
        elif state == KNOWN:
            self._walk_for(op, text)
        elif leaves:
            self._walk_for(op, f"(yield {text})")
        elif not self._glue_block(op):
            if any(each.kind == "emit" for each in inner) and self._sink:
                self._sink[-1] = None
            self._fork(op, text, "for")

    def _walk_for(self, op: Op, text: str) -> None:
        assert op.target is not None
        assert op.loop is not None
        self.issue.loops.add(op.loop)
        index = f"_i{op.loop}"
        self.keys.append(index)
        simple = isinstance(op.target, ast.Name)
        item = op.target.id if isinstance(op.target, ast.Name) else f"_u{op.loop}"
        targets = self._names(op.target)
        pairs = _yields_pairs(op.value)
        self.loops_open += 1
        self._stable(lambda: self._for_body(op, index, item, simple, text, targets, pairs))
        self.loops_open -= 1
        self.keys.pop()
        if op.regions[1].ops:
            self.line("else:")
            self.depth += 1
            self.line("pass")
            self._ops(op.regions[1].ops)
            self.depth -= 1

    def _for_body(
        self, op: Op, index: str, item: str, simple: bool, text: str, targets: set[str], pairs: bool
    ) -> None:
        if self.in_block:
            self.line(f"for {item} in _e.iterate({text}):")
            self.depth += 1
        else:
            self.line(f"for {index}, {item} in _w.each({text}):")
            self.depth += 1
            self.line("if _w.full: yield")
        for name in targets:
            self.status[name] = KNOWN
        if op.value is not None and self.fresh.elements(op.value):
            for name in targets:
                self.status[name] = LOST  # the retire program iterates over objects of its own
        elif simple and pairs:
            self.status[item] = (
                LOST  # a tuple made anew by the iterator: the retire program has its own
            )
        elif not simple:
            assert op.target is not None
            self._unpack(op.target, item, KNOWN)
        self._ops(op.regions[0].ops)
        self.depth -= 1

    def _stable(self, emit: Any) -> None:
        """Emit a loop body with statuses that hold at the head of every iteration."""
        before = dict(self.status)
        while True:
            saved = (
                len(self.lines),
                len(self.parts),
                self._part_count,
                self.next_site,
                dict(self.issue.kept),
                list(self._sink),
                self.depth,
            )
            entry = dict(self.status)
            emit()
            joined = _meet([entry, self.status])
            if joined == entry:
                self.status = _meet([before, self.status])
                return
            del self.lines[saved[0] :], self.parts[saved[1] :]
            self._part_count, self.next_site, self.issue.kept, self._sink, self.depth = saved[2:]
            self.status = joined

    def _op_while(self, op: Op) -> None:
        assert op.value is not None
        assert op.loop is not None
        body, orelse, test = op.regions
        everything = [each for region in op.regions for o in region.ops for each in o.walk()]
        calls = any(each.kind in ("call", "helper") for each in everything)
        if not calls and not _leaves_function(op) and not _defined(op) & self.needed:
            self._lose(op)
            return
        if (
            not calls
            and not _leaves_function(op)
            and not self.in_block
            and self._state(op.value) == MAYBE
            and self._glue_block(op)
        ):
            return
        if orelse.ops:
            self.line("return _w.stop()")
            return
        self.issue.loops.add(op.loop)
        index = f"_i{op.loop}"
        self.line(f"{index} = -1")
        self.keys.append(index)
        self.loops_open += 1
        self._stable(lambda: self._while_body(op, index, body, test))
        self.loops_open -= 1
        self.keys.pop()

    def _while_body(self, op: Op, index: str, body: Region, test: Region) -> None:
        assert op.value is not None
        self.line("while True:")
        self.depth += 1
        if not self.in_block:
            self.line("if _w.full: yield")
        self.line(f"{index} += 1")
        self._ops(test.ops)
        decision = self._decision(op.value)
        if decision:
            self.line(f"if not {decision}: break")
            self._ops(body.ops)
        else:
            self.line("return _w.stop()")
        self.depth -= 1

    def _op_comp(self, op: Op) -> None:
        temp = base(op.defs[0])
        sink = f"_parts{temp[2:]}" if temp in self.needed else None
        if sink is not None:
            self.line(f"{sink} = []")
        self._sink.append(sink)
        inside = {
            base(v) for inner in op.walk() for v in inner.defs if not base(v).startswith("_t")
        }
        saved = {name: self.status.get(name, KNOWN) for name in inside}
        self._ops(op.regions[0].ops)
        self.status.update(saved)  # a comprehension has a scope of its own
        sink = self._sink.pop()
        if sink is None:
            self.status[temp] = LOST
            return
        kind = type(op.value).__name__
        self.line(f"{temp} = _w.gather(_e.{_GATHER[kind]}, {sink})")
        self.status[temp] = MAYBE

    def _op_emit(self, op: Op) -> None:
        if not self._sink or self._sink[-1] is None or op.value is None:
            return
        text, state = self.value(op.value)
        if state == LOST:
            self._sink[-1] = None
        else:
            self.line(f"{self._sink[-1]}.append({text})")

    def _op_try(self, op: Op) -> None:
        body, *handlers, orelse, final = op.regions
        for region in (*handlers, final):
            for inner in (each for o in region.ops for each in o.walk()):
                if inner.kind in ("call", "helper") and isinstance(inner.value, ast.Call):
                    self._require(inner.value.func)
        self._ops(body.ops)
        self._ops(orelse.ops)
        leaving = [region for region in handlers if _region_leaves(region)]
        catching = [
            region for region in handlers if not (region.ops and region.ops[-1].kind == "raise")
        ]
        if catching:
            self._lose(op)
        if leaving or any(region.ops and _region_leaves(region) for region in (final,)):
            self.line("return _w.stop()")

    def _require(self, func: ast.expr) -> None:
        try:
            callee = ast.unparse(ast.fix_missing_locations(self.guard.callee(func)))
        except CannotGuard:
            callee = ""
        self.line(
            f"_w.require({callee})" if callee and self._state(func) == KNOWN else "return _w.stop()"
        )


_GATHER = {
    "ListComp": "as_list",
    "GeneratorExp": "as_list",
    "SetComp": "as_set",
    "DictComp": "as_dict",
}


def _enclosing_loops(ops: tuple[Op, ...]) -> dict[Op, frozenset[Op]]:
    """For every op the loops around it, inside the region."""
    found: dict[Op, frozenset[Op]] = {}

    def visit(op: Op, loops: frozenset[Op]) -> None:
        found[op] = loops
        inner = loops | {op} if op.kind in ("for", "while", "comp") else loops
        for region in op.regions:
            for each in region.ops:
                visit(each, inner)

    for op in ops:
        visit(op, frozenset())
    return found


def _free_in(node: ast.AST, bound: frozenset[str], found: set[str]) -> None:
    """Names that `node` mentions, those of its own comprehensions and lambdas left out."""
    if isinstance(node, ast.Name):
        if node.id not in bound:
            found.add(node.id)
        return
    if isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
        _free_in(node.generators[0].iter, bound, found)
        targets = {
            n.id for g in node.generators for n in ast.walk(g.target) if isinstance(n, ast.Name)
        }
        inner = bound | targets
        for generator in node.generators[1:]:
            _free_in(generator.iter, inner, found)
        for generator in node.generators:
            for condition in generator.ifs:
                _free_in(condition, inner, found)
        for part in (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,):
            _free_in(part, inner, found)
        return
    if isinstance(node, ast.Lambda):
        _free_in(node.body, bound | {arg.arg for arg in node.args.args}, found)
        return
    for child in ast.iter_child_nodes(node):
        _free_in(child, bound, found)


def _defined(op: Op) -> set[str]:
    """Names that `op` may bind or whose container it may change, nested ops included."""
    return {base(value) for inner in op.walk() for value in inner.defs}


def _meet(states: list[dict[str, int]]) -> dict[str, int]:
    merged: dict[str, int] = {}
    for state in states:
        for name, status in state.items():
            merged[name] = max(merged.get(name, KNOWN), status)
    return merged


def _has_exit(op: Op) -> bool:
    """Whether control may leave `op` other than at its end."""
    for region in op.regions:
        for inner in region.ops:
            if inner.kind in EXITS or inner.kind == "assert":
                return True
            if inner.kind in ("for", "while"):
                if _leaves_function(inner):
                    return True
            elif inner.regions and _has_exit(inner):
                return True
    return False


def _leaves_function(op: Op) -> bool:
    """Whether a loop may leave the function, or is left early (so that what follows in it is not certain)."""
    return any(inner.kind in ("return", "raise", "assert") for inner in op.walk())


def _region_leaves(region: Region) -> bool:
    return any(
        inner.kind in ("return", "break", "continue") for op in region.ops for inner in op.walk()
    )


def _yields_pairs(node: ast.expr | None) -> bool:
    if not isinstance(node, ast.Call):
        return False
    func = node.func
    name = (
        func.id
        if isinstance(func, ast.Name)
        else func.attr
        if isinstance(func, ast.Attribute)
        else ""
    )
    return name in ("enumerate", "zip", "items")


def _needed(ops: list[Op]) -> set[str]:
    """Names that arguments, receivers and control of calls depend on, transitively."""
    needed: set[str] = set()
    guarding = [
        op
        for op in ops
        if op.kind in ("if", "for", "while")
        and (_has_exit(op) or any(i.kind in ("call", "helper") for i in op.walk()))
    ]
    for op in ops:
        if op.kind == "call" or op.kind == "assert" or op in guarding:
            needed |= {base(use) for use in op.uses}
    changed = True
    while changed:
        changed = False
        for op in ops:
            if (
                op.kind in ("glue", "mutate", "helper", "comp", "if", "for")
                and {base(v) for v in op.defs} & needed
            ):
                uses = {base(use) for use in op.uses}
                if op.kind == "comp":
                    uses |= {
                        base(use)
                        for inner in op.walk()
                        if inner.kind in ("emit", "if")
                        for use in inner.uses
                    }
                if not uses <= needed:
                    needed |= uses
                    changed = True
    return needed
