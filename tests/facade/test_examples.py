"""The published examples, word for word, and what their comments promise."""

from __future__ import annotations

import importlib.util
import linecache
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.facade.helpers_of_examples import CALLED, surroundings

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT.parent / "shared" / "xcs_examples.md"
pytestmark = pytest.mark.skipif(
    not FILE.exists(), reason="the examples are not beside the repository"
)


def blocks() -> dict[int, str]:
    """The code of each numbered example."""
    text = FILE.read_text(encoding="utf-8") if FILE.exists() else ""
    found = re.findall(r"^## (\d+)\n+```python\n(.*?)^```", text, re.M | re.S)
    return {int(number): code for number, code in found}


def run(number: int, code: str) -> dict[str, Any]:
    """Run one example as a file of its own would be: with source, so that it can be compiled."""
    filename = f"<example {number}>"
    linecache.cache[filename] = (len(code), None, code.splitlines(True), filename)
    space = {"__name__": f"example_{number}", **surroundings()}
    CALLED.clear()
    exec(compile(code, filename, "exec"), space)
    return space


def one(space: dict[str, Any]) -> None:
    """Both kinds of compilation leave classes that work."""
    assert space["SimpleOperator"]()(inputs={"query": " why me "}) == {"result": "Why Me"}
    composite = space["CompositeOperator"]()
    assert composite(inputs={"query": "q"}) == {"query": "q", "trail": "123"}


def two(space: dict[str, Any]) -> None:
    """Recorded, not executed; nodes are named x, y, z; the subset runs only what y needs."""
    graph = space["graph"]
    assert graph.order == ("x", "y", "z")
    assert graph.edges == (("x", "y"), ("y", "z"))
    assert CALLED == ["op1", "op2", "op3", "op1", "op2"]
    assert space["results"]["z"] == {"query": "Example", "by": ["op1", "op2", "op3"]}
    assert space["subset_results"]["y"]["by"] == ["op1", "op2"]
    assert "z" not in space["subset_results"]
    assert space["opts"].max_workers == 4
    assert space["opts"].scheduler == "parallel"


def three(space: dict[str, Any]) -> None:
    """Batched, parallel, sharded: what the comments say, in order, each item once."""
    assert space["batch_results"] == {"processed": ["ITEM1", "ITEM2", "ITEM3"], "id": [1, 2, 3]}
    assert space["parallel_results"] == {"processed": ["A", "B", "C"], "id": [1, 2, 3]}
    data = space["large_dataset"]
    assert space["distributed_results"] == {
        "processed": [each.upper() for each in data["data"]],
        "id": data["id"],
    }
    nested = space["distributed_batch_fn"](inputs={"data": ["a", "b"], "id": [1, 2]})
    assert nested == {"processed": ["A", "B"], "id": [1, 2]}


def four(space: dict[str, Any]) -> None:
    """A class without a `forward` of its own yet is no error until it is called."""
    cls = space["OptimizedOperator"]
    assert isinstance(cls, type)
    with pytest.raises((AttributeError, NotImplementedError, TypeError)):
        cls()(inputs={"query": "test"})


def five(space: dict[str, Any]) -> None:
    """The code in the block runs plain."""
    assert space["result"] == {"seen": {"query": "test"}}


def imports_only(space: dict[str, Any]) -> None:
    """The names are there."""
    assert all(callable(space[name]) for name in ("jit", "vmap", "pmap"))


def eight(space: dict[str, Any]) -> None:
    """A pipeline of four stages."""
    assert space["result"] == "Process this text"


def nine(space: dict[str, Any]) -> None:
    """The whole dataset at once."""
    assert space["results"] == {
        "id": [101, 102, 103, 104, 105],
        "score": [6] * 5,
        "normalized": [f"item {n}" for n in range(1, 6)],
        "timestamp": ["now"] * 5,
    }


CHECKS: dict[int, Callable[[dict[str, Any]], None]] = {
    1: one,
    2: two,
    3: three,
    4: four,
    5: five,
    6: imports_only,
    7: imports_only,
    8: eight,
    9: nine,
}
BLOCKS = blocks()
HAS_TRANSFORMS = importlib.util.find_spec("ember_jit.transforms") is not None


def has_jit_options() -> bool:
    from ember_jit.runtime.dispatch import Options

    return "force_trace" in Options.__dataclass_fields__


def test_every_example_has_a_check() -> None:
    assert set(BLOCKS) == set(CHECKS)


@pytest.mark.parametrize("number", sorted(CHECKS))
def test_the_example_runs_as_it_stands(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    code = BLOCKS[number]
    if re.search(r"\b[vp]map\b", code) and not HAS_TRANSFORMS:
        pytest.skip("needs vmap and pmap")
    if "JITOptions" in code and not has_jit_options():
        pytest.skip("needs the options of the tracing fallback")
    space = run(number, code)
    CHECKS[number](space)
    if number == 2:
        printed = capsys.readouterr().out
        assert printed == "Final result: {'query': 'Example', 'by': ['op1', 'op2', 'op3']}\n"
