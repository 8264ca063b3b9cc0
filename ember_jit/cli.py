"""The command line: `ember-jit demo|explain|dump|bench|compile|inspect|cache`.

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
from typing import TYPE_CHECKING, Any, ParamSpec

import click

from ember_jit.errors import EmberError
from ember_jit.version import __version__

if TYPE_CHECKING:
    from ember_jit.runtime.native.store import Store
    from ember_jit.targets import Target

P = ParamSpec("P")
DIFFERENT = 1
_INIT_HELP = "Arguments of the constructor or factory: JSON or a file with it; an object gives keywords, a list positions."


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


@main.command()
@click.argument("question", required=False)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the graph and the generated code go; a new folder if not given.",
)
def demo(question: str | None, out: Path | None) -> None:
    """Answer a QUESTION over the standard library's documentation, eager against compiled."""
    from ember_jit.demo.main import run_demo

    sys.exit(run_demo(question, out, click.echo))


@main.command()
@click.argument("target")
@click.option("--init", help=_INIT_HELP)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_one_line_errors
def explain(target: str, init: str | None, as_json: bool) -> None:
    """Say what overlaps in TARGET, what stays in order and why, and what would free it."""
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
@click.option("--init", help=_INIT_HELP)
@_one_line_errors
def dump(target: str, directory: Path, init: str | None) -> None:
    """Write the source, IR, dataflow graph and generated code of TARGET into a folder."""
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
    "--inputs", "inputs_text", required=True, help="The value of `inputs`: JSON, or a file with it."
)
@click.option("--init", help=_INIT_HELP)
@click.option(
    "--repeat",
    default=5,
    show_default=True,
    type=click.IntRange(min=1),
    help="Timed runs of each kind.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_one_line_errors
def bench(target: str, inputs_text: str, init: str | None, repeat: int, as_json: bool) -> None:
    """Run TARGET eager and compiled, in turns: are the answers identical, and how long does each take?

    Exits with status 1 if an operator that repeats itself gives another answer when compiled.
    """
    from ember_jit.report.bench import bench as bench_operator
    from ember_jit.report.bench import bench_text
    from ember_jit.targets import parse_json

    inputs = parse_json(inputs_text, "--inputs")
    op = _load(target, init).op
    made = bench_operator(op, inputs, repeat, _progress())
    if sys.stderr.isatty():
        click.echo("\r\x1b[K", nl=False, err=True)
    click.echo(json.dumps(made.to_dict(), indent=2) if as_json else bench_text(made))
    if not made.identical and made.repeatable:
        sys.exit(DIFFERENT)


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
@click.option("--init", help=_INIT_HELP)
@_one_line_errors
def compile_bundle(targets: tuple[str, ...], out: Path, init: str | None) -> None:
    """Compile operators ahead of time into a bundle, which runs without the compiler.

    A TARGET may also be a whole package: its decorated classes and functions are found. Programs use the bundle
    through `ember_jit.load(...)` or EMBER_JIT_BUNDLE.
    """
    from ember_jit.aot.build import Builder
    from ember_jit.aot.listing import listing
    from ember_jit.targets import load_all

    maker = Builder()
    for target in targets:
        for found in load_all(target, init):
            op = _remarked(found).op
            if op is not None:
                maker.add(op)
    click.echo(listing(maker.write(out)))


@main.command()
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the manifest.")
@_one_line_errors
def inspect(path: Path, name: str | None, as_json: bool) -> None:
    """List what the bundle at PATH holds, or show the generated programs of the function NAME.

    Nothing in the bundle runs. Exits with status 2 if it is damaged.
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
