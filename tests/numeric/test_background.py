"""Kernels are made while the plain statements run; processes that end or fork meanwhile come to no harm."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from ember_jit import explain, jit
from ember_jit.compiler import numeric_form
from ember_jit.errors import InternalCompilerWarning
from ember_jit.runtime import background, trial
from ember_jit.testing import wait_for_kernels
from tests.numeric.conftest import sites_of
from tests.numeric.reference import reference_entry

X = np.linspace(0.1, 2.0, 7)


@pytest.fixture(autouse=True)
def beside(monkeypatch, untimed):
    monkeypatch.setattr(background, "is_on", lambda: True)
    yield
    wait_for_kernels()


@pytest.fixture
def gate(monkeypatch):
    """No kernel is finished before this is set."""
    opened = threading.Event()

    def emit(found, tier=1):
        opened.wait()
        return reference_entry(found)

    monkeypatch.setattr(numeric_form, "emit", emit)
    yield opened
    opened.set()


def test_the_statements_run_until_the_kernel_is_there(gate):
    @jit
    def scaled(x):
        return np.exp(x) * 2.0 + x

    wanted = (np.exp(X) * 2.0 + X).tobytes()
    for _ in range(100):  # no number of such calls switches the site off
        assert scaled(X).tobytes() == wanted
    (site,) = sites_of(scaled)
    assert site.on and not site.kernels and site.pending() == [("float64[7]",)]
    assert "while a kernel is being made" in str(explain(scaled))
    gate.set()
    wait_for_kernels()
    assert scaled(X).tobytes() == wanted
    assert len(site.kernels) == 1 and not site.pending()


def test_calls_with_other_values_are_not_kept_waiting(gate):
    @jit
    def scaled(x):
        return np.exp(x) * 2.0 + x

    scaled(X)
    scaled(X.astype(np.float32))
    (site,) = sites_of(scaled)
    assert len(site.pending()) == 2
    gate.set()
    wait_for_kernels()
    scaled(X)
    scaled(X.astype(np.float32))
    assert len(site.kernels) == 2


def test_an_error_of_ours_is_reported_by_a_later_call(monkeypatch, as_users_run_it):
    def emit(found, tier=1):
        raise ZeroDivisionError("while emitting")

    monkeypatch.setattr(numeric_form, "emit", emit)

    @jit
    def scaled(x):
        return np.exp(x) * 2.0 + x

    scaled(X)
    wait_for_kernels()
    with pytest.warns(InternalCompilerWarning, match="while emitting"):
        assert scaled(X).tobytes() == (np.exp(X) * 2.0 + X).tobytes()
    assert not sites_of(scaled)[0].on


SCRIPT = """
import os, sys, threading, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # the thread below is there while we fork
import numpy as np
from ember_jit import jit
from ember_jit.runtime import background, trial

began, opened = threading.Event(), threading.Event()
def work():
    began.set()
    opened.wait()
job = background.submit(work)
later = background.submit(lambda: None)
began.wait()
def open_when_held():
    while not background._held:
        pass
    opened.set()
opener = threading.Thread(target=open_when_held, daemon=True)
opener.start()
"""
ENDS = {
    "the process ends": "sys.exit(7)",
    "a fork": """
pid = os.fork()
if pid == 0:
    assert job.done and not later.done and background._worker is None
    background.wait()
    assert later.done
    os._exit(7)
opener.join()
background.wait()
assert job.done and later.done
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
""",
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.parametrize("end", ENDS)
def test_what_waits_for_the_job_at_hand(end):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT + ENDS[end]], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout, done.stderr) == (7, "", "")


PROGRAM = """
import numpy as np
from ember_jit import jit

@jit
def f(x):
    e = np.exp(x - x.max())
    return e / e.sum()

f(np.ones(9))
"""


@pytest.mark.slow
def test_a_process_may_end_while_llvm_works(native, tmp_path):
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, str(path)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "EMBER_JIT_CACHE": "off"},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


class Tiers:
    """Which code is used, by its tier.

    Attributes:
        opened: code of tier 1 is made when this is set.
        fails: it then fails.
        used: the tiers of the code that was run.
    """

    def __init__(self):
        self.opened = threading.Event()
        self.fails = False
        self.used = []

    def emit(self, found, tier=1):
        if tier:
            self.opened.wait()
            if self.fails:
                raise ZeroDivisionError("in better code")
        entry = reference_entry(found)

        def told(*args):
            self.used.append(tier)
            return entry(*args)

        return told


@pytest.fixture
def tiers(monkeypatch):
    made = Tiers()
    monkeypatch.setattr(numeric_form, "emit", made.emit)
    yield made
    made.opened.set()


WANTED = (np.exp(X) * 2.0 + X).tobytes()


def with_quick_code():
    """A function that has been called, and its site; its quick code is there."""

    @jit
    def scaled(x):
        return np.exp(x) * 2.0 + x

    assert scaled(X).tobytes() == WANTED
    (site,) = sites_of(scaled)
    (pending,) = site._known.values()
    while not pending.quick_job.done:
        threading.Event().wait(0.001)
    return scaled, site


def test_better_code_takes_the_place_of_quick_code_that_is_used(tiers):
    scaled, site = with_quick_code()
    for _ in range(3):
        assert scaled(X).tobytes() == WANTED
    assert set(tiers.used) == {0} and not site.pending()
    tiers.opened.set()
    wait_for_kernels()
    tiers.used.clear()
    for _ in range(3):
        assert scaled(X).tobytes() == WANTED
    assert set(tiers.used) == {1}
    assert len(site.kernels) == 1 and list(site.met.values()) == site.kernels


def test_quick_code_that_nobody_has_used_is_passed_over(tiers):
    scaled, site = with_quick_code()
    tiers.opened.set()
    wait_for_kernels()
    assert scaled(X).tobytes() == WANTED
    assert set(tiers.used) == {1} and len(site.kernels) == 1


def test_quick_code_that_loses_waits_for_the_better(tiers, monkeypatch):
    gains = iter([0.1, 3.0])
    monkeypatch.setattr(trial, "speedup", lambda *args: next(gains))
    scaled, site = with_quick_code()
    assert scaled(X).tobytes() == WANTED
    assert not site.kernels and site.pending()
    tiers.opened.set()
    wait_for_kernels()
    assert scaled(X).tobytes() == WANTED
    assert set(tiers.used) == {1} and len(site.kernels) == 1


def test_an_error_in_better_code_leaves_the_quick_in_place(tiers):
    scaled, site = with_quick_code()
    assert scaled(X).tobytes() == WANTED
    tiers.fails = True
    tiers.opened.set()
    wait_for_kernels()
    assert scaled(X).tobytes() == WANTED
    assert set(tiers.used) == {0} and site.on
    assert "in better code [EMB010]" in str(site.refused)
    assert "in better code" in str(explain(scaled))
