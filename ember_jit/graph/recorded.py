"""Recorded values: what stands for a result while calls are recorded and not made.

A recorded value can be handed on whole, indexed (`x["key"]`, `x["a"][0]`), and put inside dicts, lists,
tuples and named tuples.  It has no value yet, so whatever would need one raises
`RecordedValueError` at once and says what to write: `_OPERATIONS` lists the operations and the advice.

    x = search(inputs=q)        # Recorded
    judge(inputs=x["hits"])     # fine: an edge of the graph
    if x["hits"]: ...           # RecordedValueError: ... Move the decision into an operator
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from ember_jit.errors import RecordedValueError

_BRANCH = "Move the decision into an operator (or a function wrapped with `graph.op`), which is called when the graph is executed"
_LOOP = "Loop inside an operator, or map one over the items when the graph is executed"
_COMPUTE = "Put the computation into a function and record that: `f = graph.op(f); y = f(x)`"
_TEXT = "Build the text inside an operator, or with a recorded function: `text = graph.op(str.format)('Q: {}', x)`"
_READ = "Index it (`x['key']`), or read the attribute inside an operator or a function wrapped with `graph.op`"
_STORE = "Build a new dict or list around it instead, or change it inside an operator"

#: special method -> (how the use reads in the user's source, what to write instead)
_OPERATIONS: dict[str, tuple[str, str]] = {
    "__bool__": ("`if {0}:`, `not`, `and` or `or`", _BRANCH),
    "__len__": ("`len({0})`", _COMPUTE),
    "__iter__": ("looping over or unpacking {0}", _LOOP),
    "__reversed__": ("`reversed({0})`", _LOOP),
    "__next__": ("`next({0})`", _LOOP),
    "__contains__": ("`... in {0}`", _BRANCH),
    "__eq__": ("comparing {0} with `==`", _BRANCH),
    "__ne__": ("comparing {0} with `!=`", _BRANCH),
    "__lt__": ("comparing {0}", _BRANCH),
    "__le__": ("comparing {0}", _BRANCH),
    "__gt__": ("comparing {0}", _BRANCH),
    "__ge__": ("comparing {0}", _BRANCH),
    "__hash__": ("using {0} as a key or in a set", _COMPUTE),
    "__str__": ("`str({0})`, `print` or formatting", _TEXT),
    "__format__": ("formatting {0}", _TEXT),
    "__int__": ("`int({0})`", _COMPUTE),
    "__float__": ("`float({0})`", _COMPUTE),
    "__complex__": ("`complex({0})`", _COMPUTE),
    "__index__": ("using {0} as an index", _COMPUTE),
    "__bytes__": ("`bytes({0})`", _COMPUTE),
    "__round__": ("`round({0})`", _COMPUTE),
    "__neg__": ("`-{0}`", _COMPUTE),
    "__pos__": ("`+{0}`", _COMPUTE),
    "__abs__": ("`abs({0})`", _COMPUTE),
    "__invert__": ("`~{0}`", _COMPUTE),
    "__call__": ("calling {0}", "Record the call: `graph.op(lambda f: f())(x)`"),
    "__enter__": ("`with {0}:`", _COMPUTE),
    "__exit__": ("`with {0}:`", _COMPUTE),
    "__await__": ("`await {0}`", _COMPUTE),
    "__setitem__": ("storing into {0}", _STORE),
    "__delitem__": ("deleting from {0}", _STORE),
    "__array__": ("making an array of {0}", _COMPUTE),
    "__reduce_ex__": ("copying or pickling {0}", _COMPUTE),
    "__dir__": ("`dir({0})`", _READ),
}
_ARITHMETIC = [
    "add",
    "sub",
    "mul",
    "matmul",
    "truediv",
    "floordiv",
    "mod",
    "divmod",
    "pow",
    "lshift",
    "rshift",
    "and",
    "xor",
    "or",
]
for _name in _ARITHMETIC:
    for _form in (f"__{_name}__", f"__r{_name}__", f"__i{_name}__"):
        _OPERATIONS[_form] = ("arithmetic with {0}", _COMPUTE)


class Recorded:
    """Stands for the result of a recorded call, for a part of one, or for an input of the graph.

    Attributes (private: an attribute of the result itself cannot be read yet):
        _source: the node or input whose value this is.
        _path: the keys that lead to the part.
    """

    __slots__ = ("_path", "_source")
    _source: Any
    _path: tuple[Any, ...]

    def __init__(self, source: Any, path: tuple[Any, ...] = ()) -> None:
        object.__setattr__(self, "_source", source)
        object.__setattr__(self, "_path", path)

    def __getitem__(self, key: Any) -> Recorded:
        return Recorded(source_of(self), (*path_of(self), key))

    def __repr__(self) -> str:
        source = source_of(self)
        if source.graph.recording:
            _refuse(self, "`repr({0})` or formatting with `!r`", _TEXT)
        return f"<recorded {text_of(self)}: its value is in execute(graph)[{source.name!r}]>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)  # somebody asks what this can do: nothing
        _refuse(self, f"`{{0}}.{name}`", _READ)

    def __setattr__(self, name: str, value: Any) -> None:
        _refuse(self, f"`{{0}}.{name} = ...`", _STORE)

    def __delattr__(self, name: str) -> None:
        _refuse(self, f"`del {{0}}.{name}`", _STORE)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        _refuse(self, "`isinstance({0}, ...)`", _BRANCH)


def _refusing(use: str, advice: str) -> Callable[..., Any]:
    return lambda self, *args, **kwargs: _refuse(self, use, advice)


for _name, (_use, _advice) in _OPERATIONS.items():
    setattr(Recorded, _name, _refusing(_use, _advice))


def _refuse(value: Recorded, use: str, advice: str) -> NoReturn:
    text, source = text_of(value), source_of(value)
    what = source.described
    if source.graph.recording:
        why = "is recorded, not executed: it has no value yet"
        raise RecordedValueError(
            f"{use.format(text)} needs the value of {text} ({what}), which {why}. {advice}."
        )
    raise RecordedValueError(
        f"{use.format(text)} needs the value of {text} ({what}), which was recorded and stands in no variable. "
        f"Read it from the results: `execute(graph)[{source.name!r}]`. "
        "Inside an operator this means that it came hidden in an object that a recording does not look into: "
        "hand it over whole, or in a dict, list or tuple."
    )


def source_of(value: Recorded) -> Any:
    """The node or input whose value `value` stands for."""
    return object.__getattribute__(value, "_source")


def path_of(value: Recorded) -> tuple[Any, ...]:
    """The keys that lead from the value of its source to `value`."""
    return object.__getattribute__(value, "_path")  # type: ignore[no-any-return]


def text_of(value: Recorded) -> str:
    """`value` as the user would write it: `x['hits'][0]`."""
    return str(source_of(value).name) + "".join(f"[{_key_text(key)}]" for key in path_of(value))


def _key_text(key: Any) -> str:
    if type(key) is Recorded:
        return text_of(key)
    if type(key) is slice:
        parts = ["" if part is None else _key_text(part) for part in (key.start, key.stop)]
        return ":".join([*parts, *([_key_text(key.step)] if key.step is not None else [])])
    return repr(key)
