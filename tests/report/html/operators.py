"""Operators whose reports are looked at."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path
from typing import Any

from ember_jit import Operator, pure, query, structural_jit

HOSTILE = "</script><script>window.pwned=1</script><img src=x onerror=window.pwned=1>"


class Echo(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return [inputs]


class Slow(Operator):
    """Takes a while, so that the pictures have something to show; no test looks at how long."""

    seconds = 0.02

    def forward(self, *, inputs: Any) -> Any:
        time.sleep(self.seconds)
        return [inputs]


@query
class Search(Slow):
    seconds = 0.03


@query
class Recall(Slow): ...


@query
class Judge(Slow):
    seconds = 0.025


@pure
class Rank(Echo): ...


class Save(Operator):
    """Of unknown effect."""

    count = 0

    def forward(self, *, inputs: Any) -> Any:
        self.count += 1
        return inputs


@structural_jit
class Answer(Operator):
    def __init__(self) -> None:
        self.search, self.recall, self.judge = Search(), Recall(), Judge()
        self.rank, self.save, self.seen = Rank(), Save(), 0

    def forward(self, *, inputs: Any) -> Any:
        web = self.search(inputs=inputs["topic"])
        notes = self.recall(inputs=inputs["topic"])
        drafts = [self.judge(inputs=each) for each in inputs["angles"]]
        best = self.rank(inputs=[web, notes])
        self.save(inputs=best)
        checks = self.search(inputs=best)
        facts = self.recall(inputs=drafts)
        return self.judge(inputs=[checks, facts])


class Norm(Operator):
    """A numeric region and nothing to overlap."""

    def forward(self, *, inputs: Any) -> Any:
        x = inputs
        y = x * 2.0 + 1.0
        z = y * y - x
        return z / (y + 3.0)


INPUTS = {"topic": "tides", "angles": ["moon", "sun", "wind"]}


@structural_jit
class Hostile(Operator):
    def __init__(self) -> None:
        kind = type(HOSTILE, (Echo,), {"__module__": __name__})
        kind.__qualname__ = HOSTILE
        self.one, self.two = query(kind)(), Save()

    def forward(self, *, inputs: Any) -> Any:
        a = self.one(inputs="</script><script>window.pwned=1</script>")
        b = self.one(inputs="<!--<script>' onmouseover='window.pwned=1")
        self.two(inputs="</pre></section><svg onload=window.pwned=1>")
        raise ValueError(f"</p><script>window.pwned=1</script>{a}{b}")


def many_calls(folder: Path, count: int = 400) -> Any:
    """An operator with so many calls: chains of ten that start together, and a save after every forty."""
    lines = []
    for number in range(count):
        if number % 40 == 39:
            lines.append(f"        self.save(inputs=a{number - 1})")
        if number % 10 == 0:
            lines.append(f"        a{number} = self.ask(inputs=inputs)")
        else:
            before = number - 1 if number % 3 else max(number - 7, 0)
            lines.append(f"        a{number} = self.ask(inputs=[a{before}])")
    names = ", ".join(f"a{number}" for number in range(count))
    path = folder / "many.py"
    path.write_text(
        "import time\nfrom ember_jit import Operator, query, structural_jit\n"
        "@query\nclass Ask(Operator):\n    def forward(self, *, inputs): time.sleep(0.001); return 1\n"
        "class Save(Operator):\n    n = 0\n    def forward(self, *, inputs): self.n += 1\n"
        "@structural_jit\nclass Many(Operator):\n"
        "    def __init__(self): self.ask, self.save = Ask(), Save()\n"
        "    def forward(self, *, inputs):\n" + "\n".join(lines) + f"\n        return [{names}]\n"
    )
    spec = importlib.util.spec_from_file_location("many", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Many()
