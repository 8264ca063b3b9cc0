"""Random programs about order: every way to change something, between calls that would see the change.

A program is one operator whose leaves are declared.  `Look` reads the state that the program changes, and `Copy`
the inside of its argument, so a call that is made too early or too late gives another answer.  What changes the
state or a container is drawn from tables of spellings (stores, aliases, protocols of user classes, closures,
generators, context managers, ...), because each spelling is a case of its own for the compiler.  The statements
around them nest loops, handlers, branches and comprehensions.

    python -m tests.differential.generated 0:2000          compare programs with plain Python
    python -m tests.differential.generated --show 17       print one
"""

from __future__ import annotations

import linecache
import random
import sys
from typing import Any

from ember_jit import jit, structural_jit
from tests.differential.canon import Canon
from tests.differential.comparing import compare, first_difference, parsed

PRELUDE = '''\
from __future__ import annotations
import dataclasses, functools, heapq, operator
from ember_jit import Operator, pure, query

import io
SINK = io.StringIO()
STATE = {"n": 0}
G = 0

def bump(by=1):
    STATE["n"] += by
    return STATE["n"]

@query
class Look(Operator):
    """Reads what the program changes."""
    def __init__(self, owner): self.owner = owner
    def forward(self, *, inputs):
        owner = self.owner
        return {"n": STATE["n"], "g": G, "k": owner.k, "c": type(owner).shared, "in": repr(inputs)}

@pure
class Copy(Operator):
    """Reads the inside of its argument."""
    def forward(self, *, inputs): return {"was": repr(inputs), "len": len(inputs), "n": len(inputs)}

@pure
class Same(Operator):
    def forward(self, *, inputs): return inputs

@pure
class Wrap(Operator):
    def forward(self, *, inputs): return {"docs": inputs, "n": len(inputs)}

@pure
class Fail(Operator):
    """Raises for one number in three, each time in another way."""
    def forward(self, *, inputs):
        if inputs % 3 == 0:
            try:
                [][inputs]
            except IndexError as first:
                if inputs % 2: raise ValueError(inputs) from first
                raise KeyError(inputs)
        if inputs % 7 == 0: raise StopIteration(inputs)
        return {"n": inputs, "l": [inputs]}

class Manager:
    def __init__(self, swallow=False): self.swallow = swallow
    def __enter__(self): bump(); return self
    def __exit__(self, kind, exc, trace): bump(); return self.swallow and kind is not KeyError

class Hooks:
    """Each protocol changes the state."""
    def __init__(self, n=2): self.n = n
    def __bool__(self): bump(); return True
    def __len__(self): bump(); return self.n
    def __iter__(self):
        for i in range(self.n): bump(); yield i
    def __contains__(self, item): bump(); return True
    def __getitem__(self, key): return bump()
    def __setitem__(self, key, value): bump()
    def __delitem__(self, key): bump()
    def __eq__(self, other): bump(); return True
    def __lt__(self, other): bump(); return True
    def __hash__(self): return bump() * 0
    def __add__(self, other): return bump()
    def __radd__(self, other): return bump()
    def __iadd__(self, other): bump(); return self
    def __neg__(self): return bump()
    def __index__(self): bump(); return 1
    def __format__(self, spec): return str(bump())
    def __str__(self): return str(bump())
    def __repr__(self): return "hooks"
    def __call__(self, *args, **kwargs): return bump()
    def __getattr__(self, name): return bump()
    def __getstate__(self): return {"n": self.n}
    def keys(self): bump(); return ["a"]
    @property
    def prop(self): return bump()
    @prop.setter
    def prop(self, value): bump()

class Descr:
    def __get__(self, owner, kind=None): return bump()
    def __set__(self, owner, value): bump()

def gen(n):
    for i in range(n): bump(); yield i

def deco(f):
    bump(); return f

def touch(*lists, **words):
    for each in (*lists, *words.values()):
        if isinstance(each, list): each.append(0)
    return len(lists)

def add_to(x, into=[]):
    into.append(x); return len(into)

class Base(Operator):
    shared = 0
    descr = Descr()
    def __init__(self):
        self.k = 0
        self.look, self.copy, self.same, self.wrap, self.fail = Look(self), Copy(), Same(), Wrap(), Fail()
        self.ops = [self.look, self.same]
        self.named = {"a": self.look, "b": self.copy}
        self.h = Hooks()
        self.kept = []
    @property
    def prop(self): return bump()
    @prop.setter
    def prop(self, value): bump()
    def up(self): self.k += 1; return self.k
    def ask(self, x): return self.look(inputs=x)
    def helper(self, xs): return [self.copy(inputs=xs), self.look(inputs=len(xs))]
    def both(self, *args, **kwargs): return self.look(inputs=args), self.look(inputs=kwargs)
'''

#: spellings of a change of state; `{i}` is a number, `{l}` a list
CHANGES = """\
bump()|self.k += 1|self.k = {i}|self.k: int = {i}|setattr(self, "k", {i})|self.up()|type(self).shared += 1|globals()["G"] += 1
STATE["n"] += 1|STATE.update(n={i})|STATE["n"] = {i}|del self.h[0]|self.h[0] = 1|self.h[0]|self.h.nope|self.h.prop|self.h.prop = 1
self.prop|self.prop = 1|self.descr|self.descr = 1|self.h()|self.h + 1|1 + self.h|-self.h|f"{{self.h}}"|str(self.h)|self.h == 1|self.h < 1
1 in self.h|len(self.h)|[*self.h]|list(self.h)|{{**self.h}}|dict(self.h)|{{self.h: 1}}|hash(self.h)|sum(self.h)|sorted(self.h)|max(self.h)
not self.h|self.h and 1|1 if self.h else 2|[1, 2, 3][self.h]|a, b = self.h|a, *b = self.h|(a := self.h + 1)|"%s" % self.h|"{{}}".format(self.h)
list(map(bump, [1, 2]))|[bump() for _ in {l}]|{{bump() for _ in {l}}}|{{bump(): 1 for _ in {l}}}|list(gen(2))|sum(gen(2))|any(gen(2))|all(i < 1 for i in gen(3))
sorted({l}, key=lambda v: bump())|max({l} or [1], key=lambda v: -bump())|functools.reduce(lambda p, q: bump(), {l}, 0)|next(gen(1))|next(iter(self.h))
[x for x in self.h]|[self.h for x in {l} if self.h]|(lambda: bump())()|(lambda v=bump(): v)()|assert self.h|vars(self)["k"] = {i}|object.__setattr__(self, "k", {i})
operator.setitem(STATE, "n", {i})|exec("bump()")|self.__dict__["k"] = {i}|print(self.h, end="", file=SINK)|a = b = self.h.prop|self.k, a = {i}, 1|[self.k, *a] = {l} or [0]
later()|[later() for _ in range(2)]|self.kept.append(bump())|isinstance(self.h, Hooks) and self.h.x|del self.k; self.k = {i}|{i} < self.h < 3|self.h != 0|a = b = c = self.h + 1"""

#: the same as blocks
BLOCKS = [
    "with Manager(): pass",
    "with Manager() as m: a = m.swallow",
    "with Manager(True): {i} // 0",
    "for self.k in {l}: pass",
    "for a in self.h: pass",
    "for a in gen(2): pass",
    "while self.h.n < 0 or not self.h: pass",
    "for a, self.k in [(1, {i})]: pass",
    "def inner(v=bump()): return v",
    "@deco\ndef inner(): return 1",
    "class K: z = bump()",
    "class K(Manager): pass\nwith K(): pass",
    "try: raise ValueError(bump())\nexcept ValueError: pass",
    "try: pass\nfinally: bump()",
    "try: {i} // 0\nexcept ZeroDivisionError: self.up()",
    "match self.h:\n    case Hooks(prop=p): pass",
    "match {l}:\n    case [a, *_] if self.h: pass\n    case _: bump()",
    "if self.h: pass",
    "global G\nG += 1",
    "def up():\n    nonlocal n\n    n += 1\n    return bump()\nup()",
    "g = gen(2)\nnext(g)\nfor a in g: break",
    "import json as j_\nj_.bumped = bump()",
]

#: spellings of a change of the list `xs`, which leaves may hold
MUTATIONS = """\
xs.append({i})|xs[:1] = [{i}]|xs += [{i}]|xs *= 2|xs[:] = {l}|del xs[:1]|xs.extend({l})|xs.insert(0, {i})|xs.reverse()|xs.sort()|xs.clear()|xs and xs.pop()
ys = xs; ys.append({i})|(ys := xs).append({i})|ys, zs = xs, 1; ys.append({i})|[xs][0].append({i})|(xs,)[0].append({i})|{{"a": xs}}["a"].append({i})
box["xs"].append({i})|box.get("xs", []).append({i})|box.setdefault("xs", xs).append({i})|(xs if {i} else ys).append({i})|(xs or ys).append({i})
add = xs.append; add({i})|list.append(xs, {i})|heapq.heappush(xs, {i})|operator.iadd(xs, [{i}])|touch(xs)|touch(*[xs])|touch(l=xs)|touch(**{{"l": xs}})
add_to({i}, xs)|self.same(inputs=xs).append({i})|self.wrap(inputs=xs)["docs"].append({i})|self.same(inputs=[xs])[0].append({i})
[xs.append(v) for v in range(2)]|[ys.append({i}) for ys in [xs]]|list(map(xs.append, [1, 2]))|(lambda: xs.append({i}))()|(lambda q: q.append({i}))(xs)
self.kept = xs; self.kept.append({i})|self.kept.append(xs); self.kept[-1].append({i})|max([xs], key=len).append({i})|next(iter([xs])).append({i})
ys = [xs]; ys[0].append({i})|ys = [xs for _ in range(2)]; ys[1].append({i})|dict(a=xs)["a"].append({i})|ys = list([xs]); ys[0].append({i})|grow({i})
ys = [[q] for q in {l}]; ys.append(xs); ys[-1].append({i})|zip_ = [p for p in zip([xs], [1])]; zip_[0][0].append({i})|ys = [xs] + []; ys[0].append({i})
ys = sorted([xs]); ys[0].append({i})|ys = [xs][:]; ys[0].append({i})|ys = (xs,) * 2; ys[1].append({i})|ys = [xs].copy(); ys[0].append({i})"""

MUTATING_BLOCKS = [
    "for ys in [xs]: ys.append({i})",
    "for j, ys in enumerate([xs]): ys.append(j)",
    "for ys in (xs, []): ys.append({i})",
    "for ys in {{'a': xs}}.values(): ys.append({i})",
    "match [xs]:\n    case [ys]: ys.append({i})",
    "def put(q=xs): q.append({i})\nput()",
    "try: raise ValueError(xs)\nexcept ValueError as exc: exc.args[0].append({i})",
    "class K: held = xs\nK.held.append({i})",
    "g = (q for q in [xs])\nfor ys in g: ys.append({i})",
]

#: expressions that call leaves; the first group gives dicts with "n"
CALLS = """\
self.look(inputs={i})|self.look(inputs=xs)|self.copy(inputs=xs)|self.wrap(inputs=xs)|self.fail(inputs={i})|self.ask({i})|self.look(inputs=n)
self.look(inputs=(n, {i}))|self.look(inputs=f"{{n}}{{r}}")|self.copy(inputs=[*xs, n])|self.look(inputs=r["n"])|self.named["a"](inputs={i})|self.ops[0](inputs=n)
self.copy(inputs=self.same(inputs=xs))|self.look(inputs=self.look(inputs=n))|self.wrap(inputs={l})|self.copy(inputs=box)|self.look(inputs=STATE["n"])|self.look(inputs=self.k)
self.look(**{{"inputs": n}})|self.look(inputs=len(xs))|self.copy(inputs=sorted(xs))|self.look(inputs=[q for q in xs if q != n])|self.look(inputs=xs[-1:] or n)"""

LISTED = """\
[self.look(inputs=q) for q in xs]|[self.copy(inputs=xs) for _ in range(2)]|[o(inputs=xs) for o in self.ops]|{{q: self.look(inputs=q) for q in xs}}
list(self.look(inputs=q) for q in xs)|[self.look(inputs=q)["n"] + w for q in xs for w in range(2)]|[o(inputs=xs) for o in self.named.values()]
self.helper(xs)|self.both(n, k={i})|[w for q in xs if (w := self.look(inputs=q))["n"] >= 0]|sum(self.copy(inputs=[q])["n"] for q in xs)
sorted(self.fail(inputs=q)["n"] for q in xs)|self.look(inputs=n) and self.copy(inputs=xs)|self.look(inputs=n) if n else self.copy(inputs=xs)
any(self.fail(inputs=q)["n"] > 2 for q in xs)|[self.look(inputs=i) for i, q in enumerate(xs) if q]|(self.look(inputs=1), self.copy(inputs=xs), self.look(inputs=2))
list(map(self.ask, xs))|[self.fail(inputs=q) for q in xs if q % 3]|next((self.look(inputs=q) for q in xs), None)|{{**self.look(inputs=n), "z": self.copy(inputs=xs)}}"""


def _table(text: str) -> list[str]:
    return [entry for line in text.split("\n") for entry in line.split("|")]


class Generator:
    """Writes one program."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.loops = 0
        self.changes = self.random.choice([0.05, 0.15, 0.3])  # the more of them, the less overlaps

    def pick(self, table: list[str]) -> str:
        """An entry of a table, filled in."""
        text = self.random.choice(table)
        numbers = ["n", "0", "1", "2", "3", "5", "len(xs)", "r['n'] % 5"]
        return text.format(
            i=self.random.choice(numbers), l=self.random.choice(["xs", "[1, 2]", "ys"])
        )

    def call(self) -> str:
        """One or two calls of leaves, kept for the result."""
        kind = self.random.random()
        if kind < 0.55:
            return f"r = {self.pick(_CALLS)}\nout.append(r)"
        if kind < 0.7:
            return f"r, s = {self.pick(_CALLS)}, {self.pick(_CALLS)}\nout.append((r, s))"
        if kind < 0.8:
            return f"{self.pick(_CALLS)}"
        return f"out.append({self.pick(_LISTED)})"

    def statement(self, depth: int) -> str:
        """One statement, with blocks inside while `depth` lasts."""
        if self.random.random() < self.changes:
            return self.pick(
                self.random.choice(
                    [_CHANGES, _CHANGES, BLOCKS, _MUTATIONS, _MUTATIONS, MUTATING_BLOCKS]
                )
            )
        kind = self.random.random()
        if kind < 0.1:
            return self.random.choice(_GLUE)
        if depth == 0 or kind < 0.65:
            return self.call()
        return self.compound(depth)

    def compound(self, depth: int) -> str:
        """A statement with blocks."""
        block = lambda: self.block(depth - 1)  # noqa: E731
        choice = self.random.randrange(9)
        leave = self.random.choice(["pass", "break", "continue", "return out", "n += 1"])
        if choice == 0:
            return f"if {self.pick(_TESTS)}:\n{block()}\nelse:\n{block()}"
        if choice == 1:
            return f"if {self.pick(_TESTS)}:\n{block()}"
        if choice in (2, 3):
            over = self.random.choice(["xs[:3]", "list(xs)[:3]", "range(2)", "[1, 2]", "box"])
            tail = f"\nelse:\n{block()}" if self.random.random() < 0.2 else ""
            return (
                f"for q in {over}:\n{block()}\n    if {self.pick(_TESTS)}: {leave}\n{block()}{tail}"
            )
        if choice == 4:
            self.loops += 1
            w = f"w{self.loops}"
            return f"{w} = 0\nwhile {w} < 2:\n    {w} += 1\n{block()}"
        handler = self.random.choice(
            ["ValueError", "(KeyError, ValueError)", "Exception", "StopIteration"]
        )
        if choice in (5, 6):
            tail = f"\nfinally:\n{block()}" if self.random.random() < 0.3 else ""
            return f"try:\n{block()}\nexcept {handler} as exc:\n    out.append(repr(exc))\n{block()}{tail}"
        if choice == 7:
            return f"with Manager({self.random.choice(['', 'True'])}):\n{block()}"
        return f"try:\n{block()}\nfinally:\n{block()}"

    def block(self, depth: int) -> str:
        """A few statements, indented."""
        lines = [self.statement(depth) for _ in range(self.random.randint(1, 3))]
        return "\n".join("    " + line for text in lines for line in text.split("\n"))

    def program(self) -> str:
        """The module."""
        body = "\n".join(self.block(3) for _ in range(self.random.randint(2, 4)))
        head = [
            "n, ys, out, r = 1, [2], [], {'n': 1}",
            self.random.choice(["xs = inputs['xs']", "xs = [3, 1]", "xs = list(inputs['xs'])"]),
            "box = {'xs': xs}",
        ]
        if "later(" in body:
            head.append("def later(): return bump()")
        if "grow(" in body:
            head.append("def grow(v): xs.append(v)")
        if "global G" in body:
            body = body.replace("global G\n", "pass\n")
            head.insert(0, "global G")
        inner = "\n".join("    " + line for line in head) + "\n" + body
        inner = "\n".join("    " + line for line in inner.split("\n"))
        made = f"def forward(self, *, inputs):\n{inner}\n        return out, xs, n\n"
        made = "\n".join("    " + line if line else line for line in made.split("\n"))
        return f"{PRELUDE}\n@decorate\nclass Main(Base):\n{made}"


_TESTS = _table(
    "n|n > 2|r['n'] > 1|r['n'] % 2|xs|len(xs) > 2|self.h|self.look(inputs=n)['n'] % 2|self.k > 1|not n"
)
_GLUE = [
    "n += 1",
    "n = r['n']",
    "xs = list(xs)",
    "xs = [n, 1]",
    "ys = []",
    "zs = [*xs, n]",
    "n = len(out)",
]
_CHANGES, _MUTATIONS = _table(CHANGES), _table(MUTATIONS)
_CALLS, _LISTED = _table(CALLS), _table(LISTED)


def program(seed: int) -> str | None:
    """The program of this seed; None where the drawn parts make no valid module."""
    return parsed(Generator(seed).program())


def observe(seed: int, text: str, decorate: Any) -> list[Any]:
    """What three runs of one instance show."""
    filename = f"<generated {seed}>"
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    space: dict[str, Any] = {"__name__": "generated", "decorate": decorate}
    exec(compile(text, filename, "exec", dont_inherit=True), space)
    op = space["Main"]()
    seen = []
    for numbers in ([1, 2, 3], [], [4, 0, 7]):
        canon = Canon()
        given = {"xs": numbers}
        outcome: tuple[str, Any]
        try:
            outcome = ("returned", op(inputs=given))
        except Exception as exc:  # the outcome is compared
            outcome = ("raised", exc)
        seen.append(
            canon((outcome, given, space["STATE"], space["G"], op.k, op.kept, type(op).shared))
        )
    del linecache.cache[filename]
    return seen


def decorators(seed: int) -> Any:
    """How the program of this seed is compiled."""
    if seed % 7 == 0:
        return jit
    workers = {1: 1, 2: 2}.get(seed % 5)
    extra = 1 if seed % 11 == 0 else None
    return structural_jit(execution_strategy="parallel", max_workers=workers, max_extra_calls=extra)


def difference(seed: int, text: str) -> str:
    """The first run that shows something else than plain Python's, or an empty string."""
    return first_difference(seed, text, observe, decorators(seed))


if __name__ == "__main__":
    sys.exit(compare(sys.argv[1:], program, difference))
