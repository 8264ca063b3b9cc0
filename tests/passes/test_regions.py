"""Where issue programs run ahead, and which calls may be in flight together.

Source on the left; on the right the regions with their call sites (numbered in program order) and the pairs
of sites that may overlap.  `0-0` is a site with itself, in different iterations.
"""

from __future__ import annotations

import textwrap

import pytest

from ember_jit.compiler.passes.regions import find_regions
from tests.pipeline import show_regions, stages

REGIONS = {
    "a straight line": (
        """
        def f(self, x):
            a = self.a(inputs=x)
            b = self.b(inputs=x)
            c = self.c(inputs=a)
            return a, b, c
        """,
        """
        region 0 at line 2: sites [0, 1, 2] pairs 0-1 1-2
        """,
    ),
    "a chain has nothing to overlap": (
        """
        def f(self, x):
            a = self.a(inputs=x)
            return self.b(inputs=a)
        """,
        "",
    ),
    "one expression": (
        """
        def f(self, x):
            return self.a(inputs=x), self.b(inputs=x)
        """,
        """
        region 0 at line 2: sites [0, 1] pairs 0-1
        """,
    ),
    "a store to self cuts": (
        """
        def f(self, x):
            a = self.a(inputs=x)
            b = self.b(inputs=x)
            self.count += 1
            c = self.a(inputs=x)
            d = self.b(inputs=x)
            return a
        """,
        """
        region 0 at line 2: sites [0, 1] pairs 0-1
        region 1 at line 5: sites [2, 3] pairs 2-3
        """,
    ),
    "a single call on each side of a barrier": (
        """
        def f(self, x):
            a = self.a(inputs=x)
            self.count += 1
            b = self.b(inputs=x)
            return a
        """,
        "",
    ),
    "a barrier in a loop leaves regions in its body": (
        """
        def f(self, x):
            for y in x:
                a = self.a(inputs=y)
                b = self.b(inputs=y)
                self.count += 1
                c = self.a(inputs=y)
                d = self.b(inputs=y)
        """,
        """
        region 0 at line 3: sites [0, 1] pairs 0-1
        region 1 at line 6: sites [2, 3] pairs 2-3
        """,
    ),
    "a with-block is a region of its own": (
        """
        def f(self, x):
            p = self.a(inputs=x)
            q = self.b(inputs=x)
            with x as y:
                a = self.a(inputs=y)
                b = self.b(inputs=y)
            c = self.a(inputs=x)
            d = self.b(inputs=x)
        """,
        """
        region 0 at line 2: sites [0, 1] pairs 0-1
        region 1 at line 5: sites [2, 3] pairs 2-3
        region 2 at line 7: sites [4, 5] pairs 4-5
        """,
    ),
    "a barrier in the middle of a statement": (
        """
        def f(self, x):
            a = self.a(inputs=x)
            b = self.b(inputs=x) + x.unknown() + self.c(inputs=x)
            c = self.a(inputs=x)
            return self.b(inputs=x)
        """,
        """
        region 0 at line 2: sites [0, 1] pairs 0-1
        region 1 at line 4: sites [3, 4] pairs 3-4
        """,
    ),
    "a statement left alone cuts": (
        """
        def f(self, x):
            a = self.a(inputs=x)
            b = self.b(inputs=x)
            class C:
                pass
            c = self.a(inputs=x)
            d = self.b(inputs=x)
        """,
        """
        region 0 at line 2: sites [0, 1] pairs 0-1
        region 1 at line 6: sites [2, 3] pairs 2-3
        """,
    ),
    "continue on a result": (
        """
        def f(self, x):
            for y in x:
                s = self.a(inputs=y)
                if s['score'] > 1:
                    continue
                self.b(inputs=y)
        """,
        """
        region 0 at line 2: sites [0, 1] pairs 0-0 0-1 1-1
        """,
    ),
    "the arms of a branch exclude each other": (
        """
        def f(self, x):
            if x:
                s = self.a(inputs=x)
            else:
                s = self.b(inputs=x)
            return s
        """,
        "",
    ),
    "a branch and what follows": (
        """
        def f(self, x):
            if x:
                s = self.a(inputs=x)
            return self.b(inputs=x)
        """,
        """
        region 0 at line 2: sites [0, 1] pairs 0-1
        """,
    ),
    "a short circuit": (
        """
        def f(self, x):
            return self.a(inputs=x) and self.b(inputs=x)
        """,
        "",
    ),
    "a call in a nested function stays in it": (
        """
        def f(self, x):
            def g(y):
                return self.a(inputs=y)
            return g(x), self.b(inputs=x), self.c(inputs=1)
        """,
        """
        region 0 at line 2: sites [0, 1] pairs 0-1
        """,
    ),
    "break before the call": (
        """
        def f(self, x):
            for y in x:
                if y:
                    break
                self.a(inputs=y)
            return self.b(inputs=x)
        """,
        """
        region 0 at line 2: sites [0, 1] pairs 0-0 0-1
        """,
    ),
}


@pytest.mark.parametrize("name", REGIONS)
def test_regions(name: str) -> None:
    text, expected = REGIONS[name]
    assert show_regions(stages(text).regions) == textwrap.dedent(expected).strip()


def test_the_threshold_counts_calls_in_flight() -> None:
    two = stages("def f(self, x):\n    return self.a(inputs=x), self.b(inputs=x)").escaped
    assert [len(find_regions(two, threshold)) for threshold in (2, 3)] == [1, 0]
    loop = stages("def f(self, x):\n    for y in x:\n        self.a(inputs=y)").escaped
    assert len(find_regions(loop, 1000)) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "self.count = 1",
        "x.y = 1",
        "x[0] = 1",
        "del x[0]",
        "global g; g = 1",
        "x.unknown()",
        "open(x, 'w')",
        "import not_imported_yet",
    ],
)
def test_no_region_holds_an_effect(statement: str) -> None:
    made = stages(
        f"def f(self, x):\n    self.a(inputs=1); self.b(inputs=2)\n    {statement}\n    self.a(inputs=3); self.b(inputs=4)"
    )
    assert show_regions(made.regions) == (
        "region 0 at line 2: sites [0, 1] pairs 0-1\nregion 1 at line 4: sites [2, 3] pairs 2-3"
    )
    assert not any(
        inner.kind == "barrier"
        for region in made.regions
        for op in region.ops
        for inner in op.walk()
    )


def test_a_region_is_a_run_of_ops_of_one_block() -> None:
    made = stages(
        """
        def f(self, x):
            for y in x:
                a = self.a(inputs=y)
                if a:
                    self.b(inputs=a)
                else:
                    self.count = 1
                    self.a(inputs=1), self.b(inputs=2)
            return self.c(inputs=x), self.c(inputs=y)
        """
    )
    assert [(region.number, region.start.lineno) for region in made.regions] == [(0, 8), (1, 9)]
