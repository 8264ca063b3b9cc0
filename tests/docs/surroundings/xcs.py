"""What the snippets of docs/xcs.md assume."""

from ember_jit import Graph, Operator, query


@query
class Search(Operator):
    def forward(self, *, inputs):
        return {"docs": [inputs["q"]]}


@query
class Judge(Operator):
    def forward(self, *, inputs):
        return inputs


search, recall, judge = Search(), Search(), Judge()


def check():
    assert results["answer"] == {"hits": ["why?"], "notes": {"docs": ["why?"]}}
