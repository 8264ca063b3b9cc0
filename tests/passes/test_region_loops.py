"""Which calls of loops may be in flight together: across iterations, unless a value is carried or decides.

Source on the left; on the right the regions with their call sites and the pairs of sites that may overlap.
`0-0` is a site with itself, in different iterations.
"""

from __future__ import annotations

import textwrap

import pytest

from tests.pipeline import show_regions, stages

LOOPS = {
    "a loop overlaps with itself": (
        """
        def f(self, x):
            for y in x:
                self.a(inputs=y)
        """,
        """
        region 0 at line 2: sites [0] pairs 0-0
        """,
    ),
    "a pipeline in a loop": (
        """
        def f(self, x):
            for y in x:
                a = self.a(inputs=y)
                b = self.b(inputs=a)
        """,
        """
        region 0 at line 2: sites [0, 1] pairs 0-0 0-1 1-1
        """,
    ),
    "a carried value": (
        """
        def f(self, x):
            for y in x:
                x = self.a(inputs=x)
            return x
        """,
        "",
    ),
    "a value carried through two calls": (
        """
        def f(self, x):
            for y in x:
                a = self.a(inputs=x)
                x = self.b(inputs=a)
        """,
        "",
    ),
    "a value carried through a list": (
        """
        def f(self, x):
            h = []
            for y in x:
                r = self.a(inputs=' '.join(h))
                h.append(r['text'])
            return h
        """,
        "",
    ),
    "an accumulator beside an independent call": (
        """
        def f(self, x):
            acc = 0
            for y in x:
                s = self.a(inputs=y)
                acc = self.b(inputs=(acc, s))
            return acc
        """,
        """
        region 0 at line 2: sites [0, 1] pairs 0-0 0-1
        """,
    ),
    "the inner loop carries, the outer does not": (
        """
        def f(self, x):
            for y in x:
                z = y
                for _ in range(3):
                    z = self.a(inputs=z)
            return 1
        """,
        """
        region 0 at line 2: sites [0] pairs 0-0
        """,
    ),
    "while on a result": (
        """
        def f(self, x):
            while x:
                x = self.a(inputs=x)
        """,
        "",
    ),
    "while on a result of the iteration before": (
        """
        def f(self, x):
            s = {'go': 1}
            while s['go']:
                s = self.a(inputs=x)
        """,
        "",
    ),
    "while on a counter": (
        """
        def f(self, x):
            n = 0
            while n < 3:
                self.a(inputs=n)
                n += 1
        """,
        """
        region 0 at line 2: sites [0] pairs 0-0
        """,
    ),
    "break on a result": (
        """
        def f(self, x):
            for y in x:
                s = self.a(inputs=y)
                if s['score'] > 1:
                    break
        """,
        "",
    ),
    "break on something known": (
        """
        def f(self, x):
            for y in x:
                s = self.a(inputs=y)
                if y > 1:
                    break
        """,
        """
        region 0 at line 2: sites [0] pairs 0-0
        """,
    ),
    "return on a result": (
        """
        def f(self, x):
            for y in x:
                s = self.a(inputs=y)
                if s['score'] > 1:
                    return s
        """,
        "",
    ),
    "a comprehension": (
        """
        def f(self, x):
            return [self.a(inputs=y) for y in x]
        """,
        """
        region 0 at line 2: sites [0] pairs 0-0
        """,
    ),
    "a pipeline in a comprehension": (
        """
        def f(self, x):
            return [self.b(inputs=self.a(inputs=y)) for y in x]
        """,
        """
        region 0 at line 2: sites [0, 1] pairs 0-0 0-1 1-1
        """,
    ),
    "a comprehension in a comprehension": (
        """
        def f(self, x):
            return [[self.a(inputs=(y, z)) for z in y] for y in x]
        """,
        """
        region 0 at line 2: sites [0] pairs 0-0
        """,
    ),
    "a generator that a builtin consumes": (
        """
        def f(self, x):
            return sum(self.a(inputs=y)['score'] for y in x)
        """,
        """
        region 0 at line 2: sites [0] pairs 0-0
        """,
    ),
    "a list of operators": (
        """
        def f(self, x):
            return [m(inputs=x) for m in self.asks]
        """,
        """
        region 0 at line 2: sites [0] pairs 0-0
        """,
    ),
    "a loop over a result": (
        """
        def f(self, x):
            for y in self.a(inputs=x)['items']:
                self.b(inputs=y)
            return self.c(inputs=x)
        """,
        """
        region 0 at line 2: sites [0, 1, 2] pairs 0-2 1-1 1-2
        """,
    ),
}


@pytest.mark.parametrize("name", LOOPS)
def test_loops(name: str) -> None:
    text, expected = LOOPS[name]
    assert show_regions(stages(text).regions) == textwrap.dedent(expected).strip()
