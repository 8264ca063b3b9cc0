"""Chains are computed in place: whatever changes under them, they do what the plain program does.

Each case is a scenario: statements that use `op` (a chain of `Add`, `Ask` and others), `space` (the program's
globals) and `call(value)`, which records the value, or the exception with the frames of its traceback.  It runs on
the plain program and on the compiled one; the records must be equal.
"""

from __future__ import annotations

import bdb
import gc
import io
import pdb
import sys
import textwrap
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType
from typing import Any

import pytest

from ember_jit import disable_structural_jit, explain, operators, structural_jit
from ember_jit.runtime.dispatch import unit_of
from ember_jit.runtime.guard import is_available
from ember_jit.runtime.speculation import MISSES, Speculation
from tests.differential.test_straight import description
from tests.pipeline import namespace

folds = pytest.mark.skipif(not is_available(), reason="there are no guards here")

PROGRAM = """
class Plus(Operator):
    def forward(self, *, inputs):
        return {'v': inputs['v'] + 1, 'kept': inputs['kept']}

class Offset(Operator):
    scale = 2
    def __init__(self, offset=10):
        self.offset = offset
    def forward(self, *, inputs):
        total = inputs['v'] * self.scale
        total = total + self.offset
        return {**inputs, 'v': total}

class Slots(Operator):
    __slots__ = ('n',)
    def __init__(self):
        self.n = 3
    def forward(self, *, inputs):
        out = {}
        out['v'] = inputs['v'] * self.n
        out['kept'] = inputs['kept']
        return out

class Inner(Operator):
    def __init__(self):
        self.plus, self.offset = Plus(), Offset(0.5)
    def forward(self, *, inputs):
        return self.offset(inputs=self.plus(inputs=inputs))

class Outer(Operator):
    def __init__(self):
        self.inner = Inner()
    def forward(self, *, inputs):
        return self.inner(inputs=inputs)

class Text(Operator):
    def forward(self, *, inputs):
        text = f"{inputs['v']!r}:{inputs['v']:>8}|"
        return {'v': text.upper(), 'kept': inputs['kept'], 'many': ['a', inputs['v'], 2.5]}

@decorate
class Chain(Operator):
    '''A chain.'''
    def __init__(self):
        self.a, self.b, self.c, self.d, self.e = Plus(), Offset(), Slots(), Outer(), Text()

    def forward(self, *, inputs):
        '''Its docstring.'''
        x = self.a(inputs=inputs)
        x = self.b(inputs=x)
        x = self.c(inputs=x)
        x = self.d(inputs=x)
        return self.e(inputs=x)
"""

SCENARIOS = {
    "numbers": "call(1); call(-5); call(10**40); call(1.5); call(float('nan')); call(1j); call(True)",
    "values on which it fails": "call('text'); call(None); call([1]); call({}); call(b'x'); call(())",
    "wrong arguments": """
        for given in (None, 3, [], {}, {'v': 1}, {'kept': 2}, 'v'):
            raw(given)
    """,
    "a kind of dict": """
        class Loud(dict):
            def __getitem__(self, key):
                seen.append(key)
                return dict.__getitem__(self, key)
        raw(Loud(v=1, kept=2)); raw(Loud(v=1))
    """,
    "a value of the user's": """
        class Number:
            def __add__(self, other): seen.append(('add', other)); return 5
            def __radd__(self, other): seen.append(('radd', other)); return 5
            def __mul__(self, other): seen.append(('mul', other)); return 6
        call(Number()); call(1)
    """,
    "a kind of int": """
        class Loud(int):
            def __add__(self, other): seen.append(other); return Loud(int.__add__(self, other))
        call(Loud(3)); call(Loud(4))
    """,
    "a class with a hash of its own": """
        class Meta(type):
            def __hash__(cls): seen.append('hash'); return 1
            def __eq__(cls, other): seen.append('eq'); return True
        class Odd(metaclass=Meta): pass
        call(Odd()); call(1)
    """,
    "forward of the class patched": """
        call(1)
        space['Plus'].forward = lambda self, *, inputs: {'v': inputs['v'] + 100, 'kept': 0}
        call(1)
    """,
    "forward patched and put back": """
        call(1)
        old = space['Plus'].forward
        space['Plus'].forward = lambda self, *, inputs: {'v': inputs['v'] + 100, 'kept': 0}
        call(1)
        space['Plus'].forward = old
        call(1); call(2)
    """,
    "forward of a base patched": """
        class Deep(space['Plus']): pass
        op.a = Deep()
        call(1)
        space['Plus'].forward = lambda self, *, inputs: {'v': 7, 'kept': 0}
        call(1)
    """,
    "forward is a property": """
        call(1)
        space['Plus'].forward = property(lambda self: lambda **given: seen.append(given) or {'v': 7, 'kept': 8})
        call(1)
    """,
    "forward deleted": "call(1); del space['Plus'].forward; call(1)",
    "forward deleted, and found otherwise": """
        call(1)
        del space['Plus'].forward
        def found(self, name):
            seen.append(name)
            return lambda *, inputs: {'v': 3, 'kept': 4}
        space['Plus'].__getattr__ = found
        call(1)
    """,
    "override on the instance": """
        call(1)
        op.a.forward = lambda *, inputs: {'v': inputs['v'] + 100, 'kept': 0}
        call(1)
        del op.a.forward
        call(1); call(2)
    """,
    "override on another instance": """
        other = space['Plus']()
        other.forward = lambda *, inputs: {'v': 0, 'kept': 0}
        call(1); call(2)
        op.a = other
        call(1)
    """,
    "override deep inside": "call(1); op.d.inner.plus.forward = lambda *, inputs: {'v': 0, 'kept': 0}; call(1)",
    "override with the operator itself": """
        call(1)
        op.a.forward = space['Slots']()
        call(1)
    """,
    "override with the function of the class": "call(1); op.a.forward = space['Plus'].forward; call(1)",
    "override is not callable": "call(1); op.a.forward = 3; call(1)",
    "call of the class patched": """
        call(1)
        space['Plus'].__call__ = lambda self, *, inputs: {'v': 5, 'kept': 6}
        call(1)
        del space['Plus'].__call__
        call(1)
    """,
    "call of all operators patched": """
        call(1)
        old = Operator.__call__
        def spy(self, *, inputs):
            seen.append(type(self).__name__)
            return self.forward(inputs=inputs)
        Operator.__call__ = spy
        try: call(1)
        finally: Operator.__call__ = old
        call(1)
    """,
    "code of the call of all operators": """
        call(1)
        old = Operator.__call__.__code__
        def spy(self, *, inputs): return self.forward(inputs={**inputs, 'v': 9})
        Operator.__call__.__code__ = spy.__code__
        try: call(1)
        finally: Operator.__call__.__code__ = old
        call(1)
    """,
    "code of the call of all operators, before the first call": """
        old = Operator.__call__.__code__
        def spy(self, *, inputs): return self.forward(inputs={**inputs, 'v': 9})
        Operator.__call__.__code__ = spy.__code__
        try: call(1); call(1)
        finally: Operator.__call__.__code__ = old
        call(1)
    """,
    "a base with another call": """
        call(1)
        class Other(Operator):
            def __call__(self, *, inputs): return self.forward(inputs={**inputs, 'v': 50})
        space['Plus'].__bases__ = (Other,)
        call(1)
    """,
    "code replaced": """
        call(1)
        old = space['Plus'].forward.__code__
        def other(self, *, inputs): return {'v': -50, 'kept': 0}
        space['Plus'].forward.__code__ = other.__code__
        call(1)
        space['Plus'].forward.__code__ = old
        call(1); call(2)
    """,
    "code of an unrelated function replaced": """
        call(1)
        def one(): return 1
        def two(): return 2
        one.__code__ = two.__code__
        call(1); call(2)
    """,
    "defaults of all kinds": """
        call(1)
        def other(self, inputs={'v': 5, 'kept': 6}): return {'v': inputs['v'] - 1, 'kept': 0}
        forward = space['Plus'].forward
        forward.__kwdefaults__ = {'inputs': {'v': 9, 'kept': 9}}
        call(1)
        forward.__code__ = other.__code__
        call(1)
        forward.__defaults__ = other.__defaults__
        call(1); raw({'v': 2, 'kept': 3}, op.a)
        del forward.__defaults__
        call(1)
    """,
    "the code of a body deep inside": """
        call(1)
        def other(self, *, inputs): return {'v': -1, 'kept': 0}
        space['Inner'].forward.__code__ = other.__code__
        call(1); call(2)
    """,
    "code replaced by its equal": """
        call(1)
        space['Plus'].forward.__code__ = space['Plus'].forward.__code__.replace()
        call(1); call(2)
    """,
    "a class of operators gets a class of its own": """
        class Meta(type):
            def __setattr__(cls, name, value):
                seen.append(name)
                type.__setattr__(cls, name, value)
        class Plus(space['Plus'], metaclass=Meta):
            def forward(self, *, inputs): return {'v': inputs['v'] + 1000, 'kept': 1}
        call(1); op.a = Plus(); call(1); call(2)
        Plus.forward = lambda self, *, inputs: {'v': 0, 'kept': 0}
        call(1)
    """,
    "a subclass is changed": """
        class Sub(space['Plus']): pass
        op.a = Sub()
        call(1); call(2)
        Sub.forward = lambda self, *, inputs: {'v': -1, 'kept': 0}
        call(1); call(2)
        del Sub.forward
        call(1)
    """,
    "the class of the chain is changed": """
        call(1)
        space['Chain'].forward = lambda self, *, inputs: {'v': 0}
        call(1)
        del space['Chain'].forward
        call(1)
    """,
    "the code of the chain is changed": """
        call(1)
        def other(self, *, inputs):
            return {'v': inputs['v'], 'kept': 3}
        space['Chain'].forward.__code__ = other.__code__
        call(1); call(2)
    """,
    "a global that a body reads": """
        exec('class Global(Operator):\\n    def forward(self, *, inputs):\\n        return {**inputs, "v": inputs["v"] + step}', space)
        space['step'] = 5
        op.a = space['Global']()
        call(1); space['step'] = 6; call(1); del space['step']; call(1)
    """,
    "a class is replaced in the globals": """
        call(1)
        class Plus(Operator):
            def forward(self, *, inputs): return {'v': 5, 'kept': 5}
        space['Plus'] = Plus
        call(1); op.a = Plus(); call(1)
    """,
    "in the middle of it all": """
        class Sly(dict):
            def __getitem__(self, key):
                space['Slots'].forward = lambda self, *, inputs: {'v': seen.append('patched') or 3, 'kept': 4}
                return dict.__getitem__(self, key)
        call(1)
        raw(Sly(v=1, kept=2)); call(1)
    """,
    "by another thread, between two calls": """
        import threading
        def patch():
            space['Plus'].forward = lambda self, *, inputs: {'v': inputs['v'] + 7, 'kept': 0}
        call(1)
        other = threading.Thread(target=patch)
        other.start(); other.join()
        call(1); call(2)
    """,
    "an operator shadows its forward by a slot of its class": """
        class Slotted(space['Plus']):
            __slots__ = ('spare',)
        op.a = Slotted()
        call(1); call(2)
        op.a.forward = lambda *, inputs: {'v': 70, 'kept': 0}
        call(1)
    """,
    "dict of the operator is written to": """
        call(1)
        op.a.__dict__['forward'] = lambda *, inputs: {'v': 71, 'kept': 0}
        call(1)
        op.a.__dict__.clear()
        call(1)
        op.a.__dict__ = {'forward': lambda *, inputs: {'v': 72, 'kept': 0}}
        call(1)
    """,
    "the dict of the chain is replaced": """
        call(1)
        op.__dict__ = {**op.__dict__, 'a': space['Slots']()}
        call(1); call(2)
    """,
    "defaults do not matter": "call(1); space['Plus'].forward.__kwdefaults__ = {'inputs': 9}; call(1)",
    "an attribute of the class": "call(1); space['Offset'].scale = 4; call(1); call(2)",
    "an attribute of the class becomes a property": """
        call(1)
        space['Offset'].scale = property(lambda self: seen.append('read') or 5)
        call(1); call(2)
    """,
    "an attribute of the instance becomes a property": """
        call(1)
        space['Offset'].offset = property(lambda self: seen.append('read') or 5)
        call(1); call(2)
    """,
    "an attribute of the instance": "call(1); op.b.offset = 4; call(1); op.b.scale = 7; call(1)",
    "an attribute of the instance is gone": "call(1); del op.b.offset; call(1)",
    "an attribute of the instance is found otherwise": """
        call(1)
        del op.b.offset
        def found(self, name):
            seen.append(name)
            return 3
        space['Offset'].__getattr__ = found
        call(1)
    """,
    "the attribute is no plain value": """
        class Odd:
            def __radd__(self, other): seen.append(other); return 1
        call(1); op.b.offset = Odd(); call(1)
    """,
    "the receiver is another": "call(1); op.a = space['Slots'](); call(1); op.a = space['Plus'](); call(1)",
    "a subclass": """
        class Sub(space['Plus']):
            def forward(self, *, inputs): return {'v': 1, 'kept': 1}
        call(1); op.a = Sub(); call(1)
    """,
    "not an operator": "call(1); op.a = lambda inputs: {'v': 3, 'kept': 4}; call(1); op.a = 3; call(1)",
    "the receiver is gone": "call(1); del op.a; call(1)",
    "the class of the receiver": "call(1); op.a.__class__ = space['Inner']; call(1)",
    "the class of the chain": """
        class Wide(space['Chain']):
            def __getattribute__(self, name):
                seen.append(name)
                return object.__getattribute__(self, name)
        call(1); op.__class__ = Wide; call(1)
    """,
    "the look-up of the chain": """
        call(1)
        def spy(self, name):
            seen.append(('get', name))
            return object.__getattribute__(self, name)
        space['Chain'].__getattribute__ = spy
        call(1)
    """,
    "a property of the chain": """
        call(1)
        space['Chain'].a = property(lambda self: seen.append('a') or space['Plus']())
        call(1)
    """,
    "getattribute": """
        call(1)
        def spy(self, name):
            seen.append(('get', name))
            return object.__getattribute__(self, name)
        space['Plus'].__getattribute__ = spy
        call(1)
    """,
    "a subclass of the chain": """
        class Wider(space['Chain']):
            def forward(self, *, inputs):
                return {'w': super().forward(inputs=inputs)}
        call(1)
        wider = Wider()
        raw({'v': 1, 'kept': 2}, wider); raw({'v': 2, 'kept': 2}, wider)
    """,
    "what is passed on is the same object": """
        class Thing: pass
        thing = Thing()
        result = op(inputs={'v': 1, 'kept': thing})
        result = op(inputs={'v': 1, 'kept': thing})
        seen.append(result['kept'] is thing)
        again = op.e(inputs={'v': 1, 'kept': thing})
        seen.append(result['many'][2] is again['many'][2])
        seen.append(list(result))
    """,
    "within a handler": """
        try:
            raise KeyError('outer')
        except KeyError:
            call(1); call(None)
    """,
    "many times": "for number in range(300): call(number)\ncall('x')\nfor number in range(100): call('x')\ncall(1)",
    "classes change all the time": """
        for number in range(2000):
            space['Plus'].counter = number
            call(number % 3)
    """,
}


def record(scenario: str, decorate: Any) -> list[Any]:
    """Everything that could be seen of a scenario."""
    space = namespace(PROGRAM, "<chain>", decorate=decorate)
    seen: list[Any] = []

    def raw(given: Any, op: Any = None) -> None:
        try:
            seen.append(shown((op or chain)(inputs=given)))
        except Exception as exc:
            seen.append(description(exc))

    def call(value: Any) -> None:
        raw({"v": value, "kept": "kept"})
        seen.append(sorted(vars(chain)) if type(chain) is space["Chain"] else None)

    def shown(result: Any) -> Any:
        return repr(result), [type(each) for each in result.values()] if type(result) is dict else 0

    chain = space["Chain"]()
    script = compile(textwrap.dedent(scenario), "<scenario>", "exec")
    exec(script, {"call": call, "raw": raw, "op": chain, "space": space, "seen": seen,
                  "Operator": space["Operator"]})  # fmt: skip
    return seen


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_the_same_as_plain(scenario: str) -> None:
    assert record(scenario, structural_jit) == record(scenario, lambda cls: cls)


def chain() -> tuple[Any, Speculation, dict[str, Any]]:
    """A chain that has been called, and its speculation."""
    space = namespace(PROGRAM, "<chain>", decorate=structural_jit)
    op = space["Chain"]()
    for value in range(3):
        op(inputs={"v": value, "kept": None})
    (found,) = (
        const for const in op.forward.__func__.__code__.co_consts if type(const) is Speculation
    )
    return op, found, space


def is_made(op: Any, speculation: Speculation) -> bool:
    """Whether the next call computes in place."""
    renewals, misses = speculation._renewals, speculation._misses
    op(inputs={"v": 1, "kept": None})
    return (renewals, misses) == (speculation._renewals, speculation._misses) and (
        speculation.guard(op)
    )


@folds
def test_the_program_of_the_scenarios_is_computed_in_place() -> None:
    op, speculation, space = chain()
    assert is_made(op, speculation)
    assert "5 of 5 calls are computed in place" in explain(op).headline
    assert space["Chain"].forward.__doc__ == "Its docstring."
    space["Plus"].counter = 1
    assert not speculation.guard(op)
    assert not is_made(op, speculation)
    assert is_made(op, speculation), (
        "what changed did not matter, but the attempt is not made again"
    )


@folds
def test_a_function_does_without_after_many_attempts_in_vain() -> None:
    op, _, _ = chain()
    for _ in range(MISSES):
        with pytest.raises(TypeError):
            op(inputs={"v": "text", "kept": None})
    assert "straight to the operator's `forward`" in explain(op).headline
    assert any("computed in place: its operators" in each for each in explain(op).remarks)
    assert op(inputs={"v": 1, "kept": None})["kept"] is None


@contextmanager
def traced(names: list[str]) -> Iterator[None]:
    def trace(frame: Any, event: str, arg: Any) -> Any:
        if frame.f_code.co_filename == "<chain>":
            names.append(f"{event} {frame.f_code.co_qualname}")
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


@contextmanager
def profiled(names: list[str]) -> Iterator[None]:
    def profile(frame: Any, event: str, arg: Any) -> Any:
        if frame.f_code.co_filename == "<chain>" and not event.startswith("c_"):
            names.append(f"{event} {frame.f_code.co_qualname}")

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        yield
    finally:
        sys.setprofile(before)


@contextmanager
def monitored(names: list[str]) -> Iterator[None]:
    monitoring: Any = getattr(sys, "monitoring", None)
    if monitoring is None:
        pytest.skip("sys.monitoring came with Python 3.12")

    def started(code: CodeType, offset: int) -> None:
        if code.co_filename == "<chain>":
            names.append(code.co_qualname)

    tool = next(number for number in range(6) if monitoring.get_tool(number) is None)
    monitoring.use_tool_id(tool, "test")
    monitoring.register_callback(tool, monitoring.events.PY_START, started)
    monitoring.set_events(tool, monitoring.events.PY_START)
    try:
        yield
    finally:
        monitoring.set_events(tool, 0)
        monitoring.free_tool_id(tool)


@contextmanager
def monitored_body(names: list[str]) -> Iterator[None]:
    """A tool that asks for the events of one body, and of no other code."""
    monitoring: Any = getattr(sys, "monitoring", None)
    if monitoring is None:
        pytest.skip("sys.monitoring came with Python 3.12")
    monitoring.use_tool_id(4, "test")
    events = monitoring.events
    monitoring.register_callback(4, events.LINE, lambda code, line: names.append(code.co_qualname))
    monitoring.set_local_events(4, BODY[0], events.LINE)
    try:
        yield
    finally:
        monitoring.set_local_events(4, BODY[0], 0)
        monitoring.free_tool_id(4)


BODY: list[CodeType] = []


@folds
def test_a_tool_that_looks_at_one_body_sees_it() -> None:
    op, speculation, space = chain()
    for name in ("Plus", "Chain", "Plus", "Inner"):
        BODY[:] = [space[name].forward.__code__]
        op(inputs={"v": 1, "kept": None})
        assert is_made(op, speculation)
        for _ in range(2):
            names: list[str] = []
            with monitored_body(names):
                op(inputs={"v": 1, "kept": None})
            assert f"{name}.forward" in names
            op(inputs={"v": 1, "kept": None})
            assert is_made(op, speculation), "nobody looks any more"


@folds
@pytest.mark.parametrize("watching", [traced, profiled, monitored])
def test_who_watches_sees_every_operator(watching: Callable[[list[str]], Any]) -> None:
    op, speculation, space = chain()
    for _ in range(2):
        names: list[str] = []
        with watching(names):
            op(inputs={"v": 1, "kept": None})
        for name in ("Plus", "Offset", "Slots", "Outer", "Inner", "Text"):
            assert any(f"{name}.forward" in each for each in names), name
        op(inputs={"v": 1, "kept": None})
        assert is_made(op, speculation), "nobody watches any more"
    assert speculation._misses == 0


@folds
def test_a_tracer_sees_the_events_of_plain_python_and_no_frame_of_ours() -> None:
    """Calls, lines and returns; but for the frames of `Operator.__call__`, which straight calls do not have."""

    def events(op: Any) -> list[Any]:
        found: list[Any] = []

        def trace(frame: Any, event: str, arg: Any) -> Any:
            code = frame.f_code
            if code.co_filename not in (__file__, operators.__file__):
                found.append((event, code.co_filename, code.co_qualname, frame.f_lineno))
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            op(inputs={"v": 1, "kept": None})
        finally:
            sys.settrace(before)
        return found

    op, speculation, _ = chain()
    plain = namespace(PROGRAM, "<chain>", decorate=lambda cls: cls)["Chain"]()
    expected = events(plain)
    assert len(expected) > 30
    for _ in range(3):
        op(inputs={"v": 1, "kept": None})  # nobody traces any more: looked at anew
        assert is_made(op, speculation)
        assert events(op) == expected


class _Script(io.StringIO):
    def __init__(self, commands: str) -> None:
        super().__init__("\n".join(commands.split(";")) + "\n")


@folds
@pytest.mark.parametrize(
    "commands", ["s;" * 60 + "c", "b Plus.forward;c;p inputs;n;c;p inputs;c", "s;n;n;n;n;n;r;c"]
)
def test_a_debugger_shows_what_it_shows_of_plain_python(
    commands: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Letter by letter; frames of `Operator.__call__` are skipped, as those of a library are by those who wish."""

    def session(op: Any, space: dict[str, Any]) -> str:
        bdb.Breakpoint.clearBreakpoints()
        shown = io.StringIO()
        debugger = pdb.Pdb(
            stdin=_Script(commands),
            stdout=shown,
            nosigint=True,
            readrc=False,
            skip=[operators.__name__],
        )
        debugger.use_rawinput = False
        before = sys.gettrace()
        try:
            debugger.runcall(op, inputs={"v": 1, "kept": None})
        finally:
            sys.settrace(before)
        return shown.getvalue()

    op, _, space = chain()
    plain = namespace(PROGRAM, "<chain>", decorate=lambda cls: cls)
    expected = session(plain["Chain"](), plain)
    assert "forward" in expected
    assert session(op, space) == expected


@folds
def test_a_trace_of_another_thread_sees_every_operator() -> None:
    op, _, _ = chain()
    names: list[str] = []
    ready, done = threading.Event(), threading.Event()

    def other() -> None:
        with traced(names):
            ready.set()
            done.wait()
            op(inputs={"v": 1, "kept": None})

    thread = threading.Thread(target=other)
    thread.start()
    ready.wait()
    for _ in range(3):
        op(inputs={"v": 1, "kept": None})  # by a thread that is not traced
    done.set()
    thread.join()
    assert any("Plus.forward" in each for each in names)


@folds
def test_disabled_code_calls_every_operator() -> None:
    op, speculation, space = chain()
    with disable_structural_jit():
        for _ in range(MISSES + 1):
            op(inputs={"v": 1, "kept": None})
        assert not speculation._misses
    assert is_made(op, speculation)


@folds
def test_an_exception_of_a_signal_handler_is_not_ours() -> None:
    _, speculation, _ = chain()

    def handler() -> None:
        raise ValueError

    def interrupted() -> None:
        handler()

    def outcome(function: Callable[[], None]) -> Exception:
        """What an attempt gets that `function` interrupts: its own frame is the outermost."""
        with pytest.raises(ValueError) as caught:
            function()
        trace = caught.value.__traceback__
        assert trace is not None
        return caught.value.with_traceback(trace.tb_next)

    assert speculation.is_ours(outcome(handler))
    assert not speculation.is_ours(outcome(interrupted))


@folds
def test_nothing_is_kept_alive() -> None:
    op, _, space = chain()
    thing = type("Thing", (), {})()
    gone = weakref.ref(thing)
    op(inputs={"v": 1, "kept": thing})
    del thing
    assert gone() is None
    receiver = weakref.ref(op.a)
    op(inputs={"v": 1.5, "kept": None})
    op.a = space["Plus"]()
    assert receiver() is None


@folds
def test_the_class_of_a_chain_can_be_freed() -> None:
    op, speculation, space = chain()
    owner = speculation.premises.owner
    del op, speculation
    space.clear()
    unit = unit_of(owner().forward)  # type: ignore[union-attr]
    assert unit is not None
    unit.artifacts = None
    del unit
    gc.collect()
    assert owner() is None


@folds
def test_threads_that_patch_and_threads_that_call() -> None:
    op, _, space = chain()
    start = threading.Barrier(4)
    wrong: list[Any] = []
    plain, doubled = op(inputs={"v": 1, "kept": None}), None
    original = space["Plus"].forward

    def other(self: Any, *, inputs: Any) -> Any:
        return {"v": inputs["v"] + 2, "kept": inputs["kept"]}

    space["Plus"].forward = other
    doubled = op(inputs={"v": 1, "kept": None})
    space["Plus"].forward = original

    def patch() -> None:
        start.wait()
        for _ in range(300):
            space["Plus"].forward = other
            space["Plus"].forward = original

    def call() -> None:
        start.wait()
        for _ in range(2000):
            result = op(inputs={"v": 1, "kept": None})
            # `d` makes a second use of `Plus`, before or after a patch
            if result["kept"] is not None or set(result) != set(plain):
                wrong.append(result)

    threads = [threading.Thread(target=each) for each in (patch, call, call, call)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert op(inputs={"v": 1, "kept": None}) == plain != doubled
