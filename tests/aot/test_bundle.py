"""A bundle that one process builds, and another runs in which the compiler cannot be imported."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.aot.program import APP, WITHOUT_COMPILER, finish, run

BUILD = "import app, ember_jit; ember_jit.compile([app.Chain, app.Looping, app.both], 'app.ember')"
LOAD = WITHOUT_COMPILER + "import ember_jit\nember_jit.load('app.ember')\nimport app\n"
FIRST_LINES = ["before", "chatty A:Q Z"]
VALUE = "('a:q z', 'b:q z', 'A:Q Z', (2, 'B:QZ1'), (2, 'A:QZ2'), ('left:q z', 'right:q z'))"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an application and its bundle."""
    made = tmp_path_factory.mktemp("app")
    (made / "app.py").write_text(APP)
    assert run(made, BUILD, "build.py") == ""
    return made


def test_the_same_answers_and_overlap_without_the_compiler(folder: Path) -> None:
    """Calls meet at barriers: had one waited for the other, the barrier would have broken."""
    out = run(
        folder,
        LOAD + "print(app.Answer()(inputs='q z'))\n"
        "print([name for name in sys.modules if name.startswith(Hide.hidden)])",
    )
    assert out.splitlines() == [*FIRST_LINES, VALUE, "[]"]


def test_inferred_calls_overlap_as_they_do_compiled(folder: Path) -> None:
    program = (
        "from ember_jit.runtime import events\n"
        "op, loop = app.Answer(), app.Looping()\n"
        "with events.record() as log:\n"
        "    op(inputs='q z'); loop(inputs=['a b', 'c', 'd e f'])\n"
        "for call in sorted(log.calls, key=lambda call: (call.owner, str(call.key))):\n"
        "    print(call.owner, call.name, call.key, call.line)\n"
    )
    bundled = run(folder, LOAD + program)
    compiled = run(folder, "import app\n" + program)
    assert bundled == compiled
    for name in ("self.one(inputs=b)", "self.pair(inputs=inputs)", "self.left(inputs=inputs)"):
        assert name in bundled
    assert bundled.count("Looping.forward self.ask(inputs=text)") == 3


def test_exceptions_have_the_users_lines_alone(folder: Path) -> None:
    program = (
        "import traceback\n"
        "try: app.Chain()(inputs='fail')\n"
        "except ValueError: print(traceback.format_exc())\n"
    )
    bundled = run(folder, LOAD + program)
    assert bundled.count("app.py") == 3
    assert "ember_jit/" not in bundled.replace("/ember_jit/operators.py", "")
    assert re.search(r'app.py", line \d+, in forward\n    a = self.a\(inputs=inputs\)', bundled)
    assert "ValueError: a" in bundled, "the first in program order"


@pytest.mark.parametrize(
    "put",
    [
        "import app; ember_jit.load('app.ember')",
        "block = ember_jit.bundle('app.ember'); block.__enter__(); import app",
        "import app; block = ember_jit.bundle('app.ember'); block.__enter__()",
    ],
)
def test_before_or_after_the_decoration(folder: Path, put: str) -> None:
    """A function asks at its first call; decorated before, with the compiler missing, it still finds the bundle."""
    program = f"{WITHOUT_COMPILER}import ember_jit\n{put}\n"
    out = run(folder, program + "print(app.Answer()(inputs='q z'))")
    assert out.splitlines()[-1] == VALUE


def test_by_the_environment(folder: Path) -> None:
    program = WITHOUT_COMPILER + "import app\nprint(app.Answer()(inputs='q z'))"
    out = run(folder, program, EMBER_JIT_BUNDLE="app.ember")
    assert out.splitlines()[-1] == VALUE


def test_a_bundle_in_the_environment_that_cannot_be_loaded_is_said_and_the_program_goes_on(
    folder: Path,
) -> None:
    (folder / "broken.ember").write_bytes(b"PK no")
    program = "import app\nprint(app.Answer()(inputs='q z'))"
    both = os.pathsep.join(["broken.ember", "none.ember", "app.ember"])
    done = finish(folder, WITHOUT_COMPILER + program, EMBER_JIT_BUNDLE=both)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == VALUE
    assert done.stderr.count("BundleWarning: EMBER_JIT_BUNDLE: ") == 2
    assert "broken.ember is refused" in done.stderr
    assert "none.ember cannot be read" in done.stderr


def test_after_the_block_nothing_more_is_taken(folder: Path) -> None:
    program = (
        "import ember_jit\n"
        "with ember_jit.bundle('app.ember'):\n"
        "    import app\n"
        "    print(app.Answer()(inputs='q z'))\n"
        "from ember_jit.runtime.dispatch import unit_of\n"
        "app.Looping()(inputs=['x'])\n"
        "print(unit_of(app.Answer.forward).origin, [unit_of(app.Looping.forward).origin])\n"
    )
    assert run(folder, program).splitlines()[-1] == "app.ember ['']"


def test_functions_without_the_compiler_and_without_a_record_run_plain(folder: Path) -> None:
    program = (
        "from ember_jit import Operator, structural_jit\n"
        "@structural_jit\n"
        "class New(Operator):\n"
        "    def __init__(self): self.a, self.b = app.Inferred('a'), app.Inferred('b')\n"
        "    def forward(self, *, inputs):\n"
        "        return self.a(inputs=inputs), self.b(inputs=inputs)\n"
        "print(New()(inputs='z'))\n"
        "from ember_jit.runtime.dispatch import unit_of\n"
        "print(unit_of(New.forward).stats.left_alone)\n"
    )
    out = run(folder, LOAD + program).splitlines()
    assert out == [
        "((1, 'Za'), (1, 'Zb'))",
        "no bundle in force has it, and the compiler is not installed",
    ]


# ---------------------------------------------------------------------- what changed since
def changed(tmp_path: Path, folder: Path, old: str, new: str) -> Path:
    """A copy of the application with a change in its source, beside the old bundle."""
    assert old in APP
    (tmp_path / "app.py").write_text(APP.replace(old, new))
    (tmp_path / "app.ember").write_bytes((folder / "app.ember").read_bytes())
    return tmp_path


def test_a_changed_operator_runs_plain_and_that_is_said_once(tmp_path: Path, folder: Path) -> None:
    where = changed(
        tmp_path,
        folder,
        "out.append(self.ask(inputs=text))",
        "out.append((self.ask(inputs=text),))",
    )
    program = (
        LOAD
        + "for _ in range(3): print(app.Looping()(inputs=['x', 'y']))\nprint(app.Answer()(inputs='q z'))"
    )
    done = finish(where, program)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "[((1, 'Xx'),), ((1, 'Yx'),)]"
    assert done.stdout.splitlines()[-1] == VALUE, "the rest is from the bundle"
    assert done.stderr.count("BundleWarning") == 1
    for part in (
        "Looping.forward (app) has changed since app.ember was made",
        "[EMB061]",
        "app.py:",
    ):
        assert part in done.stderr


def test_a_warning_that_is_an_error_comes_once(tmp_path: Path, folder: Path) -> None:
    where = changed(tmp_path, folder, "out.append(self.ask", "out.append( self.ask")
    program = (
        "import warnings; warnings.simplefilter('error')\n"
        "from ember_jit.errors import BundleWarning\n"
        "try: app.Looping()(inputs=['x'])\n"
        "except BundleWarning: print('said')\n"
        "print(app.Looping()(inputs=['x']))\n"
    )
    assert run(where, LOAD + program) == "said\n[(1, 'Xx')]\n"


def test_a_changed_operator_is_compiled_anew_where_there_is_a_compiler(
    tmp_path: Path, folder: Path
) -> None:
    where = changed(tmp_path, folder, '        print("before")\n', '        print("then")\n')
    program = (
        "import warnings; warnings.simplefilter('ignore')\n"
        "import ember_jit; ember_jit.load('app.ember'); import app\n"
        "print(app.Answer()(inputs='q z'))\n"
        "from ember_jit.runtime.dispatch import unit_of\n"
        "print([unit_of(app.Answer.forward).origin], unit_of(app.Answer.forward).stats.compiled)\n"
    )
    out = run(where, program).splitlines()
    assert out[0] == "then"
    assert out[-1] == "[''] True"


def test_a_leaf_whose_effect_changed_runs_in_order(tmp_path: Path, folder: Path) -> None:
    """The record of `Looping` is good: it did not change.  What its leaf does now, the bundle does not say."""
    where = changed(
        tmp_path,
        folder,
        "        time.sleep(0.001)\n        return len(words)",
        "        PLACES[len(PLACES)] = inputs\n        return len(words)",
    )
    program = (
        "from ember_jit.runtime import events\n"
        "with events.record() as log:\n"
        "    print(app.Looping()(inputs=['a', 'b', 'c']))\n"
        "print(app.PLACES, len(log.calls))\n"
    )
    out = run(where, LOAD + program).splitlines()
    assert out == ["[(1, 'Ax'), (1, 'Bx'), (1, 'Cx')]", "{0: 'a', 1: 'b', 2: 'c'} 0"]


def test_other_python_other_version(tmp_path: Path, folder: Path) -> None:
    """A bundle made for others is whole, but of no use; that is said once, and all runs."""
    program = (
        "import dataclasses, sys\n"
        "from ember_jit.aot import loader, manifest\n"
        "found = loader.read('app.ember')\n"
        "maker = dataclasses.replace(found.manifest.maker, **{sys.argv[1]: sys.argv[2]})\n"
    )
    for name, value, text in (
        ("magic", "'00'", "it was made for Python"),
        ("ember_jit", "'9.9'", "it was made by ember_jit 9.9, and this is"),
        ("optimize", "1", "it was made for `python -O`"),
    ):
        build = program.replace("sys.argv[1]", repr(name)).replace("sys.argv[2]", value) + (
            "made = dataclasses.replace(found.manifest, maker=maker)\n"
            f"open({str(tmp_path / 'app.ember')!r}, 'wb').write(manifest.pack(made, found._entries))\n"
        )
        run(folder, build, "other.py")
        (tmp_path / "app.py").write_text(APP)
        done = finish(
            tmp_path, LOAD + "print(app.Looping()(inputs=['x']), app.Looping()(inputs=['y']))"
        )
        assert done.stdout == "[(1, 'Xx')] [(1, 'Yx')]\n", done.stderr
        assert done.stderr.count("BundleWarning") == 1
        assert text in done.stderr


def test_the_digest_pins_one_bundle(folder: Path) -> None:
    program = (
        "import ember_jit\n"
        "from ember_jit.errors import BundleError\n"
        "found = ember_jit.load('app.ember')\n"
        "ember_jit.load('app.ember', digest=found.digest)\n"
        "try: ember_jit.load('app.ember', digest='00')\n"
        "except BundleError as exc: print(exc)\n"
    )
    assert "its digest is" in run(folder, program)


def test_the_same_input_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    """Whatever strings hash to, wherever the files are."""
    (tmp_path / "app.py").write_text(APP)
    expected = (folder / "app.ember").read_bytes()
    for seed in ("0", "1", "77"):
        run(tmp_path, BUILD, "build.py", PYTHONHASHSEED=seed)
        assert (tmp_path / "app.ember").read_bytes() == expected


def test_threads_that_call_first_together(folder: Path) -> None:
    program = (
        "import threading\n"
        "op, out = app.Looping(), []\n"
        "gate = threading.Barrier(8)\n"
        "def go():\n"
        "    gate.wait(30)\n"
        "    out.append(op(inputs=['a', 'b']))\n"
        "threads = [threading.Thread(target=go) for _ in range(8)]\n"
        "[t.start() for t in threads]; [t.join() for t in threads]\n"
        "print(len(out), *{str(each) for each in out})\n"
    )
    assert run(folder, LOAD + program) == "8 [(1, 'Ax'), (1, 'Bx')]\n"
