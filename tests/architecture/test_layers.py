"""Who imports whom: the layers of DESIGN 7, and what an import of the package may cost."""

from __future__ import annotations

import ast
import graphlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import ember_jit

PACKAGE = Path(ember_jit.__file__).parent
ROOT = PACKAGE.parent
HEAVY = {
    "numpy",
    "numba",
    "llvmlite",
    "rich",
    "click",
    "bytecode",
    "ray",
    "optree",
    "asyncio",
    "multiprocessing",
}
LONGEST, LONG = 700, 450
#: over the limit today, with the length that they may not exceed: the list may only get shorter
TOO_LONG: dict[str, int] = {}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def is_type_checking(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
    )


def absolute(name: str, node: ast.ImportFrom) -> str:
    """The module that `from ... import` in module `name` is about."""
    if not node.level:
        return node.module or ""
    parts = name.split(".")
    if MODULES[name].name == "__init__.py":
        parts.append("__init__")
    return ".".join([*parts[: -node.level], *([node.module] if node.module else [])])


def imports(name: str, everywhere: bool) -> Iterator[str]:
    """The modules that `name` imports: when it is imported itself, or (everywhere) at any time."""
    stack: list[ast.AST] = [ast.parse(MODULES[name].read_text())]
    while stack:
        node = stack.pop()
        if (
            is_type_checking(node)
            or not everywhere
            and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        ):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = absolute(name, node)
            for alias in node.names:
                inner = f"{module}.{alias.name}"
                yield inner if inner in MODULES else module
        elif (
            isinstance(node, ast.Call)
            and ast.unparse(node.func).endswith("import_module")
            and everywhere
        ):
            yield from (
                ast.unparse(arg).strip("f'\"").split("{")[0].rstrip(".") for arg in node.args[:1]
            )
        stack.extend(ast.iter_child_nodes(node))


def offenders(importers: str, imported: str) -> list[str]:
    return [
        f"{name} imports {found}"
        for name in MODULES
        if name.startswith(importers)
        for found in imports(name, everywhere=True)
        if found == imported or found.startswith(imported + ".")
    ]


def test_importing_the_package_is_light() -> None:
    """From the standard library's heavy parts and the dependencies nothing is imported before it is needed."""
    program = (
        "import sys; before = set(sys.modules); import ember_jit\n"
        "assert ember_jit.__file__.startswith(sys.argv[1]), ember_jit.__file__\n"
        "print(*sorted({name.split('.')[0] for name in set(sys.modules) - before}))"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program, str(ROOT)],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) & HEAVY == set()


def test_the_first_decoration_imports_the_compiler_and_importing_does_not() -> None:
    program = (
        "import sys, ember_jit\n"
        "assert 'ember_jit.compiler.driver' not in sys.modules\n"
        "@ember_jit.structural_jit\n"
        "class Op(ember_jit.Operator):\n"
        "    def forward(self, *, inputs): return self.a(inputs=1), self.b(inputs=2)\n"
        "assert 'ember_jit.compiler.driver' in sys.modules\n"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "imported",
    [
        "compiler",
        "report",
        "api",
        "cli",
        "aot",
        "demo",
        "graph",
        "execution",
        "options",
        "xcs",
        "testing",
    ],
)
def test_the_runtime_knows_nothing_above_it(imported: str) -> None:
    assert offenders("ember_jit.runtime", f"ember_jit.{imported}") == []


@pytest.mark.parametrize(
    "imported", ["report", "api", "cli", "demo", "graph", "execution", "options", "xcs", "testing"]
)
def test_the_compiler_knows_nothing_above_it(imported: str) -> None:
    assert offenders("ember_jit.compiler", f"ember_jit.{imported}") == []


def test_the_ir_knows_the_ir_alone() -> None:
    found = {
        each
        for name in MODULES
        if name.startswith("ember_jit.ir")
        for each in imports(name, everywhere=True)
    }
    assert {
        each
        for each in found
        if each.startswith("ember_jit") and not each.startswith("ember_jit.ir")
    } == set()


@pytest.mark.parametrize(
    ("lower", "upper"),
    [
        ("ember_jit.compiler.analysis", "ember_jit.compiler.passes"),
        ("ember_jit.compiler.analysis", "ember_jit.compiler.codegen"),
        ("ember_jit.compiler.analysis", "ember_jit.compiler.driver"),
        ("ember_jit.compiler.passes", "ember_jit.compiler.codegen"),
        ("ember_jit.compiler.passes", "ember_jit.compiler.driver"),
        ("ember_jit.compiler.codegen", "ember_jit.compiler.driver"),
        ("ember_jit.compiler.frontend", "ember_jit.compiler.passes"),
        ("ember_jit.compiler.frontend", "ember_jit.compiler.codegen"),
        ("ember_jit.errors", "ember_jit.compiler"),
        ("ember_jit.errors", "ember_jit.runtime"),
        ("ember_jit.config", "ember_jit.runtime"),
    ],
)
def test_stages_only_look_down(lower: str, upper: str) -> None:
    assert offenders(lower, upper) == []


def test_no_import_cycles() -> None:
    """Among modules, at import time; a package is imported before its modules, so it counts too."""
    graph = {
        name: {
            found
            for found in imports(name, everywhere=False)
            if found in MODULES and not name.startswith(found + ".")
        }
        - {name}
        for name in MODULES
    }
    try:
        tuple(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as exc:
        pytest.fail(f"import cycle: {' <- '.join(exc.args[1])}")


def test_heavy_dependencies_are_imported_in_functions() -> None:
    found = [
        f"{name} imports {each}"
        for name in MODULES
        if not name.startswith(("ember_jit.cli", "ember_jit.demo"))
        for each in imports(name, everywhere=False)
        if each.split(".")[0] in HEAVY
    ]
    assert found == []


def test_only_config_reads_the_environment() -> None:
    readers = []
    for name, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.environ", "os.getenv"):
                readers.append(name)
    assert set(readers) <= {"ember_jit.config"}


def test_no_module_is_a_drawer() -> None:
    assert [
        name
        for name in MODULES
        if name.split(".")[-1] in ("utils", "util", "helpers", "helper", "misc", "common")
    ] == []


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        name
        for name, path in MODULES.items()
        if path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


def test_no_module_is_too_long() -> None:
    lengths = {name: len(path.read_text().splitlines()) for name, path in MODULES.items()}
    assert [
        f"{name}: {length} lines"
        for name, length in lengths.items()
        if length > TOO_LONG.get(name, LONGEST)
    ] == []
    assert [
        name for name, limit in TOO_LONG.items() if lengths.get(name, 0) <= LONGEST < limit
    ] == [], "no longer too long"
    long = {name: length for name, length in lengths.items() if length > LONG}
    print("over", LONG, "lines:", long)  # shown with `pytest -s`
