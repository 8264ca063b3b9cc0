"""The XCS interface in one place: every name that `ember.xcs` publishes, and `XCSAPI`.

`ember.xcs` and its modules re-export from here.  Where another distribution owns `ember`, this module is the
same interface under a name that nobody else has:

    from ember_jit.xcs import jit, autograph, execute

Names are imported when they are first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ember_jit.lazy import lazily

if TYPE_CHECKING:
    from ember_jit.graph.model import Graph
    from ember_jit.options import JITOptions, TransformOptions, XCSExecutionOptions

#: published name -> the module that it comes from
NAMES: dict[str, str] = {
    "jit": "ember_jit.api",
    "structural_jit": "ember_jit.api",
    "disable_structural_jit": "ember_jit.runtime.dispatch",
    "get_jit_stats": "ember_jit",
    "explain": "ember_jit.report.explain",
    "dump": "ember_jit.report.dump",
    "autograph": "ember_jit.graph.recording",
    "Graph": "ember_jit.graph.model",
    "execute": "ember_jit.execution",
    "ExecutionResult": "ember_jit.execution",
    "execution_options": "ember_jit.options",
    "XCSExecutionOptions": "ember_jit.options",
    "JITOptions": "ember_jit.options",
    "TransformOptions": "ember_jit.options",
    "vmap": "ember_jit.transforms",
    "pmap": "ember_jit.transforms",
    "mesh_sharded": "ember_jit.transforms",
    "DeviceMesh": "ember_jit.transforms",
    "PartitionSpec": "ember_jit.transforms",
    "Operator": "ember_jit.operators",
    "pure": "ember_jit.effects",
    "query": "ember_jit.effects",
    "reads": "ember_jit.effects",
    "ordered": "ember_jit.effects",
    "commutes": "ember_jit.effects",
    "nothrow": "ember_jit.effects",
    "idempotent": "ember_jit.effects",
    "thread_bound": "ember_jit.effects",
    "EmberError": "ember_jit.errors",
    "EffectViolation": "ember_jit.errors",
}
__all__ = ["XCSAPI", *NAMES]


__getattr__, __dir__ = lazily(__name__, NAMES)


class XCSAPI:
    """The interface as an object, with options as values.

    Args:
        execution: options for every `execute` of this object; what a call gives comes first.
        jit: options for every `jit` and `structural_jit` of this object.
        transforms: options for every `vmap` and `pmap` of this object.

    Example:
        >>> xcs = XCSAPI()
        >>> @xcs.jit
        ... def double(x):
        ...     return 2 * x
        >>> double(21)
        42
    """

    def __init__(
        self,
        execution: XCSExecutionOptions | None = None,
        jit: JITOptions | None = None,
        transforms: TransformOptions | None = None,
    ) -> None:
        self._execution = execution
        self._jit = jit
        self._transforms = transforms

    def jit(self, target: Any = None, /, *, options: JITOptions | None = None, **more: Any) -> Any:
        """`ember_jit.jit`, bare or with `options=JITOptions(...)` or keywords."""
        return _published("jit")(*_given(target), **_merged(self._jit, options, more))

    def structural_jit(
        self, target: Any = None, /, *, options: JITOptions | None = None, **more: Any
    ) -> Any:
        """`ember_jit.structural_jit`, bare or with `options=JITOptions(...)` or keywords."""
        return _published("structural_jit")(*_given(target), **_merged(self._jit, options, more))

    def autograph(self, name: str = "graph") -> Any:
        """`ember_jit.autograph`."""
        return _published("autograph")(name)

    def execute(
        self, graph: Graph, inputs: Any = None, options: Any = None, output_nodes: Any = None
    ) -> Any:
        """`ember_jit.execute`, with the options of this object where the call gives none."""
        chosen = self._execution
        if options is not None:
            chosen = options if chosen is None else options.over(chosen)
        return _published("execute")(graph, inputs, chosen, output_nodes)

    def execution_options(self, **given: Any) -> XCSExecutionOptions:
        """`ember_jit.execution_options`."""
        made: XCSExecutionOptions = _published("execution_options")(**given)
        return made

    def vmap(self, fn: Any, *, options: TransformOptions | None = None, **more: Any) -> Any:
        """`ember_jit.vmap`, with `options=TransformOptions(...)` or keywords."""
        return _published("vmap")(fn, **_merged(self._transforms, options, more, _VMAP))

    def pmap(self, fn: Any, *, options: TransformOptions | None = None, **more: Any) -> Any:
        """`ember_jit.pmap`, with `options=TransformOptions(...)` or keywords."""
        return _published("pmap")(fn, **_merged(self._transforms, options, more, _PMAP))

    def mesh_sharded(self, fn: Any, mesh: Any, *args: Any, **more: Any) -> Any:
        """`ember_jit.mesh_sharded`."""
        return _published("mesh_sharded")(fn, mesh, *args, **more)

    def explain(self, target: Any) -> Any:
        """`ember_jit.explain`."""
        return _published("explain")(target)

    def get_jit_stats(self, op: Any) -> Any:
        """`ember_jit.get_jit_stats`."""
        return _published("get_jit_stats")(op)


_VMAP = frozenset({"in_axes", "out_axes"})
_PMAP = frozenset({"num_workers", "devices", "backend", "progress"})


def _published(name: str) -> Any:
    return globals().get(name) or __getattr__(name)


def _fields(options: Any) -> dict[str, Any]:
    """The fields of an options value that were given.

    Raises:
        OptionError: it is something else.
    """
    given = getattr(options, "given", None)
    if type(given) is not dict:
        from ember_jit.errors import OptionError

        raise OptionError(
            f"options={options!r} is a {type(options).__name__}: give JITOptions(...) to `jit`, TransformOptions(...) "
            "to `vmap` and `pmap`, or the fields as keywords"
        )
    return given


def _given(target: Any) -> tuple[Any, ...]:
    return () if target is None else (target,)


def _merged(
    defaults: Any, options: Any, more: dict[str, Any], only: frozenset[str] | None = None
) -> dict[str, Any]:
    """Keywords from an object's options, a call's, and its keywords; the last to give a field wins."""
    found: dict[str, Any] = {}
    for each in (defaults, options):
        if each is not None:
            found |= _fields(each)
    if only is not None:
        found = {name: value for name, value in found.items() if name in only}
    return found | more
