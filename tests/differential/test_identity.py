"""Objects that a program makes are the ones that come back: identity survives compilation (DESIGN 2.1).

Each body makes something, hands it to operators that return their very argument, and compares with `is`.
"""

from __future__ import annotations

import textwrap

import pytest

from ember_jit import disable_structural_jit, structural_jit
from tests.differential.canon import Canon
from tests.differential.leaves import Program, World
from tests.pipeline import namespace

BODIES = {
    "get default": """
        docs = inputs.get('docs', [])
        r = self.same(inputs=docs)
        q = self.ask(inputs=1)
        return r is docs
    """,
    "repeat": """
        docs = [0] * 3
        r = self.same(inputs=docs)
        q = self.ask(inputs=1)
        return r is docs
    """,
    "repeat2": """
        docs = [inputs] * 3
        r = self.same(inputs=docs)
        q = self.ask(inputs=1)
        docs.append(1)
        return r is docs, r
    """,
    "for display": """
        out=[]
        for d in [[1],[2]]:
            r = self.same(inputs=d)
            out.append(r is d)
        return out
    """,
    "for comp": """
        out=[]
        for d in [{'q': x} for x in 'ab']:
            r = self.same(inputs=d)
            out.append(r is d)
        return out
    """,
    "comp display": """
        return [self.same(inputs=d) is d for d in [[1],[2]]]
    """,
    "comp comp": """
        return [self.same(inputs=d) is d for d in [[x] for x in 'ab']]
    """,
    "for slices": """
        out=[]
        for d in [inputs['x'][:1], inputs['x'][1:]]:
            r = self.same(inputs=d)
            out.append(r is d)
        return out
    """,
    "ifexp": """
        d = inputs['x'] if inputs else []
        r = self.same(inputs=d)
        s = self.same(inputs=d)
        return r is d, s is r
    """,
    "tuple": """
        d = (inputs, 1)
        r = self.same(inputs=d)
        s = self.same(inputs=d)
        return r is d, s is r
    """,
    "unpack": """
        a, b = [1], [2]
        r = self.same(inputs=a)
        s = self.same(inputs=b)
        return r is a, s is b
    """,
    "unpack call": """
        a, b = self.same(inputs=([1], [2]))
        r = self.same(inputs=a)
        s = self.same(inputs=b)
        return r is a, s is b
    """,
    "nested unpack": """
        (a, b), c = ([1], [2]), [3]
        r = self.same(inputs=a)
        s = self.same(inputs=c)
        return r is a, s is c
    """,
    "multi target": """
        a = b = [1]
        r = self.same(inputs=a)
        s = self.same(inputs=b)
        return r is a, s is b, r is s
    """,
    "dict result": """
        a = self.ask(inputs=1)
        d = {'a': a}
        r = self.same(inputs=d)
        s = self.same(inputs=d)
        return r is d, s is d, d['a'] is a
    """,
    "dict of comp": """
        d = {k: [k] for k in 'ab'}
        r = [self.same(inputs=v) is v for v in d.values()]
        return r
    """,
    "dict items": """
        d = {k: [k] for k in 'ab'}
        r = [self.same(inputs=v) is v for k, v in d.items()]
        return r
    """,
    "sorted": """
        d = sorted([[2],[1]])
        r = self.same(inputs=d[0])
        s = self.same(inputs=d)
        return r is d[0], s is d
    """,
    "enumerate": """
        out=[]
        for i, d in enumerate([[1],[2]]):
            r = self.same(inputs=d)
            out.append(r is d)
        return out
    """,
    "enumerate pair": """
        out=[]
        for p in enumerate([[1],[2]]):
            r = self.same(inputs=p)
            out.append(r is p)
        return out
    """,
    "zip": """
        out=[]
        for i, d in zip('ab', [[1],[2]]):
            r = self.same(inputs=d)
            out.append(r is d)
        return out
    """,
    "if assigned": """
        if inputs:
            d = [1]
        else:
            d = [2]
        r = self.same(inputs=d)
        s = self.same(inputs=d)
        return r is d, s is d
    """,
    "if pending": """
        a = self.ask(inputs=1)
        if a['score'] < 5:
            d = [1]
        else:
            d = [2]
        r = self.same(inputs=d)
        s = self.same(inputs=d)
        return r is d, s is d
    """,
    "walrus": """
        r = self.same(inputs=(d := [1]))
        s = self.same(inputs=d)
        return r is d, s is d
    """,
    "strip": """
        d = inputs['x'] + [1]
        r = self.same(inputs=d)
        s = self.same(inputs=d)
        return r is d, s is d
    """,
    "copy": """
        d = inputs['x'].copy()
        r = self.same(inputs=d)
        s = self.same(inputs=d)
        return r is d, s is d
    """,
    "setdefault": """
        d = {}
        e = d.setdefault('k', [])
        r = self.same(inputs=e)
        s = self.same(inputs=d)
        return r is e, s is d, d['k'] is e
    """,
    "boolop": """
        d = inputs.get('zz') or []
        r = self.same(inputs=d)
        s = self.same(inputs=d)
        return r is d, s is d
    """,
    "boolop2": """
        d = inputs.get('zz') or inputs.get('yy', {})
        r = self.same(inputs=d)
        s = self.same(inputs=d)
        return r is d, s is d
    """,
    "grow": """
        h = []
        r = []
        for x in inputs['x']:
            h.append({'x': x})
            r.append(self.same(inputs=h[-1]) is h[-1])
        return r
    """,
    "append then elem": """
        h = []
        for x in inputs['x']:
            h.append({'x': x})
        r = [self.same(inputs=e) is e for e in h]
        return r
    """,
    "store": """
        h = {}
        for x in inputs['x']:
            h[x] = [x]
        a = self.same(inputs=h[1])
        b = self.same(inputs=h[2])
        return a is h[1], b is h[2]
    """,
    "build elem": """
        row = [1]
        h = [row]
        a = self.same(inputs=h)
        b = self.same(inputs=h[0])
        return a is h, b is row, a[0] is row
    """,
    "while": """
        d = []
        n = 0
        out = []
        while n < 2:
            d = [n]
            out.append(self.same(inputs=d) is d)
            n += 1
        return out
    """,
    "try": """
        try:
            d = [1]
            r = self.same(inputs=d)
            s = self.same(inputs=d)
        except ValueError:
            d = r = s = None
        return r is d, s is d
    """,
    "helper": """
        d = make(inputs)
        r = self.same(inputs=d)
        s = self.same(inputs=d)
        return r is d, s is d
    """,
    "helper elem": """
        r = self.same(inputs=make(inputs))
        s = self.same(inputs=make(inputs))
        return r is s
    """,
    "lambda": """
        d = (lambda: [1])()
        r = self.same(inputs=d)
        s = self.same(inputs=d)
        return r is d, s is d
    """,
    "list()": """
        d = list(inputs['x'])
        r = self.same(inputs=d)
        s = self.same(inputs=d)
        return r is d, s is d
    """,
    "star": """
        a, *d = inputs['x']
        r = self.same(inputs=d)
        s = self.same(inputs=d)
        return r is d, s is d
    """,
    "annot": """
        d: list = [1]
        r = self.same(inputs=d)
        s = self.same(inputs=d)
        return r is d, s is d
    """,
    "float": """
        d = 1e300 * 3
        r = self.same(inputs=d)
        s = self.same(inputs=d)
        return r == d, s is r
    """,
    "max default": """
        d = max([], default=[])
        r = self.same(inputs=d)
        s = self.same(inputs=d)
        return r is d, s is d
    """,
    "min": """
        d = min([[1],[2]])
        r = self.same(inputs=d)
        s = self.same(inputs=d)
        return r is d, s is d
    """,
    "subscript display": """
        d = {'a': [1]}['a']
        r = self.same(inputs=d)
        s = self.same(inputs=d)
        return r is d, s is d
    """,
    "method display": """
        d = {'a': [1]}.get('a')
        r = self.same(inputs=d)
        s = self.same(inputs=d)
        return r is d, s is d
    """,
    "attr": """
        d = self.members
        r = self.same(inputs=d)
        s = self.same(inputs=d)
        return r is d, s is d
    """,
    "aug": """
        d = [1]
        d += [2]
        r = self.same(inputs=d)
        s = self.same(inputs=d)
        return r is d, s is d
    """,
    "pop": """
        h = [[1],[2]]
        d = h.pop()
        r = self.same(inputs=d)
        s = self.same(inputs=h)
        return r is d, s is h
    """,
    "format": """
        d = '{}'.format(inputs)
        r = self.same(inputs=d)
        s = self.same(inputs=d)
        return r == d
    """,
    "glue result list": """
        a = self.ask(inputs=1)
        d = a['items'] + [1]
        r = self.same(inputs=d)
        b = self.ask(inputs=2)
        return r is d
    """,
    "pending repeat": """
        a = self.ask(inputs=1)
        d = [a['score']] * 2
        r = self.same(inputs=d)
        b = self.ask(inputs=2)
        return r is d
    """,
    "pending get": """
        a = self.ask(inputs=1)
        d = a.get('zz', [])
        r = self.same(inputs=d)
        b = self.ask(inputs=2)
        return r is d
    """,
    "pending for": """
        out=[]
        a = self.ask(inputs=1)
        for d in [[a['score']], [2]]:
            out.append(self.same(inputs=d) is d)
        b = self.ask(inputs=2)
        return out
    """,
}
CLASS = """\
@structural_jit(execution_strategy="parallel")
class Made(Program):
    def forward(self, *, inputs):
{body}

def make(x):
    return [x]
"""


@pytest.mark.parametrize("name", BODIES)
def test_identity(name: str) -> None:
    body = textwrap.indent(textwrap.dedent(BODIES[name]).strip("\n"), " " * 8)
    made = namespace(CLASS.format(body=body), structural_jit=structural_jit, Program=Program)[
        "Made"
    ]
    with disable_structural_jit():
        plain = made(World())(inputs={"x": [1, 2, 3]})
    op = made(World())
    for _ in range(3):
        assert Canon()(op(inputs={"x": [1, 2, 3]})) == Canon()(plain)
