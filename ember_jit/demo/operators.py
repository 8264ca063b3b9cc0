"""The demo's operators: what calls the models over HTTP, and the program composed of them.

`Rewrite`, `Answer` and `Judge` are leaves labelled `query`: they ask the outside world, change
nothing there, and are made exactly once each. The retrievers are the `pure` leaves of `retrieval`.
`StdlibQA` composes them in plain sequential Python, and is all that gets compiled: nothing in it
says what may overlap.
"""

import json
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ember_jit import Operator, query, structural_jit
from ember_jit.demo.corpus import Passage
from ember_jit.demo.models import PERSONAS, REWRITES
from ember_jit.demo.retrieval import Bm25, Index, TfIdf

RANK_OFFSET = 60
"""The constant of reciprocal rank fusion, from Cormack, Clarke and Büttcher (2009)."""

RANKING_DEPTH = 20
PASSAGES_TO_READ = 8
REQUEST_TIMEOUT = 10.0  # seconds

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Opens URLs without a proxy: the server is on this machine, whatever the environment says."""


@dataclass(frozen=True, slots=True)
class RemoteModel:
    """One model at one server.

    Attributes:
        url: The server's, without a path.
        model: The model's name there.
        seed: Sent with each request.
    """

    url: str
    model: str
    seed: int = 0

    def complete(self, prompt: str, passages: Sequence[dict[str, str]] = ()) -> dict[str, Any]:
        """Sends a prompt and waits for the completion.

        Returns:
            The reply of ``POST /complete``, as `server` describes it.

        Raises:
            urllib.error.URLError: The server is not there, or refuses the request.
        """
        content = {
            "model": self.model,
            "prompt": prompt,
            "passages": list(passages),
            "seed": self.seed,
        }
        request = urllib.request.Request(
            f"{self.url}/complete",
            data=json.dumps(content).encode(),
            headers={"Content-Type": "application/json"},
        )
        with _DIRECT.open(request, timeout=REQUEST_TIMEOUT) as response:
            reply: dict[str, Any] = json.load(response)
        return reply


@query
class Rewrite(Operator):
    """Has a model rewrite a question for retrieval.

    Inputs:
        question: The question as it was asked.
        style: A key of `models.REWRITES`.

    Returns:
        ``{"query": str}``.
    """

    def __init__(self, model: RemoteModel) -> None:
        self.model = model

    def forward(self, *, inputs: dict[str, Any]) -> dict[str, Any]:
        """Asks for one rewriting."""
        reply = self.model.complete(f"Rewrite as {inputs['style']}: {inputs['question']}")
        return {"query": reply["text"]}


@query
class Answer(Operator):
    """Has a model answer a question from passages.

    Inputs:
        question: The question as it was asked.
        passages: ``{"name": str, "text": str}`` each, the likeliest first.

    Returns:
        ``{"by": model name, "text": str, "cited": [position in passages, ...]}``; the text is empty
        where the model abstains.
    """

    def __init__(self, model: RemoteModel) -> None:
        self.model = model

    def forward(self, *, inputs: dict[str, Any]) -> dict[str, Any]:
        """Asks for one answer."""
        prompt = f"Answer from the passages: {inputs['question']}"
        reply = self.model.complete(prompt, inputs["passages"])
        return {"by": reply["model"], "text": reply["text"], "cited": reply["picked"]}


@query
class Judge(Operator):
    """Has a model choose among answers.

    Inputs:
        question: The question as it was asked.
        answers: Results of `Answer`.

    Returns:
        The chosen answer, with the judge's ``"scores"`` for all of them; one with an empty text,
        and without a call, where there is nothing to choose from.
    """

    def __init__(self, model: RemoteModel) -> None:
        self.model = model

    def forward(self, *, inputs: dict[str, Any]) -> dict[str, Any]:
        """Asks for one verdict."""
        answers = inputs["answers"]
        if not answers:
            return {"by": "nobody", "text": "", "cited": [], "scores": []}
        prompt = f"Choose the best answer: {inputs['question']}"
        offered = [{"name": answer["by"], "text": answer["text"]} for answer in answers]
        reply = self.model.complete(prompt, offered)
        return {**answers[reply["picked"][0]], "scores": reply["scores"]}


@structural_jit
class StdlibQA(Operator):
    """Answers a question from the standard library's documentation.

    Rewrites the question in several styles, looks each rewriting up with every retriever, fuses the
    rankings, has every answerer answer from the passages that come out first, and has a judge
    choose.

    Inputs:
        question: A question in English.

    Returns:
        ``{"question", "answer", "by", "sources", "scores", "candidates"}``: the chosen answer, the
        model it came from, the documentation it quotes as ``name (file:line)``, and all answers
        with their scores.
    """

    def __init__(
        self,
        passages: Sequence[Passage],
        rewrite: Operator,
        retrievers: Sequence[Operator],
        answerers: Sequence[Operator],
        judge: Operator,
        styles: Sequence[str] = tuple(REWRITES),
    ) -> None:
        self.passages = tuple(passages)
        self.rewrite = rewrite
        self.retrievers = list(retrievers)
        self.answerers = list(answerers)
        self.judge = judge
        self.styles = tuple(styles)

    def forward(self, *, inputs: dict[str, Any]) -> dict[str, Any]:
        """Answers one question, one call after the other as far as this text goes."""
        question = inputs["question"]

        rankings: list[list[int]] = []
        for style in self.styles:
            rewritten = self.rewrite(inputs={"question": question, "style": style})
            for retriever in self.retrievers:
                found = retriever(inputs={"query": rewritten["query"], "limit": RANKING_DEPTH})
                rankings.append(found["ranking"])

        scores: dict[int, float] = {}
        for ranking in rankings:
            for rank, number in enumerate(ranking, start=1):
                scores[number] = scores.get(number, 0.0) + 1.0 / (RANK_OFFSET + rank)
        best_first = sorted((-score, number) for number, score in scores.items())
        unique: dict[str, Passage] = {}
        for _, number in best_first:
            unique.setdefault(self.passages[number].text, self.passages[number])
        passages = list(unique.values())[:PASSAGES_TO_READ]
        excerpts = [{"name": passage.name, "text": passage.text} for passage in passages]

        answers = [
            answerer(inputs={"question": question, "passages": excerpts})
            for answerer in self.answerers
        ]
        candidates = [answer for answer in answers if answer["text"]]
        verdict = self.judge(inputs={"question": question, "answers": candidates})
        cited: list[Passage] = [passages[place] for place in verdict["cited"]]
        return {
            "question": question,
            "answer": verdict["text"],
            "by": verdict["by"],
            "sources": [f"{passage.name} ({passage.path}:{passage.line})" for passage in cited],
            "scores": verdict["scores"],
            "candidates": candidates,
        }


def ensemble(url: str) -> list[Answer]:
    """One answerer for each persona that the server has."""
    return [Answer(RemoteModel(url, name)) for name in PERSONAS]


def build_stdlib_qa(passages: Sequence[Passage], url: str) -> StdlibQA:
    """The whole program over these passages, with its models at `url`."""
    index = Index.build(passages)
    return StdlibQA(
        passages=passages,
        rewrite=Rewrite(RemoteModel(url, "rewriter")),
        retrievers=[Bm25(index), TfIdf(index)],
        answerers=ensemble(url),
        judge=Judge(RemoteModel(url, "judge")),
    )
