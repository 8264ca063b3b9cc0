"""Machine code in bundles: numeric regions and loops run natively where no compiler is, or as they are written."""

from __future__ import annotations

import importlib.util
import json
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import ember_jit
from ember_jit.aot import archive, sites
from ember_jit.aot.build import Builder
from ember_jit.aot.listing import listing
from ember_jit.aot.loader import Bundle
from ember_jit.aot.manifest import MANIFEST
from ember_jit.aot.meeting import meet
from ember_jit.errors import BundleError, BundleWarning
from ember_jit.runtime import trial
from ember_jit.runtime.dispatch import unit_of
from ember_jit.runtime.loops.site import LoopSite
from ember_jit.runtime.native.processor import BASELINE
from ember_jit.runtime.numeric import Site
from tests.aot.program import WITHOUT_COMPILER, run
from tests.aot.test_command_line import ember

np: Any = pytest.importorskip("numpy", "2")
pytest.importorskip("llvmlite")

SOURCE = """\
import threading

import numpy as np
from ember_jit import Operator, jit, query, structural_jit
from tests.aot import constants

@jit
def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)

@jit(numerics="fast")
def fast(x):
    return np.exp(x * 2.0) + x

@jit
def divided(x, y):
    z = x * 2.0
    return z / y

@jit
def rounded(x):
    y = (x * 2.0).astype(np.float32)
    return abs(y) + y

@jit
def distance(a, b):
    previous = list(range(len(b) + 1))
    for i, x in enumerate(a):
        current = [i + 1]
        for j, y in enumerate(b):
            cost = 0 if x == y else constants.COST
            current.append(min(previous[j + 1] + 1, current[j] + 1, previous[j] + cost))
        previous = current
    return previous[-1]

@jit
def total(xs):
    s = 0.0
    for i in range(len(xs)):
        s += xs[i] * xs[i]
    return s

@structural_jit
class Scale(Operator):
    def __init__(self, w):
        self.w, self.b = w, np.linspace(0, 1, 50)

    def forward(self, *, inputs):
        x = np.asarray(inputs["x"], dtype=float)
        y = x * self.w + self.b
        return y * y - x

BARRIER = threading.Barrier(2)

@query
class Ask(Operator):
    def forward(self, *, inputs):
        BARRIER.wait(30)
        return inputs

@structural_jit
class Both(Operator):
    def __init__(self):
        self.a, self.b = Ask(), Ask()

    def forward(self, *, inputs):
        a = self.a(inputs=inputs)
        b = self.b(inputs=inputs)
        c = (a * 2.0 + b) * a
        return c
"""
X = np.random.default_rng(0).standard_normal((30, 40))


def plain_softmax(x: Any) -> Any:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def imported(path: Path, name: str) -> ModuleType:
    """The module at `path`, made anew: its functions have the code that others of the same file have."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    made = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program, and the bundle that was made once it had met some values."""
    made = tmp_path_factory.mktemp("numbers")
    (made / "numbers_.py").write_text(SOURCE)
    before, trial.TRIED = trial.TRIED, -1
    try:
        module = imported(made / "numbers_.py", "numbers_")
        meet(module.softmax, X)
        meet(module.softmax, X.astype("f4"))
        meet(module.fast, X)
        meet(module.divided, (X, X))
        meet(module.rounded, X)
        meet(module.distance, ("abc", "abd"))
        meet(module.total, X[0])
        scale, both = module.Scale(2.0), module.Both()
        meet(scale, {"x": list(range(50))})
        meet(both, X)
        names = ("softmax", "fast", "divided", "rounded", "distance", "total")
        targets = [*(getattr(module, name) for name in names), scale, both]
        ember_jit.compile(targets, made / "numbers.ember")
    finally:
        trial.TRIED = before
        del sys.modules["numbers_"]
    return made


@pytest.fixture(autouse=True)
def untimed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "TRIED", -1)


@pytest.fixture
def program(folder: Path, request: pytest.FixtureRequest) -> Iterator[ModuleType]:
    """The program in a bundle's force."""
    name = f"again_{request.node.name.partition('[')[0]}"
    with ember_jit.bundle(folder / "numbers.ember"):
        yield imported(folder / "numbers_.py", name)
    del sys.modules[name]


def site(function: Any) -> Any:
    """The site of a function's only region, if it has one by now."""
    unit = unit_of(getattr(function, "__func__", function))
    assert unit is not None
    assert unit.origin.endswith("numbers.ember")
    code = function.__code__
    found = [each for each in code.co_consts if isinstance(each, Site | LoopSite)]
    return found[0] if found else unit.stats.left_alone


def test_the_same_bits_without_compiler_numba_and_llvmlite(folder: Path) -> None:
    hidden = WITHOUT_COMPILER.replace(', "numpy")', ")")
    code = (
        hidden + "import numpy as np, ember_jit\n"
        "from ember_jit.runtime import trial\n"
        "trial.TRIED = -1\n"
        "ember_jit.load('numbers.ember')\n"
        "import numbers_ as n\n"
        "x = np.random.default_rng(0).standard_normal((30, 40))\n"
        "for t in ('f8', 'f4'): print(n.softmax(x.astype(t)).tobytes().hex())\n"
        "print(n.distance('kitten' * 9, 'sitting' * 9), n.total(x[0]).hex())\n"
        "print(n.Scale(3.0)(inputs={'x': range(50)}).tobytes().hex())\n"
        "print(n.Both()(inputs=x).tobytes().hex())\n"
        "from ember_jit.runtime.numeric import Site\n"
        "sites = [c for f in (n.softmax, n.Scale.forward, n.Both.forward) for c in f.__code__.co_consts if isinstance(c, Site)]\n"
        "print([len(s.kernels) for s in sites])\n"
        "print([name for name in sys.modules if name.startswith(Hide.hidden)])"
    )
    y = np.arange(50.0) * 3.0 + np.linspace(0, 1, 50)
    wanted = [plain_softmax(X.astype(t)).tobytes().hex() for t in ("f8", "f4")]
    s = 0.0
    for each in X[0]:
        s += each * each
    wanted += [f"27 {s.hex()}", (y * y - np.arange(50.0)).tobytes().hex()]
    wanted += [((X * 2.0 + X) * X).tobytes().hex(), "[2, 1, 0, 1]", "[]"]
    assert run(folder, code).splitlines() == wanted


def test_the_code_for_the_baseline_runs_elsewhere(
    program: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sites, "processor_digest", lambda: "another")
    if not sites.runs_baseline():
        pytest.skip(f"this processor is older than {BASELINE}")
    asked = []
    code = sites.Machinery.code
    monkeypatch.setattr(
        sites.Machinery,
        "code",
        lambda self, names: asked.append(names[BASELINE]) or code(self, names),
    )
    for dtype in ("f8", "f4"):
        assert (
            program.softmax(X.astype(dtype)).tobytes() == plain_softmax(X.astype(dtype)).tobytes()
        )
    assert program.distance("kitten", "sitting") == 3
    assert len(site(program.softmax).kernels) == 2
    assert len(asked) == 3


def test_another_processor_runs_plain_and_that_is_said_once(
    program: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sites, "processor_digest", lambda: "another")
    monkeypatch.setattr(sites, "runs_baseline", lambda: False)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", BundleWarning)
        assert program.softmax(X).tobytes() == plain_softmax(X).tobytes()
        assert program.distance("kitten", "sitting") == 3
    assert len(said) == 1
    assert f"and for {BASELINE}, and this is" in str(said[0].message)
    for function in (program.softmax, program.distance):
        assert "and this is" in site(function)
    program.BARRIER.reset()
    assert program.Both()(inputs=X).tobytes() == ((X * 2.0 + X) * X).tobytes()


def test_another_numpy_runs_plain_and_that_is_said_once(
    program: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(np, "__version__", "2.99.1")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", BundleWarning)
        for _ in range(3):
            assert program.softmax(X).tobytes() == plain_softmax(X).tobytes()
            assert program.total(X[0]) == program.total(list(X[0]))
    assert len(said) == 1
    assert "and this is 2.99.1" in str(said[0].message)
    assert not site(program.softmax).kernels
    assert program.distance("kitten", "sitting") == 3
    made = site(program.distance).made
    assert [each.entry is not None for each in made.values()] == [True], "it needs no NumPy"


def test_values_that_were_not_met_run_plain(program: ModuleType) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for x in (X.astype("i8"), X[:, ::2], X[0], np.ones((0, 3))):
            if x.size:
                assert program.softmax(x).tobytes() == plain_softmax(x).tobytes()
        assert program.distance(["a"], ["b", "a"]) == 1
        assert program.softmax(X).tobytes() == plain_softmax(X).tobytes()
    found = site(program.softmax)
    assert len(found.kernels) == 1
    assert sites.NOT_MADE in found.refused.values()


def test_flags_are_numpys_to_report(program: ModuleType) -> None:
    assert program.divided(X, X).tobytes() == (X * 2.0 / X).tobytes()
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        program.divided(X, np.zeros_like(X))
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        program.divided(X, np.zeros_like(X))
    assert len(site(program.divided).kernels) == 1


def test_types_and_builtins_are_told_by_their_names(program: ModuleType) -> None:
    y = (X * 2.0).astype(np.float32)
    assert program.rounded(X).tobytes() == (abs(y) + y).tobytes()
    assert len(site(program.rounded).kernels) == 1


def test_a_function_that_was_replaced_meanwhile_is_called(
    program: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(np, "exp", lambda x: x * 0 + 1)
    assert (program.softmax(X) == 1 / 40).all()
    assert site(program.softmax) == sites._GONE


def test_a_constant_that_is_another_now_counts(
    program: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program.constants, "COST", 2)
    assert program.distance("kitten", "sitting") == 5
    assert site(program.distance) == sites._GONE


def test_a_receiver_whose_fields_run_code_runs_plain(program: ModuleType) -> None:
    class Sly(program.Scale):  # type: ignore[name-defined, misc]
        def __getattribute__(self, name: str) -> Any:
            return 5.0 if name == "w" else super().__getattribute__(name)

    y = np.arange(50.0) * 5.0 + np.linspace(0, 1, 50)
    made = Sly(2.0)
    assert made(inputs={"x": range(50)}).tobytes() == (y * y - np.arange(50.0)).tobytes()


def test_other_numerics_are_another_program(folder: Path, program: ModuleType) -> None:
    """The fast code of a bundle is not for a function that is strict by now."""
    assert program.fast(X) is not None
    changed = folder / "strict.py"
    changed.write_text(SOURCE.replace('@jit(numerics="fast")', "@jit"))
    with ember_jit.bundle(folder / "numbers.ember"), warnings.catch_warnings():
        warnings.simplefilter("ignore", BundleWarning)
        other = imported(changed, "strict")
        assert (other.fast(X) == np.exp(X * 2.0) + X).all()
    unit = unit_of(other.fast)
    assert unit is not None
    assert not unit.origin
    del sys.modules["strict"]


def test_code_that_only_misses_gives_the_function_its_own_back(program: ModuleType) -> None:
    for _ in range(200):
        program.softmax(X.astype("i2"))
    assert not site(program.softmax).startswith("<")
    unit = unit_of(program.softmax)
    assert unit is not None
    assert program.softmax.__code__ is unit.original


def test_inspect_lists_it(folder: Path) -> None:
    shown = listing(Bundle("numbers.ember", (folder / "numbers.ember").read_bytes()))
    assert "numbers_:softmax        machine code" in shown
    assert "region, lines 9-10: (float32) for host, x86-64-v3" in shown
    assert "loop, lines 28-35: (str, str) for host, x86-64-v3" in shown
    assert "numbers_:Both.forward   2 calls, issued ahead" in shown
    assert f"baseline    {BASELINE}" in shown
    assert f"NumPy       {np.__version__}" in shown
    assert "fits here   yes, as host" in shown


BUILD = """
import numpy as np, ember_jit, numbers_ as n
from ember_jit.runtime import trial
trial.TRIED = -1
ember_jit.compile(n.softmax, "softmax.ember", inputs=np.ones((3, 4)))
ember_jit.compile(n.distance, "distance.ember", inputs=("ab", "b"))
"""


def test_the_same_inputs_give_the_same_bytes(folder: Path) -> None:
    made = []
    for seed in ("0", "77"):
        run(folder, BUILD, "build.py", PYTHONHASHSEED=seed, EMBER_JIT_CACHE="off")
        made.append([(folder / f"{n}.ember").read_bytes() for n in ("softmax", "distance")])
    assert made[0] == made[1]


def test_from_the_command_line(folder: Path) -> None:
    inputs = json.dumps({"x": list(range(50))})
    done = ember(
        folder, "compile", "numbers_:Scale", "--init", "[2.0]", "--inputs", inputs, "-o", "s.ember"
    )
    assert done.returncode == 0, done.stderr
    assert "(float64, float, float64) for host, x86-64-v3" in done.stdout


def test_a_region_that_met_nothing_is_not_in_it(folder: Path) -> None:
    done = ember(folder, "compile", "numbers_.py", "-o", "none.ember")
    assert "numbers_:Both.forward  2 calls, issued ahead" in done.stdout
    assert "machine code" not in done.stdout


# ---------------------------------------------------------------------- damage
@pytest.fixture(scope="module")
def small(folder: Path) -> bytes:
    """A bundle with one kernel in it."""
    module = imported(folder / "numbers_.py", "small_")
    before, trial.TRIED = trial.TRIED, -1
    try:
        meet(module.divided, (X, X))
    finally:
        trial.TRIED = before
        del sys.modules["small_"]
    maker = Builder()
    maker.add(module.divided)
    return maker.packed()


@pytest.fixture
def nothing_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise AssertionError("machine code was loaded")

    monkeypatch.setattr("ember_jit.runtime.native.loader.load", refuse)
    monkeypatch.setattr("ember_jit.runtime.native.native_entry.load", refuse)


@pytest.mark.usefixtures("nothing_is_loaded")
def test_every_byte_counts(small: bytes) -> None:
    damaged = bytearray(small)
    for place in range(len(small)):
        damaged[place] ^= 0xFF
        with pytest.raises(BundleError):
            Bundle("x.ember", bytes(damaged))
        damaged[place] ^= 0xFF
    assert bytes(damaged) == small
    assert any(name.startswith("machine/") for name in archive.decode(small))


@pytest.mark.usefixtures("nothing_is_loaded")
def test_machine_code_exchanged_removed_or_added_is_refused(small: bytes) -> None:
    entries = archive.decode(small)
    names = sorted(name for name in entries if name.startswith("machine/"))
    assert len(names) >= 3
    for a, b in zip(names, names[1:], strict=False):
        with pytest.raises(BundleError, match=f"({a}|{b}) is not what"):
            Bundle("x", archive.encode({**entries, a: entries[b], b: entries[a]}))
    for name in names:
        with pytest.raises(BundleError, match="is missing"):
            Bundle("x", archive.encode({n: e for n, e in entries.items() if n != name}))
    with pytest.raises(BundleError, match="is not in its manifest"):
        Bundle("x", archive.encode({**entries, "machine/more.o": b"\x7fELF"}))
    assert json.loads(entries[MANIFEST])["machine"]["baseline"] == BASELINE
