"""Control in an issue program: branches, loops, comprehensions, exits and `try`.

    # user                               # issue program
    for doc in docs:                     for _i0, doc in _w.each(docs):
        if doc["old"]:                       if _w.full: yield
            continue                         if _e.truth(_e.item(doc, 'old')):
        s = self.a(inputs=doc)                   continue
                                             s = _w.call((0, _i0), ...)

Control that is known is walked.  Control that is pending becomes a part (`issue_parts`), unless it may
leave the function or the loop: then the program waits for it.  Control that is lost is skipped if nothing
in it has an effect, and ends the program otherwise.
"""

from __future__ import annotations

import ast
from collections.abc import Callable

from ember_jit.compiler.codegen.fresh import SHARED
from ember_jit.compiler.codegen.issue_parts import IssueParts
from ember_jit.compiler.codegen.issue_values import KNOWN, LOST, MAYBE
from ember_jit.compiler.codegen.names import defined, meet, region_leaves
from ember_jit.ir.exits import has_exit, leaves_function
from ember_jit.ir.ops import EXITS, Op, Region, base

_GATHER = {
    "ListComp": "as_list",
    "GeneratorExp": "as_list",
    "SetComp": "as_set",
    "DictComp": "as_dict",
}


class IssueControl(IssueParts):
    """Emits ops that hold others, and ops that leave them."""

    # ------------------------------------------------------------------ exits
    def _op_return(self, op: Op) -> None:
        self.line("return _w.stop()")

    _op_raise = _op_return

    def _op_break(self, op: Op) -> None:
        # without an open loop, the one that is meant stands around the region
        self.line(op.kind if self.loops_open else "return _w.stop()")

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

    # ------------------------------------------------------------------ branches
    def _op_if(self, op: Op) -> None:
        assert op.value is not None
        inner = [each for region in op.regions for o in region.ops for each in o.walk()]
        calls = any(each.kind in ("call", "helper", "emit") for each in inner)
        exits = has_exit(op)
        wanted = bool(defined(op) & self.needed)
        if not (calls or exits or wanted):
            self.check(op)
            self._lose(op)
            return
        text, state = self.value(op.value)
        if state == LOST:
            if exits:
                self.line("return _w.stop()")
            else:
                self.check(op)
                self._skip(op)
            return
        if state == KNOWN or exits:
            self._inline_if(op, self._decision(op.value))
            return
        self.check(op)
        if self._glue_block(op):
            return
        if self.in_order:  # the ledger has no place for what is walked later
            self._inline_if(op, self._decision(op.value))
            return
        if any(each.kind == "emit" for each in inner) and self._sink:
            self._sink[-1] = None
        self._fork(op, text, lambda: self._inline_if(op, "_e.truth(_gate)"))

    def _inline_if(self, op: Op, test: str) -> None:
        self._goes_through(op)
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
        self.status = meet([status for status, leaves in arms if not leaves] or [before])

    def _goes_through(self, op: Op) -> None:
        if self.in_order and not self.in_block:
            self.walked.add(op)

    def _skip(self, op: Op) -> None:
        """Leave out what cannot be walked, after checking that nothing in it has an effect."""
        for inner in op.walk():
            if inner.kind in ("call", "helper") and isinstance(inner.value, ast.Call):
                callee = self._callee(inner.value.func)
                if not callee:
                    self.line("return _w.stop()")
                    break
                self.line(f"_w.require({callee})")
        self._lose(op)
        if any(inner.kind == "emit" for inner in op.walk()) and self._sink:
            self._sink[-1] = None

    # ------------------------------------------------------------------ loops
    def _op_for(self, op: Op) -> None:
        assert op.value is not None
        inner = [each for region in op.regions for o in region.ops for each in o.walk()]
        calls = any(each.kind in ("call", "helper", "emit") for each in inner)
        leaves = leaves_function(op)
        wanted = bool(defined(op) & self.needed)
        if not (calls or leaves or wanted):
            self.check(op)
            self._lose(op)
            return
        text, state = self.value(op.value)
        if state == LOST:
            if leaves:
                self.line("return _w.stop()")
            else:
                self.check(op)
                self._skip(op)
            return
        if state == KNOWN:
            self._walk_for(op, text)
            return
        if leaves:
            self._walk_for(op, f"(yield {text})")
            return
        self.check(op)
        if not self._glue_block(op):
            if self.in_order:
                self._walk_for(op, f"(yield {text})")
                return
            if any(each.kind == "emit" for each in inner) and self._sink:
                if self._sink[-1] is not None and any(
                    op is o for o in self._comps[-1].regions[0].ops
                ):
                    self._gather_later(op, text)
                    return
                self._sink[-1] = None
            self._fork(op, text, lambda: self._walk_for(op, "_gate"))

    def _walk_for(self, op: Op, text: str) -> None:
        assert op.target is not None
        assert op.loop is not None
        self._goes_through(op)
        self.issue.loops.add(op.loop)
        index = f"_i{op.loop}"
        self.keys.append(index)
        simple = isinstance(op.target, ast.Name)
        item = op.target.id if isinstance(op.target, ast.Name) else f"_u{op.loop}"
        self.loops_open += 1
        self._stable(lambda: self._for_body(op, index, item, simple, text))
        self.loops_open -= 1
        self.keys.pop()
        if op.regions[1].ops:
            self.line("else:")
            self.depth += 1
            self.line("pass")
            self._ops(op.regions[1].ops)
            self.depth -= 1

    def _for_body(self, op: Op, index: str, item: str, simple: bool, text: str) -> None:
        assert op.target is not None
        assert op.value is not None
        if self.in_block:
            self.line(f"for {item} in _e.iterate({text}):")
            self.depth += 1
            self.line("_w.burn()")
        else:
            self.line(f"for {index}, {item} in _w.each({text}):")
            self.depth += 1
            self.line("if _w.full: yield")
        shape = self.fresh.shape(op.value)
        if simple:  # an object of its own is not the one that the retire program iterates over
            self.status[item] = KNOWN if shape == SHARED else LOST
        else:
            self._unpack(op.target, item, KNOWN, shape)
        if self.in_order and not simple and not self.in_block and shape != SHARED:
            self.line("_w.fence()")
        self._ops(op.regions[0].ops)
        self.depth -= 1

    def _stable(self, emit: Callable[[], None]) -> None:
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
            joined = meet([entry, self.status])
            if joined == entry:
                self.status = meet([before, self.status])
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
        if not calls and not leaves_function(op) and not defined(op) & self.needed:
            self.check(op)
            self._lose(op)
            return
        pending = not self.in_block and self._state(op.value) == MAYBE
        if pending and not calls and not leaves_function(op):
            self.check(op)
            if self._glue_block(op):
                return
        if orelse.ops and any(each.kind == "break" for each in everything):
            self.line("return _w.stop()")  # the `else` hangs on how the loop is left
            return
        self._goes_through(op)
        self.issue.loops.add(op.loop)
        index = f"_i{op.loop}"
        self.line(f"{index} = -1")
        self.keys.append(index)
        self.loops_open += 1
        self._stable(lambda: self._while_body(op, index, body, test))
        self.loops_open -= 1
        self.keys.pop()
        self._ops(orelse.ops)

    def _while_body(self, op: Op, index: str, body: Region, test: Region) -> None:
        assert op.value is not None
        self.line("while True:")
        self.depth += 1
        self.line("_w.burn()" if self.in_block else "if _w.full: yield")
        self.line(f"{index} += 1")
        self._ops(test.ops)
        self.await_writers(op.value)
        decision = self._decision(op.value)
        if decision:
            self.line(f"if not {decision}: break")
            self._ops(body.ops)
        else:
            self.line("return _w.stop()")
        self.depth -= 1

    # ------------------------------------------------------------------ comprehensions
    def _op_comp(self, op: Op) -> None:
        temp = base(op.defs[0])
        self.check_genuine(op)
        sink = f"_parts{temp[2:]}" if temp in self.needed else None
        self.status[temp] = LOST
        mark = len(self.lines)
        if sink is not None:
            self.line(f"{sink} = []")
        self._sink.append(sink)
        self._comps.append(op)
        own = {base(v) for inner in op.walk() if inner.kind == "for" for v in inner.defs}
        saved = {name: self.status.get(name, LOST) for name in own}
        aside: dict[str, str] = {}
        for name in sorted(own):
            if saved[name] != LOST:  # a variable of the function that has the same name
                self._unpacked += 1
                aside[name] = f"_u{self._unpacked}"
                self.line(f"{aside[name]} = {name}")
        self._ops(op.regions[0].ops)
        for inner in op.walk():
            if isinstance(
                inner.origin, ast.NamedExpr
            ):  # bound outside, by the last turn, if there was one
                self.status.update((base(v), LOST) for v in inner.defs)
        for name, kept in aside.items():
            self.line(f"{name} = {kept}")
        self.status.update(saved)  # a comprehension has a scope of its own
        if self.status[temp] == MAYBE:  # a part of its own makes it
            del self.lines[mark]
        else:
            self._gather(op)
        self._sink.pop()
        self._comps.pop()

    def _gather(self, comp: Op) -> None:
        """Behind the loops of a comprehension: what they have given, as soon as it is there."""
        sink, temp = self._sink[-1], base(comp.defs[0])
        if sink is not None:
            form = _GATHER[type(comp.value).__name__]
            self.line(f"{temp} = _w.gather(_e.{form}, {sink})")
            self.status[temp] = MAYBE

    def _gather_later(self, op: Op, gate: str) -> None:
        """The loop of a comprehension over what is not there yet: the part that walks it makes the container."""
        comp, sink = self._comps[-1], self._sink[-1]
        temp = base(comp.defs[0])
        made = []

        def walk() -> None:
            self.line(f"{sink} = []")
            self._walk_for(op, "_gate")
            self._gather(comp)
            made.append(self.status[temp])

        self._fork(op, gate, walk, (temp,))
        self.status[temp] = made[-1]
        self._sink[-1] = None

    def _op_emit(self, op: Op) -> None:
        if not self._sink or self._sink[-1] is None or op.value is None:
            self.check(op)
            return
        text, state = self.value(op.value)
        self.check(op, evaluated=state == KNOWN)
        if state == LOST or self.fresh.copied(op.value):
            self._sink[-1] = None
        else:
            self.line(f"{self._sink[-1]}.append({text})")

    # ------------------------------------------------------------------ try
    def _op_try(self, op: Op) -> None:
        body, *handlers, orelse, final = op.regions
        self.check(*[each for region in (*handlers, final) for each in region.ops], within=op)
        walked = [each for region in (body, orelse) for o in region.ops for each in o.walk()]
        jumps = any(
            each.kind in ("break", "continue") for each in walked
        )  # past what stands behind
        if jumps:
            self._require_harmless(*handlers, final)
        self._ops(body.ops)
        self._ops(orelse.ops)
        if not jumps:  # what stands behind waits for their effects, the body does not
            self._require_harmless(*handlers, final)
        leaving = [region for region in handlers if region_leaves(region)]
        catching = [
            region for region in handlers if not (region.ops and region.ops[-1].kind == "raise")
        ]
        if catching:
            self._lose(op)
        for each in final.ops:  # it has not been walked
            self._lose(each)
        if leaving or region_leaves(final):
            self.line("return _w.stop()")

    def _require_harmless(self, *regions: Region) -> None:
        """Stop here unless no call in `regions`, which are not walked, has an effect."""
        for inner in (each for region in regions for op in region.ops for each in op.walk()):
            if inner.kind in ("call", "helper") and isinstance(inner.value, ast.Call):
                self.line(self.required(inner.value.func))

    def required(self, func: ast.expr) -> str:
        """A statement that ends the program unless the callee is known to be without effect."""
        callee = self._callee(func)
        return f"_w.require({callee})" if callee else "return _w.stop()"
