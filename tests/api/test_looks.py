"""A decorated function looks as its author wrote it, and refuses what it cannot do; and switching it all off."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable
from typing import Any

import pytest

from ember_jit import Operator, disable_structural_jit, query, structural_jit
from ember_jit.errors import EmberError, NotAnOperatorError, OptionError, SignatureError

TIMEOUT = 10


@query
def ask(text: Any) -> str:
    return f"{text}!"


# ---------------------------------------------------------------------- looks
def looks(function: Any) -> dict[str, Any]:
    code = function.__code__
    return {
        "signature": inspect.signature(function),
        "spec": inspect.getfullargspec(function),
        "source": inspect.getsource(function),
        "doc": function.__doc__,
        "cleaned": inspect.getdoc(function),
        "annotations": function.__annotations__,
        "defaults": function.__defaults__,
        "keyword defaults": function.__kwdefaults__,
        "names": (function.__name__, function.__qualname__, function.__module__),
        "place": (code.co_filename, code.co_firstlineno, code.co_name, code.co_qualname),
        "flags": (inspect.iscoroutinefunction(function), inspect.isgeneratorfunction(function)),
        "free": code.co_freevars,
        "dict": vars(function),
        "text": repr(function).split(" at ")[0],
    }


def functions(decorate: Callable[[Any], Any]) -> list[tuple[Any, Callable[[Any], Any]]]:
    """Functions of every signature, and a call of each."""
    outer = "outer"

    @decorate
    def plain(a: int, b: str = "b") -> str:
        """Two lines
        of text."""
        return ask(a) + ask(b)

    @decorate
    def stars(a: int, *rest: int, sep: str = "-", **more: Any) -> str:
        return sep.join([ask(a), *[ask(x) for x in rest]]) + str(sorted(more.items()))

    @decorate
    def positional(a: int, b: int = 2, /, c: int = 3, *, d: int = 4) -> str:
        return ask(a) + ask(b) + ask(c) + ask(d)

    @decorate
    def closure(a: Any) -> Any:
        x = ask(outer)
        y = ask(a)
        return x, y, outer

    @decorate
    def mutable(a: Any, seen: list[Any] = []) -> Any:
        seen.append(a)
        return ask(len(seen)) + ask(a)

    @decorate
    def fib(n: int) -> Any:
        return 1 if n < 2 else fib(n - 1) + fib(n - 2) + 0 * len(ask(n) + ask(n))

    @decorate
    def nothing() -> Any:
        return ask(1), ask(2)

    return [
        (plain, lambda f: (f(1), f(1, "x"), f(b="k", a=0))),
        (stars, lambda f: (f(1), f(1, 2, 3), f(1, sep="+", k=2), f(1, 2, a_=3))),
        (positional, lambda f: (f(1), f(1, 5), f(1, 5, c=6, d=7), f(1, 5, 6))),
        (closure, lambda f: (f(1), f("x"))),
        (mutable, lambda f: (f(1), f(2), f(3, []))),
        (fib, lambda f: f(9)),
        (nothing, lambda f: f()),
    ]


NAMES = ["plain", "stars", "positional", "closure", "mutable", "fib", "nothing"]


@pytest.mark.parametrize("index", range(len(NAMES)), ids=NAMES)
def test_a_function_looks_the_same_before_and_after_its_first_call(index: int) -> None:
    plain, call = functions(lambda function: function)[index]
    compiled, _ = functions(structural_jit)[index]
    expected = looks(plain)
    assert looks(compiled) == expected
    results = [call(plain) for _ in range(3)]
    assert [call(compiled) for _ in range(3)] == results
    after, now = looks(compiled), looks(plain)
    assert after == now


@pytest.mark.parametrize("index", range(len(NAMES)), ids=NAMES)
def test_wrong_arguments_are_refused_in_the_same_words(index: int) -> None:
    plain, call = functions(lambda function: function)[index]
    compiled, _ = functions(structural_jit)[index]
    wrong: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        ((), {"zzz": 1}),
        ((1, 2, 3, 4, 5, 6), {}),
        ((1,), {"a": 1}),
    ]
    if NAMES[index] != "nothing":
        wrong.append(((), {}))
    for _ in range(2):
        for args, kwargs in wrong:
            messages = []
            for function in (plain, compiled):
                try:
                    messages.append(("returned", function(*args, **kwargs)))
                except TypeError as exc:
                    messages.append(("raised", str(exc)))
            assert messages[0] == messages[1]
        call(compiled), call(plain)


def test_defaults_may_be_replaced_later() -> None:
    @structural_jit
    def both(a: int = 1, *, b: int = 2) -> str:
        return ask(a) + ask(b)

    assert both() == "1!2!"
    both.__defaults__ = (3,)
    both.__kwdefaults__ = {"b": 4}
    assert both() == "3!4!"


def test_the_code_may_be_replaced_later() -> None:
    @structural_jit
    def both(a: int) -> str:
        return ask(a) + ask(a)

    def other(a: int) -> str:
        return "other"

    assert both(1) == "1!1!"
    both.__code__ = other.__code__
    assert both(1) == "other"


# ---------------------------------------------------------------------- refusals
@pytest.mark.parametrize(
    ("option", "bad", "good"),
    [
        ("execution_strategy", "fast", ["'auto'", "'parallel'", "'sequential'"]),
        ("execution_strategy", None, ["'auto'", "'parallel'", "'sequential'"]),
        ("effects", "guess", ["'infer'", "'strict'"]),
        ("assume", "pure", ["None", "'stateless'"]),
        ("assume", True, ["None", "'stateless'"]),
        ("speculate", "everything", ["'pure'", "'query'"]),
        ("parallel_threshold", 1, ["at least 2"]),
        ("parallel_threshold", "2", ["at least 2"]),
        ("parallel_threshold", None, ["at least 2"]),
        ("max_workers", 0, ["at least 1"]),
        ("max_workers", 1.5, ["at least 1"]),
        ("max_workers", True, ["at least 1"]),
        ("max_extra_calls", -1, ["at least 0"]),
        ("max_extra_calls", "none", ["at least 0"]),
        (
            "paralel_threshold",
            2,
            ["parallel_threshold", "max_workers", "execution_strategy", "assume"],
        ),
        ("execution_strategy", [], ["'auto'", "'parallel'", "'sequential'"]),
    ],
)
def test_a_bad_option_is_refused_with_the_good_ones(option: str, bad: Any, good: list[str]) -> None:
    with pytest.raises(OptionError) as info:
        structural_jit(**{option: bad})
    assert isinstance(info.value, EmberError | ValueError)
    for text in (option, *good, "[EMB001]"):
        assert text in str(info.value)


@pytest.mark.parametrize("target", [3, "text", [1], Ellipsis, 2.5], ids=repr)
def test_what_is_no_operator_is_refused(target: Any) -> None:
    with pytest.raises(NotAnOperatorError) as info:
        structural_jit(target)
    assert isinstance(info.value, TypeError)
    for text in (type(target).__name__, "forward(self, *, inputs)", "[EMB002]"):
        assert text in str(info.value)


def test_a_forward_that_cannot_be_called_is_refused() -> None:
    class Other(Operator):
        def forward(self, x: Any) -> Any:
            return ask(x) + ask(x)

    class NoSelf(Operator):
        def forward() -> Any:  # type: ignore[misc]
            return ask(1) + ask(2)

    class Positional(Operator):
        def forward(self, inputs: Any, /) -> Any:
            return ask(inputs) + ask(inputs)

    for cls, problem in ((Other, "`inputs`"), (NoSelf, "`self`"), (Positional, "`inputs`")):
        for target in (cls, cls()):
            with pytest.raises(SignatureError) as info:
                structural_jit(target)
            for text in (cls.__name__, problem, __file__, "forward(self, *, inputs)", "[EMB003]"):
                assert text in str(info.value)


def test_every_way_to_take_inputs_is_accepted() -> None:
    class Any_(Operator):
        def forward(self, **named: Any) -> Any:
            return ask(named["inputs"]) + ask(2)

    class Both(Operator):
        def forward(*args: Any, **named: Any) -> Any:
            return ask(named["inputs"]) + ask(len(args))

    class More(Operator):
        def forward(self, inputs: Any, extra: int = 1) -> Any:
            return ask(inputs) + ask(extra)

    for cls in (Any_, Both, More):
        op = structural_jit(cls)()
        assert op(inputs=1)[:2] == op(inputs=1)[:2] == "1!"


# ---------------------------------------------------------------------- switching it off
class Where:
    """An operator's leaves, and the threads that they ran on."""

    def __init__(self) -> None:
        self.meet: threading.Barrier | None = threading.Barrier(2, timeout=TIMEOUT)

        @query
        class Leaf(Operator):
            def forward(_self, *, inputs: Any) -> Any:
                if self.meet is not None:
                    self.meet.wait()
                return threading.get_ident()

        @structural_jit
        class Op(Operator):
            def __init__(self) -> None:
                self.a, self.b = Leaf(), Leaf()

            def forward(self, *, inputs: Any) -> Any:
                x = self.a(inputs=inputs)
                y = self.b(inputs=inputs)
                return {x, y}

        self.op = Op()

    def overlaps(self) -> bool:
        self.meet = threading.Barrier(2, timeout=TIMEOUT)
        return len(self.op(inputs=1)) == 2

    def plain(self) -> bool:
        self.meet = None
        return bool(self.op(inputs=1) == {threading.get_ident()})


@pytest.mark.parametrize("compiled", [False, True], ids=["before the first call", "after it"])
def test_disabling_nests_and_restores(compiled: bool) -> None:
    where = Where()
    if compiled:
        assert where.overlaps()
    with disable_structural_jit():
        assert where.plain()
        with disable_structural_jit():
            assert where.plain()
        assert where.plain()
    assert where.overlaps()
    with pytest.raises(KeyError), disable_structural_jit():
        raise KeyError
    assert where.overlaps()


def test_disabling_does_not_reach_other_threads() -> None:
    where, found = Where(), []
    with disable_structural_jit():
        assert where.plain()
        thread = threading.Thread(target=lambda: found.append(where.overlaps()))
        thread.start()
        thread.join(TIMEOUT)
        assert found == [True]
        assert where.plain()


def test_disabling_is_per_asyncio_task() -> None:
    async def disabled(entered: asyncio.Event, leave: asyncio.Event) -> bool:
        where = Where()
        with disable_structural_jit():
            entered.set()
            await leave.wait()
            inner = await asyncio.create_task(inherits(where))
            return where.plain() and inner

    async def inherits(where: Where) -> bool:
        return where.plain()

    async def enabled(entered: asyncio.Event, leave: asyncio.Event) -> bool:
        await entered.wait()
        found = Where().overlaps()
        leave.set()
        return found

    async def main() -> list[bool]:
        entered, leave = asyncio.Event(), asyncio.Event()
        return await asyncio.gather(disabled(entered, leave), enabled(entered, leave))

    assert asyncio.run(main()) == [True, True]
