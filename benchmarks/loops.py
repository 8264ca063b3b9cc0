"""Loops over strings, lists and arrays: plain Python, compiled by `jit`, and by Numba as one would write that by hand.

Numba's forms take what it is good at (arrays in place of lists and strings), made before the clock starts; ours take the
objects of the program.
"""

from __future__ import annotations

import copy
import importlib
import importlib.util
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.harness import Contender, calibrate, interleave, median, paired_ratio
from ember_jit import jit
from ember_jit.runtime.loops.site import same
from ember_jit.testing import wait_for_kernels


def levenshtein(a, b):  # type: ignore[no-untyped-def]
    """The edit distance of two strings."""
    previous = list(range(len(b) + 1))
    for i, x in enumerate(a):
        current = [i + 1]
        for j, y in enumerate(b):
            cost = 0 if x == y else 1
            current.append(min(previous[j + 1] + 1, current[j] + 1, previous[j] + cost))
        previous = current
    return previous[-1]


def bm25(documents, weights, query, average):  # type: ignore[no-untyped-def]
    """A score for each document, a list of numbers of terms."""
    scores = []
    for document in documents:
        score = 0.0
        norm = 1.2 * (0.25 + 0.75 * len(document) / average)
        for term in query:
            count = 0
            for each in document:
                if each == term:
                    count += 1
            score += weights[term] * count * 2.2 / (count + norm)
        scores.append(score)
    return scores


def jacobi_lists(grid, rounds):  # type: ignore[no-untyped-def]
    """Relaxation on lists of lists."""
    current = [[x + 0.0 for x in row] for row in grid]
    height, width = len(current), len(current[0])
    for _ in range(rounds):
        new = [row[:] for row in current]
        for i in range(1, height - 1):
            for j in range(1, width - 1):
                new[i][j] = 0.25 * (
                    current[i - 1][j] + current[i + 1][j] + current[i][j - 1] + current[i][j + 1]
                )
        current = new
    return current


def jacobi_arrays(u, new, rounds):  # type: ignore[no-untyped-def]
    """Relaxation on two arrays, element by element."""
    height, width = u.shape
    for _ in range(rounds):
        for i in range(1, height - 1):
            for j in range(1, width - 1):
                new[i, j] = 0.25 * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1])
        u, new = new, u
    return u


def _levenshtein_arrays(a, b):  # type: ignore[no-untyped-def]
    previous = np.arange(len(b) + 1)
    current = np.empty(len(b) + 1, np.int64)
    for i in range(len(a)):
        current[0] = i + 1
        for j in range(len(b)):
            cost = 0 if a[i] == b[j] else 1
            current[j + 1] = min(previous[j + 1] + 1, current[j] + 1, previous[j] + cost)
        previous, current = current, previous
    return previous[-1]


def _bm25_arrays(terms, starts, weights, query, average):  # type: ignore[no-untyped-def]
    scores = np.zeros(len(starts) - 1)
    for d in range(len(starts) - 1):
        length = starts[d + 1] - starts[d]
        norm = 1.2 * (0.25 + 0.75 * length / average)
        for term in query:
            count = 0
            for k in range(starts[d], starts[d + 1]):
                if terms[k] == term:
                    count += 1
            scores[d] += weights[term] * count * 2.2 / (count + norm)
    return scores


@dataclass(frozen=True)
class Case:
    """One function with its arguments, and Numba's form of both."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    numba: Callable[..., Any]
    numba_args: tuple[Any, ...]


def cases() -> list[Case]:
    """The computations, on values that are always the same."""
    chosen = random.Random(0)
    a, b = ("".join(chosen.choices("abcdefgh", k=300)) for _ in range(2))
    documents = [
        [chosen.randrange(500) for _ in range(chosen.randrange(20, 200))] for _ in range(300)
    ]
    weights = [chosen.random() * 8 for _ in range(500)]
    query = [3, 77, 205, 460]
    average = sum(map(len, documents)) / len(documents)
    grid = np.random.default_rng(0).random((64, 64))
    starts = np.cumsum([0, *map(len, documents)])
    terms = np.concatenate([np.array(each) for each in documents])
    return [
        Case(
            levenshtein,
            (a, b),
            _levenshtein_arrays,
            tuple(np.frombuffer(each.encode(), np.uint8) for each in (a, b)),
        ),
        Case(
            bm25,
            (documents, weights, query, average),
            _bm25_arrays,
            (terms, starts, np.array(weights), np.array(query), average),
        ),
        Case(jacobi_lists, (grid.tolist(), 10), jacobi_arrays, (grid.copy(), grid.copy(), 10)),
        Case(
            jacobi_arrays,
            (grid.copy(), grid.copy(), 10),
            jacobi_arrays,
            (grid.copy(), grid.copy(), 10),
        ),
    ]


def measure(case: Case, seconds: float, repeat: int) -> dict[str, Any]:
    """Medians of one case, and whether the compiled result is Python's."""
    compiled = jit(_own(case.function))
    calls: dict[str, Callable[..., Any]] = {
        "python": lambda *, inputs: case.function(*case.args),
        "jit": lambda *, inputs: compiled(*case.args),
    }
    if importlib.util.find_spec("numba") is not None:
        by_hand = importlib.import_module("numba").njit(_own(case.numba))
        by_hand(*case.numba_args)
        calls["numba"] = lambda *, inputs: by_hand(*case.numba_args)
    expected = case.function(*copy.deepcopy(case.args))
    for _ in range(3):  # met, made, tried
        found = compiled(*copy.deepcopy(case.args))
        wait_for_kernels()
    taken = interleave(
        [Contender(name, call, {}, calibrate(call, {}, seconds)) for name, call in calls.items()],
        repeat,
    )
    python = taken["python"].seconds
    return {
        "case": case.function.__name__,
        "identical": same(found, expected),
        "seconds": {name: median(samples.seconds) for name, samples in taken.items()},
        "ratios": {name: paired_ratio(samples.seconds, python) for name, samples in taken.items()},
    }


def _own(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function object of its own, with the same code."""
    made: Callable[..., Any] = type(function)(
        function.__code__, function.__globals__, function.__name__
    )  # type: ignore[attr-defined]
    return made
