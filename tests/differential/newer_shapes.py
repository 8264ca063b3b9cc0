"""Random programs of shapes that are taken apart: `match`, `map`, `filter`, `except*`, names bound on the way, late bodies.

The leaves and the objects with effects are those of `nested_containers`.  `python -m tests.differential.newer_shapes
0:5000` compares a range of seeds; `--show SEED` prints one.
"""

from __future__ import annotations

import random
import sys

from tests.differential.comparing import compare, parsed
from tests.differential.nested_containers import PRELUDE, VALUES, difference

MORE = '''
class Odd:
    """Answers operations with effects."""
    def __init__(self): self.n = 1
    def __eq__(self, other): bump(); return False
    def __bool__(self): bump(); return True
    def __len__(self): bump(); return 1
    def __getitem__(self, key): bump(); return 1
    def __iter__(self): bump(); return iter([1, 2])
    def __add__(self, other): bump(); return 1
    __hash__ = None

class Group(ExceptionGroup):
    def derive(self, excs): bump(); return Group(self.message, excs)

class Shape(Base):
    def __init__(self):
        super().__init__()
        self._inner, self.odd, self.k = self.look, Odd(), 1
    @property
    def inner(self): return self._inner
    @property
    def counted(self): bump(); return self._inner
'''

STATEMENTS = [
    "out.append({c})",
    "r = {c}\nout.append(r)",
    "r = {c}\nn = r['n']",
    "out.append({c})\nout.append({c})",
    "out += list(map(lambda m: {mc}, xs))",
    "out += list(filter(lambda m: {mc}['n'] > 1, xs))",
    "n = sum(map(lambda m: {mc}['n'], [1, 2]))",
    "out.append(dict(map(lambda m: (m, {mc}), xs)))",
    "out += sorted(map(lambda m: {mc}['n'], xs))",
    "out += list(map(lambda m: m, map(lambda m: {mc}, xs)))",
    "out += list(map(lambda x: self.look(inputs=x), xs))",
    "out += list(map(bump_by, xs))",
    "out += [m for m in map(lambda m: {mc}, xs)]",
    "out += list(map(lambda m: self.keep(inputs=m), xs))",
    "out.append(any(map(lambda m: {mc}['n'] > 1, xs)))",
    "out += list(map(lambda m: {mc} if m > 4 else m, xs))",
    "out += [{xc} for x in xs]",
    "out += [(x, {xc}) for x in [1, 2] if x != n]",
    "out.append({{x: {xc} for x in xs}})",
    "out.append({w})",
    "r = {w}\nout.append((r, k))",
    "if (k := {c})['n'] > 1: out.append(k)",
    "match {s}:\n    case 1: out.append({c})\n    case 2 | None: n = 2\n    case _: out.append({c})",
    "match {s}:\n    case 1:\n        r = {c}\n        out.append({c})\n    case [a, *b]: out.append((a, b))\n    case {{'n': a}}: n = a",
    "match {s}:\n    case int() as a if {g}: out.append(a)\n    case a: out.append({c})",
    "match {s}:\n    case 'a': out.append({c})\n    case True | False: return out",
    "match {s}:\n    case 1: pass\n    case Odd(n=a): out.append(a)",
    "match {s}, n:\n    case (1, a): out.append({c})\n    case (a, 2): n = 3",
    "try:\n    r = {c}\n    out.append({c})\nexcept* ValueError: out.append(1)",
    "try:\n    out.append({c})\n    raise Group('g', [ValueError(1), KeyError(2)])\nexcept* ValueError as e: out.append(repr(e))\nexcept* KeyError: out.append({c})",
    "try:\n    r = {c}\n    out.append({c})\nexcept ValueError:\n    out.append({c})",
    "try:\n    r = {c}\n    out.append({c})\nfinally:\n    out.append({c})",
    "out.append(self.inner(inputs=n))\nout.append(self.inner(inputs=2))",
    "out.append(self.counted(inputs=n))",
    "out.append(getattr(self, 'look')(inputs=n))\nout.append({c})",
    "self._inner = self.fail",
    "out.append(getattr(self, 'k'))",
    "def f(v): return self.keep(inputs=v)\nout.append({c})\nout.append({c})",
    "def f(v): return self.look(inputs=v)\nout.append({c})",
    "f = lambda v: self.keep(inputs=v)\nout.append({c})",
    "out.append(f(n))\nout.append({c})",
    "g = (self.keep(inputs=v) for v in xs)\nout.append({c})\nout.append({c})",
    "out += g\nout.append({c})",
    "out.append(any(self.keep(inputs=v)['n'] > 1 for v in xs))",
    "h = f",
    "out.append(self.give(inputs=self.keep(inputs=n)))\nout.append({c})",
    "out.append(self.size(inputs=self.hand(inputs=1)))\nout.append({c})",
    "out.append(self.give(inputs=[self.keep(inputs=n), {c}]))",
    "bump()",
    "if self.odd is None or self.odd: n = 1",
    "if n > 1: return out",
    "assert n < 9",
    "xs = [*xs, n]",
    "a, *b = [{c}, n, 3]\nout.append(b)",
]
SUBJECTS = ["n", "r['n']", "{c}['n']", "{c}", "xs", "self.odd", "r", "None", "'a'", "inputs"]
GUARDS = ["a > 1", "self.odd", "r['n']", "n"]
NAMED = [
    "self.give(inputs=(k := n))",
    "self.look(inputs=[k := 3, k])",
    "self.size(inputs=(k := xs))",
]


class Generator:
    """Writes one program."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def call(self, number: str = "") -> str:
        """A call of a leaf."""
        return self.random.choice(VALUES[:7]).format(
            n=number or self.random.choice(["1", "3", "n"])
        )

    def statement(self) -> str:
        """One statement, or a few."""
        pick = self.random.choice
        text = pick(STATEMENTS)
        while "{c}" in text:
            text = text.replace("{c}", self.call(), 1)
        subject = pick(SUBJECTS).replace("{c}", self.call())
        return text.format(
            mc=self.call("m"), xc=self.call("x"), s=subject, g=pick(GUARDS), w=pick(NAMED)
        )

    def program(self) -> str:
        """The module."""
        body = [
            "xs, out, n, r, k, x = inputs, [], 2, {'n': 1}, 0, 7",
            "f, g, h, a = bump_by, (), None, 1",
        ]
        for _ in range(self.random.randint(2, 5)):
            lines = self.statement().split("\n")
            kind = self.random.random()
            if kind < 0.2:
                lines = ["for q in (1, 2):", *["    " + line for line in lines]]
            elif kind < 0.3:
                lines = ["if r['n']:", *["    " + line for line in lines]]
            elif kind < 0.4:
                lines = [
                    "try:",
                    *["    " + line for line in lines],
                    "except (ValueError, KeyError): n = 4",
                ]
            body += lines
        body.append("return out, n, r, k, x")
        inner = "\n".join("        " + line for line in body)
        head = "def bump_by(v): bump(); return v\n"
        return f"{PRELUDE}{MORE}{head}\n@decorate\nclass Main(Shape):\n    def forward(self, *, inputs):\n{inner}\n"


def program(seed: int) -> str | None:
    """The program of this seed; None where the drawn parts make no valid module."""
    return parsed(Generator(seed).program())


if __name__ == "__main__":
    sys.exit(compare(sys.argv[1:], program, difference))
