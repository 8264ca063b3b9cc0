"""Straight calls are ordinary calls: whatever changes under them, they do what the plain program does.

Each case is a scenario: statements that use `op` (a chain of `Add`, `Fail` and others), `space` (the program's
globals) and `call(value)`, which records the value or the exception with the frames of its traceback.  It runs on
the plain program and on the compiled one; the records must be equal.
"""

from __future__ import annotations

import sys
import textwrap
import traceback
from typing import Any

import pytest

from ember_jit import disable_structural_jit, explain, structural_jit
from ember_jit.runtime.dispatch import MISSES, unit_of
from tests.pipeline import namespace

PROGRAM = """
@pure
class Add(Operator):
    '''Adds.'''
    amount = 1
    def __init__(self, then=None):
        self.then = then
    def forward(self, *, inputs, by=2, **more):
        log.append(('add', inputs))
        if self.then is not None:
            self.then(self)
        return inputs + by * self.amount

@pure
class Slots(Operator):
    __slots__ = ('n',)
    def __init__(self):
        self.n = 3
    def forward(self, *, inputs):
        return inputs * self.n

class Sub(Add):
    amount = 10

class Missing(Operator):
    __effects__ = pure
    def __getattr__(self, name):
        log.append(name)
        raise AttributeError(name)
    def forward(self, *, inputs):
        return inputs - 1

log = []

@decorate
class Chain(Operator):
    '''A chain.'''
    def __init__(self):
        self.a, self.b, self.c = Add(), Slots(), Missing()

    def forward(self, *, inputs):
        '''Its docstring.'''
        x = self.a(inputs=inputs)
        x = self.b(inputs=x)
        if x > 1000:
            x = self.a(inputs=x)
        for _ in range(2):
            x = self.a(inputs=x)
        x = self.c(inputs=x)
        try:
            x = self.c(
                inputs=x)
        except ZeroDivisionError as exc:
            return repr(exc)
        return self.c(inputs=x)
"""

SCENARIOS = {
    "nothing": "call(1); call(2000)",
    "wrong arguments": "call('text'); call(None); call([1])",
    "forward of the class patched": """
        call(1)
        space['Add'].forward = lambda self, *, inputs: inputs + 100
        call(1)
    """,
    "forward patched with a property": """
        call(1)
        space['Add'].forward = property(lambda self: lambda **given: space['log'].append(given) or 7)
        call(1)
    """,
    "forward deleted": "call(1); del space['Add'].forward; call(1)",
    "override on the instance": """
        call(1)
        op.a.forward = lambda *, inputs: inputs + 100
        call(1)
        del op.a.forward
        call(1)
    """,
    "override is not callable": "call(1); op.a.forward = 3; call(1)",
    "call of the class patched": """
        call(1)
        space['Add'].__call__ = lambda self, *, inputs: 5
        call(1)
        del space['Add'].__call__
        call(1)
    """,
    "call of the instance is not looked at": "call(1); op.a.__call__ = lambda **given: 5; call(1)",
    "a base with another call": """
        call(1)
        class Other(Operator):
            def __call__(self, *, inputs): return self.forward(inputs=inputs * 2)
        space['Add'].__bases__ = (Other,)
        call(1)
    """,
    "code replaced": """
        call(1)
        def other(self, *, inputs, by=2, **more): return inputs - 50
        space['Add'].forward.__code__ = other.__code__
        call(1)
    """,
    "defaults replaced": "call(1); space['Add'].forward.__kwdefaults__ = {'by': 9}; call(1)",
    "defaults taken away": "call(1); space['Add'].forward.__kwdefaults__ = None; call(1)",
    "an attribute of the class": "call(1); space['Add'].amount = 4; call(1)",
    "an attribute of the instance": "call(1); op.a.amount = 4; call(1)",
    "a global": "call(1); space['log'] = log2 = []; call(1); call(log2 == space['log'])",
    "the receiver is another": "call(1); op.a = space['Slots'](); call(1); op.a = space['Add'](); call(1)",
    "a subclass": "call(1); op.a = space['Sub'](); call(1)",
    "not an operator": "call(1); op.a = lambda inputs: inputs; call(1); op.a = 3; call(1)",
    "the receiver is gone": "call(1); del op.a; call(1)",
    "the class of the receiver": "call(1); op.a.__class__ = space['Sub']; call(1)",
    "getattribute": """
        call(1)
        def spy(self, name):
            space['log'].append(('get', name))
            return object.__getattribute__(self, name)
        space['Add'].__getattribute__ = spy
        call(1)
    """,
    "changed by an earlier call": """
        def swap(add):
            op.b = space['Add']()
            add.then = None
        call(1)
        op.a.then = swap
        call(1)
        call(1)
    """,
    "patched by an earlier call": """
        def patch(add):
            space['Slots'].forward = lambda self, *, inputs: -inputs
            add.then = lambda add: 1 / 0
        call(1)
        op.a.then = patch
        call(1)
    """,
    "handled": """
        call(1)
        op.c = space['Add']()
        call(1)
        op.c.then = lambda add: 1 / 0
        call(1)
        def second(add):
            add.then = lambda add: 1 / 0
        op.c.then = second
        call(1)
    """,
    "a chain of causes": """
        def fail(add):
            try:
                {}['x']
            except KeyError as exc:
                raise ValueError('v') from exc
        call(1)
        op.a.then = fail
        call(1)
    """,
    "a subclass of the chain": """
        class Wider(space['Chain']):
            def forward(self, *, inputs):
                return super().forward(inputs=inputs) + 1
        call(1)
        call(1, Wider())
    """,
}


def record(scenario: str, decorate: Any) -> list[Any]:
    """Everything that could be seen of a scenario."""
    from ember_jit import pure

    space = namespace(PROGRAM, "<chain>", decorate=decorate, pure=pure)
    seen: list[Any] = []

    def call(value: Any, op: Any = None) -> None:
        op = op or chain
        try:
            seen.append(op(inputs=value))
        except Exception as exc:
            seen.append(description(exc))
        seen.append((list(space["log"]), sorted(vars(op))))

    chain = space["Chain"]()
    script = compile(textwrap.dedent(scenario), "<scenario>", "exec")
    exec(script, {"call": call, "op": chain, "space": space, "Operator": space["Operator"]})
    return seen


def description(exc: BaseException | None) -> Any:
    """An exception, its frames with lines and columns, and those it is chained to."""
    if exc is None:
        return None
    frames = [
        (frame.filename, frame.name, frame.lineno, frame.end_lineno, frame.colno, frame.end_colno)
        for frame in traceback.extract_tb(exc.__traceback__)
        if frame.name != "__call__" and frame.filename != __file__
    ]
    return type(exc), str(exc), frames, description(exc.__cause__), description(exc.__context__)


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_the_same_as_plain(scenario: str) -> None:
    assert record(scenario, structural_jit) == record(scenario, lambda cls: cls)


def test_the_program_of_the_scenarios_is_straight() -> None:
    from ember_jit import pure

    space = namespace(PROGRAM, "<chain>", decorate=structural_jit, pure=pure)
    op = space["Chain"]()
    op(inputs=1)
    assert "straight to the operator's `forward`" in explain(op).headline
    artifacts: Any = unit_of(space["Chain"].forward).artifacts  # type: ignore[union-attr]
    assert len(artifacts.straight.lines) == 7
    assert space["Chain"].forward.__doc__ == "Its docstring."


def callers(disabled: bool) -> list[str]:
    """The functions under way when an operator of a straight chain runs, innermost first."""
    space = namespace(
        """
        @pure
        class Leaf(Operator):
            def forward(self, *, inputs):
                return inputs['look']() if inputs['n'] else {**inputs, 'n': 1}

        @decorate
        class Chain(Operator):
            def __init__(self):
                self.a, self.b = Leaf(), Leaf()
            def forward(self, *, inputs):
                x = self.a(inputs=inputs)
                return self.b(inputs=x)
        """,
        decorate=structural_jit,
        pure=__import__("ember_jit").pure,
    )

    def look() -> list[str]:
        names, frame = [], sys._getframe(1)
        while frame is not None and len(names) < 4:
            names.append(frame.f_code.co_qualname)
            frame = frame.f_back  # type: ignore[assignment]
        return names

    op = space["Chain"]()
    op(inputs={"look": look, "n": 0})
    if not disabled:
        return op(inputs={"look": look, "n": 0})  # type: ignore[no-any-return]
    with disable_structural_jit():
        return op(inputs={"look": look, "n": 0})  # type: ignore[no-any-return]


def test_the_frame_between_is_gone_and_comes_back_where_compiled_code_is_disabled() -> None:
    assert callers(disabled=False)[:2] == ["Leaf.forward", "Chain.forward"]
    assert callers(disabled=True)[:3] == ["Leaf.forward", "Operator.__call__", "Chain.forward"]


def test_after_many_operators_of_other_classes_it_runs_plain_and_says_so() -> None:
    from ember_jit import pure

    space = namespace(PROGRAM, "<chain>", decorate=structural_jit, pure=pure)
    op = space["Chain"]()
    expected = op(inputs=1)
    with disable_structural_jit():
        for _ in range(MISSES):  # what runs plain on purpose has missed nothing
            assert op(inputs=1) == expected
    assert "compiled" in explain(op).headline
    op.a = space["Sub"]()
    for _ in range(MISSES):
        op(inputs=1)
    assert "left alone: its operators were of other classes" in explain(op).headline
    assert "_op" not in space["Chain"].forward.__code__.co_varnames


def test_the_receiver_is_not_kept_alive() -> None:
    import weakref

    space = namespace(
        """
        @pure
        class Leaf(Operator):
            def forward(self, *, inputs):
                return inputs

        class Holder:
            pass

        @decorate
        class Chain(Operator):
            def __init__(self):
                self.a = Leaf()
            def forward(self, *, inputs):
                x = self.a(inputs=inputs)
                del self.a
                return inputs()
        """,
        decorate=structural_jit,
        pure=__import__("ember_jit").pure,
    )
    op = space["Chain"]()
    reference = weakref.ref(op.a)
    assert op(inputs=reference) is None
    op.a = space["Leaf"]()
    reference = weakref.ref(op.a)
    assert op(inputs=reference) is None
