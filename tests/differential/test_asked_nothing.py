"""Objects that answer for themselves are asked exactly what the program asks them, however it is run.

A proxy connects to something when it is first looked at: reading its `__class__` (as `isinstance` does) or any other
name while a program is compiled, or ahead of its turn, would run its code.
"""

from __future__ import annotations

import linecache
import logging
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

import pytest

from ember_jit import Operator, explain, jit, query

asked: list[str] = []


def note(kind: str, name: str) -> None:
    asked.append(f"{kind} {name}")


class ClassIsProperty:
    """As lazy proxies are: it says of itself what what it stands for is."""

    @property
    def __class__(self) -> Any:
        note("class", "__class__")
        return dict

    def __call__(self, *, inputs: Any) -> Any:
        return {"t": 1}


class EveryName:
    """Every look at an attribute is noted."""

    def __getattribute__(self, name: str) -> Any:
        note("get", name)
        return object.__getattribute__(self, name)

    def __call__(self, *, inputs: Any) -> Any:
        return {"t": 2}


class MissingNames:
    """As mocks are: it has whatever it is asked for."""

    def __getattr__(self, name: str) -> Any:
        note("missing", name)
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return {"t": 3}

    def __len__(self) -> int:
        note("call", "len")
        return 1

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *details: Any) -> None:
        return None


class AsOperator(MissingNames):
    def forward(self, *, inputs: Any) -> Any:
        return {"t": 4}


PROXIES: list[Callable[[], Any]] = [ClassIsProperty, EveryName, MissingNames, AsOperator]
shared: Any = None


@query
class Leaf(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return {"t": 0}


class Guard:
    def __enter__(self) -> int:
        return 1

    def __exit__(self, *details: Any) -> None:
        return None


def made(name: str) -> Any:
    """One of the programs, with functions that nobody has compiled yet."""

    class Straight(Operator):
        def __init__(self, proxy: Any) -> None:
            self.leaf, self.proxy, self.ops = Leaf(), proxy, [Leaf(), proxy]
            self.table = {"a": proxy, "b": Leaf()}

        def forward(self, *, inputs: Any) -> Any:
            a = self.leaf(inputs=inputs)
            b = self.leaf(inputs=self.proxy)
            c = self.proxy(inputs=a)
            d = [op(inputs=b) for op in self.ops]
            e = [op(inputs=d) for op in self.table.values()]
            f = self.table["a"](inputs=e)
            return [a, b, c, d, e, f]

    class Global(Operator):
        def __init__(self, proxy: Any) -> None:
            global shared
            shared = proxy
            self.leaf = Leaf()

        def forward(self, *, inputs: Any) -> Any:
            a = self.leaf(inputs=shared)
            b = shared(inputs=a)
            return [a, b, self.leaf(inputs=b)]

    class Arguments(Operator):
        def __init__(self, proxy: Any) -> None:
            self.leaf, self.proxy = Leaf(), proxy

        def forward(self, *, inputs: Any) -> Any:
            x = self.leaf(inputs=[self.proxy, inputs])
            y = self.leaf(inputs={"p": self.proxy, "x": x["t"]})
            z = {self.leaf(inputs=(y, self.proxy))["t"]: inputs}
            total = 0
            for i in range(3):
                total += self.leaf(inputs=i)["t"] + z[0] if isinstance(z[0], int) else 1
            return [x, y, total]

    class Given(Operator):
        def __init__(self, proxy: Any) -> None:
            self.leaf = Leaf()

        def forward(self, *, inputs: Any) -> Any:
            a = self.leaf(inputs=inputs)
            b = self.leaf(inputs=a)
            with inputs.lock if hasattr(inputs, "lock") else Guard() as held:
                c = self.leaf(inputs=held)
            return [a, b, c, inputs(inputs=1), self.leaf(inputs=inputs)]

    return {"Straight": Straight, "Global": Global, "Arguments": Arguments, "Given": Given}[name]


def run(op: Any, given: Any, times: int) -> list[str]:
    asked.clear()
    for _ in range(times):
        op(inputs=given)
    return list(asked)


@pytest.mark.parametrize("options", [{}, {"force_trace": True}, {"speculate": "query"}], ids=str)
@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize("name", ["Straight", "Global", "Arguments", "Given"])
def test_a_proxy_is_asked_what_the_program_asks(
    name: str, proxy: Any, options: dict[str, Any]
) -> None:
    plain = run(made(name)(proxy()), proxy(), 4)
    op, given = jit(**options)(made(name))(proxy()), proxy()
    assert run(op, given, 4) == plain
    asked.clear()
    str(explain(op))
    assert asked == []


class Everything(MissingNames):
    """A mock that can be used in any way."""

    def __add__(self, other: Any) -> int:
        note("call", "add")
        return 1

    def __iter__(self) -> Any:
        note("call", "iter")
        return iter([1, 2])

    def __contains__(self, item: Any) -> bool:
        note("call", "contains")
        return True

    def __getitem__(self, key: Any) -> Any:
        note("call", "getitem")
        return 1

    def __format__(self, spec: str) -> str:
        note("call", "format")
        return "f"

    def __eq__(self, other: object) -> bool:
        note("call", "eq")
        return self is other

    def __hash__(self) -> int:
        note("call", "hash")
        return 1

    def __bool__(self) -> bool:
        note("call", "bool")
        return True

    def __repr__(self) -> str:
        note("call", "repr")
        return "r"


def used(how: str) -> Any:
    """A program that uses its proxy in one way, between two calls that could overlap."""
    namespace: dict[str, Any] = {"Operator": Operator, "Leaf": Leaf, "partial": partial, "log": log}
    source = f"""
class Op(Operator):
    def __init__(self, proxy):
        self.proxy, self.leaf = proxy, Leaf()
    def forward(self, *, inputs):
        xs = [1, 2]
        a = self.leaf(inputs=inputs)
        r = {how}
        b = self.leaf(inputs=inputs)
        return [a["t"], b["t"]]
"""
    filename = f"<proxy {next(numbers)}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
    exec(compile(source, filename, "exec"), namespace)
    return namespace["Op"]


numbers = count()
log = logging.getLogger("tests.proxy")
WAYS = """
self.proxy.create(x=1)
self.proxy.chat.completions.create(model="m")
[self.proxy.find(x) for x in xs]
[self.leaf(inputs=self.proxy.find(x)) for x in xs]
sorted(xs, key=self.proxy.key) if False else 0
list(map(self.proxy, xs))
[*map(self.proxy.go, xs)]
len(self.proxy)
f"{self.proxy}"
"%s" % (self.proxy,) if False else 0
self.proxy + 1
[x for x in self.proxy]
3 in self.proxy
self.proxy["k"]
partial(self.proxy, 1)()
partial(self.proxy.part, 1)()
self.leaf(inputs=self.proxy.name)
self.leaf(inputs=self.proxy[0])
self.leaf(inputs=f"{self.proxy}")
self.leaf(inputs=[self.proxy + 1])
self.proxy if self.proxy else None
getattr(self.proxy, "name")
getattr(self.proxy, "name", None)
hasattr(self.proxy, "name")
isinstance(self.proxy, dict)
callable(self.proxy)
type(self.proxy)
{**{"a": self.proxy}}
(lambda p: p.name)(self.proxy)
[self.leaf(inputs=p) for p in (self.proxy, self.proxy.other)]
print(self.proxy.text, end="")
log.debug("%s", self.proxy.text)
self.proxy.a.b.c(1)["t"]
inputs.run(self.proxy)
inputs.child(inputs=self.leaf(inputs=1))
dict(a=self.proxy.a)
min(xs, key=lambda x: self.proxy[x])
self.leaf(inputs=self.proxy).get("t")
zip(xs, self.proxy)
max(self.proxy)
sum(self.proxy)
self.proxy == 1
self.proxy in xs
self.proxy in {1: 2}
{self.proxy: 1}
{1: 2}.get(self.proxy)
not self.proxy
self.proxy or 1
repr(self.proxy)
f"{self.proxy!r}"
self.leaf(inputs={self.proxy: 1})
self.leaf(inputs=self.proxy == 1)
self.leaf(inputs=not self.proxy)
[self.leaf(inputs=x) for x in xs if self.proxy]
[self.leaf(inputs=x) for x in xs if x != self.proxy]
self.leaf(inputs=a["t"] == self.proxy)
self.leaf(inputs=[self.proxy].index(self.proxy))
self.leaf(inputs=[1, self.proxy].count(1))
self.leaf(inputs=sorted([self.proxy], key=id))
"".join(str(x) for x in self.proxy)
"""


@pytest.mark.parametrize("how", WAYS.strip().splitlines())
@pytest.mark.parametrize("options", [{}, {"force_trace": True}], ids=str)
def test_however_it_is_used(how: str, options: dict[str, Any], capsys: Any) -> None:
    plain = run(used(how)(Everything()), Everything(), 3)
    op, given = jit(**options)(used(how))(Everything()), Everything()
    assert run(op, given, 3) == plain
    asked.clear()
    str(explain(op))
    assert asked == []
