"""The decorators that the gates and the tests of the fallback run under: each option of `jit` on its own."""

from __future__ import annotations

from functools import partial

from ember_jit import jit

plain = jit
traced = partial(jit, force_trace=True)
querying = partial(jit, force_trace=True, speculate="query")
eager_traced = partial(jit, force_trace=True, speculate="query", execution_strategy="parallel")
speculating = partial(jit, speculate="query", execution_strategy="parallel")
