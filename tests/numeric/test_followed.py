"""Whoever follows the lines of a thread sees those of a numeric region, and no others, however warm its kernel is."""

from __future__ import annotations

import io
import pdb
import sys
from types import FunctionType

import numpy as np
import pytest

from ember_jit import jit
from ember_jit.testing import loops_at_once
from tests.numeric.conftest import sites_of

pytestmark = pytest.mark.usefixtures("native")
X = np.linspace(1, 2, 25).reshape(5, 5)


def returned(x, a):
    m = x - x.max()
    e = np.exp(m * a)
    return e / e.sum()


def stored(x, a):
    y = x * a + a
    z = (y - a) * y
    x = None
    return z, x


def on_several_lines(x, a):
    return (
        x * a
        + (x
           - a)
        * x
    )  # fmt: skip


def inside(x, a):
    found = [
        0,
        x * a
        + a,
        1,
    ]  # fmt: skip
    return found[1]


def leaf_first(x, a):
    y = (
        x @ x
        * a
        + a * x
    )  # fmt: skip
    return y


def leaf_later(x, a):
    y = (
        a
        * (x @ x)
        + a * x
    )  # fmt: skip
    z = None
    return y, z


def leaf_later_inside(x, a):
    if x.size:
        return [
            1,
            a
            * (x @ x)
            + a * x,
        ][1]  # fmt: skip
    return None


def view(x, a):
    if x.size:
        y = x[1:] * a + x[:-1]
        z = y * y
        return z
    return None


def around_a_loop(x, a):
    y = x * a + a
    s = 0.0
    for i in range(
        len(y)
    ):  # fmt: skip
        s += y[i, 0]
    z = y * s + a
    w = z * z
    if w is None:
        return 1
    return w


def item(x, a):
    inputs = {"x": x}
    y = inputs["x"] * a + a
    return y * y


FUNCTIONS = [
    returned,
    stored,
    on_several_lines,
    inside,
    leaf_first,
    leaf_later,
    leaf_later_inside,
    view,
    around_a_loop,
    item,
]
each_function = pytest.mark.parametrize("function", FUNCTIONS, ids=lambda each: each.__name__)


def warm(function):
    """The function compiled, its kernels made and used; and the same function, plain."""
    plain = FunctionType(function.__code__, function.__globals__, function.__name__)
    made = jit(FunctionType(function.__code__, function.__globals__, function.__name__))
    with loops_at_once():
        for _ in range(3):
            made(X, 2.0)
    assert all(site.kernels for site in sites_of(made))
    assert sites_of(made)
    return made, plain


def followed(function):
    """The events of a trace function in all that a call does."""
    events = []

    def trace(frame, event, arg):
        code = frame.f_code
        events.append((event, code.co_filename, code.co_qualname, frame.f_lineno))
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function(X, 2.0)
    finally:
        sys.settrace(before)
    return events


@each_function
def test_a_trace_function_sees_the_lines_of_plain_python(function):
    made, plain = warm(function)
    assert followed(made) == followed(plain)


@each_function
def test_pdb_steps_as_through_plain_python(function):
    def session(function):
        shown = io.StringIO()
        commands = io.StringIO("s\n" * 60 + "c\n")
        before = sys.gettrace()
        try:
            debugger = pdb.Pdb(stdin=commands, stdout=shown, nosigint=True, readrc=False)
            debugger.use_rawinput = False
            debugger.runcall(function, X, 2.0)
        finally:
            sys.settrace(before)
        return shown.getvalue()

    made, plain = warm(function)
    shown = session(plain)
    assert session(made) == shown
    assert function.__name__ in shown


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring is there from 3.12 on")
@pytest.mark.parametrize("tool", ["DEBUGGER_ID", "COVERAGE_ID"])
@each_function
def test_a_tool_that_monitors_sees_the_lines_of_plain_python(function, tool):
    monitoring = sys.monitoring
    number = getattr(monitoring, tool)
    if monitoring.get_tool(number) is not None:
        pytest.skip("such a tool is at work on these tests")

    def lines(function):
        seen = []
        monitoring.use_tool_id(number, "test")
        try:
            monitoring.register_callback(
                number, monitoring.events.LINE, lambda code, line: seen.append(line)
            )
            monitoring.set_local_events(number, function.__code__, monitoring.events.LINE)
            function(X, 2.0)
            monitoring.set_local_events(number, function.__code__, 0)
        finally:
            monitoring.register_callback(number, monitoring.events.LINE, None)
            monitoring.free_tool_id(number)
        return seen

    made, plain = warm(function)
    assert lines(made) == lines(plain) != []


def test_kernels_are_used_again_when_nobody_follows():
    made, _ = warm(returned)
    (site,) = sites_of(made)
    entered = []
    entry, site.entry = site.entry, lambda *args: (entered.append(1), entry(*args))[1]
    followed(made)
    assert not entered
    made(X, 2.0)
    assert entered
