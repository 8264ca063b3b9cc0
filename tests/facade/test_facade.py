"""The import paths of the published interface, and how they live beside others that own `ember`."""

from __future__ import annotations

import importlib
import importlib.util
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

import ember_jit
from ember_jit import XCSAPI, JITOptions, TransformOptions, execution_options
from ember_jit.errors import OptionError
from ember_jit.xcs import NAMES
from tests.graph.ops import Plain

ROOT = Path(ember_jit.__file__).parents[1]
COMING = {"vmap", "pmap", "mesh_sharded", "DeviceMesh", "PartitionSpec", "get_jit_stats"}


def is_there(name: str) -> bool:
    home = NAMES[name]
    return importlib.util.find_spec(home) is not None and hasattr(
        importlib.import_module(home), name
    )


PUBLISHED = {
    "ember.xcs": [
        "jit",
        "structural_jit",
        "autograph",
        "execute",
        "execution_options",
        "vmap",
        "pmap",
        "mesh_sharded",
        "DeviceMesh",
        "PartitionSpec",
        "Operator",
        "XCSAPI",
        "get_jit_stats",
    ],
    "ember.api.xcs": ["jit", "vmap", "pmap", "autograph", "execute"],
    "ember.xcs.api.types": [
        "JITOptions",
        "XCSExecutionOptions",
        "TransformOptions",
        "ExecutionResult",
    ],
    "ember.xcs.api.core": ["XCSAPI"],
    "ember.xcs.tracer.structural_jit": ["structural_jit", "disable_structural_jit"],
}


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module, names in PUBLISHED.items() for name in names]
)
def test_published_names(module: str, name: str) -> None:
    if name in COMING and not is_there(name):
        pytest.skip(f"{name} is not there yet")
    assert getattr(importlib.import_module(module), name) is getattr(
        importlib.import_module("ember_jit.xcs"), name
    )
    assert name in dir(importlib.import_module(module))


@pytest.mark.parametrize("module", ["ember.xcs", "ember.api.xcs", "ember_jit.xcs"])
def test_other_names_are_no_attributes(module: str) -> None:
    with pytest.raises(AttributeError, match="nothing_like_it"):
        importlib.import_module(module).nothing_like_it  # noqa: B018


def test_the_facade_has_nothing_of_its_own() -> None:
    assert not (ROOT / "ember" / "__init__.py").exists()
    assert not (ROOT / "ember" / "api" / "__init__.py").exists()
    for path in (ROOT / "ember").rglob("*.py"):
        for line in path.read_text().splitlines():
            assert not line.startswith(("class ", "async ")), path
            assert not line.startswith("def ") or line.startswith(
                ("def __getattr__", "def __dir__")
            ), path


def python(program: str, *path: Path) -> str:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (*path, ROOT)))}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program)],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_the_facade_imports_nothing_heavy() -> None:
    python(
        """
        import sys
        import ember.xcs
        from ember.xcs import jit, autograph, execute, execution_options, Operator
        heavy = {"numpy", "numba", "llvmlite", "rich", "optree", "multiprocessing", "asyncio", "ember_jit.compiler.driver"}
        assert not heavy & set(sys.modules), heavy & set(sys.modules)
        """
    )


def test_beside_a_namespace_portion_of_somebody_else(tmp_path: Path) -> None:
    (tmp_path / "ember" / "models").mkdir(parents=True)
    (tmp_path / "ember" / "models" / "__init__.py").write_text("NAME = 'theirs'\n")
    program = """
        from ember.models import NAME
        from ember.xcs import jit
        from ember.api.xcs import jit as same
        assert NAME == 'theirs' and jit is same
        """
    python(program, tmp_path)


def test_beside_a_regular_package_of_somebody_else_ours_has_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "ember" / "xcs").mkdir(parents=True)
    (tmp_path / "ember" / "__init__.py").write_text("")
    (tmp_path / "ember" / "xcs" / "__init__.py").write_text("OWNER = 'theirs'\n")
    python(
        """
        from ember.xcs import OWNER
        from ember_jit.xcs import jit, autograph, execute, XCSAPI, JITOptions
        assert OWNER == 'theirs' and callable(jit)
        """,
        tmp_path,
    )


# ---------------------------------------------------------------------- XCSAPI and the option types
def test_the_api_object() -> None:
    xcs = XCSAPI(execution=execution_options(max_workers=2))
    op = Plain()

    @xcs.jit
    def one(x: Any) -> Any:
        return [str(x), repr(x)]

    @xcs.structural_jit(execution_strategy="sequential")
    def two(x: Any) -> Any:
        return [str(x), repr(x)]

    @xcs.structural_jit(options=JITOptions(parallel_threshold=3))
    class Three(Plain):
        pass

    with xcs.autograph("mine") as graph:
        x = op(inputs=1)
        y = one(x["got"])
        z = Three()(inputs=y)
    assert graph.name == "mine"
    assert xcs.execute(graph)["y"] == ["1", "1"] == two(1)
    assert xcs.execute(
        graph, options=xcs.execution_options(scheduler="sequential"), output_nodes=["x"]
    )
    assert "two" in str(xcs.explain(two))


def test_options_of_the_object_the_call_and_keywords() -> None:
    from ember_jit.xcs import _merged

    mine, call = JITOptions(max_workers=2, speculate="query"), JITOptions(max_workers=3)
    assert _merged(mine, call, {"assume": "stateless"}) == {
        "max_workers": 3,
        "speculate": "query",
        "assume": "stateless",
    }
    only = _merged(None, TransformOptions(in_axes=1, num_workers=2), {}, frozenset({"in_axes"}))
    assert only == {"in_axes": 1}


def test_option_values() -> None:
    options = JITOptions(sample_input={"query": "test"}, force_trace=False, recursive=True)
    assert options.sample_input == {"query": "test"}
    assert (options.force_trace, options.recursive, options.parallel_threshold) == (False, True, 2)
    assert TransformOptions(in_axes={"x": 0}).in_axes == {"x": 0}
    for wrong in (
        lambda: JITOptions(sample=1),
        lambda: JITOptions(execution_strategy="fast"),
        lambda: TransformOptions(workers=2),
        lambda: TransformOptions(backend="gpu"),
    ):
        with pytest.raises(OptionError, match="EMB001"):
            wrong()


def test_options_of_another_kind_are_refused() -> None:
    xcs = XCSAPI()
    with pytest.raises(OptionError, match=r"is a dict: give JITOptions\(\.\.\.\) to `jit`"):
        xcs.jit(options={"force_trace": True})
    with pytest.raises(OptionError, match="is a str"):
        xcs.vmap(len, options="fast")
    with pytest.raises(TypeError, match=r"is a dict: write options=execution_options\("):
        xcs.execute(ember_jit.Graph(), options={"max_workers": 4})


def test_statistics_of_a_mapped_operator_are_those_of_what_it_maps() -> None:
    @ember_jit.jit
    class Two(ember_jit.Operator):
        def forward(self, *, inputs: Any) -> Any:
            return [str(inputs), repr(inputs)]

    assert (
        XCSAPI().get_jit_stats(ember_jit.vmap(ember_jit.vmap(Two()))).name.endswith("Two.forward")
    )


@pytest.mark.parametrize(
    "module",
    ["ember_jit", "ember_jit.xcs", "ember_jit.testing", "ember_jit.transforms", "ember.xcs"],
)
def test_names_that_are_not_imported_yet_are_shown(module: str) -> None:
    made = importlib.import_module(module)
    assert dir(made) == sorted(made.__all__)
    assert all(hasattr(made, name) for name in dir(made))
    with pytest.raises(AttributeError, match=f"module '{module}' has no attribute 'nothing'"):
        _ = made.nothing
