"""Forgetting: an issue program that waits holds nothing that it will not read again.

    _t1 = _w.call(0, ...)                          _t1 = _w.call(0, ...)
    _t2 = _w.call_later(1, ..., _t1)       -->     _t2 = _w.call_later(1, ..., _t1)
    _t3 = _w.call(2, ...)                          _t1 = None
    if _t3 is _w: _t3 = yield _w.parked(2)         _t3 = _w.call(2, ...)
                                                   _t2 = None
                                                   if _t3 is _w: _t3 = yield _w.parked(2)

While it is parked in front of a call with effects, a generator's variables would keep results alive that are
dead in plain Python.  The pass works on the written lines, by name: a name that no later line mentions is
dead.  In the body of a loop this holds for names that only this body mentions and that it assigns first.
A mention in a string counts too, and a name that a lambda reads from the frame is never forgotten: both err
on the side of keeping.
"""

from __future__ import annotations

import re

_NAME = re.compile(r"(?<![\w.])[^\W\d]\w*")
_LAMBDA = re.compile(r"lambda ([^:]*):")
_STORE = re.compile(r"\s*([^\W\d]\w*(?:, [^\W\d]\w*)*),? = ")
_FOR = re.compile(r"\s*for (.*?) in ")


def forget_dead(lines: list[str], params: tuple[str, ...]) -> list[str]:
    """The lines of an issue program's body, with what is dead forgotten before each wait.

    Args:
        lines: whole logical lines, indented; comments among them.
        params: the names that are bound when the program starts.

    Example:
        >>> forget_dead(["    use(x)", "    yield", "    use(y)"], ("x", "y"))
        ['    use(x)', '    x = None', '    yield', '    use(y)']
    """
    if not any("yield" in line for line in lines):
        return lines
    pinned = {"_w", "_e"}.union(*map(_read_late, lines))
    return _suite(lines, set(params) - pinned, pinned, in_loop=False)


def _suite(lines: list[str], bound: set[str], pinned: set[str], *, in_loop: bool) -> list[str]:
    """One suite: of its names, `bound` may be forgotten from the start, and `pinned` never."""
    statements = _statements(lines)
    mentions = [set[str]().union(*map(_names, statement)) for statement in statements]
    last: dict[str, int] = {}  # name -> the last statement that mentions it
    for index, names in enumerate(mentions):
        last.update(dict.fromkeys(names, index))
    seen: set[str] = set()
    out: list[str] = []
    for index, (head, *body) in enumerate(statements):
        margin = head[: len(head) - len(head.lstrip())]
        if any("yield" in line for line in (head, *body)):
            dead = sorted(name for name in bound if last.get(name, -1) < index)
            if dead:
                out.append(margin + " = ".join([*dead, "None"]))
                bound -= set(dead)
        out.append(head)
        loop = head.startswith((margin + "for ", margin + "while "))
        if body and loop and margin + "else:" not in body:
            later = (name for name, where in last.items() if where > index)
            others = pinned.union(bound, seen, later, _names(head))
            out += _suite(body, set(), others, in_loop=True)
        else:
            out += body
        if not in_loop:
            bound |= set[str]().union(*map(_stored, (head, *body))) - pinned
        elif (
            not body
        ):  # what an iteration assigns before it reads it does not come from the one before
            bound |= _stored(head) - pinned - seen - _names(_STORE.sub("", head, count=1))
        seen |= mentions[index]
    return out


def _statements(lines: list[str]) -> list[list[str]]:
    """The statements of a suite, each with the lines that are indented under it."""
    found: list[list[str]] = []
    margin = min((len(line) - len(line.lstrip()) for line in lines), default=0)
    for line in lines:
        if found and (len(line) - len(line.lstrip()) > margin or _is_orelse(line)):
            found[-1].append(line)
        else:
            found.append([line])
    return found


def _is_orelse(line: str) -> bool:
    return line.lstrip() == "else:"


def _names(line: str) -> set[str]:
    """What a line mentions, and words that only look like names; nothing for a comment."""
    return set() if line.lstrip().startswith("#") else set(_NAME.findall(line))


def _stored(line: str) -> set[str]:
    """The variables that a line assigns, or iterates with."""
    match = _STORE.match(line) or _FOR.match(line)
    return set(_NAME.findall(match.group(1))) if match else set()


def _read_late(line: str) -> set[str]:
    """Names of the frame that a function made by this line may read when the line is long over."""
    text = _STORE.sub("", line, count=1)
    if "lambda" not in text and (" for " not in text or _FOR.match(text)):
        return set()
    names = _names(text)
    parameters = _LAMBDA.search(text)
    if parameters is None or text.count("lambda") > 1 or " for " in text:
        return names
    # a parameter is bound when the function is made (`x=x`), or when it is called
    return names - _names(parameters.group(1))
