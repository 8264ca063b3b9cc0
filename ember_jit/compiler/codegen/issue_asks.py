"""What an issue program makes sure of before it goes past code that it does not run.

    # user                              # issue program
    if inputs["h"]: log = 1             _w.ask(1, lambda inputs: _e.item(inputs, 'h'), inputs)
    tail = s["t"] + inputs["z"]         _w.ask(3, lambda inputs: _e.item(inputs, 'z'), inputs)
    b = self.b(inputs=1)                _t2 = _w.call(...)

Only the retire program runs `if inputs["h"]`, in its turn.  Were `inputs["h"]` an object whose class answers with
code of its own, `self.b` would have started before that code has run.  So the issue program asks (`runtime.asking`),
and ends where the answer is no.

What is inferred of a callee is inferred for plain arguments, so a call of one asks of what it is given, unless
the run can look at the arguments themselves when it issues the call.

A value is *wild* if it came from elsewhere: an argument, `self`, a global, the result of a call that may give any
object.  Values that the function makes from plain ones are not, nor is what a declared call gives (a declaration
covers what is done with its result), nor containers made here: what is wild is looked at when it is put into one.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any

from ember_jit.compiler.analysis.asks import Ask, Asks, owner, root
from ember_jit.compiler.analysis.values import SCALAR, Known, Method, OneOf
from ember_jit.compiler.codegen.guard import CannotGuard
from ember_jit.compiler.codegen.issue_values import KNOWN, LOST, MAYBE, IssueValues
from ember_jit.compiler.codegen.names import called_name
from ember_jit.ir.ops import Op, base
from ember_jit.ir.syntax import walk
from ember_jit.runtime.asking import CALLS, DEEP, MEMBER, PATH, SHALLOW
from ember_jit.runtime.makers import makes_containers

_KEEPS = frozenset({"append", "insert", "appendleft"})
_Source = tuple[
    str, ast.expr, bool
]  # a name, what it may be or hold, and whether it is that itself


class IssueAsks(IssueValues):
    """Emits the questions.

    Attributes:
        wild: names that may hold a value from elsewhere.
        asked: names -> how far the region looks at what they hold.
        tainted: names that may hold a wild value, or one that holds one.
    """

    wild: set[str]
    tainted: set[str]
    asked: dict[str, int]

    def find_asked(self, ops: list[Op], params: Iterable[str]) -> None:
        """Find out which names matter, before anything is emitted."""
        self._asks = Asks(self.facts)
        self._defined: dict[str, list[Op]] = {}
        self._comp_of: dict[Op, Op] = {}
        self._in_branch: set[Op] = set()
        self._asked_already: set[tuple[str, int, str]] = set()
        for op in ops:
            for value in op.defs if not op.regions or op.kind == "for" else ():
                self._defined.setdefault(base(value), []).append(op)
            if op.kind == "comp":
                self._comp_of.update((i, op) for i in op.walk() if i.kind == "emit")
            elif op.kind == "if":
                self._in_branch.update(op.walk())
        self._inputs = set(params)
        self._op_asks = {op: self._asks_of(op) for op in ops}
        self._sources = {op: self._sources_of(op) for op in ops}
        self._find_levels(ops)
        self._find_wild(ops)
        self._puts = {op: self._puts_of(op) for op in ops}

    def asked_by_name(self) -> set[str]:
        """Wild values with a name of their own: the issue program must know them to ask."""
        passed: set[Op] = set()
        for op in self.everything:
            if op.kind in ("if", "for", "while"):
                inner = list(op.walk())
                if not any(each.kind in ("call", "helper", "emit") for each in inner):
                    passed.update(inner)  # left to the retire program as a whole
        return {
            base(value)
            for op in self.everything
            if op.kind == "glue" and op not in passed
            for value in op.defs
            if base(value) in self.wild and base(value) in self.asked
        }

    def _find_levels(self, ops: list[Op]) -> None:
        self.asked = {}
        work = [(ask.path, ask.level) for op in ops for ask in self._op_asks[op]]
        by_name: dict[str, list[_Source]] = {}
        for sources in self._sources.values():
            for source in sources:
                by_name.setdefault(source[0], []).append(source)
        while work:
            path, level = work.pop()
            name = root(path)
            level = level if isinstance(path, ast.Name) else DEEP
            if level <= self.asked.get(name, PATH):
                continue
            self.asked[name] = level
            work += [(each, level if itself else DEEP) for _, each, itself in by_name.get(name, ())]

    def _find_wild(self, ops: list[Op]) -> None:
        env = self.facts.env
        filled = self.mutated & self._inputs  # `check_inputs` has looked at them
        self.wild = {name for name in self._inputs - filled if env.get(name) != SCALAR}
        self.wild |= {base(op.defs[0]) for op in ops if self._gives_anything(op)}
        self.tainted = set(self.wild)
        changed = True
        while changed:
            before = len(self.wild) + len(self.tainted)
            for op in ops:
                for name, path, itself in self._sources[op]:
                    alias = op.kind == "for" or (itself and op not in self._in_branch)
                    if alias and self._is_wild(path):
                        self.wild.add(name)
                    if root(path) in self.tainted or self._is_wild(path):
                        self.tainted.add(name)
            changed = len(self.wild) + len(self.tainted) > before

    def _is_wild(self, path: ast.expr) -> bool:
        name = root(path)
        return name in self.wild or name not in self.local

    def _gives_anything(self, op: Op) -> bool:
        """Whether the result of a call may be an object of any class."""
        if op.kind not in ("call", "helper") or not isinstance(op.origin, ast.Call):
            return False
        fact = self.facts.calls.get(op.origin)
        if fact is None:
            return True
        inference, callee = self.facts.inference, fact.callee
        if isinstance(callee, OneOf):
            return not all(inference.of(obj).effect.plain for obj in callee.objs)
        if isinstance(callee, Known):
            return not inference.of(callee.obj).effect.plain
        if isinstance(callee, Method):
            return not inference.of_method(callee.function, callee.owner).effect.plain
        return not fact.effect.plain

    def _is_vouched_for(self, op: Op) -> bool:
        """Whether what is known of a call holds for any arguments, because its callee was declared."""
        fact = self.facts.calls.get(op.origin) if isinstance(op.origin, ast.Call) else None
        if fact is None:
            return False
        if isinstance(fact.callee, OneOf):
            return all(self.facts.inference.of(obj).effect.declared for obj in fact.callee.objs)
        return fact.effect.declared

    def check_arguments(self, op: Op, callee: str, trees: list[ast.expr]) -> None:
        """Ask what `check` does, of a call whose arguments the run will not see when it is issued."""
        self.check(op)
        if self._is_vouched_for(op) and self._names(*trees) & self.tainted:
            self.line(f"_w.vouched({callee})")  # the callee at hand may be another

    def trusts(self, op: Op) -> bool:
        """Whether the result of a call is asked something without a question, because no call like it gives objects."""
        temp = base(op.defs[0])
        return temp in self.asked and temp not in self.wild

    # ------------------------------------------------------------------ one op
    def _asks_of(self, op: Op) -> list[Ask]:
        """What the retire program asks in `op` itself, not in the ops inside."""
        ask = self._asks.of
        if op.kind == "call" and isinstance(op.value, ast.Call):
            found: list[Ask] = []  # the callee is looked up here in any case
            level = PATH if self._is_vouched_for(op) else CALLS
            for arg in op.value.args:
                found += ask(arg, level)
            for keyword in op.value.keywords:
                found += ask(keyword.value, max(level, SHALLOW) if keyword.arg is None else level)
            return found
        if op.kind == "helper" and isinstance(op.value, ast.Call):
            parts = [*op.value.args, *[k.value for k in op.value.keywords]]
            return [each for part in parts for each in ask(part, DEEP)]
        if op.kind in ("if", "while", "assert", "for"):
            return ask(op.value, SHALLOW)
        if op.kind == "emit":
            return self._asks_of_element(op)
        if op.kind == "mutate":
            return self._asks_of_change(op)
        if op.kind != "glue":
            return []
        if op.value is None:
            return self._asks_of_later(op.origin)
        unpacks = isinstance(op.target, ast.Tuple | ast.List)
        deep = unpacks and any(not isinstance(each, ast.Name) for each in op.target.elts)  # type: ignore[union-attr]
        return ask(op.value, DEEP if deep else SHALLOW if unpacks else PATH)

    def _asks_of_element(self, op: Op) -> list[Ask]:
        comp = self._comp_of.get(op)
        node = comp.value if comp is not None else None
        if isinstance(node, ast.DictComp) and isinstance(op.value, ast.Tuple):
            return [*self._asks.of(op.value.elts[0], DEEP), *self._asks.of(op.value.elts[1])]
        return self._asks.of(op.value, DEEP if isinstance(node, ast.SetComp) else PATH)

    def _asks_of_change(self, op: Op) -> list[Ask]:
        if isinstance(op.target, ast.Subscript):
            keys = [each.slice for each in walk(op.target) if isinstance(each, ast.Subscript)]
            asks = [ask for key in keys for ask in self._asks.of(key, DEEP)]
            return [*asks, *self._asks.of(op.value)]
        if not isinstance(op.value, ast.Call):
            return self._asks.of(op.value, SHALLOW)  # `xs += ys`
        kept = called_name(op.value.func) in _KEEPS
        return [
            each for arg in op.value.args for each in self._asks.of(arg, PATH if kept else DEEP)
        ]

    def _asks_of_later(self, node: Any) -> list[Ask]:
        """A function, lambda or generator: nobody knows when its body runs."""
        if isinstance(node, ast.Lambda | ast.GeneratorExp):
            return self._asks.of(node)
        if not isinstance(node, ast.FunctionDef):
            return []
        own = {inner.arg for inner in walk(node) if isinstance(inner, ast.arg)}
        own |= {n.id for n in walk(node) if isinstance(n, ast.Name) and not _is_read(n)}
        read = [n for s in node.body for n in walk(s) if isinstance(n, ast.Name) and _is_read(n)]
        return [Ask(name, DEEP) for name in read if name.id in self.local and name.id not in own]

    def _sources_of(self, op: Op) -> list[_Source]:
        """What the names that `op` binds may be, or hold from now on."""
        holds = self._asks.holds
        if op.kind == "glue" and op.value is not None and op.target is not None:
            whole = isinstance(op.target, ast.Name)
            names = [base(value) for value in op.defs]
            if isinstance(op.target, ast.Tuple) and isinstance(op.value, ast.Tuple):
                return _paired(op.target, op.value, names, self._asks)
            return [
                (name, path, itself or not whole)
                for name in names
                for path, itself in holds(op.value)
            ]
        if op.kind == "for":
            names = [n.id for n in walk(op.target) if isinstance(n, ast.Name)] if op.target else []
            return [(name, path, False) for name in names for path, _ in holds(op.value)]
        if op.kind == "emit" and op in self._comp_of:
            temp = base(self._comp_of[op].defs[0])
            return [(temp, path, False) for path, _ in holds(op.value)]
        if op.kind == "mutate" and op.value is not None:
            values = op.value.args if isinstance(op.value, ast.Call) else [op.value]
            name = base(op.defs[0])
            return [(name, path, False) for value in values for path, _ in holds(value)]
        return []

    def _puts_of(self, op: Op) -> list[Ask]:
        """Wild values that `op` puts where they will be asked without being known by a name of their own."""
        return [
            Ask(path, self.asked[name] if itself else DEEP)
            for name, path, itself in self._sources[op]
            if name not in self.wild and name in self.asked and self._is_wild(path)
            if self.asked[name] >= MEMBER or itself
        ]

    # ------------------------------------------------------------------ emitting
    def check_inputs(self) -> None:
        """Containers made before the region, which it goes on filling: only the retire program has them."""
        for name in sorted(self.mutated & self._inputs):
            self.line(f"_w.owns({name})")
            if name in self.asked:
                self.line(f"_w.asked({self.asked[name]}, {name})")

    def check_genuine(self, op: Op) -> None:
        """What was taken for a builtin must be one."""
        taken = [each for each in op.relies_on if self.facts.live(each) is not None]
        if taken and not self.in_block:  # not `"".join`
            self.line(f"_w.genuine({', '.join(self._callee(each) for each in taken)})")

    def check_makers(self, op: Op) -> None:
        """Of a container that the region goes on changing: what makes it must be what it was taken for."""
        if self.in_block or not {base(value) for value in op.defs} & self.mutated:
            return
        makers: list[ast.expr] = []
        for node in walk(op.value) if op.value is not None else ():
            if isinstance(node, ast.Call) and makes_containers(self.facts.live(node.func)):
                kept = [each for each in node.args if isinstance(each, ast.Name)]
                makers += [node.func, *[e for e in kept if self.facts.live(e) is not None]]
        if makers:
            texts = [ast.unparse(self.guard.expr(each)) for each in makers]
            self.line(f"_w.makes({', '.join(dict.fromkeys(texts))})")

    def check(self, *ops: Op, evaluated: bool = False, within: Op | None = None) -> None:
        """Ask what the retire program asks in `ops` and in those inside them.

        Args:
            ops: what is left to the retire program, at least for now.
            evaluated: the issue program works their own expressions out here, and so asks itself.
            within: the op around them that has not been walked yet either.
        """
        if self.in_block:
            return
        inner = [each for op in ops for each in op.walk()]
        asks = [ask for op in inner for ask in self._puts[op]]
        if not evaluated:
            asks += [ask for op in inner for ask in self._op_asks[op]]
        asks = [ask for ask in asks if self._is_wild(ask.path)]
        if not asks:
            return
        around = inner if within is None else list(within.walk())
        for ask in self._resolved(asks, around):
            self._ask(ask)

    def _resolved(self, asks: list[Ask], inner: list[Op]) -> list[Ask]:
        """Asks of names that are bound inside, as asks of what those may be."""
        inside = {
            name
            for op in inner
            for name in map(base, op.defs)
            if name not in self._inputs and set(self._defined.get(name, ())) <= set(inner)
        }
        found: dict[tuple[str, str], Ask] = {}
        work, seen = list(asks), set[tuple[str, int]]()
        while work:
            ask = work.pop(0)
            name = root(ask.path)
            if not self._is_wild(ask.path):
                continue
            if name not in inside:
                key = ast.dump(ask.path), ask.method
                if key not in found or found[key].level < ask.level:
                    found[key] = ask
                continue
            level = ask.level if isinstance(ask.path, ast.Name) else DEEP
            if (name, level) in seen:
                continue
            seen.add((name, level))
            sources = [each for op in inner for each in self._sources[op] if each[0] == name]
            if not sources:  # the result of a call in there: nobody knows it yet
                found[name, ""] = Ask(ast.Name(name, ast.Load()), DEEP)
            work += [Ask(path, level if itself else DEEP) for _, path, itself in sources]
        return list(found.values())

    def _ask(self, ask: Ask) -> None:
        path, level = ask.path, ask.level
        names = sorted(self._names(path) & self.local)
        lost = [name for name in names if self.status.get(name, LOST) == LOST]
        pending = [name for name in names if self.status.get(name) == MAYBE]
        if self.status.get(root(path), KNOWN) == LOST:
            self.line("return _w.stop()")
            return
        if (lost or pending) and set(lost + pending) - {root(path)}:
            path, level = self._known_part(path, set(lost + pending)), DEEP
            ask = Ask(path, level)
            names = sorted(self._names(path) & self.local)
        if isinstance(path, ast.Name) and level == PATH and not ask.method:
            return
        try:
            text = ast.unparse(self.guard.expr(path))
        except CannotGuard:
            self.line("return _w.stop()")
            return
        key = (text, level, ask.method)
        if key in self._asked_already:
            return
        if (
            self.depth == 1
            and not self.in_part
            and not any(name in self._defined for name in names)
        ):
            self._asked_already.add(key)  # it stands in front of all that follows
        given = [f"(yield {n})" if self.status.get(n) == MAYBE else n for n in names]
        if text in names and not ask.method:
            self.line(f"_w.asked({level}, {given[0]})")
            return
        method = f", {ask.method!r}" if ask.method else ", None"
        values = "".join(f", {value}" for value in given)
        self.line(f"_w.ask({level}{method}, lambda {', '.join(names)}: {text}{values})")

    def _known_part(self, path: ast.expr, unknown: set[str]) -> ast.expr:
        """The longest beginning of `path` that is looked up with known values alone."""
        while (self._names(path) - {root(path)}) & unknown:
            path = owner(path)
        return path


def _is_read(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Load)


def _paired(target: ast.Tuple, value: ast.Tuple, names: list[str], asks: Asks) -> list[_Source]:
    """`a, b = x, [y]`: each name gets its own part, where they can be told apart."""
    starred = any(isinstance(each, ast.Starred) for each in (*target.elts, *value.elts))
    plain = all(isinstance(each, ast.Name) for each in target.elts)
    if starred or not plain or len(target.elts) != len(value.elts):
        return [(name, path, True) for name in names for path, _ in asks.holds(value)]
    return [
        (name.id, path, itself)
        for name, part in zip(target.elts, value.elts, strict=True)
        if isinstance(name, ast.Name)
        for path, itself in asks.holds(part)
    ]
