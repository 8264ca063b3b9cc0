"""What the snippets of docs/errors/EMB053.md assume: a profile, and that the library is not there."""

import sys
from types import SimpleNamespace
from unittest import mock

from ember_jit import profile

with profile() as recorded:
    pass


def to_opentelemetry():
    with mock.patch.dict(sys.modules, {"opentelemetry": None}):
        return recorded.timeline.to_opentelemetry()


p = SimpleNamespace(timeline=SimpleNamespace(to_opentelemetry=to_opentelemetry))
