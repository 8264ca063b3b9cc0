"""Walking and copying syntax trees, against the standard library's own slower ways."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterable
from pathlib import Path

import pytest

from ember_jit.ir import syntax
from ember_jit.ir.syntax import copied, source_text, walk

TREES = [ast.parse(Path(module.__file__ or "").read_text()) for module in (ast, copy, syntax)]


def shape(tree: ast.AST) -> str:
    return ast.dump(tree, include_attributes=True)


def nodes(found: Iterable[ast.AST]) -> list[ast.AST]:
    """Without contexts and operators."""
    return [node for node in found if node._fields or node._attributes]


@pytest.mark.parametrize("tree", TREES)
def test_walk_finds_the_nodes_that_have_a_place_or_parts(tree: ast.AST) -> None:
    assert nodes(walk(tree)) == nodes(ast.walk(tree))


@pytest.mark.parametrize("tree", TREES)
def test_a_copy_is_equal_and_shares_no_node_that_can_change(tree: ast.AST) -> None:
    memo: dict[int, ast.AST] = {}
    made = copied(tree, memo)
    assert shape(made) == shape(tree)
    assert not set(nodes(walk(made))) & set(nodes(walk(tree)))
    assert [memo[id(node)] for node in nodes(walk(tree))] == nodes(walk(made))


def test_changing_a_copy_leaves_the_original_alone() -> None:
    tree = ast.parse("x = [a, b]")
    before = shape(tree)
    made = copied(tree, {})
    made.body[0].value.elts.clear()
    made.body[0].lineno = 9
    assert shape(tree) == before


def test_source_on_one_line() -> None:
    loop = ast.parse("for x in y:\n    f(x)").body[0]
    assert source_text(loop) == "for x in y: f(x)"
    assert source_text(loop, first_line=True) == "for x in y:"
    assert source_text(None) == ""
