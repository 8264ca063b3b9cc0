"""Which exception comes out of a compiled function, what hangs on it, and what had been called by then.

Order is made with events, never with time: a leaf that must fail late waits for the one that fails early.
"""

from __future__ import annotations

import asyncio
import os
import threading
import traceback
from collections.abc import Callable
from typing import Any

import pytest

import ember_jit
from ember_jit import Operator, query, structural_jit

TIMEOUT = 10
PACKAGE = os.path.dirname(ember_jit.__file__) + os.sep
Build = Callable[[Any], Any]


def plain(target: Any) -> Any:
    """The decorator that does nothing: the same source, eager."""
    return target


def caught(call: Callable[[], Any]) -> BaseException:
    try:
        call()
    except BaseException as exc:
        return exc
    raise AssertionError("nothing was raised")


def both(build: Callable[[Build], Any], inputs: Any) -> tuple[BaseException, BaseException]:
    """What the eager and the compiled twin raise: one source, one line that calls them."""
    found = []
    for decorate in (plain, structural_jit):
        op = build(decorate)()
        found.append(caught(lambda: op(inputs=inputs)))
    return found[0], found[1]


def frames(exc: BaseException) -> list[tuple[str, str, int | None]]:
    """The user's frames; of ours, only `Operator.__call__` may stand between them, as in plain Python."""
    found = traceback.extract_tb(exc.__traceback__)
    ours = {(os.path.basename(f.filename), f.name) for f in found if f.filename.startswith(PACKAGE)}
    assert ours <= {("operators.py", "__call__")}
    assert not [f for f in found if f.filename.startswith("<")]
    return [(f.filename, f.name, f.lineno) for f in found if not f.filename.startswith(PACKAGE)]


def chain(exc: BaseException | None) -> list[Any]:
    """The exception and everything that it is chained to, as text."""
    found: list[Any] = []
    while exc is not None and len(found) < 20:
        found.append(
            (
                type(exc),
                exc.args,
                repr(exc.__cause__),
                exc.__suppress_context__,
                getattr(exc, "__notes__", None),
            )
        )
        exc = exc.__context__
    return found


@query
class Give(Operator):
    """Returns its input."""

    def forward(self, *, inputs: Any) -> Any:
        return inputs


@query
class Fail(Operator):
    """Raises what it is given, once it may; says when it has begun."""

    def __init__(
        self, exc: BaseException | None = None, after: threading.Event | None = None
    ) -> None:
        self.exc, self.after, self.begun = exc, after, threading.Event()

    def forward(self, *, inputs: Any) -> Any:
        self.begun.set()
        if self.after is not None:
            assert self.after.wait(TIMEOUT)
        if self.exc is not None:
            raise self.exc
        return inputs


def two(decorate: Build) -> Any:
    class Two(Operator):
        def __init__(self, a: Any, b: Any) -> None:
            self.a, self.b = a, b

        def forward(self, *, inputs: Any) -> Any:
            x = self.a(inputs=inputs)
            y = self.b(inputs=inputs)
            return x, y

    return decorate(Two)


def test_the_first_in_program_order_wins_although_a_later_call_failed_earlier() -> None:
    late = Fail(KeyError("second"))
    first = ValueError("first")
    op = two(structural_jit)(Fail(first, after=late.begun), late)
    for _ in range(3):
        late.begun.clear()
        assert caught(lambda: op(inputs=1)) is first
        assert late.begun.is_set()


def test_the_first_iteration_wins() -> None:
    begun = threading.Event()

    @query
    class Item(Operator):
        def forward(self, *, inputs: Any) -> Any:
            if inputs == 3:
                begun.set()
            elif inputs == 1:
                assert begun.wait(TIMEOUT)
            if inputs:
                raise ValueError(inputs)
            return inputs

    @structural_jit
    class Op(Operator):
        def __init__(self) -> None:
            self.item = Item()

        def forward(self, *, inputs: Any) -> Any:
            return [self.item(inputs=x) for x in inputs]

    assert caught(lambda: Op()(inputs=[0, 1, 2, 3])).args == (1,)


class Custom(Exception):
    def __init__(self, a: int, *, b: int) -> None:
        super().__init__(a, b)
        self.b = b


KINDS = [
    ValueError("text", 3),
    Custom(1, b=2),
    NotImplementedError("mine"),
    AssertionError(),
    StopIteration(7),
    StopAsyncIteration(),
    GeneratorExit("g"),
    KeyboardInterrupt(),
    SystemExit(3),
    asyncio.CancelledError("c"),
    ExceptionGroup("the user's own", [ValueError(1)]),
    RecursionError("not ours"),
    TimeoutError(),
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda exc: type(exc).__name__)
@pytest.mark.parametrize("first", [True, False], ids=["first", "second"])
def test_every_kind_of_exception_comes_out_as_it_was_raised(
    kind: BaseException, first: bool
) -> None:
    op = (
        two(structural_jit)(Fail(kind), Give())
        if first
        else two(structural_jit)(Give(), Fail(kind))
    )
    args = kind.args
    for _ in range(2):
        exc = caught(lambda: op(inputs=1))
        assert exc is kind
        assert exc.args is args
        assert exc.__cause__ is None
        assert exc.__context__ is None
        assert not hasattr(exc, "__notes__")


def test_stop_iteration_inside_a_generator_expression() -> None:
    """Plain Python turns it into a RuntimeError there, and nowhere else."""

    def build(decorate: Build) -> Any:
        class Op(Operator):
            def __init__(self) -> None:
                self.leaf = Fail(StopIteration(5))

            def forward(self, *, inputs: Any) -> Any:
                if inputs["lazy"]:
                    return sum(self.leaf(inputs=x) for x in inputs["items"])
                return [self.leaf(inputs=x) for x in inputs["items"]]

        return decorate(Op)

    for lazy in (True, False):
        eager, compiled = both(build, {"lazy": lazy, "items": [1, 2]})
        assert chain(compiled) == chain(eager)
        assert frames(compiled) == frames(eager)


def test_the_callers_exception_is_the_context() -> None:
    """Chained as in plain Python: to what the caller was handling, behind what the leaf itself had chained."""

    @query
    class Chained(Operator):
        def forward(self, *, inputs: Any) -> Any:
            try:
                raise LookupError("inside")
            except LookupError as exc:
                if inputs == "cause":
                    raise ValueError("leaf") from exc
                if inputs == "none":
                    raise ValueError("leaf") from None
                raise ValueError("leaf")

    def run(decorate: Build, inputs: Any, leaf: Any) -> BaseException:
        op = two(decorate)(leaf, Give())
        try:
            raise OSError("outer")
        except OSError as handled:
            outer, exc = handled, caught(lambda: op(inputs=inputs))
        deepest = exc
        while deepest.__context__ is not None:
            deepest = deepest.__context__
        assert deepest is outer
        return exc

    for inputs in ("context", "cause", "none"):
        assert chain(run(structural_jit, inputs, Chained())) == chain(run(plain, inputs, Chained()))
    assert chain(run(structural_jit, 1, Fail(ValueError(1)))) == chain(
        run(plain, 1, Fail(ValueError(1)))
    )


def test_an_exception_handled_inside_forward_is_the_context() -> None:
    def build(decorate: Build) -> Any:
        class Op(Operator):
            def __init__(self) -> None:
                self.bad, self.worse, self.good = (
                    Fail(KeyError("bad")),
                    Fail(ValueError("worse")),
                    Give(),
                )

            def forward(self, *, inputs: Any) -> Any:
                try:
                    return self.bad(inputs=inputs), self.good(inputs=inputs)
                except KeyError:
                    x = self.worse(inputs=inputs)
                    y = self.good(inputs=inputs)
                    return x, y

        return decorate(Op)

    eager, compiled = both(build, 1)
    assert chain(compiled) == chain(eager)
    assert isinstance(compiled.__context__, KeyError)
    assert frames(compiled) == frames(eager)


def shapes(decorate: Build) -> Any:
    @query
    class Deep(Operator):
        def check(self, value: Any) -> Any:
            if value == "bad":
                raise ValueError(value)
            return {"value": value}

        def forward(self, *, inputs: Any) -> Any:
            return self.check(inputs)

    class Inner(Operator):
        def __init__(self) -> None:
            self.deep = Deep()

        def forward(self, *, inputs: Any) -> Any:
            first = self.deep(inputs="fine")
            second = self.deep(inputs=inputs)
            return first, second

    class Op(Operator):
        def __init__(self) -> None:
            self.deep, self.inner = Deep(), Inner()

        def forward(self, *, inputs: Any) -> Any:
            if inputs == "line":
                x = self.deep(inputs="fine")
                y = self.deep(
                    inputs="bad",
                )
                return x, y
            if inputs == "fluent":
                x = self.deep(inputs="fine")
                y = (
                    self.deep(
                        inputs="fine",
                    )
                    .get("value")
                    .join(
                        self
                        .deep(
                            inputs="bad"
                        )
                    )
                )  # fmt: skip
                return x, y
            if inputs == "list":
                return [
                    self.deep(inputs=each)["value"]
                    for each in ("a", "b", "bad")
                ]  # fmt: skip
            if inputs == "loop":
                out = []
                for each in ("a", "bad", "bad"):
                    found = self.deep(inputs=each)
                    out.append(found)
                return out
            if inputs == "nested":
                x = self.inner(inputs="fine")
                y = self.inner(inputs="bad")
                return x, y
            if inputs == "glue":
                x = self.deep(inputs="a")
                y = self.deep(inputs="b")
                z = x["missing"]
                return y, z
            try:
                x = self.deep(inputs="bad")
                y = self.deep(inputs="b")
            finally:
                inputs = [inputs]
            return x, y

    return decorate(Op)


@pytest.mark.parametrize("shape", ["line", "fluent", "list", "loop", "nested", "glue", "finally"])
def test_tracebacks_frame_by_frame(shape: str) -> None:
    """The first call compiles, the second does not, the third has company: always the user's frames alone."""
    eager = shapes(plain)()
    op = shapes(structural_jit)()
    expected = caught(lambda: eager(inputs=shape))
    for _ in range(3):
        exc = caught(lambda: op(inputs=shape))
        # the two twins have one source, so file, function and line must be the same
        assert frames(exc)[2:] == frames(expected)[2:]
        assert len(frames(exc)) > 2
        assert chain(exc) == chain(expected)


def test_one_exception_object_raised_again_and_again() -> None:
    def tracebacks(decorate: Build) -> list[list[str]]:
        op = two(decorate)(Fail(ValueError("shared")), Give())
        return [[name for _, name, _ in frames(caught(lambda: op(inputs=1)))] for _ in range(3)]

    assert tracebacks(structural_jit)[0] == tracebacks(plain)[0]


def test_a_later_call_that_hangs_is_not_waited_for() -> None:
    release, ended = threading.Event(), threading.Event()

    @query
    class Hang(Operator):
        def __init__(self) -> None:
            self.begun = threading.Event()

        def forward(self, *, inputs: Any) -> Any:
            self.begun.set()
            release.wait(TIMEOUT)
            ended.set()

    hang = Hang()
    op = two(structural_jit)(Fail(ValueError("now"), after=hang.begun), hang)
    exc = caught(lambda: op(inputs=1))
    assert not ended.is_set()
    release.set()
    assert str(exc) == "now"
    assert ended.wait(TIMEOUT)


def test_handlers_else_and_finally_see_what_is_delivered() -> None:
    def build(decorate: Build) -> Any:
        class Op(Operator):
            def __init__(self, exc: BaseException | None) -> None:
                self.a, self.b, self.log = Fail(exc), Give(), []

            def forward(self, *, inputs: Any) -> Any:
                x = y = None
                try:
                    x = self.a(inputs=inputs)
                    y = self.b(inputs=inputs)
                except (KeyError, IndexError) as exc:
                    self.log.append(("handled", type(exc)))
                    y = self.b(inputs="instead")
                else:
                    self.log.append("else")
                finally:
                    self.log.append("finally")
                z = self.b(inputs="after")
                return x, y, z

        return decorate(Op)

    for exc in (None, KeyError(1), ValueError(2), KeyboardInterrupt()):
        results = []
        for decorate in (plain, structural_jit):
            op = build(decorate)(exc)
            try:
                results.append((op(inputs=1), op.log))
            except BaseException as raised:
                results.append((raised, op.log))
        assert results[0] == results[1]


@pytest.mark.parametrize(
    "options", [{"max_extra_calls": 0}, {"execution_strategy": "sequential"}], ids=str
)
def test_no_call_is_made_early_when_the_licence_is_withdrawn(options: dict[str, Any]) -> None:
    seen: list[tuple[Any, int]] = []

    @query
    class Note(Operator):
        def forward(self, *, inputs: Any) -> Any:
            seen.append((inputs, threading.get_ident()))
            if inputs == "bad":
                raise ValueError
            return inputs

    @structural_jit(**options)
    class Op(Operator):
        def __init__(self) -> None:
            self.note = Note()

        def forward(self, *, inputs: Any) -> Any:
            return [self.note(inputs=x) for x in inputs]

    op = Op()
    for _ in range(5):
        seen.clear()
        assert isinstance(caught(lambda: op(inputs=["a", "bad", "b", "c"])), ValueError)
        assert seen == [("a", threading.get_ident()), ("bad", threading.get_ident())]


@pytest.mark.parametrize("extra", [1, 2])
def test_no_more_calls_are_made_early_than_allowed(extra: int) -> None:
    """The first call fails once the allowed ones have begun; nothing else begins, then or later."""
    lock, calls, begun = threading.Lock(), [], threading.Event()

    @query
    class Item(Operator):
        def forward(self, *, inputs: Any) -> Any:
            with lock:
                calls.append(inputs)
                if len(calls) > extra:
                    begun.set()
            if inputs == 0:
                assert begun.wait(TIMEOUT)
                raise ValueError
            return inputs

    @structural_jit(max_extra_calls=extra)
    class Op(Operator):
        def __init__(self) -> None:
            self.item = Item()

        def forward(self, *, inputs: Any) -> Any:
            return [self.item(inputs=x) for x in range(inputs)]

    assert isinstance(caught(lambda: Op()(inputs=20)), ValueError)
    assert sorted(calls) == list(range(extra + 1))
