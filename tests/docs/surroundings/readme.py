"""What the snippets of README.md assume."""

from types import SimpleNamespace

from ember_jit import Operator, query


@query
class Search(Operator):
    def forward(self, *, inputs):
        return {"hits": [inputs["q"]], "docs": [inputs["q"]]}


class Recall(Search):
    pass


class Judge(Search):
    def forward(self, *, inputs):
        return inputs


def complete(text):
    return text


def score(*, inputs):
    return {"score": len(inputs["text"]), "model": inputs["model"]}


def simulate(*, inputs):
    return inputs["seed"] * 2


client = SimpleNamespace(complete=complete)
search, judge = Search(), Judge()
texts = ["one", "three"]


def check():
    from ember_jit import vmap

    assert answer(inputs={"q": "why?"}) == {"web": ["why?"], "notes": ["why?"]}
    assert vmap(score)(inputs={"text": texts, "model": "m"}) == {
        "score": [3, 5],
        "model": ["m", "m"],
    }
