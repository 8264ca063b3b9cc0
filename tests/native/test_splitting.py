"""Large kernels on several threads: the same bits and flags, and never where calls overlap already."""

from __future__ import annotations

import threading

import pytest

np = pytest.importorskip("numpy")
pytest.importorskip("llvmlite")

from ember_jit.ir.program import Builder  # noqa: E402
from ember_jit.runtime.native import loader, splitting  # noqa: E402
from ember_jit.runtime.native.layouts import layouts  # noqa: E402
from ember_jit.runtime.native.miss import MISS  # noqa: E402
from ember_jit.runtime.pool import shared_pool  # noqa: E402
from tests.native.programs import added, divided, make, reduced, same, softmax, softmax_in_numpy  # noqa: E402

pytestmark = [
    pytest.mark.numeric,
    pytest.mark.skipif(loader.why_not() is not None, reason=str(loader.why_not())),
]

SIZE = 1_000_003


@pytest.fixture(params=["plain", "native"])
def kind(request):
    if request.param == "native" and isinstance(layouts(), str):
        pytest.skip(str(layouts()))
    return request.param


@pytest.fixture(autouse=True)
def four_cores(monkeypatch):
    monkeypatch.setattr(splitting, "cores", lambda: 4)


def splitter_of(run):
    if type(run) is type(len):
        return next(each for each in run.__self__ if isinstance(each, splitting.Splitter))
    return run._splitter


def exponential():
    build = Builder()
    x, a = build.input("d"), build.input("d", "scalar")
    return build.program(build.op("exp", build.op("multiply", x, a)))


def test_elements_anywhere(kind):
    run = make(kind, exponential())
    x = np.random.default_rng(3).random(SIZE)
    same(run(x, 0.5), np.exp(x * 0.5))
    assert splitter_of(run).divided == 1
    assert run(x[:1000], 0.5) is not MISS
    assert splitter_of(run).divided == 1


@pytest.mark.parametrize("shape", [(1001, 999), (3, 400_000), (400_000, 3), (10, 20, 5000)])
def test_rows(kind, shape):
    run = make(kind, softmax(), ndim=len(shape))
    x = np.random.default_rng(3).random(shape)
    for one, other in zip(run(x), softmax_in_numpy(x), strict=True):
        same(one, other)
    assert splitter_of(run).divided == 1


@pytest.mark.parametrize(
    ("layouts_", "operands"),
    [
        (("contiguous", "column"), lambda x: (x, x[0].copy())),
        (("contiguous", "row"), lambda x: (x, x[:, :1].copy())),
        (("strided", "strided"), lambda x: (x[:, ::-1], x[:1])),
        (("strided", "contiguous"), lambda x: (x[::-1], x)),
        (("strided", "column"), lambda x: (x[:, 1:2], x[0].copy())),
    ],
)
def test_every_layout_moves_with_its_part(kind, layouts_, operands):
    run = make(
        kind,
        added(*layouts_),
        ndim=2,
        operand_ndims=[1 if each == "column" else 2 for each in layouts_],
    )
    x, y = operands(np.random.default_rng(3).random((1003, 997)))
    same(run(x, y), x + y)
    assert splitter_of(run).divided == 1


def test_flags_of_any_part(kind):
    run = make(kind, divided())
    for where in (0, SIZE // 2, SIZE - 1):
        y = np.ones(SIZE)
        y[where] = 0
        assert run(np.ones(SIZE), y) is MISS
    same(run(y + 1, y + 1), (y + 1) / (y + 1))


def test_reductions_of_everything_are_not_divided(kind):
    run = make(kind, reduced("sum", "scalar"))
    x = np.random.default_rng(3).random(SIZE)
    same(run(x), x.sum())
    with pytest.raises(StopIteration) if kind == "native" else pytest.raises(AttributeError):
        splitter_of(run).divided  # noqa: B018


def test_one_thread_while_calls_overlap(kind):
    """A worker of the shared pool is at work: its call may be one that overlaps with ours."""
    run = make(kind, exponential())
    x = np.random.default_rng(3).random(SIZE)
    begun, end, ended = threading.Event(), threading.Event(), threading.Event()

    def job():
        begun.set()
        end.wait()
        ended.set()

    assert shared_pool().submit(job)
    begun.wait()
    try:
        same(run(x, 0.5), np.exp(x * 0.5))
        assert splitter_of(run).divided == 0
    finally:
        end.set()
        ended.wait()


def test_the_callers_thread_does_what_no_other_takes(kind, monkeypatch):
    class Full:
        def submit(self, job):
            return False

    monkeypatch.setattr(splitting, "_helpers", Full)
    run = make(kind, exponential())
    x = np.random.default_rng(3).random(SIZE)
    same(run(x, 0.5), np.exp(x * 0.5))
    assert splitter_of(run).divided == 1


def test_parts_run_on_other_threads(kind, monkeypatch):
    """Every part waits for the others: that only ends if they run at the same time."""
    meeting = threading.Barrier(4)
    threads = set()
    plain = splitting.Splitter._part

    def part(self, *arguments):
        meeting.wait(60)
        threads.add(threading.get_ident())
        return plain(self, *arguments)

    monkeypatch.setattr(splitting.Splitter, "_part", part)
    run = make(kind, exponential())
    x = np.random.default_rng(3).random(SIZE)
    same(run(x, 0.5), np.exp(x * 0.5))
    assert len(threads) == 4
    assert threading.get_ident() in threads


def test_a_failure_or_interruption_comes_out_when_all_parts_have_ended(kind, monkeypatch):
    class Broken(Exception):
        pass

    ended = []
    plain = splitting.Splitter._part

    def part(self, table, strides, rows, columns, first, last):
        flags = plain(self, table, strides, rows, columns, first, last)
        ended.append(first)
        if first == 0:
            raise Broken
        return flags

    monkeypatch.setattr(splitting.Splitter, "_part", part)
    run = make(kind, exponential())
    x = np.random.default_rng(3).random(SIZE)
    with pytest.raises(Broken):
        run(x, 0.5)
    assert len(ended) == 4


def test_no_threads_where_there_is_one_core(kind, monkeypatch):
    monkeypatch.setattr(splitting, "cores", lambda: 1)
    run = make(kind, exponential())
    x = np.random.default_rng(3).random(SIZE)
    same(run(x, 0.5), np.exp(x * 0.5))
