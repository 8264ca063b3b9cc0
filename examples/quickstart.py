"""Two slow calls and one that needs both: plain, then compiled, where the two overlap."""

import time

from ember_jit import Operator, disable_structural_jit, query, structural_jit


@query
class Search(Operator):
    """Stands for a remote search of 0.3 s."""

    def forward(self, *, inputs):
        time.sleep(0.3)
        return {"hits": [f"web page on {inputs['topic']}"]}


@query
class Recall(Operator):
    """Stands for a remote look-up of 0.2 s."""

    def forward(self, *, inputs):
        time.sleep(0.2)
        return {"hits": [f"note on {inputs['topic']}"]}


@query
class Judge(Operator):
    """Stands for a remote model of 0.1 s."""

    def forward(self, *, inputs):
        time.sleep(0.1)
        return {"best": max(inputs["web"] + inputs["notes"], key=len)}


@structural_jit
class Answer(Operator):
    def __init__(self):
        self.search, self.recall, self.judge = Search(), Recall(), Judge()

    def forward(self, *, inputs):
        web = self.search(inputs={"topic": inputs["topic"]})
        notes = self.recall(inputs={"topic": inputs["topic"]})
        return self.judge(inputs={"web": web["hits"], "notes": notes["hits"]})


def timed(label, answer):
    started = time.perf_counter()
    result = answer(inputs={"topic": "tides"})
    print(f"{label:<10}{time.perf_counter() - started:.2f} s  {result}")


if __name__ == "__main__":
    answer = Answer()
    with disable_structural_jit():
        timed("plain", answer)
    timed("compiled", answer)
