"""Two runs compared: values with their aliasing, exceptions with their chains and frames."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import ember_jit

_OURS = str(Path(ember_jit.__file__).parent)
_HERE = str(Path(__file__).parent)
_PLAIN = (int, float, str, bytes, bool, complex, type(None), type(...), range)


class Canon:
    """Turns objects into nested tuples that compare equal if the objects cannot be told apart.

    An object that is met again is a reference to its first meeting, so that two graphs are equal only
    if they share in the same places.  Use one `Canon` for all that belongs to one run.
    """

    def __init__(self) -> None:
        self._seen: dict[int, int] = {}
        self._alive: list[Any] = []

    def __call__(self, value: Any) -> Any:
        kind = type(value)
        if kind in _PLAIN:
            return kind.__name__, repr(value)
        if kind in (tuple, frozenset) and not value:
            return (kind.__name__,)
        if id(value) in self._seen:
            return "again", self._seen[id(value)]
        self._seen[id(value)] = len(self._seen)
        self._alive.append(value)
        if isinstance(value, BaseException):
            return self.exception(value)
        if isinstance(value, dict):
            return kind.__name__, [(self(k), self(v)) for k, v in value.items()]
        if isinstance(value, list | tuple):
            return kind.__name__, [self(each) for each in value]
        if isinstance(value, set | frozenset):
            return kind.__name__, sorted(map(repr, value))
        if callable(value) and hasattr(value, "__qualname__"):
            return kind.__name__, value.__qualname__
        return kind.__qualname__, self(dict(vars(value)))

    def exception(self, exc: BaseException) -> Any:
        """Type, arguments, notes, chain, and the user's frames."""
        return (
            type(exc).__qualname__,
            self(exc.args),
            self(getattr(exc, "__notes__", None)),
            ("cause", self(exc.__cause__)),
            ("context", self(exc.__context__)),
            exc.__suppress_context__,
            frames(exc),
        )


def frames(exc: BaseException) -> list[tuple[str, str, int | None]]:
    """File, function and line of the user's frames."""
    found = []
    for frame in traceback.extract_tb(exc.__traceback__):
        harness = frame.filename.startswith(_HERE) and Path(frame.filename).name in (
            "canon.py",
            "test_programs.py",
        )
        if not frame.filename.startswith(_OURS) and not harness:
            found.append((Path(frame.filename).name, frame.name, frame.lineno))
    return found


def our_frames(exc: BaseException) -> list[str]:
    """Names of the frames that generated code or the runtime left in a traceback."""
    return [
        f"{frame.filename}:{frame.name}"
        for frame in traceback.extract_tb(exc.__traceback__)
        if "<ember_jit" in frame.filename
        or frame.filename.startswith(_OURS)
        and not frame.filename.endswith("operators.py")
    ]
