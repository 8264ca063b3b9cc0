"""Random programs about order, run from bundles and plain; the gates do the same with `tests.bundled_mode`."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from ember_jit import pure, query
from ember_jit.runtime import events
from ember_jit.runtime.dispatch import Options
from tests.bundled_mode import bundled, eagerly_bundled
from tests.differential import generated
from tests.pipeline import namespace


def decorators(seed: int) -> Any:
    """How the program of this seed is compiled: with options that shape the code, and others."""
    workers = {1: 1, 2: 2}.get(seed % 5)
    extra = 1 if seed % 11 == 0 else None
    options = Options(execution_strategy="parallel", max_workers=workers, max_extra_calls=extra)
    return partial(bundled, options=options)


@pytest.mark.parametrize("seed", range(0, 44, 2))
def test_same_as_plain(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generated, "decorators", decorators)
    text = generated.program(seed)
    if text is not None:
        assert not generated.difference(seed, text)


def test_it_is_no_pass_by_leaving_all_alone() -> None:
    """What is inferred, what is declared, and what stands in a loop are started ahead from a bundle too."""
    space = namespace(
        """
        @pure
        class Declared(Operator):
            def forward(self, *, inputs): return inputs + 1
        class Inferred(Operator):
            def __init__(self): self.part = Declared()
            def forward(self, *, inputs): return len(str(inputs)) + self.part(inputs=inputs)
        @bundled
        class Op(Operator):
            def __init__(self): self.a, self.b = Declared(), Inferred()
            def forward(self, *, inputs):
                out = [self.a(inputs=inputs), self.b(inputs=inputs)]
                for n in range(inputs):
                    out.append(self.b(inputs=n))
                return out
        """,
        bundled=eagerly_bundled,
        pure=pure,
        query=query,
    )
    op = space["Op"]()
    with events.record() as log:
        assert op(inputs=3) == [4, 5, 2, 3, 4]
    assert len(log.calls) >= 5


def test_constants_survive_the_bundle() -> None:
    """Slices (constants since 3.14), tuples of tuples, frozensets, the two zeros, text that looks like ours."""
    space = namespace(
        """
        @pure
        class Echo(Operator):
            def forward(self, *, inputs): return inputs
        @bundled
        class Op(Operator):
            def __init__(self): self.a, self.b = Echo(), Echo()
            def forward(self, *, inputs):
                a = self.a(inputs=inputs[1:3])
                b = self.b(inputs=inputs[::2])
                rest = [x for x in inputs if x not in {1, 2, 3}]
                return a, b, rest, -0.0, 0.0, ((1, (2.5, 1j)), ...), ("<ember_jit slice>", 1), inputs[:2]
        """,
        bundled=eagerly_bundled,
        pure=pure,
    )
    found = space["Op"]()(inputs=[1, 2, 3, 4])
    assert repr(found) == (
        "([2, 3], [1, 3], [4], -0.0, 0.0, ((1, (2.5, 1j)), Ellipsis), ('<ember_jit slice>', 1), [1, 2])"
    )
