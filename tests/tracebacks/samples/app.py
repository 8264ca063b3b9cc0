"""A program to debug: `python app.py MODE WHERE`, plain or compiled, which stops where WHERE says.

With MEETS the compiled calls of `Answer` wait for each other: without overlap they would not come back.
"""

import sys
import threading

from ember_jit import Operator, query, structural_jit

MODE, WHERE = sys.argv[1:]
decorate = structural_jit(execution_strategy="parallel") if MODE == "COMPILED" else lambda cls: cls
OVERLAPS = MODE == "COMPILED" and WHERE == "MEETS"
meet = threading.Barrier(2).wait if OVERLAPS else lambda: 0


@query
class Ask(Operator):
    def __init__(self, name):
        self.name = name

    def forward(self, *, inputs):
        meet()
        answer = f"{self.name}: {inputs}"
        return answer


@query
class AskAndStop(Operator):
    def forward(self, *, inputs):
        answer = inputs.upper()
        breakpoint()
        return answer


@decorate
class Answer(Operator):
    def __init__(self):
        self.first, self.second = Ask("first"), Ask("second")

    def forward(self, *, inputs):
        """Ask two, and put their answers together."""
        found = []
        one = self.first(inputs=inputs)
        two = self.second(
            inputs=inputs,
        )
        for each in (one, two):
            if each.endswith("!"):
                found.append("loud")
            else:
                found.append(each)
        return ", ".join(found)


@decorate
class StopsInForward(Operator):
    def __init__(self):
        self.first, self.second = Ask("first"), Ask("second")

    def forward(self, *, inputs):
        one = self.first(inputs=inputs)
        two = self.second(inputs=inputs)
        breakpoint()
        both = [one, two]
        return both


@decorate
class StopsInLeaf(Operator):
    def __init__(self):
        self.first, self.second = Ask("first"), AskAndStop()

    def forward(self, *, inputs):
        one = self.first(inputs=inputs)
        two = self.second(inputs=inputs)
        three = self.first(inputs=two)
        return one, two, three


def main():
    answer = Answer()
    if WHERE == "AFTER":
        answer(inputs="warm")
        answer(inputs="up")
    if WHERE in ("AFTER", "BEFORE"):
        breakpoint()
    question = "why?"
    print(answer(inputs=question))
    if WHERE == "FORWARD":
        print(StopsInForward()(inputs=question))
    if WHERE == "LEAF":
        stops = StopsInLeaf()
        print(stops(inputs=question))
        print(stops(inputs=question))
    print("done")


if __name__ == "__main__":
    main()
