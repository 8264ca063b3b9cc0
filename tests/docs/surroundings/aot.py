"""What the snippets of docs/aot.md assume."""

import numpy as np

from ember_jit import Operator, jit, query, structural_jit


@query
class Leaf(Operator):
    def forward(self, *, inputs):
        return inputs


@structural_jit
class Answer(Operator):
    def __init__(self):
        self.a, self.b = Leaf(), Leaf()

    def forward(self, *, inputs):
        return self.a(inputs=inputs), self.b(inputs=inputs)


@jit
def summarise_all(documents, summarise):
    return [summarise(inputs=each) for each in documents]


answer = Answer()


@jit
def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@structural_jit
class Score(Operator):
    def forward(self, *, inputs):
        q, docs = np.asarray(inputs["q"]), np.asarray(inputs["docs"])
        return np.exp(-((docs - q) ** 2).sum(axis=-1))


score = Score()
