"""The pool of output buffers: ordinary arrays, handed out again only when nothing can see them."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tracemalloc

import pytest

np = pytest.importorskip("numpy")
pytest.importorskip("llvmlite")

from ember_jit.compiler.kernels.entry import pool_object  # noqa: E402
from ember_jit.config import config  # noqa: E402
from ember_jit.runtime.native import buffers  # noqa: E402
from ember_jit.runtime.native.layouts import layouts  # noqa: E402
from tests.native.programs import make, same, scaled  # noqa: E402

pytestmark = [
    pytest.mark.numeric,
    pytest.mark.skipif(isinstance(layouts(), str), reason=str(layouts())),
]

SIZE = 40_000  # elements: 320 kB, well above what the pool is for
X = np.random.default_rng(2).random(SIZE)


@pytest.fixture(scope="module")
def run():
    return make("native", scaled())


@pytest.fixture
def pool(run):
    pool = buffers.pool(pool_object())
    pool.limit(config().buffers)
    yield pool
    pool.limit(config().buffers)


def address(array):
    return array.__array_interface__["data"][0]


def test_a_dead_output_is_used_again(run, pool):
    first = run(X, 2.0)
    where = address(first)
    del first
    held = pool.held()
    assert held.held >= X.nbytes
    again = run(X, 3.0)
    assert address(again) == where
    assert pool.held().reused == held.reused + 1
    same(again, X * 3.0)


@pytest.mark.parametrize(
    "look",
    [
        lambda x: x[::7],
        lambda x: x.reshape(100, 400).T,
        lambda x: x.view("u8"),
        memoryview,
        lambda x: np.asarray(memoryview(x)),
        lambda x: x.data,
        lambda x: x.flat,
        lambda x: np.broadcast_to(x, (3, SIZE)),
        lambda x: np.frombuffer(x),
        lambda x: np.lib.stride_tricks.as_strided(x),
        lambda x: x.__array_interface__ and np.ndarray((5,), buffer=x),
    ],
)
def test_what_can_still_be_seen_is_not_used_again(run, pool, look):
    first = run(X, 2.0)
    where = address(first)
    seen = look(first)
    bits = bytes(np.asarray(seen).tobytes())
    del first
    others = [run(X, float(number)) for number in range(3)]
    assert where not in map(address, others)
    assert np.asarray(seen).tobytes() == bits
    del seen
    assert address(run(X, 9.0)) == where


def test_outputs_are_ordinary_arrays(run, pool):
    for count in (SIZE, 700_000):
        x = np.ones(count)
        made = run(x, 2.0)
        same(made, x * 2.0)
        assert made.flags.owndata
        assert made.base is None
        assert address(made) % 64 == 0
        made.resize(count + 100_000, refcheck=False)
        assert made[:count].tolist() == [2.0] * count
        assert made.flags.owndata
        made.resize(10, refcheck=False)
        assert made.tolist() == [2.0] * 10
        made.resize(count, refcheck=False)
        assert made[10:].tolist() == [0.0] * (count - 10)
        made.setflags(write=False)
        made.setflags(write=True)
        made.sort()
        assert made.copy().nbytes == made.nbytes


def test_blocks_of_another_size_are_not_wasted(run, pool):
    pool.drain()
    big = run(np.ones(200_000), 2.0)
    where = address(big)
    del big
    small = run(X, 2.0)  # a fifth of that block: it gets one of its own
    assert address(small) != where
    assert address(run(np.ones(190_000), 2.0)) == where


def test_the_pool_keeps_no_more_than_its_limit(run, pool):
    pool.limit(1_000_000)
    arrays = [run(X, 2.0) for _ in range(10)]
    del arrays
    assert 600_000 < pool.held().held <= 1_000_000
    run(np.ones(300_000), 2.0)  # larger than the limit
    assert pool.held().held <= 1_000_000
    pool.limit(0)
    assert pool.held().held == 0
    run(X, 2.0)
    assert pool.held().held == 0


def test_many_blocks(run, pool):
    """More free blocks than there are slots, of many sizes: contents never mix, and the sum is kept."""
    chance = random.Random(1)
    pool.limit(8_000_000)
    live = []
    for step in range(600):
        count = chance.choice((20_000, 30_000, 60_000, 100_000))
        live.append((run(np.full(count, float(step)), 2.0), step))
        if len(live) > 40 or chance.random() < 0.4:
            made, number = live.pop(chance.randrange(len(live)))
            assert (made == 2.0 * number).all()
            del made
        assert pool.held().held <= 8_000_000
    for made, number in live:
        assert (made == 2.0 * number).all()
    del made
    live.clear()
    pool.drain()
    assert pool.held().held == 0


def test_the_memory_goes_back(run, pool):
    def pages():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1])

    pool.drain()
    before = pages()
    x = np.ones(4_000_000)
    result = run(x, 2.0)
    assert pages() - before > 15_000
    del result, x
    pool.drain()
    assert pages() - before < 2000


def test_tracemalloc_sees_outputs(run, pool):
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        made = run(X, 2.0)
        assert tracemalloc.get_traced_memory()[0] - before >= X.nbytes
        del made
        assert tracemalloc.get_traced_memory()[0] - before < 10_000
    finally:
        tracemalloc.stop()


def test_arrays_may_outlive_everything():
    """Kept in a cycle of a module that is torn down with the interpreter, and in a frame of a daemon thread."""
    program = """
import os, sys, threading
import numpy as np
from tests.native.programs import make, scaled
run = make("native", scaled())
class Keep: pass
keep = Keep(); keep.me = keep; keep.run = run
keep.arrays = [run(np.ones(100_000), 2.0) for _ in range(3)]
sys.keep = keep
ready = threading.Event()
def hold():
    mine = run(np.ones(100_000), 2.0); ready.set(); threading.Event().wait()
threading.Thread(target=hold, daemon=True).start(); ready.wait()
child = os.fork()
if child == 0:
    keep.arrays.pop(); assert run(np.ones(100_000), 3.0)[5] == 3.0; os._exit(0)
assert os.waitpid(child, 0)[1] == 0
print("good")
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": os.getcwd()},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "good\n"), done.stderr


def test_the_switch():
    program = """
import numpy as np
from tests.native.programs import make, scaled
from ember_jit.compiler.kernels.entry import pool_object
from ember_jit.runtime.native.buffers import pool
run = make("native", scaled())
for _ in range(3): run(np.ones(100_000), 2.0)
print(pool(pool_object()).held().held)
"""
    said = []
    for value in ("off", "0", "1", "8"):
        environment = {**os.environ, "PYTHONPATH": os.getcwd(), "EMBER_JIT_BUFFERS": value}
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        said.append(int(done.stdout))
    assert said[:2] == [0, 0]
    assert 800_000 <= said[2] == said[3] <= 900_000
