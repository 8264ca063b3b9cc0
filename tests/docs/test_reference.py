"""Every public name is in the reference, and its docstring says what its parameters are."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest

import ember_jit
import ember_jit.testing
from ember_jit import errors
from tests.docs.pages import DOCS

REFERENCE = "\n".join(page.read_text() for page in sorted((DOCS / "reference").glob("*.md")))
PUBLIC = {f"ember_jit.{name}": getattr(ember_jit, name) for name in ember_jit.__all__} | {
    f"ember_jit.testing.{name}": getattr(ember_jit.testing, name)
    for name in ember_jit.testing.__all__
}
LABELS = {
    name
    for name, found in vars(ember_jit.effects).items()
    if type(found) is ember_jit.effects.Label
}
CALLABLE = {name: found for name, found in PUBLIC.items() if inspect.isfunction(found)}


def test_every_public_name_is_in_the_reference() -> None:
    """To add one: a line such as `.. autofunction:: ember_jit.NAME` on the page where it belongs."""
    listed = set(re.findall(r"^\.\. auto\w+:: (\S+)$", REFERENCE, re.M))
    listed |= {f"ember_jit.{name}" for name in LABELS if f"ember_jit.effects.{name}" in listed}
    missing = sorted(PUBLIC.keys() - listed)
    assert not missing
    assert "ember_jit.errors" in listed, "which brings all errors and warnings"


def parts(name: str) -> list[tuple[str, Any]]:
    """What `name` is, with its public methods if it is a class."""
    found = PUBLIC[name]
    members = vars(found).items() if inspect.isclass(found) else ()
    return [(name, found)] + [
        (f"{name}.{key}", value)
        for key, value in members
        if not key.startswith("_") and (inspect.isfunction(value) or isinstance(value, property))
    ]


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_it_has_a_docstring(name: str) -> None:
    without = [which for which, found in parts(name) if not (found.__doc__ or "").strip()]
    assert not without


@pytest.mark.parametrize("name", sorted(CALLABLE))
def test_its_docstring_says_what_its_parameters_are(name: str) -> None:
    text = inspect.getdoc(CALLABLE[name]) or ""
    _, found, section = text.partition("Args:\n")
    asked = inspect.signature(CALLABLE[name]).parameters.values()
    names = [each.name for each in asked if each.kind is not each.VAR_KEYWORD]
    assert not names or found
    told = re.findall(r"^    (\*?\w+(?:, \w+)*):", section, re.M)
    missing = set(names) - {part.strip(" *") for each in told for part in each.split(",")}
    assert not missing


def test_every_error_says_what_leads_to_it() -> None:
    for each in vars(errors).values():
        if inspect.isclass(each) and each.__module__ == errors.__name__:
            assert each.__doc__, each
