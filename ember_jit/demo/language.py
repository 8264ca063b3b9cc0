"""Words, stems and sentences: the small language rules that retrievers and models share.

Everything here is a function of its text alone.

    >>> terms("How do I remove the temporary files?")
    ['remov', 'temporari', 'fil']
    >>> sentences("Return a list. The list is new.")
    ['Return a list.', 'The list is new.']
"""

import re

_STOP_WORD_LIST = """
    a about all am an and any are as at be been but by can could did do does for from get had has
    have how i if in into is it its me my need of on or our should so some than that the their
    them then there these they this those to want was way we were what when where which while who
    why will with without would you your
"""
STOP_WORDS = frozenset(_STOP_WORD_LIST.split())

SHORTEST_STEM = 3

SYNONYMS: dict[str, tuple[str, ...]] = {
    "big": ("large",),
    "biggest": ("largest", "maximum"),
    "change": ("modify", "replace"),
    "compress": ("gzip", "archive"),
    "concurrent": ("thread", "parallel"),
    "convert": ("format", "transform"),
    "copy": ("duplicate",),
    "create": ("make", "return"),
    "delete": ("remove", "unlink"),
    "directory": ("folder", "path"),
    "download": ("retrieve", "open"),
    "elements": ("items", "values"),
    "fast": ("efficient", "quick"),
    "find": ("search", "return"),
    "folder": ("directory",),
    "largest": ("maximum", "nlargest"),
    "list": ("sequence", "array"),
    "matching": ("match", "pattern"),
    "merge": ("combine", "join"),
    "parse": ("read", "decode"),
    "random": ("choice", "shuffle"),
    "read": ("load", "open"),
    "remove": ("delete", "unlink"),
    "run": ("execute", "call"),
    "save": ("write", "dump"),
    "smallest": ("minimum", "nsmallest"),
    "sorted": ("ordered", "order"),
    "split": ("separate", "partition"),
    "text": ("string",),
    "url": ("address", "link"),
    "wait": ("block", "join"),
    "write": ("dump", "output"),
}
"""Everyday words and the ones that the library's documentation tends to use for them."""

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9]*")
_HUMP = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z`'\"(])|\n\s*\n")
_SUFFIXES = ("ations", "ation", "ings", "ing", "edly", "ed", "es", "s", "ly", "e")


def words(text: str) -> list[str]:
    """The words of a text in lower case; `snake_case` counts as its parts."""
    return [word.lower() for word in _WORD.findall(text)]


def stem(word: str) -> str:
    """Cuts the commonest English endings off, so that `removes` and `removing` are one term."""
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= SHORTEST_STEM:
            word = word[: -len(suffix)]
            break
    return word[:-1] + "i" if word.endswith("y") and len(word) > SHORTEST_STEM else word


def terms(text: str) -> list[str]:
    """The stems of the words of a text that mean something, in their order."""
    return [stem(word) for word in words(text) if word not in STOP_WORDS and len(word) > 1]


def name_terms(name: str) -> list[str]:
    """The terms in a dotted name, `CamelCase` whole and in parts.

    Example:
        >>> name_terms("tempfile.TemporaryDirectory")
        ['tempfil', 'temporarydirectori', 'temporari', 'directori']
    """
    found: list[str] = []
    for word in _WORD.findall(name):
        parts = _HUMP.findall(word)
        found.append(stem(word.lower()))
        if len(parts) > 1:
            found.extend(stem(part.lower()) for part in parts)
    return found


def sentences(text: str) -> list[str]:
    """The sentences of a text, each on one line; a blank line ends one too."""
    pieces = (" ".join(piece.split()) for piece in _SENTENCE_END.split(text))
    return [piece for piece in pieces if piece]
