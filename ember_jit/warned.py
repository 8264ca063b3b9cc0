"""Mistakes that do not stop a program: said as warnings, once each, and pointing at the user's code.

app.py:12: SettingWarning: EMBER_JIT_MAX_WORKERS='zero' is ignored, and 64 used: write a whole number ... [EMB007]
"""

from __future__ import annotations

import warnings

from ember_jit.config import config
from ember_jit.dependencies import users_level
from ember_jit.errors import LabelWarning, SettingWarning

_said: set[str] = set()


def warn_of_settings() -> None:
    """Say what is wrong with the `EMBER_JIT_*` variables."""
    for mistake in config().mistakes:
        _once(f"{mistake} [EMB007]", SettingWarning)


def warn_of_label(owner: str, value: object) -> None:
    """Say that `owner.__effects__` holds something that is no label."""
    shown = repr(value) if type(value) in (str, tuple, list, type(None)) else type(value).__name__
    hint = (
        "a label, such as `query` (`from ember_jit import query`), without quotes; several with `|`"
    )
    _once(
        f"{owner}.__effects__ = {shown} is no label and says nothing of its effects: give it {hint} [EMB021]",
        LabelWarning,
    )


def _once(text: str, category: type[Warning]) -> None:
    if text not in _said:
        _said.add(text)  # first: a filter may make an error of it
        warnings.warn(text, category, stacklevel=users_level())
