"""Special methods of live objects have effects: what follows an operation that runs them waits for it.

Each operation changes the state through a special method of `self.h`, and the calls around it read that state.
"""

from __future__ import annotations

import pytest

from tests.differential.generated import PRELUDE, difference

OPERATIONS = """\
str(self.h)|f"{self.h}"|"%s" % self.h|"{}".format(self.h)|len(self.h)|list(self.h)|sum(self.h)
sorted(self.h)|max(self.h)|dict(self.h)|hash(self.h)|repr(self.h)|not self.h|-self.h|self.h + 1
1 + self.h|self.h == 1|1 in self.h|[*self.h]|{self.h: 1}|self.h.nope|self.h.prop|self.prop|self.descr
self.h[0]|[1,2,3][self.h]|int(self.h)|bool(self.h)|tuple(self.h)|set(self.h)|any(self.h)
enumerate(self.h)|list(enumerate(self.h))|zip(self.h)|list(zip(self.h))|iter(self.h)|reversed(self.h)
range(self.h)|print(self.h, file=SINK)|isinstance(1, self.h)|getattr(self.h, "z")
hasattr(self.h, "z")|abs(self.h)|round(self.h)|min(self.h, 3)|max(1, self.h)|self.kept.count(self.h)
[self.h].index(1)|[1].count(self.h)|{1: 2}.get(self.h)|{1}.union(self.h)|[].extend(self.h)
"a".join(self.h)|self.h < 3|format(self.h)|ascii(self.h)|bytes(self.h)|sorted([self.h, self.h])
divmod(self.h, 1)|pow(self.h, 1)|str(object=self.h)|[x for x in self.h]|{**self.h}
self.h is None or self.h|next(iter(self.h))|self.h != 1|{self.h}|tuple([self.h])==(1,)
[self.h] == [1]|(self.h,) < (1,)|self.h in [1]|1 in [self.h]|str([self.h])|callable(self.h)
id(self.h)|vars(self.h)|dir(self.h)|type(self.h)|slice(self.h)|[1,2][self.h:]|"abc"[self.h]
"a" * self.h|[0] * self.h|sum([self.h], 0)|len([*self.h])|all(self.h)|frozenset(self.h)
map(self.h, [1])|list(map(self.h, [1]))|filter(self.h, [1])|list(filter(None, [self.h]))
complex(self.h)|float(self.h)"""
PROGRAMS = {
    "alone": """
        a = self.look(inputs=1)
        b = {operation}
        c = self.look(inputs=2)
        return a, c
    """,
    "in a loop": """
        out = []
        for i in range(2):
            a = self.look(inputs=1)
            z = self.h
            b = {operation}
            c = self.look(inputs=2)
            out.append((a, c))
        return out
    """,
    "in a try": """
        r = None
        try:
            self.look(inputs=self.look(inputs=1))
            {operation}
            r = self.look(inputs=1)
        except ZeroDivisionError:
            pass
        finally:
            self.look(inputs=self.k)
        return r
    """,
    "as a test": """
        a = self.look(inputs=1)
        if {operation}:
            pass
        b = self.look(inputs=2)
        assert {operation} or True
        return a, b, self.look(inputs=3)
    """,
}
TRUTHS = ["self.h", "self.h and 1", "1 if self.h else 2", "[q for q in [1] if self.h]"]


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_follows_waits(name: str) -> None:
    operations = [each for line in OPERATIONS.split("\n") for each in line.split("|")]
    step = 1 if name == "alone" else 3  # compiling takes its time
    for operation in [*operations[::step], *TRUTHS]:
        spelled = operation.replace("self.h", "z") if name == "in a loop" else operation
        body = PROGRAMS[name].format(operation=spelled)
        text = f"{PRELUDE}\n@decorate\nclass Main(Base):\n    def forward(self, *, inputs):{body}"
        assert not difference(1, text), operation
