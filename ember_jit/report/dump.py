"""`dump(op, directory)`: everything that compiling one function produced, as files to read.

    index.txt            what lies here
    explain.txt          what was done and why not more (`explain`)
    source.py            the source that was compiled
    ir-1-lowered.txt     the IR after each stage
    ir-2-escape.diff     what that stage changed
    plan.txt .mmd .dot   the dataflow graph: text, Mermaid, Graphviz
    issue.py             the generated issue programs
    retire.py            the retire program: the function as it runs now
    straight.py          the same where nothing overlaps: calls go straight to `forward`
    chain.py             what it attempts first, where its operators can be computed in place
    kernels.py           the same where there are numeric regions alone
    region-0.py          a numeric region as a Python function
    region-0-kernel-0.*  each of its kernels: kernel IR and cost (.txt), LLVM IR (.ll), assembly (.s)
    loop-0.py            a loop as a Python function
    loop-0-code-0.*      each piece of machine code for it: LLVM IR (.ll), the same optimised, assembly (.s)
    timings.txt          how long each stage of the compiler took

The generated programs are Python that parses.  Names and text are the same from run to run, times apart.
"""

from __future__ import annotations

import ast
import copy
import difflib
import hashlib
import os
import re
import tempfile
import textwrap
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

from ember_jit.compiler.passes.chain import Chain
from ember_jit.compiler.passes.straight import Straight
from ember_jit.compiler.source import Source
from ember_jit.errors import InternalCompilerWarning
from ember_jit.ir.printer import print_function
from ember_jit.report.edited import stamp
from ember_jit.report.explain import explanation_of
from ember_jit.report.graph import FORMATS
from ember_jit.report.loops import loop_files
from ember_jit.report.regions import region_files
from ember_jit.report.survey import Survey, settled, survey
from ember_jit.runtime.dispatch import Unit
from ember_jit.runtime.linking import CALL, CODE, GETTRACE, TOOL, TYPE, UNIT
from ember_jit.runtime.speculation import SCALARS

_UNIT = "_unit"
_TITLES = {
    "explain.txt": "what overlaps, what stays in order and why",
    "source.py": "the source that was compiled",
    "plan.txt": "the dataflow graph",
    "plan.mmd": "the same in Mermaid's notation",
    "plan.dot": "the same for Graphviz",
    "issue.py": "the issue programs: they walk ahead and start calls",
    "retire.py": "the retire program: the function as it runs now",
    "straight.py": "the function as it runs now: calls go straight to `forward`",
    "chain.py": "what it attempts first: its operators computed in place",
    "kernels.py": "the function as it runs now: kernels and machine code stand in front of what they replace",
    "timings.txt": "how long each stage of the compiler took",
}


def dump(target: Any, directory: str | Path) -> list[Path]:
    """Write down what compiling `target` produced.

    Args:
        target: as for `explain`.
        directory: where to; made if need be.  Files of the same names are replaced.

    Returns:
        The files, `index.txt` first.

    Raises:
        NotAnOperatorError: `target` is neither an operator nor a function.
        OSError: the files cannot be written.
    """
    return _write(survey(target), Path(directory))


def dump_compiled(unit: Unit, function: FunctionType, directory: str) -> None:
    """`EMBER_JIT_DUMP`: dump a function that has just been compiled into a folder of its own.

    What was left alone is not dumped: there is nothing to see but the reason, which `explain` gives.
    """
    if not unit.stats.compiled and not unit.stats.internal_errors:
        return
    try:
        found = settled(unit, function)
        name = folder_name(function)
        _write(found, Path(directory) / name)
        _enter(Path(directory) / "index.txt", name, explanation_of(found).headline, found)
    except OSError as exc:
        warnings.warn(f"EMBER_JIT_DUMP={directory}: {exc}", RuntimeWarning, stacklevel=2)
    except Exception as exc:  # noqa: BLE001 - a broken report must not break the user's call (EMB010)
        text = f"ember_jit could not dump {unit.name} ({type(exc).__name__}: {exc}). This is a bug in ember_jit [EMB010]"
        warnings.warn(text, InternalCompilerWarning, stacklevel=2)


def _enter(index: Path, name: str, headline: str, found: Survey) -> None:
    """Put a folder into the index over all folders: one line each, by name; other processes write there too."""
    lines = index.read_text(encoding="utf-8").splitlines() if index.exists() else []
    rows = {line.split("  ", 1)[0]: line for line in lines}
    rows[name] = f"{name}  {found.name}, {found.file}:{found.line}: {headline}"
    text = "".join(f"{rows[key]}\n" for key in sorted(rows) if (index.parent / key).is_dir())
    with tempfile.NamedTemporaryFile(
        "w", dir=index.parent, prefix="index", delete=False, encoding="utf-8"
    ) as file:
        file.write(text)
    os.replace(file.name, index)


def folder_name(function: FunctionType) -> str:
    """A name for a function's folder: readable, its own, and the same from run to run."""
    code = function.__code__
    plain = re.sub(r"[^\w.]+", "", function.__qualname__.replace("<locals>.", ""))
    digest = hashlib.blake2b(code.co_filename.encode(), digest_size=3).hexdigest()
    return f"{plain}-line{code.co_firstlineno}-{digest}"


def _write(found: Survey, directory: Path) -> list[Path]:
    directory.mkdir(parents=True, exist_ok=True)
    texts = dict(_texts(found))
    index = [f"{found.name}, {found.file}:{found.line}", ""]
    index += [f"{name:<20} {_title(name)}" for name in texts]
    paths = []
    for name, text in {"index.txt": "\n".join(index) + "\n", **texts}.items():
        path = directory / name
        path.write_text(text, encoding="utf-8")
        paths.append(path)
    return paths


def _title(name: str) -> str:
    if name.startswith("region-"):
        endings = {
            "py": "a numeric region",
            "txt": "a kernel: IR and cost",
            "ll": "its LLVM IR",
            "s": "its assembly",
        }
        return endings[name.rpartition(".")[2]]
    if name.startswith("loop-"):
        if name.endswith("-optimised.ll"):
            return "the same after LLVM's passes"
        return {"py": "a loop", "ll": "its LLVM IR", "s": "its assembly"}[name.rpartition(".")[2]]
    other = (
        "what this stage changed in the IR" if name.endswith(".diff") else "the IR after this stage"
    )
    return _TITLES.get(name, other)


def _texts(found: Survey) -> Iterator[tuple[str, str]]:
    yield "explain.txt", f"{explanation_of(found)}\n"
    source, artifacts = found.source, found.artifacts
    if source is not None:
        text = textwrap.dedent("\n".join(source.lines))
        yield "source.py", f"# {source.filename}, from line {source.first}\n{text}\n"
    before = ""
    for number, (name, function) in enumerate(artifacts.stages.items(), start=1):
        printed = print_function(function)
        yield f"ir-{number}-{name}.txt", printed
        if before:
            yield f"ir-{number}-{name}.diff", difference(before, printed) or "nothing changed\n"
        before = printed
    made = found.schedule()
    if made is not None:
        for ending, form in FORMATS.items():
            yield f"plan.{ending}", form(made)
    title = f"{found.name} ({found.file}:{found.line})"
    if artifacts.issues and source is not None:
        head = f"# Issue programs of {title}.  _w: the run; _e: guarded operations.\n{stamp(source)}\n\n\n"
        yield "issue.py", head + "\n\n".join(issue.text for issue in artifacts.issues)
    if artifacts.retire is not None and source is not None:
        yield "retire.py", _stamped(retire_text(title, artifacts.retire, source), source)
    if artifacts.straight is not None and source is not None:
        yield "straight.py", _stamped(straight_text(title, artifacts.straight, source), source)
    if artifacts.chain is not None and source is not None:
        yield "chain.py", _stamped(chain_text(title, artifacts.chain, source), source)
    if artifacts.kernels is not None:
        yield "kernels.py", kernels_text(artifacts.kernels, source)
    yield from region_files(artifacts.numeric)
    yield from loop_files(artifacts.loops)
    if artifacts.timings:
        yield "timings.txt", timings_text(artifacts.timings)


def _stamped(text: str, source: Source) -> str:
    """A program whose second line says what it was made from, for `edited`."""
    first, _, rest = text.partition("\n")
    return f"{first}\n{stamp(source)}\n{rest}"


def difference(before: str, after: str) -> str:
    """What a pass changed in the printed IR, as a unified diff; empty if it changed nothing."""
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), "before", "after", n=2, lineterm=""
    )
    return "".join(f"{line}\n" for line in lines)


def timings_text(timings: dict[str, float]) -> str:
    """The stages of the compiler with their times, and all of them together."""
    rows = [*timings.items(), ("all", sum(timings.values()))]
    return "".join(f"{name:<12} {seconds * 1e3:8.3f} ms\n" for name, seconds in rows)


def retire_text(title: str, node: ast.FunctionDef, source: Source) -> str:
    """The retire program as Python, with the user's lines as comments where they were changed."""
    clean = _named(node)
    text = ast.unparse(clean)
    again = ast.parse(text).body[0]
    comments: dict[int, str] = {}
    branch = clean.body[-1]
    assert isinstance(branch, ast.If)
    ours = (*clean.body[-2:], *branch.orelse)  # they open the run, and close it
    pairs = list(zip(_statements(clean), _statements(again), strict=True))
    for original, printed in pairs:
        if original in ours or not _changed(original):
            continue
        comments.setdefault(
            printed.lineno, f"# line {original.lineno}: {source.line(original.lineno)}"
        )
    lines = [
        f"# Retire program of {title}.",
        "# _unit: the function's unit; _w: this run.  has/take: a call that was issued ahead; done: one made here.",
        "# The first branch is the function as it was written, for runs that do not overlap, and for debuggers.",
        "",
    ]
    for number, line in enumerate(text.splitlines(), start=1):
        if number in comments:
            indent = line[: len(line) - len(line.lstrip())]
            lines.append(indent + comments[number])
        lines.append(line)
    return "\n".join(lines) + "\n"


def straight_text(title: str, made: Straight, source: Source) -> str:
    """A straight function as Python, with the user's lines as comments above their straight calls."""
    names = {TYPE: "type", CALL: "Operator.__call__", CODE: "_call.__code__"}
    names |= {marker: kind.__name__ for marker, kind in made.classes.items()}
    printed = ast.unparse(_named(made.node, names)).splitlines()
    where = iter(sorted(made.lines))
    lines = [
        f"# Straight form of {title}: nothing in it could overlap.",
        "# _unit: the function's unit.  _call is None where compiled code is disabled, or stepped through: then every call",
        "# is made as written.  The handlers put the frame of `Operator.__call__` into the traceback.",
        "",
    ]
    for line in printed:
        if line.lstrip().startswith("_op = ") and line.strip() != "_op = None":
            number = next(where)
            indent = line[: len(line) - len(line.lstrip())]
            lines.append(f"{indent}# line {number}: {source.line(number)}")
        lines.append(line)
    return "\n".join(lines) + "\n"


def kernels_text(node: ast.FunctionDef, source: Source | None) -> str:
    """A function with kernels as Python: `_kernel_0` is the site of region 0, `_loop_0` that of loop 0."""
    where = f" ({source.filename}:{source.first})" if source is not None else ""
    head = (
        f"# {node.name}{where} with its kernels.\n"
        "# entry: the kernel that was right last time; again: another, made if need be; miss: none fits,\n"
        "# and the statements run as they were written.\n\n"
    )
    text = ast.unparse(_named(node))
    return head + re.sub(r"'<ember_jit (kernel|loop) (\d+)>'", r"_\1_\2", text) + "\n"


def _named(node: ast.FunctionDef, more: dict[str, str] | None = None) -> ast.FunctionDef:
    """A copy with names in place of the constants that objects replace at link time."""
    names = {UNIT: _UNIT, GETTRACE: "_gettrace", TOOL: "_tool", **(more or {})}

    class Rename(ast.NodeTransformer):
        def visit_Constant(self, constant: ast.Constant) -> ast.expr:
            name = names.get(constant.value) if isinstance(constant.value, str) else None
            if name is None:
                return constant
            return ast.copy_location(ast.Name(name, ast.Load()), constant)

        def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
            self.generic_visit(node)
            values = {value.id for value in node.values if isinstance(value, ast.Name)}
            if len(values) == 1 and values <= set(names.values()):
                return node.values[0]  # `codegen.retire` says why it is there twice
            return node

    renamed = Rename().visit(copy.deepcopy(node))
    assert isinstance(renamed, ast.FunctionDef)
    return renamed


def _statements(node: ast.AST) -> list[ast.stmt]:
    return [each for each in ast.walk(node) if isinstance(each, ast.stmt)]


def _changed(statement: ast.stmt) -> bool:
    """Whether a hook stands in the statement's own expressions (not in its block); hooks alone do not count."""
    if isinstance(statement, ast.Expr) and ast.unparse(statement).startswith("_w."):
        return False
    for field, value in ast.iter_fields(statement):
        if field in ("body", "orelse", "finalbody", "handlers", "cases"):
            continue
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, ast.AST) and any(
                isinstance(inner, ast.Name) and inner.id == "_w" for inner in ast.walk(each)
            ):
                return True
    return False


def chain_text(title: str, made: Chain, source: Source) -> str:
    """What a chain attempts, as Python."""
    names = {marker: repr(live) for marker, live in made.constants.items()}
    attempt = [_Named(names).visit(copy.deepcopy(statement)) for statement in made.body]
    head = copy.deepcopy(source.node)
    head.decorator_list = []
    head.body = [ast.While(ast.Constant(True), attempt, [])]
    lines = [
        f"# What {title} attempts while its premises hold; `break`: the ordinary code runs.",
        "# _op0.forward(): looks whether the operator has a `forward` of its own, and calls nothing.  _chain: runtime.speculation.",
        f"# _kinds: {', '.join(kind.__name__ for kind in SCALARS)}",
        *(f"# {name}: {kind.__qualname__}" for name, kind in made.classes.items()),
        "",
        ast.unparse(ast.fix_missing_locations(head)),
    ]
    return "\n".join(lines) + "\n"


class _Named(ast.NodeTransformer):
    """Puts names in place of the constants that stand for live objects."""

    def __init__(self, names: dict[str, str]) -> None:
        self.names = names

    def visit_Constant(self, constant: ast.Constant) -> ast.expr:
        value = constant.value
        name = self.names.get(value) if isinstance(value, str) else None
        return constant if name is None else ast.Name(name, ast.Load())
