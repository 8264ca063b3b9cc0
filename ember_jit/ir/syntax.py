"""Syntax trees: walking, copying and writing them out, at the price that a cold compile can pay.

    walk(tree)           every node, parents before children; twice as fast as `ast.walk`
    copied(tree, memo)   a deep copy; a fifth of the work of `copy.deepcopy`
    source_text(node)    its source on one line, remembered
    load, store, is_     small expressions of ours
    placed, put_on_line  where what is ours stands in the user's file
    start_of             the place at which a statement begins to run

Contexts (`ast.Load`) and operators (`ast.Add`) have no fields and are told apart by their type alone:
`walk` passes most of them over, and `copied` shares them.
"""

from __future__ import annotations

import ast
from functools import lru_cache
from typing import Any


def walk(tree: ast.AST) -> list[ast.AST]:
    """The nodes of `tree`, itself first."""
    found = [tree]
    for node in found:
        for field in node._fields:
            value = getattr(node, field, None)
            if type(value) is list:
                found += [item for item in value if isinstance(item, ast.AST)]
            elif isinstance(value, ast.AST) and value._fields:
                found.append(value)
    return found


def copied(node: Any, memo: dict[int, Any]) -> Any:
    """A copy of a tree; `memo` is filled with the id of each node -> its copy."""
    kind: type[ast.AST] = type(node)
    if not node._fields and not node._attributes:
        return node
    made = memo[id(node)] = kind.__new__(kind)
    state = made.__dict__
    state.update(node.__dict__)
    for field in node._fields:
        value = state.get(field)
        if type(value) is list:
            state[field] = [
                copied(item, memo) if isinstance(item, ast.AST) else item for item in value
            ]
        elif isinstance(value, ast.AST):
            state[field] = copied(value, memo)
    return made


@lru_cache(maxsize=1024)
def source_text(node: ast.AST | None, first_line: bool = False) -> str:
    """The source of `node` on one line; of a compound statement, its first line if so asked."""
    if node is None:
        return ""
    text = ast.unparse(node)
    return text.split("\n", 1)[0] if first_line else " ".join(text.split())


def unplaced(text: str) -> list[Any]:
    """The statements in `text`, which is generated, without a place in any file yet."""
    body: list[Any] = ast.parse(text).body
    for statement in body:
        for node in walk(statement):
            for attribute in node._attributes:
                node.__dict__.pop(attribute, None)
    return body


def put_on_line(tree: ast.AST, line: int) -> None:
    """Put the unplaced nodes of `tree` on a line, without columns; -1: on that of whatever runs before."""
    stack = [tree]
    while stack:
        node: Any = stack.pop()
        if "lineno" in node._attributes:
            if "lineno" in node.__dict__:
                continue  # the user's, or placed: and so is all in it
            node.lineno = node.end_lineno = line
            node.col_offset = node.end_col_offset = min(line, 0)
        stack.extend(ast.iter_child_nodes(node))


def placed(node: Any, where: ast.AST) -> Any:
    """Give what is ours in `node` the place of the user's code that it stands for, so that lines and carets are its."""
    stack = [node]
    while stack:
        each = stack.pop()
        if "lineno" in each._attributes:
            if "lineno" in vars(each):
                continue  # the user's, or placed before: and so is all in it
            ast.copy_location(each, where)
        stack.extend(ast.iter_child_nodes(each))
    return node


#: by the kind of a node, the field that is evaluated first; what is in none of these is a place itself
_FIRST = {
    **dict.fromkeys((ast.Assign, ast.AnnAssign, ast.Return, ast.Expr, ast.NamedExpr), "value"),
    **dict.fromkeys((ast.Attribute, ast.Subscript, ast.Starred), "value"),
    **dict.fromkeys((ast.BinOp, ast.Compare), "left"),
    **dict.fromkeys((ast.If, ast.While, ast.IfExp, ast.Assert), "test"),
    **dict.fromkeys((ast.BoolOp,), "values"),
    **dict.fromkeys((ast.List, ast.Tuple, ast.Set), "elts"),
    ast.AugAssign: "target",
    ast.For: "iter",
    ast.Call: "func",
    ast.UnaryOp: "operand",
}


def start_of(node: ast.AST) -> ast.AST:
    """A node with the place, on one line, of what runs first in `node`: there, ours is no line of its own for a tracer."""
    found: Any = node
    while (name := _FIRST.get(type(found))) is not None:
        inner = getattr(found, name)
        inner = inner[0] if type(inner) is list and inner else inner
        if not isinstance(inner, ast.AST):
            break
        found = inner
    line, column = found.lineno, found.col_offset
    end = found.end_col_offset if found.end_lineno == line else column
    return ast.Pass(lineno=line, col_offset=column, end_lineno=line, end_col_offset=end)


def load(name: str) -> ast.expr:
    """The variable `name`, read."""
    return ast.Name(name, ast.Load())


def store(name: str) -> ast.Name:
    """The variable `name`, assigned to."""
    return ast.Name(name, ast.Store())


def is_(left: ast.expr, right: ast.expr) -> ast.expr:
    """`left is right`."""
    return ast.Compare(left, [ast.Is()], [right])
