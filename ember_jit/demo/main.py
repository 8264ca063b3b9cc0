"""Runs the demo: one question, answered plain and compiled, compared and explained.

The same `StdlibQA` runs three times against one server: plain, with each call timed; compiled for
the first time, which includes the compiling; and compiled again. The three answers must be
identical in every part, types and digits included; the exit status says so.
"""

import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

import ember_jit
from ember_jit.demo.corpus import read_passages, stdlib_folder
from ember_jit.demo.operators import StdlibQA, build_stdlib_qa
from ember_jit.demo.server import LONGEST_LATENCY, SHORTEST_LATENCY, ModelServer
from ember_jit.demo.timing import CallTime, critical_path, with_stopwatch

DEFAULT_QUESTION = "How do I find the n largest elements of a dataset without sorting all of it?"
LONGEST_EXPLANATION = 60
"""Lines of the explanation that are printed; the file has them all."""

IDENTICAL, DIFFERENT, USAGE = 0, 1, 2

Echo = Callable[[str], object]


class Progress(Protocol):
    """Says which step is under way."""

    def step(self, text: str) -> None:
        """A new step began."""
        ...

    def close(self) -> None:
        """The steps are over, or something else is about to be printed."""
        ...


class TerminalProgress:
    """Shows the current step on one line of stderr, and wipes it when done."""

    def step(self, text: str) -> None:
        """Replaces the line."""
        sys.stderr.write(f"\r\x1b[K{text} ...")
        sys.stderr.flush()

    def close(self) -> None:
        """Wipes the line."""
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


@dataclass(frozen=True, slots=True)
class LineProgress:
    """Prints a line for each step."""

    echo: Echo

    def step(self, text: str) -> None:
        """Prints the step."""
        self.echo(f"{text} ...")

    def close(self) -> None:
        """Nothing to wipe."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What the three runs gave, in seconds.

    Attributes:
        plain: The plain run, and `plain_answer` its result.
        first: The compiled program's first run, compiling included.
        again: Its second run.
        shortest: The critical path that the plain run's call times make.
        calls: The plain run's calls, in program order.
        compiled_answers: The results of the first and the second compiled run.
    """

    plain: float
    first: float
    again: float
    shortest: float
    calls: list[CallTime]
    plain_answer: dict[str, Any]
    compiled_answers: tuple[dict[str, Any], dict[str, Any]]

    @property
    def identical(self) -> bool:
        """Whether all three results agree in values, types, order and every digit."""
        return all(
            answer == self.plain_answer and repr(answer) == repr(self.plain_answer)
            for answer in self.compiled_answers
        )


def run_demo(question: str | None = None, out_dir: Path | None = None, echo: Echo = print) -> int:
    """Answers a question from the standard library's documentation, plain and compiled.

    Args:
        question: What to ask; `DEFAULT_QUESTION` when None.
        out_dir: Where the graph, the generated code and the full explanation go; a new temporary
            folder when None.
        echo: Prints one piece of the report.

    Returns:
        The exit status: 0 when all answers are identical, 1 when they are not, 2 for a question
        without a word in it.
    """
    asked = DEFAULT_QUESTION if question is None else question.strip()
    if not any(character.isalpha() for character in asked):
        echo("Nothing to answer: the question has no words in it.")
        return USAGE
    folder = out_dir if out_dir is not None else Path(tempfile.mkdtemp(prefix="ember-jit-demo-"))
    folder.mkdir(parents=True, exist_ok=True)

    echo(f"Question: {asked}")
    progress = TerminalProgress() if sys.stderr.isatty() else LineProgress(echo)
    with ModelServer() as server, closing(progress):
        echo(_about_the_server(server.url))
        progress.step(f"Reading the documentation under {stdlib_folder()}")
        passages = read_passages()
        modules = len({passage.path for passage in passages})
        progress.close()
        echo(f"Read {len(passages)} passages from {modules} files under {stdlib_folder()}.")
        progress.step("Indexing them")
        program = build_stdlib_qa(passages, server.url)
        measured = _measure(program, asked, progress)

    _report_answer(measured.plain_answer, echo)
    _report_times(measured, echo)
    _report_compilation(program, folder, echo)
    return IDENTICAL if measured.identical else DIFFERENT


def _about_the_server(url: str) -> str:
    """What the demo's server is and is not."""
    return (
        f"The models are at {url}: a small server on this machine that STANDS FOR a remote model.\n"
        "No language model is involved. It applies fixed rules, and waits "
        f"{SHORTEST_LATENCY * 1000:.0f} to {LONGEST_LATENCY * 1000:.0f} ms a request, a time that "
        "depends\non the model and the prompt alone. The documentation and the searches are real."
    )


def _measure(program: StdlibQA, question: str, progress: Progress) -> Measured:
    """Runs the program plain and twice compiled."""
    calls: list[CallTime] = []
    timed = with_stopwatch(program, calls)
    with ember_jit.disable_structural_jit():
        progress.step("Answering with plain Python")
        plain_answer, plain = _timed_run(timed, question)
    progress.step("Answering with the compiled program, for the first time")
    first_answer, first = _timed_run(program, question)
    progress.step("Answering with the compiled program, again")
    second_answer, again = _timed_run(program, question)
    return Measured(
        plain=plain,
        first=first,
        again=again,
        shortest=critical_path(calls, plain),
        calls=calls,
        plain_answer=plain_answer,
        compiled_answers=(first_answer, second_answer),
    )


def _timed_run(program: StdlibQA, question: str) -> tuple[dict[str, Any], float]:
    """The answer and how many seconds it took."""
    started = perf_counter()
    answer: dict[str, Any] = program(inputs={"question": question})
    return answer, perf_counter() - started


def _report_answer(result: dict[str, Any], echo: Echo) -> None:
    """Prints the answer and where it stands."""
    echo("")
    if not result["answer"]:
        echo("Answer: none; no passage holds a word of the question.")
        return
    echo(f"Answer (by {result['by']}, chosen among {len(result['candidates'])}):")
    echo(f"  {result['answer']}")
    for source in result["sources"]:
        echo(f"  source: {source}")


def _report_times(measured: Measured, echo: Echo) -> None:
    """Prints the times of the runs against each other and against the critical path."""
    waited = sum(call.seconds for call in measured.calls)
    stages = Counter(call.stage for call in measured.calls)
    counts = ", ".join(f"{count} {stage}" for stage, count in stages.items())
    echo("")
    echo(f"{'plain Python':<28}{measured.plain:7.3f} s")
    for label, seconds in (
        ("compiled, first run", measured.first),
        ("compiled, second run", measured.again),
    ):
        echo(
            f"{label:<28}{seconds:7.3f} s   {measured.plain / seconds:4.2f} x as fast,"
            f" {seconds / measured.shortest:4.2f} x the critical path"
        )
    echo(f"{'critical path':<28}{measured.shortest:7.3f} s")
    echo(
        f"  from the plain run's calls ({counts}; {waited:.3f} s in all):\n"
        "  the slowest rewrite-then-retrieve, the slowest answer, the judge, and the time between\n"
        "  calls: what any order of these calls must wait for. The first compiled run includes\n"
        "  the compiling."
    )
    echo(f"identical answer: {'yes' if measured.identical else 'no'}")
    if not measured.identical:
        echo(f"  plain:           {measured.plain_answer!r}")
        for label, answer in zip(("first", "second"), measured.compiled_answers, strict=True):
            echo(f"  compiled, {label}: {answer!r}")


def _report_compilation(program: StdlibQA, folder: Path, echo: Echo) -> None:
    """Prints what the compiler says it did, and leaves the whole of it in the folder."""
    lines = str(ember_jit.explain(program)).splitlines()
    echo("\nWhat the compiler did:")
    echo("\n".join(f"  {line}".rstrip() for line in lines[:LONGEST_EXPLANATION]))
    if len(lines) > LONGEST_EXPLANATION:
        echo(f"  ... {len(lines) - LONGEST_EXPLANATION} more lines, in explain.txt")
    echo(f"\nThe graph, the generated code and the whole explanation, in {folder}:")
    for path in ember_jit.dump(program, folder):
        echo(f"  {path}")
