"""ember_jit: the same program, sooner.

Decorate an operator class with `@structural_jit`: its `forward` is read, never run, and calls that are
`pure` or `query` overlap, while results, exceptions, side effects and tracebacks stay those of the
sequential program.  `explain(op)` says what was done, and why the rest was not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ember_jit import effects
from ember_jit.api import jit, structural_jit
from ember_jit.effects import (
    commutes,
    idempotent,
    nothrow,
    ordered,
    pure,
    query,
    reads,
    thread_bound,
)
from ember_jit.errors import EffectViolation, EmberError
from ember_jit.lazy import lazily as _lazily
from ember_jit.operators import Operator
from ember_jit.runtime import dispatch as _dispatch
from ember_jit.runtime import logs as _logs
from ember_jit.runtime.dispatch import disable_structural_jit
from ember_jit.version import __version__ as __version__

if TYPE_CHECKING:
    from ember_jit.aot.build import compile  # noqa: A004 - as `re.compile` does
    from ember_jit.aot.loader import bundle, load
    from ember_jit.execution import ExecutionResult, execute
    from ember_jit.graph.model import Graph
    from ember_jit.graph.recording import autograph
    from ember_jit.options import (
        JITOptions,
        TransformOptions,
        XCSExecutionOptions,
        execution_options,
    )
    from ember_jit.report.dump import dump
    from ember_jit.report.explain import compile_report, explain
    from ember_jit.report.html.page import write_report
    from ember_jit.report.profile import profile
    from ember_jit.report.stats import get_jit_stats
    from ember_jit.transforms import DeviceMesh, PartitionSpec, mesh_sharded, pmap, vmap
    from ember_jit.xcs import XCSAPI

__all__ = [
    "XCSAPI",
    "DeviceMesh",
    "EffectViolation",
    "EmberError",
    "ExecutionResult",
    "Graph",
    "JITOptions",
    "Operator",
    "PartitionSpec",
    "TransformOptions",
    "XCSExecutionOptions",
    "autograph",
    "bundle",
    "commutes",
    "compile",
    "compile_report",
    "disable_structural_jit",
    "dump",
    "effects",
    "execute",
    "execution_options",
    "explain",
    "get_jit_stats",
    "idempotent",
    "jit",
    "load",
    "mesh_sharded",
    "nothrow",
    "ordered",
    "pmap",
    "profile",
    "pure",
    "query",
    "reads",
    "structural_jit",
    "thread_bound",
    "vmap",
    "write_report",
]
_LAZY = {
    "DeviceMesh": "transforms",
    "ExecutionResult": "execution",
    "Graph": "graph.model",
    "JITOptions": "options",
    "PartitionSpec": "transforms",
    "TransformOptions": "options",
    "XCSAPI": "xcs",
    "XCSExecutionOptions": "options",
    "autograph": "graph.recording",
    "bundle": "aot.loader",
    "compile": "aot.build",
    "compile_report": "report.explain",
    "dump": "report.dump",
    "execute": "execution",
    "execution_options": "options",
    "explain": "report.explain",
    "get_jit_stats": "report.stats",
    "load": "aot.loader",
    "mesh_sharded": "transforms",
    "pmap": "transforms",
    "profile": "report.profile",
    "vmap": "transforms",
    "write_report": "report.html.page",
}


__getattr__, __dir__ = _lazily(
    __name__, {name: f"ember_jit.{home}" for name, home in _LAZY.items()}
)


def _dump_if_asked(unit: _dispatch.Unit, function: Any) -> None:
    """`EMBER_JIT_DUMP=DIR`: write down what compiling each function produced."""
    from ember_jit.config import config

    if (
        config().dump_dir is not None and not unit.origin
    ):  # what is from a bundle is text in the bundle
        import importlib

        importlib.import_module("ember_jit.report.dump").dump_compiled(
            unit, function, config().dump_dir
        )


def _log_if_asked(unit: _dispatch.Unit, function: Any) -> None:
    """Have the report say what is wanted of a function that has just been compiled (`runtime.logs`)."""
    if not unit.origin and any(map(_logs.wanted, ("effects", "schedule", "kernels"))):
        import importlib

        importlib.import_module("ember_jit.report.log").log_compiled(unit, function)


_dispatch.after_compiling += [_dump_if_asked, _log_if_asked]
