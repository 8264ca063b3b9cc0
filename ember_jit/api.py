"""The decorators, and what shows what they did."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from types import CodeType, FunctionType, MethodType
from typing import Any, TypeVar, overload

from ember_jit.aot import provider
from ember_jit.errors import NotAnOperatorError, OptionError, SignatureError
from ember_jit.operators import give_call
from ember_jit.runtime.debugged import is_debugged
from ember_jit.runtime.dispatch import Options, register_left_alone
from ember_jit.runtime.first_instance import compile_first_instance
from ember_jit.runtime.installing import install_stub
from ember_jit.runtime.originals import is_replacement
from ember_jit.runtime.overlays import offer
from ember_jit.runtime.triage import has_loop, may_be_numeric, reason_to_leave

T = TypeVar("T")
_FALLBACK = ("trace", "force_trace", "recursive")  # given by `jit` alone
_CHOICES: dict[str, tuple[Any, ...]] = {
    "execution_strategy": ("auto", "parallel", "sequential"),
    "effects": ("infer", "strict"),
    "assume": (None, "stateless"),
    "speculate": ("pure", "query"),
    "numerics": ("strict", "fast"),
}


@overload
def structural_jit(target: T, /) -> T: ...
@overload
def structural_jit(
    *,
    execution_strategy: str = "auto",
    parallel_threshold: int = 2,
    max_workers: int | None = None,
    effects: str = "infer",
    assume: str | None = None,
    max_extra_calls: int | None = None,
    speculate: str = "pure",
    numerics: str = "strict",
) -> Callable[[T], T]: ...
def structural_jit(target: Any = None, /, **options: Any) -> Any:
    """Compile an operator class, an operator, or a function: the same program, sooner.

    The source of `forward` is read, never run, at the first call that can gain.  Calls that are `pure`
    or `query` (declared, or inferred from their source) start as early as they may; everything is
    delivered in program order.

    Args:
        target: a class with `forward(self, *, inputs)`, an instance of one, or a function.  It is
            returned: the same class, instance or function.  A class that cannot be called as `op(inputs=...)`, having no
            `__call__`, gets that of `Operator`.
        execution_strategy: "parallel" overlaps wherever it is legal, "sequential" never, "auto" where it pays.
        parallel_threshold: calls that must be able to be in flight at once (2 or more).
        max_workers: calls of one run that may be in flight on threads; default 64.
        effects: "infer" follows source; "strict" believes labels alone.
        assume: "stateless" counts operators of unknown effect as `query`.
        max_extra_calls: calls that may have started when an earlier one raises; 0 withdraws the licence.
        speculate: what the tracing fallback may prefetch.
        numerics: "strict" keeps NumPy's very bits, warnings and errors in fused array arithmetic; "fast" allows 4
            ULP a function and sums in any order.

    Raises:
        OptionError: an option or its value does not exist.
        NotAnOperatorError: `target` is neither a class, nor a function, nor an object that can be called
            or has a `forward`.  (A class may get its `forward` later: that is no error here.)
        SignatureError: `forward` does not take `inputs`.

    Example:
        >>> from ember_jit import Operator, query
        >>> @query
        ... class Ask(Operator):
        ...     def forward(self, *, inputs):
        ...         return inputs.upper()
        >>> @structural_jit
        ... class Both(Operator):
        ...     def __init__(self):
        ...         self.a, self.b = Ask(), Ask()
        ...     def forward(self, *, inputs):
        ...         return self.a(inputs=inputs) + self.b(inputs=inputs)
        >>> Both()(inputs="x")
        'XX'
    """
    checked = _options(options)
    if target is None:
        return lambda actual: _decorate(actual, checked)
    return _decorate(target, checked)


@overload
def jit(target: T, /) -> T: ...
@overload
def jit(
    target: T,
    /,
    *,
    sample_input: Any = None,
    force_trace: bool = False,
    recursive: bool = True,
    **options: Any,
) -> T: ...
@overload
def jit(
    *,
    sample_input: Any = None,
    force_trace: bool = False,
    recursive: bool = True,
    **options: Any,
) -> Callable[[T], T]: ...
def jit(
    target: Any = None,
    /,
    *,
    sample_input: Any = None,
    force_trace: bool = False,
    recursive: bool = True,
    **options: Any,
) -> Any:
    """As `structural_jit`, with the tracing fallback behind it for what cannot be read.

    The fallback runs the original code, always.  It records each call, where its arguments came from, and its
    result; in later runs it starts `pure` calls (with `speculate="query"` also those) whose arguments are known,
    and hands an outcome over when the program arrives at that call with those very arguments.

    Args:
        target: as for `structural_jit`.
        sample_input: what the inputs look like: the first instance is then compiled when it is made.  No
            operator runs for it.
        force_trace: trace, although the source could be read.
        recursive: False keeps to this function: operators that it holds are not entered.
        options: those of `structural_jit`.

    Example:
        >>> source = "def both(inputs, a, b): return a(inputs=inputs) + b(inputs=inputs)"
        >>> space = {}
        >>> exec(source, space)
        >>> jit(space["both"])(2, lambda *, inputs: inputs, lambda *, inputs: inputs * 2)
        6
    """
    for name, value in (("force_trace", force_trace), ("recursive", recursive)):
        if type(value) is not bool:
            raise OptionError(f"{name}={value!r} must be True or False")
    checked = replace(_options(options), trace=True, force_trace=force_trace, recursive=recursive)

    def decorate(actual: Any) -> Any:
        decorated = _decorate(actual, checked)
        if sample_input is not None and isinstance(actual, type):
            compile_first_instance(actual)
        return decorated

    return decorate if target is None else decorate(target)


def _options(given: dict[str, Any]) -> Options:
    fields = [name for name in Options.__dataclass_fields__ if name not in _FALLBACK]
    for name, value in given.items():
        if name not in fields:
            raise OptionError(f"structural_jit has no option {name!r}; it has {', '.join(fields)}")
        if name in _CHOICES and value not in _CHOICES[name]:
            raise OptionError(
                f"{name}={value!r} does not exist; choose from {', '.join(map(repr, _CHOICES[name]))}"
            )
        if name in ("parallel_threshold", "max_workers", "max_extra_calls") and value is not None:
            least = {"parallel_threshold": 2, "max_workers": 1, "max_extra_calls": 0}[name]
            if type(value) is not int or value < least:
                raise OptionError(f"{name}={value!r} must be a whole number of at least {least}")
    if given.get("parallel_threshold", 2) is None:
        raise OptionError("parallel_threshold=None must be a whole number of at least 2")
    return Options(**given)


def _decorate(target: Any, options: Options) -> Any:
    if isinstance(target, FunctionType):
        _install(target, options)
        return target
    if isinstance(target, type):
        # an inherited `forward` is compiled where it stands: its own class keeps it, as the same program
        forward = inspect.getattr_static(target, "forward", None)
        if isinstance(forward, FunctionType):
            _check_signature(target, forward)
            give_call(target)
            _offer_call(target)
            _install(forward, options, single=True)
        return target
    if isinstance(target, MethodType) and isinstance(target.__func__, FunctionType):
        _install(target.__func__, options)
        return target
    forward = inspect.getattr_static(type(target), "forward", None)
    if isinstance(forward, FunctionType):
        _check_signature(type(target), forward)
        give_call(type(target))
        _offer_call(type(target))
        _install(forward, options, single=True)
        return target
    if callable(target):
        return target  # a builtin or another callable object: nothing to compile, nothing to break
    raise NotAnOperatorError(
        f"{target!r} ({type(target).__name__}) is neither a function, nor a class or object with a `forward` method. "
        "Decorate the operator class, or give it `def forward(self, *, inputs)`."
    )


def _offer_call(cls: type) -> None:
    """Let a recording see calls of the operators of `cls` (`ember_jit.graph`)."""
    for each in cls.__mro__:  # not the metaclass: its `__call__` makes instances
        if "__call__" in vars(each):
            call = vars(each)["__call__"]
            if isinstance(call, FunctionType):
                offer(call)
            return


def _check_signature(cls: type, forward: FunctionType) -> None:
    code = forward.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    takes_any = bool(code.co_flags & inspect.CO_VARKEYWORDS)
    if code.co_argcount < 1 and not code.co_flags & inspect.CO_VARARGS:
        problem = "it has no `self`"
    elif "inputs" not in names[code.co_posonlyargcount :] and not takes_any:
        problem = "it does not take `inputs`"
    else:
        return
    raise SignatureError(
        f"{cls.__qualname__}.forward at {code.co_filename}:{code.co_firstlineno} cannot be called as `forward(inputs=...)`: "
        f"{problem}. Write `def forward(self, *, inputs)`."
    )


def _install(function: FunctionType, options: Options, single: bool = False) -> None:
    code: CodeType = function.__code__
    if is_replacement(code):
        return
    reason = reason_to_leave(code, single)
    if is_debugged():
        reason = reason or (
            "it was decorated under a debugger, which is to step through the code as it is written"
        )
    elif reason and (may_be_numeric(function, code) or has_loop(code)):
        reason = ""
    if reason:
        register_left_alone(function, options, reason)
    else:
        provider.prepare()
        install_stub(function, options, provider.compile_unit)
