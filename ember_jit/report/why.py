"""Why a call stays in order, and the change that would free it (`fixes`)."""

from __future__ import annotations

import ast
import re

from ember_jit.compiler.analysis.facts import Effect, Reason
from ember_jit.compiler.analysis.notes import CallNote, Notes, Receiver
from ember_jit.compiler.frontend.nodes import LEFT_ALONE
from ember_jit.ir.ops import Function, Op, base
from ember_jit.report.fixes import Why, fix_for, is_store
from ember_jit.report.schedule import (
    LOST,
    OUTSIDE,
    PARKED,
    UNREACHED,
    Schedule,
    carried_by,
    decided_by,
    stands_in_front,
    waits_for,
)

_NOT_YET = "is not known before it runs"
_TEMPORARY = re.compile(r"_t\d+")


def root_of(reason: Reason) -> Reason:
    """The reason at the bottom of `reason`: the store, the unknown call."""
    while reason.cause is not None:
        reason = reason.cause
    return reason


def evidence_of(effect: Effect, receiver: Receiver) -> str:
    """How an effect is known, in terms of the receiver's own code."""
    if effect.kind == "unknown":
        root = root_of(effect.reasons[0]) if effect.reasons else None
        return root.text if root is not None else effect.evidence
    if (
        effect.evidence.startswith("inferred from the source of")
        and receiver.is_operator
        and receiver.place
    ):
        return f"inferred from the source of {receiver.name}.forward ({receiver.place})"
    return effect.evidence


def unknown_effect(note: CallNote) -> Why:
    """Why a call whose effect is not `pure` or `query` stays in order."""
    effect, receiver = note.effect, note.receiver
    if effect.later is not None:
        return Why(effect.evidence)
    while receiver.maps is not None:
        receiver = receiver.maps  # that is what a label would go on
    name = receiver.name
    if effect.declared:
        return Why(
            effect.evidence,
            "",
            f"label {name or 'it'} `@query` or `@pure` instead if its order does not matter",
        )
    root = root_of(effect.reasons[0]) if effect.reasons else None
    text = root.text if root is not None else effect.evidence
    place = f"{root.file}:{root.line}" if root is not None and root.line else ""
    if name and is_store(text):
        fix = (
            f"let {name} return the value instead of storing it, and store it behind the last call"
        )
    elif name and (receiver.is_operator or receiver.place):
        fix = f"label {name} `@query` or `@pure` if that is what it is"
    else:
        fix = fix_for(text) or "move it in front of the calls that could overlap, or behind them"
    return Why(f"its effect is not known to be harmless: {text}", place, fix)


def fix_of_barrier(op: Op, made: Schedule, notes: Notes) -> str:
    """The change that would do away with a barrier; none if every call waits for itself through what changes there."""
    sites = [node.op.site for node in made.graph.nodes if node.op.site is not None]
    names = {base(value) for value in op.defs}
    if sites and all(names & set(carried_by(made, site)) for site in sites):
        return ""
    note = notes.calls.get(op.origin) if isinstance(op.origin, ast.Call) else None
    if note is not None and not note.effect.schedulable:
        return unknown_effect(note).fix
    reason = notes.reasons.get(op.origin) if op.origin is not None else None
    return (reason.fix if reason is not None else "") or fix_for(op.reason)


def why_in_order(made: Schedule, notes: Notes, site: int) -> Why:
    """Why call site `site`, which is not issued ahead, is made at its program point."""
    node = made.function.sites[site].node
    note = notes.calls.get(node)
    label = note.effect.label if note is not None else None
    if label is not None and label.thread_bound:
        return Why(
            f"declared `{label}`: it is made on the caller's thread, in its turn; others may pass it",
            "",
            "leave out `thread_bound` if any thread may make it",
        )
    fate = made.fate.get(site)
    if note is not None and not note.effect.schedulable and label is None:
        unknown = unknown_effect(note)
        if fate == PARKED and _NOT_YET in unknown.reason:
            what = unknown.reason.rpartition(": ")[2]
            reason = f"{what}: whether it starts early is decided there, by what is called then"
            return Why(reason, unknown.place, unknown.fix)
        return unknown
    if fate is None:
        return Why("it is a quick pure function, worked out where it stands")
    if fate in (LOST, OUTSIDE) and _goes_round(made, site):
        through = ", ".join(f"`{name}`" for name in carried_by(made, site))
        return Why(f"each round needs its result of the round before, through {through}")
    if fate == LOST:
        return _lost_arguments(made, site)
    if fate == UNREACHED:
        return _unreached(made, site)
    assert fate == OUTSIDE
    return _outside(made, site)


def why_held(made: Schedule, notes: Notes, site: int) -> Why:
    """What a call with resources waits for although no value says so, and the label that would free it."""
    note = notes.calls.get(made.function.sites[site].node)
    region = made.region.get(site)
    if note is None or note.effect.label is None or region is None:
        return Why("")
    for other in reversed(made.function.sites[:site]):
        before = notes.calls.get(other.node)
        if (
            before is None
            or made.region.get(other.number) != region
            or site in made.partners(other.number)
        ):
            continue
        name = before.receiver.name.rsplit("<locals>.", 1)[-1] or f"the callee of line {other.line}"
        what = stands_in_front(before.effect, note.effect)
        declared = f"declared `{note.effect.label}`"
        if what == "raises":
            return Why(
                f"{declared}: it starts when nothing in front of it can raise, and #{other.number} may",
                "",
                f"declare {name} `nothrow`, if it never raises",
            )
        if what == "conflict":
            fix = "give them resources of their own, if their order does not matter"
            if not before.effect.declared:
                fix = f"declare {name} `@query` or `@pure`, or give it a resource, if it does not read what this call changes"
            return Why(f"{declared}: #{other.number}, in front of it, touches the same", "", fix)
    op = _op_of(made.function, site)
    fence = next(
        (
            each
            for each in made.function.walk()
            if each.line < op.line and each.kind in ("glue", "mutate", "helper") and each.value is not None
            and any(isinstance(n, ast.Subscript | ast.BinOp | ast.Call) for n in ast.walk(each.value))
        ),
        None,
    )  # fmt: skip
    if fence is not None and not made.partners(site):
        return Why(
            f"declared `{note.effect.label}`: it starts when nothing in front of it can raise, and line {fence.line} may",
            "",
            f"move line {fence.line} behind this call",
        )
    return Why("")


def _goes_round(made: Schedule, site: int) -> bool:
    """Whether a call waits for itself in a loop, and for nothing else that could be mended."""
    names = set(carried_by(made, site))
    if not names or made.fate[site] == LOST:
        return bool(names)
    around = [each for each in _barriers_around(made, _op_of(made.function, site)) if each]
    return not around or any(names & {base(value) for value in each.defs} for each in around)


# ---------------------------------------------------------------------- in a region, and not issued
def _lost_arguments(made: Schedule, site: int) -> Why:
    op = _op_of(made.function, site)
    region = made.region[site]
    before = [each for each in made.function.walk() if each.line <= op.line and each is not op]
    found = _root_of_loss(op, before, made.formed[region], made.filled[region], set())
    if found is None:
        bound = _bound_by_a_loop(made, op)
        if bound is not None:
            name, loop = bound
            return Why(
                f"its arguments need `{name}`, which the loop of line {loop.line} leaves bound, if it runs at all",
                "",
                f"work `{name}` out again behind the loop",
            )
        growing = _changing(made, op)
        if growing is not None:
            name, change = growing
            return Why(
                f"its arguments are made of `{name}`, which changes (line {change.line}: `{change.text}`)",
                "",
                f"make them in a statement of their own in front of the call, such as `now = list({name})`",
            )
        return Why(
            "its arguments cannot be worked out ahead of time",
            "",
            "pass plain strings, numbers, lists and dicts",
        )
    name, root = found
    if root.kind == "try":
        return Why(
            f"its arguments need `{name}`, which is set in a `try` statement (line {root.line})",
            "",
            f"set `{name}` in a helper function that holds the `try` statement",
        )
    if _TEMPORARY.fullmatch(name):  # a value without a name, inside an expression
        return Why(
            f"its arguments need `{root.text}`, which cannot be worked out ahead of time",
            "",
            "pass plain strings, numbers, lists and dicts",
        )
    if root.kind == "mutate" or root.line >= op.line:
        return Why(
            f"its arguments need `{name}`, which is still being built (line {root.line}: `{root.text}`)",
            "",
            f"build `{name}` in one expression, or in a helper function that returns it",
        )
    return Why(
        f"its arguments need `{name}`, which cannot be worked out ahead of time (line {root.line}: `{root.text}`)",
        "",
        f"make `{name}` of plain strings, numbers, lists and dicts, or in a function labelled `@pure`",
    )


def _bound_by_a_loop(made: Schedule, op: Op) -> tuple[str, Op] | None:
    """A variable in the arguments of `op` that is the target of a loop which `op` stands behind."""
    loops = [each for each in made.function.walk() if each.kind == "for"]
    behind = [each for each in loops if not any(inner is op for inner in each.walk())]
    for name in dict.fromkeys(base(use) for use in op.uses):
        for loop in reversed([each for each in behind if each.line < op.line]):
            if name in {base(value) for value in loop.defs}:
                return name, loop
    return None


def _changing(made: Schedule, op: Op) -> tuple[str, Op] | None:
    """A container in the arguments of `op` that the function changes, and where."""
    changes = [each for each in made.function.walk() if each.kind == "mutate"]
    for name in dict.fromkeys(base(use) for use in op.uses):
        for change in reversed(changes):
            if name in {base(value) for value in change.defs}:
                return name, change
    return None


def _root_of_loss(
    op: Op, before: list[Op], formed: set[str], filled: set[str], seen: set[str]
) -> tuple[str, Op] | None:
    """The first variable on the way to `op` that the issue program has no value for, and what makes it."""
    for name in dict.fromkeys(base(use) for use in op.uses):
        makers = [each for each in before if name in {base(value) for value in each.defs}]
        caught = next((each for each in makers if each.kind == "try"), None)
        if caught is not None:
            return name, caught
        mutations = [each for each in makers if each.kind == "mutate"]
        if name in seen or not makers or (name in formed and (not mutations or name in filled)):
            continue
        maker = (mutations or makers)[-1]
        deeper = _root_of_loss(maker, before, formed, filled, seen | {name})
        return deeper if deeper is not None else (name, maker)
    return None


def _unreached(made: Schedule, site: int) -> Why:
    op = _op_of(made.function, site)
    for around in made.function.walk():
        if around.kind == "try" and any(
            inner is op
            for region in around.regions
            if region.label in ("except", "finally")
            for each in region.ops
            for inner in each.walk()
        ):
            return Why("it stands in an `except` or `finally` block, which may never be entered")
    for each in reversed([e for e in made.function.walk() if e.line <= op.line and e is not op]):
        leaves = any(
            inner.kind in ("return", "raise", "break", "continue") for inner in each.walk()
        )
        if each.kind in ("if", "try", "for", "while") and leaves and op not in each.walk():
            return Why(
                f"whether control comes here is decided by `{each.text}` (line {each.line}), which cannot be known ahead",
                "",
                f"move the early exit of line {each.line} behind this call, or this call in front of it",
            )
        if each.kind == "assert":
            return Why(
                f"whether control comes here is decided by `{each.text}` (line {each.line})",
                "",
                "move the assertion behind this call",
            )
    for around in made.function.walk():
        filled = _changing(made, around) if around.kind == "for" else None
        if filled is not None and any(inner is op for inner in around.walk()):
            name, change = filled
            return Why(
                f"it stands in a loop over `{name}`, which line {change.line} fills, and which is not known ahead",
                "",
                f"make `{name}` in a comprehension",
            )
    return Why("the walk ahead of the program ends before this call")


# ---------------------------------------------------------------------- in no region
def _outside(made: Schedule, site: int) -> Why:
    op = _op_of(made.function, site)
    for each in made.function.walk():
        inside = each is not op and any(inner is op for inner in each.walk())
        if inside and each.kind == "comp":
            inner_barrier = next((i for i in each.walk() if i.kind == "barrier"), None)
            if inner_barrier is not None:
                return Why(
                    f"its comprehension must go step by step: {inner_barrier.reason or inner_barrier.text}",
                    "",
                    fix_for(inner_barrier.reason),
                )
    above, below = _barriers_around(made, op)
    if above is not None and above.stmt is op.stmt and above.kind == "barrier":
        return Why(
            f"it comes after `{above.text}` in the same statement: {above.reason}",
            "",
            "put the two into statements of their own",
        )
    if above is None and below is None:
        return _alone(made, site)
    where = {
        (
            True,
            True,
        ): f"between lines {above.line if above else 0} and {below.line if below else 0}",
        (True, False): f"after line {above.line if above else 0}",
        (False, True): f"before line {below.line if below else 0}",
    }[above is not None, below is not None]
    fixes = [fix_for(each.reason) for each in (below, above) if each is not None]
    return Why(
        f"no other call {where} could be in flight beside it",
        "",
        next((fix for fix in fixes if fix), ""),
    )


def _barriers_around(made: Schedule, op: Op) -> tuple[Op | None, Op | None]:
    """The last barrier in front of `op`, and the first one behind it."""
    ops = list(made.function.walk())
    place = ops.index(op)
    barriers = [number for number, each in enumerate(ops) if each.kind in ("barrier", "with")]
    above = next((ops[number] for number in reversed(barriers) if number < place), None)
    below = next((ops[number] for number in barriers if number > place), None)
    return above, below


def _alone(made: Schedule, site: int) -> Why:
    """In a function without barriers, whose calls all wait for each other."""
    for waits, what in (
        (decided_by(made, site), "whether it is made is decided by the result of"),
        (waits_for(made, site), "it needs the result of"),
    ):
        first = next((node.op for node in waits if node.op.site not in (None, site)), None)
        if first is not None:
            return Why(f"{what} #{first.site} (line {first.line})")
    return Why("no other call could be in flight beside it: the others need its result")


def why_unscheduled(tree: ast.AST, node: ast.Call) -> Why:
    """Why a call that is no site at all is made where it stands."""
    for around in _ancestors(tree, node):
        if isinstance(around, ast.GeneratorExp):
            return Why(
                "it stands in a generator expression whose consumer may stop early",
                "",
                "write a list comprehension if every call is to be made",
            )
        if (
            isinstance(around, ast.Lambda | ast.FunctionDef | ast.AsyncFunctionDef)
            and around is not tree
        ):
            return Why(
                "it stands in a nested function, which runs when that is called",
                "",
                "make the call in the function itself",
            )
        if type(around).__name__ in LEFT_ALONE:
            return Why(
                LEFT_ALONE[type(around).__name__], "", "move the call in front of that statement"
            )
    return Why("it stands where calls are not scheduled")


def _ancestors(tree: ast.AST, node: ast.AST) -> list[ast.AST]:
    """The nodes around `node`, innermost first."""
    parents: dict[ast.AST, ast.AST] = {}
    for each in ast.walk(tree):
        for child in ast.iter_child_nodes(each):
            parents[child] = each
    found = []
    at = parents.get(node)
    while at is not None:
        found.append(at)
        at = parents.get(at)
    return found


def _op_of(function: Function, site: int) -> Op:
    return next(op for op in function.walk() if op.site == site)
