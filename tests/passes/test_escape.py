"""Changes to a container are barriers once something else may have got hold of it.

Source on the left, the changes in the IR on the right: `mutate` may be simulated ahead, `barrier` may not.
"""

from __future__ import annotations

import pytest

from ember_jit.ir.verifier import verify
from tests.pipeline import stages

#: what stands between `a = []` and `a.append(x)`, by whether `a` is still private there
PRIVATE = {
    "nothing": "pass",
    "len": "n = len(a)",
    "sorted": "n = sorted(a)",
    "sorted with a key": "n = sorted(a, key=lambda each: -each)",
    "list": "n = list(a)",
    "tuple": "n = tuple(a)",
    "min of its elements": "n = min(a)",
    "sum": "n = sum(a)",
    "any": "n = any(a)",
    "str": "n = str(a)",
    "join": "n = ', '.join(a)",
    "join after sorting": "n = ', '.join(sorted(a))",
    "iteration": "for y in a: n = y",
    "iteration with enumerate": "for i, y in enumerate(a): n = y",
    "iteration with zip": "for i, y in zip(a, x): n = y",
    "a list of pairs": "n = list(zip(a, x))",
    "a comprehension over it": "n = [y for y in a if y]",
    "an element": "n = a[0]",
    "a slice": "n = a[1:]",
    "a sum of lists": "n = a + [1]",
    "a repetition": "n = a * 2",
    "an f-string": "n = f'{a} {a!r}'",
    "a comparison": "n = x in a or a == x",
    "unpacking into a list": "n = [*a]",
    "unpacking into a call": "n = self.a(inputs=[*a])",
    "its length in a call": "n = self.a(inputs=len(a))",
    "its text in a call": "n = self.a(inputs=' '.join(a))",
    "a method": "n = a.count(x)",
    "a truth test": "n = not a",
    "a new list after an escape": "self.a(inputs=a); a = []",
    "a copy in a call": "n = self.a(inputs=list(a))",
}
SHARED = {
    "an argument": "n = self.a(inputs=a)",
    "inside an argument": "n = self.a(inputs={'k': [a, 1]})",
    "an argument of an operator with effects": "n = self.log(inputs=a)",
    "an argument of an operator called list": "n = self.list(inputs=a)",
    "an argument of an operator called join": "n = self.join(inputs=a)",
    "an alias": "b = a",
    "an alias by unpacking": "b, c = a, x",
    "an alias by a conditional": "b = a if x else x",
    "an alias by or": "b = x or a",
    "an alias by walrus": "n = (b := a)",
    "a tuple": "b = (a, x)",
    "a dict": "b = {'k': a}",
    "a starred display": "b = [*x, a]",
    "appended to another": "b = []; b.append(a)",
    "inserted into another": "b = []; b.insert(0, a)",
    "stored in another": "b = {}; b['k'] = a",
    "set as a default": "b = {}; n = b.setdefault('k', a)",
    "updated into another": "b = {}; b.update(k=a)",
    "added in place to another": "b = []; b += [a]",
    "handed on by dict": "b = dict(k=a)",
    "handed on by list": "b = list((a, x))",
    "handed on by sorted": "b = sorted([a, [1]])",
    "handed on by max": "b = max(a, x)",
    "handed on by max of a tuple": "b = max((a, x))",
    "handed on as a default": "b = max(x, default=a)",
    "handed on by get": "b = {}.get('k', a)",
    "handed on by sum": "b = sum(x, a)",
    "handed on by a sum of lists": "b = [a] + x",
    "handed on by a repetition": "b = [a] * 2",
    "handed on by a subscript": "b = [a, x][0]",
    "handed on by a method of a display": "b = {'k': a}.get('k')",
    "handed on by zip": "b = list(zip([a], x))",
    "handed on by a comprehension": "b = [y for y in (a, x)]",
    "handed on by iteration": "\n    for y in [a, x]: b = y",
    "an element of a comprehension": "b = [a for y in x]",
    "a lazy iterator": "b = enumerate(a)",
    "a view": "b = a.items()",
    "an escape in one branch": "\n    if x: self.a(inputs=a)",
    "an escape in a loop": "\n    for y in x: self.a(inputs=a)",
    "an escape in a try": "\n    try: self.a(inputs=a)\n    finally: pass",
    "an escape, and a loop that may not make it anew": "self.a(inputs=a)\n    for y in x: a = []",
    "an escape, and a branch that makes it anew": "self.a(inputs=a)\n    if x: a = []",
}


def last_change(between: str) -> str:
    text = f"def f(self, x):\n    a = []\n    {between}\n    a.append(x)"
    made = stages(text)
    verify(made.escaped)
    return [
        op.kind
        for op in made.escaped.walk()
        if op.text == "a.append(x)" and op.kind in ("mutate", "barrier")
    ][-1]


@pytest.mark.parametrize("name", PRIVATE)
def test_still_private(name: str) -> None:
    assert last_change(PRIVATE[name]) == "mutate"


@pytest.mark.parametrize("name", SHARED)
def test_shared(name: str) -> None:
    assert last_change(SHARED[name]) == "barrier"


PROGRAMS = {
    "before and after a call": (
        """
        def f(self, x):
            a = []
            a.append(1)
            self.a(inputs=a)
            a.append(2)
        """,
        ["mutate a.append(1)", "barrier a.append(2)"],
    ),
    "returned from a loop": (
        """
        def f(self, x):
            a = []
            for y in x:
                a.append(y)
                if y:
                    return a
        """,
        ["barrier a.append(y)"],
    ),
    "an escape in a loop precedes the next iteration": (
        """
        def f(self, x):
            a = []
            for y in x:
                a.append(y)
                self.a(inputs=a)
            return 1
        """,
        ["barrier a.append(y)"],
    ),
    "made anew in every iteration": (
        """
        def f(self, x):
            for y in x:
                a = []
                a.append(y)
                self.a(inputs=a)
        """,
        ["mutate a.append(y)"],
    ),
    "returned at the end": (
        """
        def f(self, x):
            a = []
            for y in x:
                a.append(self.a(inputs=y))
            return a
        """,
        ["mutate a.append(self.a(inputs=y))"],
    ),
    "one arm escapes, the other changes": (
        """
        def f(self, x):
            a = []
            if x:
                self.a(inputs=a)
            else:
                a.append(x)
        """,
        ["mutate a.append(x)"],
    ),
    "the container keeps being ours when something is put into it": (
        """
        def f(self, x):
            a = []
            b = []
            b.append(a)
            b.append(x)
            a.append(x)
        """,
        ["mutate b.append(a)", "mutate b.append(x)", "barrier a.append(x)"],
    ),
    "into itself": (
        """
        def f(self, x):
            a = []
            a.append(a)
            a.append(x)
        """,
        ["mutate a.append(a)", "barrier a.append(x)"],
    ),
    "all kinds of changes": (
        """
        def f(self, x):
            a = {}
            a['k'] = 1
            a['k'] += 1
            a.update(x)
            a.pop('k')
        """,
        ["mutate a['k'] = 1", "mutate a['k'] += 1", "mutate a.update(x)", "mutate a.pop('k')"],
    ),
    "an argument is not ours": ("def f(self, x): x.append(1)", ["barrier x.append(1)"]),
    "two names from the start": (
        """
        def f(self, x):
            a = b = []
            a.append(x)
        """,
        ["barrier a.append(x)"],
    ),
    "captured by a nested function": (
        """
        def f(self, x):
            a = []
            def g(): return a
            a.append(x)
            return g
        """,
        ["barrier a.append(x)"],
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name: str) -> None:
    text, expected = PROGRAMS[name]
    ops = stages(text).escaped.walk()
    assert [f"{op.kind} {op.text}" for op in ops if op.kind in ("mutate", "barrier")] == expected
