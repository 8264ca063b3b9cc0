"""BM25 and TF-IDF cosine retrieval over an inverted index, as operators.

Both operators weigh every posting once, when they are built; a search adds up the postings of the
query's terms and keeps the best. Nothing is written after construction, which is what their label
`pure` says: the same query gives the same ranking, and searches may run at the same time.

A ranking is a list of passage numbers, the best first; of equals, the lower number.

    >>> from ember_jit.demo.corpus import Passage
    >>> texts = ["sort a list", "open a file"]
    >>> index = Index.build(Passage("a", text, "a.py", 1) for text in texts)
    >>> Bm25(index)(inputs={"query": "sorting", "limit": 5})
    {'ranking': [0]}
"""

import heapq
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ember_jit import Operator, pure
from ember_jit.demo.corpus import Passage
from ember_jit.demo.language import name_terms, terms

NAME_WEIGHT = 2
"""How many times a term of a passage's name counts, as against one of its text."""

BM25_SATURATION = 1.2
BM25_LENGTH_NORMALISATION = 0.75

Postings = Mapping[str, Sequence[tuple[int, float]]]
"""Term to (passage number, weight) pairs."""


@dataclass(frozen=True, slots=True)
class Index:
    """An inverted index of term counts.

    Attributes:
        counts: Term to (passage number, occurrences) pairs, by passage number.
        lengths: The number of terms of each passage.
    """

    counts: Mapping[str, Sequence[tuple[int, int]]]
    lengths: Sequence[int]

    @classmethod
    def build(cls, passages: Iterable[Passage]) -> "Index":
        """Counts the terms of the passages' names and texts."""
        counts: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
        lengths: list[int] = []
        for number, passage in enumerate(passages):
            bag = Counter(terms(passage.text))
            for term in name_terms(passage.name):
                bag[term] += NAME_WEIGHT
            for term, count in bag.items():
                counts[term].append((number, count))
            lengths.append(bag.total())
        return cls(dict(counts), tuple(lengths))


@pure
class Bm25(Operator):
    """Okapi BM25 (Robertson and Zaragoza 2009, eq. 3.15), with the idf that is never negative.

    Inputs:
        query: The question in words.
        limit: How many passages to return at most.

    Returns:
        ``{"ranking": [passage number, ...]}``.
    """

    def __init__(self, index: Index) -> None:
        self.postings = _bm25_weights(index)

    def forward(self, *, inputs: dict[str, Any]) -> dict[str, Any]:
        """Ranks the passages that share a term with the query."""
        scores: defaultdict[int, float] = defaultdict(float)
        for term in dict.fromkeys(terms(inputs["query"])):
            for number, weight in self.postings.get(term, ()):
                scores[number] += weight
        return {"ranking": _best(scores, inputs["limit"])}


@pure
class TfIdf(Operator):
    """Cosine of the query's and the passages' vectors of ``(1 + log tf) * idf``.

    Inputs and result are those of `Bm25`. The query's own length is left out: it is the same for
    all passages and changes no ranking.
    """

    def __init__(self, index: Index) -> None:
        self.idf, self.postings = _cosine_weights(index)

    def forward(self, *, inputs: dict[str, Any]) -> dict[str, Any]:
        """Ranks the passages that share a term with the query."""
        scores: defaultdict[int, float] = defaultdict(float)
        for term, count in Counter(terms(inputs["query"])).items():
            weight_in_query = (1.0 + math.log(count)) * self.idf.get(term, 0.0)
            for number, weight in self.postings.get(term, ()):
                scores[number] += weight_in_query * weight
        return {"ranking": _best(scores, inputs["limit"])}


def _best(scores: Mapping[int, float], limit: int) -> list[int]:
    """The numbers with the highest scores, the lower number first among equals."""
    best = heapq.nsmallest(limit, ((-score, number) for number, score in scores.items()))
    return [number for _, number in best]


def _bm25_weights(index: Index) -> Postings:
    """What each posting adds to a BM25 score."""
    total = len(index.lengths)
    mean = sum(index.lengths) / max(1, total) or 1.0
    k1, b = BM25_SATURATION, BM25_LENGTH_NORMALISATION
    damping = [k1 * (1.0 - b + b * length / mean) for length in index.lengths]
    weights: dict[str, list[tuple[int, float]]] = {}
    for term, counts in index.counts.items():
        idf = math.log(1.0 + (total - len(counts) + 0.5) / (len(counts) + 0.5))
        weights[term] = [
            (number, idf * count * (k1 + 1.0) / (count + damping[number]))
            for number, count in counts
        ]
    return weights


def _cosine_weights(index: Index) -> tuple[Mapping[str, float], Postings]:
    """The idf of each term, and each posting's share of its passage's unit vector."""
    total = len(index.lengths)
    idf = {term: math.log(1.0 + total / len(counts)) for term, counts in index.counts.items()}
    raw = {
        term: [(number, (1.0 + math.log(count)) * idf[term]) for number, count in counts]
        for term, counts in index.counts.items()
    }
    squares = [0.0] * total
    for postings in raw.values():
        for number, weight in postings:
            squares[number] += weight * weight
    norms = [math.sqrt(square) for square in squares]
    return idf, {
        term: [(number, weight / norms[number]) for number, weight in postings]
        for term, postings in raw.items()
    }
