"""Random programs about containers in containers: who made them, who else holds them, and what looking into them runs.

A dict of lists, a table of dicts, counters and `setdefault`, filled in loops with the results of leaves; some leaves
read what the program changes, some keep what they are given; keys may hash with effects, default factories may have
effects, and inner containers may stand in two places.  `python -m tests.differential.nested_containers 0:5000` compares
a range of seeds; `--show SEED` prints one.
"""

from __future__ import annotations

import linecache
import random
import sys
import traceback
from typing import Any

from ember_jit import Operator, pure, query, structural_jit
from tests.differential.canon import Canon
from tests.differential.comparing import compare, first_difference, parsed

PRELUDE = '''
import collections
from collections import Counter, OrderedDict, defaultdict, deque

STATE = {"n": 0}
KEPT = []

def bump():
    STATE["n"] += 1
    return STATE["n"]

class Key:
    """Hashes and compares with effects."""
    def __init__(self, k): self.k = k
    def __repr__(self): return "key"
    def __hash__(self): bump(); return hash(self.k)
    def __eq__(self, other): bump(); return isinstance(other, Key) and self.k == other.k

class Own(dict):
    """Makes what is missing, with an effect."""
    def __missing__(self, key): bump(); self[key] = []; return self[key]

class Seen(list):
    """Tells who looks."""
    def append(self, value): bump(); super().append(value)
    def __getitem__(self, index): bump(); return super().__getitem__(index)

def made(): bump(); return []

@pure
class Give(Operator):
    def forward(self, *, inputs): return {"n": inputs if type(inputs) is int else 1, "l": [1]}

@pure
class Fail(Operator):
    def forward(self, *, inputs):
        if inputs == 3: raise ValueError(inputs)
        return {"n": inputs if type(inputs) is int else 1, "l": [1]}

class Look(Operator):
    """Inferred; reads what the program changes."""
    def forward(self, *, inputs): return {"n": STATE["n"], "l": [inputs if type(inputs) is int else 0]}

class Size(Operator):
    """Inferred; looks into what it is given."""
    def forward(self, *, inputs): return {"n": len(inputs) if type(inputs) in (list, dict) else 0, "l": []}

class Keep(Operator):
    """Has an effect: keeps what it is given."""
    def forward(self, *, inputs): KEPT.append(inputs); return {"n": len(KEPT), "l": []}

class Hand(Operator):
    """Inferred; hands out what others hold."""
    def __init__(self, held): self.held = held
    def forward(self, *, inputs): return self.held[0]

class Base(Operator):
    def __init__(self):
        self.give, self.fail, self.look = Give(), Fail(), Look()
        self.size, self.keep, self.hand = Size(), Keep(), Hand([[7]])
'''

MAKES = [
    "d = {}",
    "d = {'a': [], 'b': [], 0: []}",
    "d = {'a': {}, 'b': {}, 0: {}}",
    "d = {k: [] for k in ('a', 'b', 0)}",
    "d = defaultdict(list)",
    "d = collections.defaultdict(dict)",
    "d = defaultdict(int)",
    "d = defaultdict(lambda: defaultdict(list))",
    "d = defaultdict(lambda: made())",
    "d = defaultdict(made)",
    "d = Counter()",
    "d = OrderedDict()",
    "d = [[], []]",
    "d = [[0] * 2 for _ in range(2)]",
    "d = [[0] * 2] * 2",
    "d = {'a': xs, 'b': []}",
    "d = {'a': [xs], 'b': [[]]}",
    "d = Own()",
    "d = {'a': Seen(), 'b': []}",
    "d = {}; d['a'] = d['b'] = []",
    "d = {}; row = []; d['a'] = row; d['b'] = row",
    "d = {'a': [], 'b': []}; e = d",
    "d = {'a': [], 'b': []}; e = d['a']",
    "d = {'a': [], 'b': []}; box = [d]",
    "d = {'a': [], 'b': []}; e = dict(d)",
]
CHANGES = [
    "d[{k}].append({v})",
    "d[{k}].append({v})",
    "d[{k}][{j}] = {v}",
    "d[{k}] = {v}",
    "d[{k}] = []",
    "d[{k}] += {c}['n']",
    "d[{k}] += {c}['l']",
    "d[{k}][{j}] += {c}['n']",
    "d[{k}][{j}].append({v})",
    "d.setdefault({k}, []).append({v})",
    "d.setdefault({k}, {{}})[{j}] = {v}",
    "d.setdefault({k}, xs).append({v})",
    "d[{k}].extend({c}['l'])",
    "d[{k}].insert(0, {v})",
    "d[{k}] = d.get({k}, 0) if True else {v}",
    "d[{k}].setdefault({j}, []).append({v})",
    "d.update({{{k}: {v}}})",
    "d.append([{v}])",
    "d[{k}], z = {v}, 1",
    "for d[{k}] in [{v}]: pass",
]
READS = [
    "out.append({v})",
    "out.append(len(d))",
    "out.append(len(d[{k}]))",
    "e = d[{k}]",
    "e.append({v})",
    "row.append({v})",
    "box[0]['a'].append({v})",
    "xs.append({v})",
    "for q in d: out.append({v})",
    "for q in d.values(): q.append({v})",
    "for q, w in d.items(): out.append((q, {v}))",
    "if {k} in d: out.append({v})",
    "if d: out.append({v})",
    "self.keep(inputs=d[{k}])",
    "self.keep(inputs=d)",
    "out.append(self.size(inputs=d))",
    "out.append(self.size(inputs=d[{k}]))",
    "out.append(self.give(inputs=d[{k}]))",
    "d[{k}] = self.hand(inputs=1)",
    "del d[{k}]",
    "d = {{'a': [], 'b': []}}",
    "bump()",
    "f = lambda: d['a'].append(bump())",
    "f()",
    "return d, out",
]
VALUES = [
    "self.give(inputs={n})",
    "self.give(inputs={n})",
    "self.fail(inputs={n})",
    "self.look(inputs={n})",
    "self.look(inputs={n})",
    "self.size(inputs=xs)",
    "self.keep(inputs={n})",
    "{n}",
    "[]",
    "xs",
]
KEYS = ["'a'", "'b'", "0", "x % 2", "x", "self.give(inputs=0)['n']", "Key(x)", "key", "r['n'] % 2"]


class Generator:
    """Writes one program."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def fill(self, text: str) -> str:
        """A template with its holes filled."""
        pick = self.random.choice
        number = pick(["x", "1", "3", "n"])
        value, call = pick(VALUES).format(n=number), pick(VALUES[:7]).format(n=number)
        return text.format(k=pick(KEYS), j=pick(["0", "'r'", "x", "key"]), v=value, c=call)

    def lines(self, count: int) -> list[str]:
        """Some statements."""
        made = []
        for _ in range(count):
            table = CHANGES if self.random.random() < 0.6 else READS
            text = self.fill(self.random.choice(table))
            kind = self.random.random()
            if kind < 0.12:
                text = (
                    f"try: {text}\nexcept (ValueError, LookupError) as exc: out.append(repr(exc))"
                )
                if "for " in text.split("\n")[0] or "if " in text.split("\n")[0]:
                    text = text.replace("try: ", "try:\n    ", 1)
            elif kind < 0.2:
                text = f"r = {self.fill('{v}')}\nif n:\n    {text}"
            made += text.split("\n")
        return made

    def program(self) -> str:
        """The module."""
        body = [
            "xs, out, n, r, z = inputs, [], 2, {'n': 1}, 0",
            "key, x, row, e, f = Key(1), 1, [], [], len",
        ]
        body += ["box = [{'a': []}]", *self.random.choice(MAKES).split("; ")]
        body += self.lines(self.random.randint(0, 2))
        over = self.random.choice(["(1, 2, 3)", "range(3)", "list(xs)", "(1, 2)"])
        body.append(f"for x in {over}:")
        body += ["    " + line for line in self.lines(self.random.randint(1, 4))]
        body += self.lines(self.random.randint(0, 2))
        body.append(self.random.choice(["return d", "return d, out", "return {'d': d, 'o': out}"]))
        inner = "\n".join("        " + line for line in body)
        return (
            f"{PRELUDE}\n@decorate\nclass Main(Base):\n    def forward(self, *, inputs):\n{inner}\n"
        )


def program(seed: int) -> str | None:
    """The program of this seed; None where the drawn parts make no valid module."""
    return parsed(Generator(seed).program())


def observe(seed: int, text: str, decorate: Any) -> list[Any]:
    """What three runs of one instance show, tracebacks included."""
    filename = f"<nested {seed}>"
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    space: dict[str, Any] = {"__name__": "nested", "decorate": decorate}
    space |= {"Operator": Operator, "pure": pure, "query": query}
    exec(compile(text, filename, "exec", dont_inherit=True), space)
    op = space["Main"]()
    seen = []
    for given in ([4, 5], [], [3]):
        outcome: tuple[Any, ...]
        try:
            outcome = ("returned", op(inputs=given))
        except Exception as exc:  # the outcome is compared
            trace = traceback.extract_tb(exc.__traceback__)
            lines = [frame.lineno for frame in trace if frame.filename == filename]
            outcome = ("raised", type(exc).__name__, str(exc), lines)
        seen.append(Canon()((outcome, given, space["STATE"], space["KEPT"], op.hand.held)))
    del linecache.cache[filename]
    return seen


def difference(seed: int, text: str) -> str:
    """The first run that shows something else than plain Python's, or an empty string."""
    workers = {1: 1, 2: 2}.get(seed % 5)
    decorate = structural_jit(execution_strategy="parallel", max_workers=workers)
    return first_difference(seed, text, observe, decorate)


if __name__ == "__main__":
    sys.exit(compare(sys.argv[1:], program, difference))
