"""Reads the documentation of the standard library that is installed with this Python.

The docstrings come out of the source files with `ast`; no module is imported, so reading has no
effect on the process. Order is that of `MODULES`, then of the files' names, then of the lines: two
reads of one installation give equal lists.

    >>> passages = read_passages()
    >>> len(passages) > 1000
    True
    >>> next(p.path for p in passages if p.name == "heapq.nlargest")
    'heapq.py'
"""

import ast
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from inspect import cleandoc
from pathlib import Path

_MODULE_LIST = """
    argparse ast asyncio base64 bisect calendar cmd code codecs collections concurrent
    configparser contextlib copy csv dataclasses datetime decimal difflib doctest email enum
    filecmp fileinput fnmatch fractions ftplib functools getopt getpass gettext glob graphlib
    gzip hashlib heapq hmac html http imaplib inspect io ipaddress json linecache locale logging
    mailbox mimetypes multiprocessing numbers operator optparse os os.path pathlib pdb pickle
    pkgutil platform plistlib pprint pstats queue random re reprlib sched secrets selectors
    shelve shlex shutil smtplib socket socketserver sqlite3 ssl statistics string subprocess
    tarfile tempfile textwrap threading timeit tokenize traceback types typing unittest urllib
    uuid warnings weakref webbrowser xml zipfile zoneinfo
"""
MODULES = tuple(_MODULE_LIST.split())
"""The modules read, by their documented names; one that this Python lacks is passed over."""

SOURCES = {
    "datetime": ("_pydatetime", "datetime"),
    "decimal": ("_pydecimal",),
    "io": ("_pyio",),
    "os.path": ("posixpath",),
}
"""Where the Python source of a module is kept, if not under its own name; first found wins."""

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_Definition = ast.ClassDef | _Function

LONGEST_PASSAGE = 700
SHORTEST_PASSAGE = 25
SKIPPED_FOLDERS = frozenset({"test", "tests", "idlelib", "__pycache__"})


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of documentation, short enough to quote.

    Attributes:
        name: Dotted name of what it documents, as in ``json.JSONEncoder.default``.
        text: The docstring, or a run of its paragraphs, without its indentation.
        path: The source file, relative to the standard library's folder, with ``/``.
        line: The line of that file on which `text` starts, from 1.
    """

    name: str
    text: str
    path: str
    line: int


def stdlib_folder() -> Path:
    """The folder that the running Python's standard library is installed in."""
    return Path(sysconfig.get_paths()["stdlib"])


def read_passages(folder: Path | None = None) -> list[Passage]:
    """Reads every public docstring of `MODULES`.

    Args:
        folder: A standard library's folder; the running Python's own when None.

    Returns:
        The passages, in an order that depends on nothing but the files.

    Raises:
        FileNotFoundError: `folder` holds the source of none of the modules, as where the library is
            kept in a zip file or without its sources.
    """
    root = folder if folder is not None else stdlib_folder()
    passages = [
        passage
        for module in MODULES
        for name, path in _source_files(root, module)
        for passage in _file_passages(name, path, path.relative_to(root).as_posix())
    ]
    if not passages:
        raise FileNotFoundError(f"no standard library sources under {root}")
    return passages


def _source_files(root: Path, module: str) -> Iterator[tuple[str, Path]]:
    """The files of a module with their dotted names: one, or those of a whole package."""
    for stem in SOURCES.get(module, (module,)):
        file, package = root / f"{stem}.py", root / stem
        if file.is_file():
            yield module, file
            return
        if package.is_dir():
            for path in sorted(package.rglob("*.py")):
                inner = path.relative_to(package).with_suffix("").parts
                if SKIPPED_FOLDERS.isdisjoint(inner):
                    public = [part for part in inner if not part.startswith("_")]
                    yield ".".join([module, *public]), path
            return


def _file_passages(name: str, path: Path, shown: str) -> Iterator[Passage]:
    """The passages of one source file, in line order."""
    source = path.read_bytes()
    lines = source.split(b"\n")
    for owner, opening, doc in _documented(name, ast.parse(source, filename=str(path))):
        continued = lines[opening - 1].rstrip().endswith(b"\\")
        for line, text in _paragraph_runs(doc, opening + continued):
            yield Passage(owner, text, shown, line)


def _documented(name: str, node: ast.AST) -> Iterator[tuple[str, int, str]]:
    """The public names in `node`, itself first, each with its docstring's line and text.

    Looks into classes and into `if` and `try` blocks, where the library puts its alternatives, and
    not into functions.
    """
    if isinstance(node, ast.Module | _Definition):
        match node.body:
            case [ast.Expr(value=ast.Constant(value=str() as text, lineno=line)), *_]:
                yield name, line, text
            case _:
                pass  # nothing documented here
    if isinstance(node, _Function):
        return
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If | ast.Try):
            yield from _documented(name, child)
        elif isinstance(child, _Definition) and not child.name.startswith("_"):
            yield from _documented(f"{name}.{child.name}", child)


def _paragraph_runs(doc: str, line: int) -> Iterator[tuple[int, str]]:
    """Cuts a docstring at blank lines into runs of at most `LONGEST_PASSAGE` characters.

    A single longer paragraph stays whole. `line` is where the docstring's first line stands in the
    file; yields where each run starts there, and its text.
    """
    line += doc.count("\n", 0, len(doc) - len(doc.lstrip()))  # cleandoc drops blank lines
    run: list[str] = []
    start = line
    for paragraph in cleandoc(doc).split("\n\n"):
        if run and sum(map(len, run)) + len(paragraph) > LONGEST_PASSAGE:
            yield from _quotable(start, run)
            run, start = [], line
        run.append(paragraph)
        line += paragraph.count("\n") + 2
    yield from _quotable(start, run)


def _quotable(start: int, run: list[str]) -> Iterator[tuple[int, str]]:
    """The run as a passage, unless there is next to nothing in it."""
    joined = "\n\n".join(run)
    text = joined.strip("\n")
    if len(text) >= SHORTEST_PASSAGE:
        yield start + len(joined) - len(joined.lstrip("\n")), text
