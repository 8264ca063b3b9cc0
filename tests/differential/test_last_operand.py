"""The truth of the last operand of `and` and `or` is asked for by whatever they stand in, and by nobody before.

`self.h` may be an object with a `__bool__` of its own, which changes what the calls behind it see: they must not have
started before it has returned, whether the compiler has seen such an object or a plain one.
"""

from __future__ import annotations

import linecache
from typing import Any

import pytest

from ember_jit import Operator, disable_structural_jit, query, structural_jit

LOG: list[str] = []


class Asked:
    def __bool__(self) -> bool:
        LOG.append("asked")
        return True


@query
class Count(Operator):
    """How much has been logged when it starts."""

    def forward(self, *, inputs: Any) -> Any:
        return len(LOG)


FORMS = [
    "if self.h is None or self.h: z = 1",
    "if self.h is None or self.h: z = self.b(inputs=3)",
    "if self.h is not None and self.h: z = 1",
    "if self.h is None or not self.k or self.h: z = 1",
    "if 0 < 1 < 0 or self.h: z = 1",
    "if a is None or self.h: z = 1",
    "if self.a(inputs=0) is None or self.h: z = 1",
    "if (t := self.h) is None or t: z = 1",
    "h = self.h\n        if h is None or h: z = 1",
    "t = self.h is None or self.h\n        if t: z = 1",
    "z = 1 if self.h is None or self.h else 2",
    "z = not (self.h is None or self.h)",
    "z = bool(self.h is None or self.h)",
    "z = [v for v in (1, 2) if self.h is None or self.h]",
    "z = any([self.h is None or self.h])",
    "while self.h is None or self.h: break",
    "assert self.h is None or self.h",
]


@pytest.mark.parametrize("first", ["plain", "asked"])
@pytest.mark.parametrize("form", FORMS)
def test_calls_wait_for_it(form: str, first: str) -> None:
    text = f"""
class Op(Operator):
    def __init__(self, h):
        self.a, self.b, self.c, self.h, self.k = Count(), Count(), Count(), h, 1
    def forward(self, *, inputs):
        z = 0
        a = self.a(inputs=1)
        {form}
        b = self.b(inputs=2)
        return a, z, b, self.c(inputs=2)
"""
    filename = f"<last operand {hash((form, first))}>"
    linecache.cache[filename] = (len(text), None, text.splitlines(True), filename)
    space = {"Operator": Operator, "Count": Count}
    exec(compile(text, filename, "exec"), space)
    made: Any = structural_jit(execution_strategy="parallel")(space["Op"])
    if first == "plain":
        made(1)(inputs=1)
    op = made(Asked())
    LOG.clear()
    with disable_structural_jit():
        plain = op(inputs=1), list(LOG)
    LOG.clear()
    assert (op(inputs=1), list(LOG)) == plain
    del linecache.cache[filename]
