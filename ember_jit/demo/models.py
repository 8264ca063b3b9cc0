"""The rule-based models behind the demo's server: a rewriter, several answerers and a judge.

They stand for language models and understand nothing: a rewriter substitutes words, an answerer
quotes the sentences that share most with the question, the judge weighs coverage, agreement and
brevity. Each is a function of its request alone, so that two runs of one program can be compared
to the last character.

    >>> complete(Request("rewriter", "Rewrite as keywords: How do I sort a list?")).text
    'sort list'
"""

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from ember_jit.demo.language import STOP_WORDS, SYNONYMS, name_terms, sentences, terms, words

SEVERAL = 3
"""How many sentences the answerers quote that do not keep to one."""


@dataclass(frozen=True, slots=True)
class Source:
    """A passage as a request carries it: what it documents, and its text."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Request:
    """What a model is asked.

    Attributes:
        model: A key of `MODELS`.
        prompt: One line, ``<instruction>: <question>``.
        passages: What to answer from, the likeliest first; for the judge, the answers.
        seed: Decides between equals.
    """

    model: str
    prompt: str
    passages: Sequence[Source] = ()
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model replies.

    Attributes:
        text: The new query, the answer, or the winning answer; empty for an answerer that abstains.
        picked: The numbers of the passages that `text` was taken from.
        scores: The judge's score for each passage; empty for the others.
    """

    text: str
    picked: list[int] = field(default_factory=list[int])
    scores: list[float] = field(default_factory=list[float])


def complete(request: Request) -> Completion:
    """Answers a request.

    Raises:
        KeyError: `request.model` is none of `MODELS`.
    """
    return MODELS[request.model](request)


def _split_prompt(prompt: str) -> tuple[str, str]:
    """The instruction and the question of a prompt."""
    instruction, separator, question = prompt.partition(": ")
    return (instruction, question) if separator else ("", prompt)


# -- the rewriter ---------------------------------------------------------------------------------


def _keywords(question: str, _seed: int) -> str:
    """The question without its stop words."""
    return " ".join(word for word in words(question) if word not in STOP_WORDS)


def _synonyms(question: str, seed: int) -> str:
    """The keywords, each replaced by one of its synonyms where it has any."""
    swapped: list[str] = []
    for word in _keywords(question, seed).split():
        choices = SYNONYMS.get(word, (word,))
        swapped.append(choices[seed % len(choices)])
    return " ".join(swapped)


def _expanded(question: str, seed: int) -> str:
    """The keywords, each followed by all its synonyms."""
    return " ".join(
        " ".join((word, *SYNONYMS.get(word, ()))) for word in _keywords(question, seed).split()
    )


def _identifiers(question: str, seed: int) -> str:
    """The keywords, and neighbours run together as the names in the library are."""
    kept = _keywords(question, seed).split()
    return " ".join(kept + [left + right for left, right in pairwise(kept)])


REWRITES: Mapping[str, Callable[[str, int], str]] = {
    "keywords": _keywords,
    "synonyms": _synonyms,
    "expansion": _expanded,
    "identifiers": _identifiers,
}


def _rewrite(request: Request) -> Completion:
    """Rewrites the question in the style that ends the instruction, or as keywords."""
    instruction, question = _split_prompt(request.prompt)
    style = instruction.rpartition(" ")[2]
    rewritten = REWRITES.get(style, _keywords)(question, request.seed)
    return Completion(rewritten or question)


# -- the answerers --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Persona:
    """How an answerer chooses what to quote.

    Attributes:
        count: The most sentences it quotes, all from one passage.
        lead: What it adds to the score of a passage's first sentence.
        trust: How much of a score is lost with each step down the order of the passages.
        coverage: The share of the question's terms that a quoted sentence must hold; it abstains
            where none does.
    """

    count: int
    lead: float
    trust: float
    coverage: float


PERSONAS: Mapping[str, Persona] = {
    "answerer-terse": Persona(count=1, lead=0.2, trust=0.05, coverage=0.0),
    "answerer-thorough": Persona(count=SEVERAL, lead=0.1, trust=0.05, coverage=0.0),
    "answerer-summary": Persona(count=1, lead=1.0, trust=0.15, coverage=0.0),
    "answerer-sceptic": Persona(count=SEVERAL, lead=0.0, trust=0.0, coverage=0.0),
    "answerer-strict": Persona(count=1, lead=0.0, trust=0.05, coverage=0.6),
}


def _answer(persona: Persona, request: Request) -> Completion:
    """Quotes the passage whose best sentence scores highest, with its next best sentences."""
    _, question = _split_prompt(request.prompt)
    asked = dict.fromkeys(terms(question))
    rarity = _rarity(asked, request.passages)
    best: tuple[float, int, int, list[str]] | None = None
    for number, passage in enumerate(request.passages):
        named = set(name_terms(passage.name))
        scored: list[tuple[float, int, str]] = []
        for position, sentence in enumerate(sentences(passage.text)):
            shared = asked.keys() & (named | set(terms(sentence)))
            if len(shared) < max(1.0, persona.coverage * len(asked)) or ">>>" in sentence:
                continue
            score = sum(rarity[term] for term in asked if term in shared)
            score *= 1.0 + (persona.lead if position == 0 else 0.0)
            score /= 1.0 + 0.02 * len(sentence.split())
            scored.append((score, -position, sentence))
        if not scored:
            continue
        scored.sort(reverse=True)
        rank = scored[0][0] / (1.0 + persona.trust * number)
        quoted = [text for _, _, text in sorted(scored[: persona.count], key=lambda s: -s[1])]
        entry = (rank, _lot(passage.text, request.seed), number, quoted)
        best = entry if best is None else max(best, entry)
    if best is None:
        return Completion("")
    _, _, number, quoted = best
    return Completion(f"{request.passages[number].name}: {' '.join(quoted)}", [number])


def _rarity(asked: Mapping[str, None], passages: Sequence[Source]) -> dict[str, float]:
    """How telling each term of the question is among the passages."""
    found = Counter(
        term
        for passage in passages
        for term in {*terms(passage.text), *name_terms(passage.name)}
        if term in asked
    )
    return {term: math.log(1.0 + len(passages) / (0.5 + found[term])) for term in asked}


def _lot(text: str, seed: int) -> int:
    """A number that decides between equals, the same for the same text and seed."""
    return int.from_bytes(hashlib.blake2b(f"{seed}:{text}".encode(), digest_size=4).digest())


# -- the judge ------------------------------------------------------------------------------------


def _judge(request: Request) -> Completion:
    """Chooses the answer with the best sum of coverage, agreement with the others and brevity."""
    _, question = _split_prompt(request.prompt)
    asked = set(terms(question))
    bags = [set(terms(answer.text)) for answer in request.passages]
    scores = [
        round(_coverage(asked, bag) + 0.5 * _agreement(place, bags) - 0.002 * len(bag), 6)
        for place, bag in enumerate(bags)
    ]
    if not scores:
        return Completion("")
    winner = max(range(len(scores)), key=lambda place: (scores[place], -place))
    return Completion(request.passages[winner].text, [winner], scores)


def _coverage(asked: set[str], bag: set[str]) -> float:
    """The share of the question's terms that an answer holds."""
    return len(asked & bag) / max(1, len(asked))


def _agreement(place: int, bags: Sequence[set[str]]) -> float:
    """The mean Jaccard likeness of an answer to the other answers."""
    others = [bag for index, bag in enumerate(bags) if index != place]
    alike = [len(bags[place] & bag) / max(1, len(bags[place] | bag)) for bag in others]
    return sum(alike) / max(1, len(alike))


def _answerer(persona: Persona) -> Callable[[Request], Completion]:
    """The model that has this persona."""
    return lambda request: _answer(persona, request)


MODELS: Mapping[str, Callable[[Request], Completion]] = {
    "rewriter": _rewrite,
    **{name: _answerer(persona) for name, persona in PERSONAS.items()},
    "judge": _judge,
}
"""Every model the server has, by the name that a request gives."""
