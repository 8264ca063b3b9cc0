"""Stub code: code objects with a function's own signature, name and place that hand each call to an object.

    def ask(q, *, k=3): ...      ->      def ask(q, *, k=3):
                                             try: return <target>.first((q,), {'k': k})
                                             except BaseException: <target>.trim(); raise

Nothing that looks at the function can tell, but for its code.  Stubs of one signature share one compiled
template, so making one costs a few microseconds.
"""

from __future__ import annotations

from functools import lru_cache
from types import CodeType
from typing import Any

_TARGET = "<ember_jit unit>"
_SUSPENDS = 0x20 | 0x80 | 0x200  # CO_GENERATOR, CO_COROUTINE, CO_ASYNC_GENERATOR
_NOT_THE_STUBS = (
    0x1FF0000 | _SUSPENDS
)  # flags that the stub does not take over: `from __future__`, suspending


def stub_code(code: CodeType, target: Any) -> CodeType:
    """A code object with the signature of `code` that calls `target.first(args, kwargs)`."""
    args = (
        code.co_argcount
        + code.co_kwonlyargcount
        + bool(code.co_flags & 4)
        + bool(code.co_flags & 8)
    )
    template = _template(
        code.co_posonlyargcount,
        code.co_argcount,
        code.co_kwonlyargcount,
        code.co_flags & 12,
        code.co_varnames[:args],
        code.co_freevars,
    )
    return template.replace(
        co_name=code.co_name,
        co_qualname=code.co_qualname,
        co_filename=code.co_filename,
        co_firstlineno=code.co_firstlineno,
        co_flags=code.co_flags & ~_NOT_THE_STUBS,
        co_consts=tuple(target if const == _TARGET else const for const in template.co_consts),
    )


def _forward(self: Any, *, inputs: Any) -> Any:
    """The stub of the usual signature, as `_template` would write it: compiled when this module was."""
    try:
        return "<ember_jit unit>".first((self,), {"inputs": inputs})  # type: ignore[attr-defined]
    except BaseException:
        "<ember_jit unit>".trim()  # type: ignore[attr-defined]
        raise


_USUAL = (0, 1, 1, 0, ("self", "inputs"), ())


@lru_cache(maxsize=1024)
def _template(
    posonly: int,
    positional: int,
    keyword_only: int,
    stars: int,
    names: tuple[str, ...],
    free: tuple[str, ...],
) -> CodeType:
    """The stub for one signature."""
    if (posonly, positional, keyword_only, stars, names, free) == _USUAL:
        return _forward.__code__
    plain = names[:positional]
    keywords = names[positional : positional + keyword_only]
    rest = list(names[positional + keyword_only :])
    varargs = rest.pop(0) if stars & 4 else None
    varkw = rest.pop(0) if stars & 8 else None
    params = [*plain[:posonly], *(["/"] if posonly else []), *plain[posonly:]]
    params += [f"*{varargs}"] if varargs else ["*"] if keywords else []
    params += list(keywords) + ([f"**{varkw}"] if varkw else [])
    args = "".join(f"{name}, " for name in plain) + (f"*{varargs}," if varargs else "")
    kwargs = ", ".join(
        [f"{name!r}: {name}" for name in keywords] + ([f"**{varkw}"] if varkw else [])
    )
    mention = f"; {', '.join(name for name in free)}" if free else ""
    outer = ", ".join(name for name in free)
    text = (
        f"def outer({outer}):\n"
        f" def stub({', '.join(params)}):\n"
        f"  try: return {_TARGET!r}.first(({args}), {{{kwargs}}})\n"
        f"  except BaseException: {_TARGET!r}.trim(); raise{mention}\n"
    )
    module = compile(text, "<ember_jit stub>", "exec", dont_inherit=True)
    made = next(const for const in module.co_consts if isinstance(const, CodeType))
    return next(const for const in made.co_consts if isinstance(const, CodeType))
