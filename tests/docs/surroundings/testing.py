"""What the snippets of docs/testing.md assume."""

import threading

from ember_jit import Operator, query, structural_jit
from ember_jit.testing import fake_clock, record_schedule

question = "why?"
meeting = [threading.Barrier(2)]  # search and recall can pass it only together


@query
class Leaf(Operator):
    def forward(self, *, inputs):
        return {"hits": [inputs]}


@query
class Meets(Operator):
    def forward(self, *, inputs):
        for barrier in meeting:
            barrier.wait(60)
        return {"hits": [inputs]}


@structural_jit(execution_strategy="parallel")
class Answer(Operator):
    def __init__(self, search=None, recall=None):
        self.search, self.recall = search or Meets(), recall or Meets()
        self.judge = Leaf()

    def forward(self, *, inputs):
        web = self.search(inputs=inputs)
        notes = self.recall(inputs=inputs)
        return self.judge(inputs=[web, notes])


def check():
    meeting.clear()
    with record_schedule() as schedule, fake_clock() as clock:
        test_overlap(schedule, clock)
    test_answer()
