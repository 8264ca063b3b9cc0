"""What the snippets of docs/aot.md assume."""

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
