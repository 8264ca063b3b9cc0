"""The command line: `ember-jit demo|explain|dump|report|run|bench|compile|inspect|cache`.

What a command needs is imported when it runs, so that `--help` is quick.  A mistake of the user's ends
with one line and exit status 2.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import click

from ember_jit.errors import EmberError
from ember_jit.version import __version__

if TYPE_CHECKING:
    from ember_jit.runtime.native.store import Store
    from ember_jit.targets import Target

P = ParamSpec("P")
F = TypeVar("F", bound=Callable[..., Any])
DIFFERENT, SLOWER = 1, 3
# Options that several commands have.
_init = click.option(
    "--init",
    help="Arguments of the constructor or factory: JSON or a file with it; an object gives keywords, a list positions.",
)
_inputs = click.option(
    "--inputs", "inputs_text", required=True, help="The value of `inputs`: JSON, or a file with it."
)


def _repeat(default: int) -> Callable[[F], F]:
    return click.option(
        "--repeat",
        default=default,
        show_default=True,
        type=click.IntRange(min=1),
        help="Timed runs of each kind.",
    )


class Mistake(click.ClickException):
    """The user's mistake, in one line."""

    exit_code = 2


def _one_line_errors(command: Callable[P, None]) -> Callable[P, None]:
    """Show an `EmberError` as one line, without a traceback."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except EmberError as exc:
            raise Mistake(str(exc)) from exc

    return run


def _load(target: str, init: str | None) -> Target:
    from ember_jit.targets import load

    return _remarked(load(target, init))


def _remarked(found: Target) -> Target:
    """Say on stderr what there is to say of a target."""
    for remark in found.remarks:
        click.echo(f"note: {remark}", err=True)
    return found


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="ember-jit")
def main() -> None:
    """Overlap the independent calls of ordinary Python operators, and show what was done.

    A TARGET is MODULE:CLASS, MODULE:FACTORY (a function that returns an operator), MODULE:INSTANCE, or
    path/to/file.py:NAME. The current folder is importable.
    """
    from ember_jit.warned import warn_of_settings

    warn_of_settings()


@main.command()
@click.argument("question", required=False)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the graph and the generated code go; a new folder if not given.",
)
def demo(question: str | None, out: Path | None) -> None:
    """Answer a QUESTION from the standard library, eager and compiled.

    It reads the documentation of the installed modules, and asks small servers that stand for remote models.
    """
    from ember_jit.demo.main import run_demo

    sys.exit(run_demo(question, out, click.echo))


@main.command()
@click.argument("target")
@_init
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_one_line_errors
def explain(target: str, init: str | None, as_json: bool) -> None:
    """Say what overlaps in TARGET, what stays in order, and why.

    Also what would free it. Nothing of the operator's runs.
    """
    from ember_jit.report.explain import explain as explain_operator

    found = explain_operator(_load(target, init).op)
    click.echo(json.dumps(found.to_dict(), indent=2) if as_json else str(found))


@main.command()
@click.argument("target")
@click.option(
    "-o",
    "--out",
    "directory",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the files go; made if need be.",
)
@_init
@_one_line_errors
def dump(target: str, directory: Path, init: str | None) -> None:
    """Write source, IR, graph and generated code of TARGET to a folder."""
    from ember_jit.report.dump import dump as dump_operator

    op = _load(target, init).op
    try:
        paths = dump_operator(op, directory)
    except OSError as exc:
        raise Mistake(
            f"cannot write into {directory}: {exc.strerror or exc}; give another folder with -o"
        ) from exc
    for path in paths:
        click.echo(str(path))


@main.command()
@click.argument("target")
@click.option(
    "-o",
    "--out",
    "path",
    default="report.html",
    show_default=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The page to write.",
)
@click.option(
    "--inputs",
    "inputs_text",
    help="The value of `inputs`, JSON or a file with it: then TARGET runs, eager and compiled, and is timed.",
)
@_init
@_repeat(3)
@_one_line_errors
def report(target: str, path: Path, inputs_text: str | None, init: str | None, repeat: int) -> None:
    """Write a page about TARGET: its graph, code, effects and reasons.

    The source stands beside the generated code. With --inputs also the timeline of a run, where its time went, and eager against compiled.
    """
    from ember_jit.report.html.page import NO_INPUTS, write_report
    from ember_jit.targets import parse_json

    inputs = parse_json(inputs_text, "--inputs") if inputs_text is not None else NO_INPUTS
    op = _load(target, init).op
    try:
        click.echo(str(write_report(op, path, inputs, repeat)))
    except OSError as exc:
        raise Mistake(
            f"cannot write {path}: {exc.strerror or exc}; give another file with -o"
        ) from exc


class _RunByDefault(click.Group):
    """`bench TARGET ...` is `bench run TARGET ...`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(
            ctx, args if args and args[0] in self.commands else ["run", *args]
        )


@main.group(cls=_RunByDefault)
def bench() -> None:
    """Time TARGET compiled and in other ways, or `compare` two runs."""


@bench.command("run")
@click.argument("target")
@_inputs
@_init
@click.option(
    "--vs",
    default="eager",
    show_default=True,
    help="What to compare with, separated by commas: eager, threads, sequential, parallel; the first is the baseline.",
)
@_repeat(5)
@click.option(
    "--warmup",
    default=1,
    show_default=True,
    type=click.IntRange(min=0),
    help="Runs of each kind before, untimed.",
)
@click.option(
    "--workers",
    default=8,
    show_default=True,
    type=click.IntRange(min=1),
    help="Whole runs at once of the kind `threads`.",
)
@click.option("--cpu", help="Processors to bind the process to: 0,1")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, as pytest-benchmark does.")
@click.option(
    "--fail-if-slower",
    type=click.FloatRange(min=0),
    metavar="RATIO",
    help="Exit with status 3 if compiled takes more than so many times as long as the baseline.",
)
@_one_line_errors
def bench_run(
    target: str,
    inputs_text: str,
    init: str | None,
    vs: str,
    repeat: int,
    warmup: int,
    workers: int,
    cpu: str | None,
    as_json: bool,
    fail_if_slower: float | None,
) -> None:
    """Run TARGET compiled and in other ways, in turns: are the answers identical, and how long does each take?

    `ember-jit bench compare OLD.json NEW.json` compares two runs that were saved with --json.

    Exits with status 1 if an operator that repeats itself gives another answer when compiled.
    """
    from ember_jit.report.bench import COMPILED, bench_text, pinned
    from ember_jit.report.bench import bench as bench_operator
    from ember_jit.report.bench_json import is_slower, to_json
    from ember_jit.targets import parse_json

    inputs = parse_json(inputs_text, "--inputs")
    cpus = _processors(cpu)
    with pinned(cpus):
        op = _load(target, init).op
        made = bench_operator(
            op,
            inputs,
            vs=[each.strip() for each in vs.split(",")],
            repeat=repeat,
            warmup=warmup,
            workers=workers,
            cpus=cpus,
            say=_progress(),
        )
    if sys.stderr.isatty():
        click.echo("\r\x1b[K", nl=False, err=True)
    click.echo(json.dumps(to_json(made, __version__), indent=2) if as_json else bench_text(made))
    if not made.identical and made.repeatable:
        sys.exit(DIFFERENT)
    over = made.samples[COMPILED].over(made.samples[made.baseline])
    if fail_if_slower is not None and is_slower(over, fail_if_slower):
        click.echo(
            f"compiled takes {over.value:.2f} times as long as {made.baseline}; {fail_if_slower} was the limit",
            err=True,
        )
        sys.exit(SLOWER)


@bench.command("compare")
@click.argument("old", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("new", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--fail-if-slower",
    type=click.FloatRange(min=0),
    metavar="RATIO",
    help="Exit with status 3 if a benchmark takes more than so many times as long as before.",
)
@_one_line_errors
def bench_compare(old: Path, new: Path, fail_if_slower: float | None) -> None:
    """Compare two saved runs, benchmark by benchmark; also of pytest-benchmark."""
    from ember_jit.report.bench_json import changes_text, compare, is_slower

    changes = compare(old, new)
    click.echo(changes_text(changes, fail_if_slower))
    if fail_if_slower is not None and any(
        each.ratio is not None and is_slower(each.ratio, fail_if_slower) for each in changes
    ):
        sys.exit(SLOWER)


def _processors(text: str | None) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")] if text is not None else []
    if not all(part.isdecimal() for part in parts):
        raise Mistake(f"--cpu {text!r} is not a list of processors; write for example --cpu 0,1")
    return tuple(map(int, parts))


@main.command()
@click.argument("target")
@_inputs
@_init
@click.option(
    "--generated",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A program of a dump, edited, or the folder of the dump: it runs in place of ours. May be given again.",
)
@click.option("--check", is_flag=True, help="Compare with the plain program.")
@_one_line_errors
def run(
    target: str, inputs_text: str, init: str | None, generated: tuple[Path, ...], check: bool
) -> None:
    """Run TARGET once, compiled, and print what it returns.

    With --generated, code that was dumped and edited runs in place of ours. What it raises is shown as Python shows it. With --check, exits with status 1 if the plain program answers differently.
    """
    import copy
    import traceback

    from ember_jit.report.edited import put_in_place
    from ember_jit.report.outcome import outcome_of, plain_outcome, same_outcome
    from ember_jit.runtime.frames import user_part
    from ember_jit.targets import parse_json

    inputs = parse_json(inputs_text, "--inputs")
    op = _load(target, init).op
    if generated:
        for kind in put_in_place(op, generated):
            click.echo(f"note: {kind} is the edited one", err=True)
    kept = copy.deepcopy(inputs)
    made = outcome_of(op, inputs)
    if check:
        plain = plain_outcome(op, kept)
        if not same_outcome(made, plain):
            click.echo(f"compiled: {made}\nplain:    {plain}")
            sys.exit(DIFFERENT)
        click.echo("note: the plain program answers the same", err=True)
    if made.error is not None:
        trace = user_part(made.error.__traceback__)
        traceback.print_exception(made.error.with_traceback(trace))
        sys.exit(1)
    click.echo(repr(made.value))


@main.group()
def cache() -> None:
    """The cache of compiled numeric kernels on disk."""


@cache.command("info")
def cache_info() -> None:
    """Say where the cache is, what it holds, and its limit."""
    found = _store()
    if found is None:
        click.echo("the cache is off (EMBER_JIT_CACHE=off)")
        return
    usage = found.usage()
    click.echo(f"folder  {found.folder}")
    click.echo(f"kernels {usage.files}")
    click.echo(f"bytes   {usage.size} of {found.limit}")


@cache.command("clear")
def cache_clear() -> None:
    """Remove all kernels from the cache."""
    found = _store()
    if found is None:
        click.echo("the cache is off (EMBER_JIT_CACHE=off)")
        return
    removed = found.clear()
    left = found.usage().files
    click.echo(f"removed {removed.files} kernels ({removed.size} bytes) from {found.folder}")
    if left:
        raise Mistake(
            f"{left} kernels in {found.folder} could not be removed; is it yours to write?"
        )


def _store() -> Store | None:
    from ember_jit.runtime.native.store import store

    return store()


@main.command("compile")
@click.argument("targets", nargs=-1, required=True, metavar="TARGET...")
@click.option(
    "-o",
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The bundle to write, by custom NAME.ember.",
)
@click.option(
    "--inputs",
    "inputs_text",
    help="The value of `inputs`, JSON or a file with it: then TARGET runs once, and the machine code of the numeric "
    "regions and loops that it comes to goes in.",
)
@_init
@_one_line_errors
def compile_bundle(
    targets: tuple[str, ...], out: Path, inputs_text: str | None, init: str | None
) -> None:
    """Compile operators ahead of time into a bundle.

    It runs without the compiler. A TARGET may also be a whole package, or a file: the decorated classes and functions are found. Programs use the bundle
    through `ember_jit.load(...)` or EMBER_JIT_BUNDLE.
    """
    from ember_jit.aot.build import Builder
    from ember_jit.aot.listing import listing
    from ember_jit.aot.meeting import meet
    from ember_jit.targets import load_all, parse_json

    maker = Builder()
    for target in targets:
        for found in load_all(target, init):
            op = _remarked(found).op
            if op is not None:
                if inputs_text is not None:
                    meet(op, parse_json(inputs_text, "--inputs"))
                maker.add(op)
    click.echo(listing(maker.write(out)))


@main.command()
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the manifest.")
@_one_line_errors
def inspect(path: Path, name: str | None, as_json: bool) -> None:
    """List what the bundle at PATH holds.

    With a NAME, show the generated programs of that function. Nothing in the bundle runs. Exits with status 2 if it is damaged.
    """
    import warnings

    from ember_jit.aot.listing import listing, programs
    from ember_jit.aot.loader import read
    from ember_jit.errors import BundleWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BundleWarning)  # the listing says whether it fits
        found = read(path)
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(found.manifest), indent=2, sort_keys=True))
    else:
        click.echo(programs(found, name) if name else listing(found))


def _progress() -> Callable[[str], Any]:
    """Shows the step under way on a terminal, and nothing elsewhere."""
    if not sys.stderr.isatty():
        return lambda text: None
    return lambda text: click.echo(f"\r\x1b[K{text} ...", nl=False, err=True)


if __name__ == "__main__":
    main()
