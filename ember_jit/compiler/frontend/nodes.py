"""Every kind of syntax node of Python 3.11 to 3.14: lowered, or left alone and why.

`tests/frontend` holds this table against the `ast` module of the running Python, so that a new node
cannot slip through unnoticed.
"""

from __future__ import annotations

LOWERED: frozenset[str] = frozenset(
    [
        "Pass",
        "Global",
        "Nonlocal",
        "Expr",
        "Assign",
        "AnnAssign",
        "AugAssign",
        "Delete",
        "Return",
        "Raise",
        "Break",
        "Continue",
        "Assert",
        "If",
        "For",
        "While",
        "Try",
        "With",
        "Match",
        "FunctionDef",
        "Import",
        "ImportFrom",
        "Constant",
        "Name",
        "Attribute",
        "Subscript",
        "Call",
        "List",
        "Tuple",
        "Set",
        "Dict",
        "ListComp",
        "SetComp",
        "DictComp",
        "GeneratorExp",
        "BinOp",
        "UnaryOp",
        "Compare",
        "JoinedStr",
        "FormattedValue",
        "BoolOp",
        "IfExp",
        "NamedExpr",
        "Lambda",
        "Starred",
        "Slice",
    ]
)

LEFT_ALONE: dict[str, str] = {
    "AsyncFunctionDef": "a nested coroutine function is not followed",
    "ClassDef": "a class statement runs arbitrary code (its metaclass, its decorators)",
    "AsyncFor": "asynchronous iteration suspends the function",
    "AsyncWith": "an asynchronous context manager suspends the function",
    "TryStar": "except* splits and regroups exceptions",
    "TypeAlias": "a type statement makes a lazily evaluated object",
    "Await": "the function is a coroutine: it runs when it is awaited",
    "Yield": "the function is a generator: its body runs when it is resumed",
    "YieldFrom": "the function is a generator: its body runs when it is resumed",
    "TemplateStr": "a template string keeps its values for whoever renders it",
    "Interpolation": "a template string keeps its values for whoever renders it",
}
