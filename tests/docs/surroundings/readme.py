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


APART = True
NEEDS = ["cloudpickle"]
client = SimpleNamespace(complete=complete)
search, judge = Search(), Judge()
texts = ["one", "three"]


class Answer(Operator):
    def __init__(self):
        self.search, self.recall, self.judge = Search(), Recall(), Judge()

    def forward(self, *, inputs):
        web = self.search(inputs=inputs)
        notes = self.recall(inputs=inputs)
        return self.judge(inputs={"web": web["hits"], "notes": notes["hits"]})


answer = Answer()
