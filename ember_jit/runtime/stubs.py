"""Stub code: code objects with a function's own signature, name and place that hand each call to an object.

    def ask(q, *, k=3): ...      ->      def ask(q, *, k=3):
                                             try: return <target>.first((q,), {'k': k})
                                             except BaseException: <target>.trim(); raise

Nothing that looks at the function can tell, but for its code.  Stubs of one signature share one compiled
template, so making one costs a few microseconds.  All of a stub stands on the first line of the function.

A stub that steps aside for a debugger (`debugged`) first asks for one, and then calls the original code, by way of
C alone: whoever steps into the function comes past nothing of ours.
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


def stub_code(code: CodeType, target: Any, steps_aside: bool = False) -> CodeType:
    """A code object with the signature of `code` that calls `target.first(args, kwargs)`.

    Args:
        code: whose place it takes.
        target: has `first` and `trim`; to step aside also `watched`, `gettrace`, `tool`, `make`, `original` and
            `function`, as a unit has.
        steps_aside: whether a debugger gets the original code.
    """
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
        steps_aside,
    )
    return template.replace(
        co_name=code.co_name,
        co_qualname=code.co_qualname,
        co_filename=code.co_filename,
        co_firstlineno=code.co_firstlineno,
        co_flags=code.co_flags & ~_NOT_THE_STUBS,
        co_consts=tuple(target if const == _TARGET else const for const in template.co_consts),
    )


def _on_one_line(code: CodeType) -> CodeType:
    """`code`, all of it on its first line: there is nothing else in the user's file that it could be."""
    units = len(code.co_code) // 2
    entry = (
        0x80 | 13 << 3
    )  # a line without columns, and no step to another (InternalDocs/code_objects.md)
    table = [bytes((entry | min(8, units - at) - 1, 0)) for at in range(0, units, 8)]
    return code.replace(co_linetable=b"".join(table))


def _usual(self: Any, *, inputs: Any) -> Any:
    """The stub of the usual signature, as `_template` would write it: compiled when this module was."""
    try:
        return "<ember_jit unit>".first((self,), {"inputs": inputs})  # type: ignore[attr-defined]
    except BaseException:
        "<ember_jit unit>".trim()  # type: ignore[attr-defined]
        raise


_USUAL = (0, 1, 1, 0, ("self", "inputs"), (), False)
_USUAL_CODE = _on_one_line(_usual.__code__)
_DEBUGGED = f"{_TARGET!r}.tool(0) or {_TARGET!r}.watched[{_TARGET!r}.gettrace().__class__]"
_ORIGINAL = (
    f"{_TARGET!r}.make({_TARGET!r}.original, {_TARGET!r}.function().__globals__,"
    f" None, None, {_TARGET!r}.function().__closure__)"
)


@lru_cache(maxsize=1024)
def _template(
    posonly: int,
    positional: int,
    keyword_only: int,
    stars: int,
    names: tuple[str, ...],
    free: tuple[str, ...],
    steps_aside: bool,
) -> CodeType:
    """The stub for one signature."""
    if (posonly, positional, keyword_only, stars, names, free, steps_aside) == _USUAL:
        return _USUAL_CODE
    plain = names[:positional]
    keywords = names[positional : positional + keyword_only]
    rest = list(names[positional + keyword_only :])
    varargs = rest.pop(0) if stars & 4 else None
    varkw = rest.pop(0) if stars & 8 else None
    params = [*plain[:posonly], *(["/"] if posonly else []), *plain[posonly:]]
    params += [f"*{varargs}"] if varargs else ["*"] if keywords else []
    params += list(keywords) + ([f"**{varkw}"] if varkw else [])
    args = "".join(f"{name}, " for name in plain) + (f"*{varargs}, " if varargs else "")
    more = f"**{varkw}" if varkw else ""
    kwargs = "".join(f"{name!r}: {name}, " for name in keywords) + more
    passed = args + "".join(f"{name}={name}, " for name in keywords) + more
    mention = f"; {', '.join(name for name in free)}" if free else ""
    outer = ", ".join(name for name in free)
    aside = f"   if {_DEBUGGED}: return {_ORIGINAL}({passed})\n" if steps_aside else ""
    text = (
        f"def outer({outer}):\n"
        f" def stub({', '.join(params)}):\n"
        f"  try:\n{aside}"
        f"   return {_TARGET!r}.first(({args}), {{{kwargs}}})\n"
        f"  except BaseException: {_TARGET!r}.trim(); raise{mention}\n"
    )
    module = compile(text, "<ember_jit stub>", "exec", dont_inherit=True)
    made = next(const for const in module.co_consts if isinstance(const, CodeType))
    return _on_one_line(next(const for const in made.co_consts if isinstance(const, CodeType)))
