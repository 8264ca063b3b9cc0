"""The generated programs line by line, each with the line of the source that it stands for.

The programs say so themselves: a comment `# line 41: ...` stands above what was made of that line.  What was
taken over as it was is recognised by its text.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ember_jit.report.dump import kernels_text, retire_text, straight_text
from ember_jit.report.survey import Survey

_COMMENT = re.compile(r"\s*# line (\d+): ")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a program.

    Attributes:
        number: its own number.
        source: the number of the source line that it stands for, or None.
    """

    number: int
    text: str
    source: int | None = None


@dataclass(frozen=True, slots=True)
class Program:
    """A generated program.

    Attributes:
        name: a short one, for a tab.
        says: what it is.
    """

    name: str
    says: str
    lines: tuple[Line, ...]


def source_lines(found: Survey) -> tuple[Line, ...]:
    """The source of the function, with the line numbers of its file."""
    source = found.source
    if source is None:
        return ()
    numbered = enumerate(source.lines, start=source.first)
    return tuple(Line(number, text, number) for number, text in _dedented(numbered))


def programs(found: Survey) -> tuple[Program, ...]:
    """The generated programs of the function, as far as there are any."""
    artifacts, source = found.artifacts, found.source
    if source is None:
        return ()
    known = _unique(dict(enumerate(source.lines, start=source.first)))
    title = f"{found.name} ({found.file}:{found.line})"
    made: list[Program] = []
    if artifacts.issues:
        text = "\n\n".join(issue.text.rstrip() for issue in artifacts.issues)
        says = (
            "issue programs walk ahead of the program and start calls as their inputs become known"
        )
        made.append(Program("issue", says, tuple(_linked(text, known))))
    if artifacts.retire is not None:
        text = _without_head(retire_text(title, artifacts.retire, source))
        says = "the retire program is the function as it runs now: it takes each outcome in program order"
        made.append(Program("retire", says, tuple(_linked(text, known))))
    if artifacts.straight is not None:
        text = _without_head(straight_text(title, artifacts.straight, source))
        says = "nothing could overlap: calls go straight to the operator's `forward`"
        made.append(Program("straight", says, tuple(_linked(text, known))))
    if artifacts.kernels is not None and artifacts.retire is None:
        text = _without_head(kernels_text(artifacts.kernels, source))
        says = "kernels stand in front of numeric regions, which run as they were written where none fits"
        made.append(Program("kernels", says, tuple(_linked(text, known))))
    return tuple(made)


def _without_head(text: str) -> str:
    """Without the comment in front, which says what the page says elsewhere."""
    lines = text.splitlines()
    first = next(
        (index for index, line in enumerate(lines) if line and not line.startswith("#")), 0
    )
    return "\n".join(lines[first:])


def _linked(text: str, known: dict[str, int]) -> Iterator[Line]:
    """A line under a comment, and what is indented under that, stands for the line that the comment names."""
    above: tuple[int, int] | None = None  # the source line, and how far its comment is indented
    begun = False
    for number, line in enumerate(text.splitlines(), start=1):
        indent = len(line) - len(line.lstrip())
        comment = _COMMENT.match(line)
        if comment is not None:
            above, begun = (int(comment.group(1)), indent), False
        elif above is not None and (indent < above[1] or not line.strip()):
            above = None
        elif above is not None and begun and indent == above[1] and _COMMENT.match(line) is None:
            own = known.get(line.strip())
            above = (own, indent) if own is not None else above
        if above is not None:
            begun = begun or comment is None
            yield Line(number, line, above[0])
        else:
            yield Line(number, line, known.get(line.strip()))


def _unique(lines: dict[int, str]) -> dict[str, int]:
    """The lines whose text is there once, as they stand and as Python would write them."""
    found: dict[str, list[int]] = {}
    for number, line in lines.items():
        for text in {line.strip(), _written(line.strip())} - {""}:
            found.setdefault(text, []).append(number)
    return {line: numbers[0] for line, numbers in found.items() if len(numbers) == 1}


def _written(line: str) -> str:
    """A statement on one line as `ast` writes it, which is how the generated programs are written."""
    try:
        return ast.unparse(ast.parse(line))
    except SyntaxError:  # a part of a statement
        return line


def _dedented(lines: Iterator[tuple[int, str]]) -> list[tuple[int, str]]:
    every = list(lines)
    margin = min((len(line) - len(line.lstrip()) for _, line in every if line.strip()), default=0)
    return [(number, line[margin:] if line.strip() else "") for number, line in every]
