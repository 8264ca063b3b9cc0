"""A timeline: what ran when, on which thread, where the time went, and what would help.

    with ember_jit.profile() as p:
        answer(inputs=question)
    print(p.timeline)

The parts are elsewhere: the data in `tasks`, the path in `steps`, advice in `helping`, and what people and tools
look at in `timeline_text`, `chrome` and `spans`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ember_jit.report.chrome import chrome_json
from ember_jit.report.helping import Help, what_would_help
from ember_jit.report.spans import emit
from ember_jit.report.steps import Share, Step, critical_path, shares
from ember_jit.report.tasks import Record
from ember_jit.report.timeline_text import timeline_text


@dataclass(frozen=True)
class Timeline(Record):
    """What happened while a program was recorded, and what to make of it."""

    @cached_property
    def critical_path(self) -> tuple[Step, ...]:
        """What the time was spent on, from the beginning to the end, without a gap."""
        return critical_path(self)

    @cached_property
    def where(self) -> tuple[Share, ...]:
        """The critical path by call site: where the time went, the largest share first."""
        return shares(self, self.critical_path)

    @cached_property
    def help(self) -> tuple[Help, ...]:
        """What would make it faster, the most worthwhile first."""
        return what_would_help(self, self.critical_path)

    def to_dict(self) -> dict[str, Any]:
        """The same as dicts, lists, strings and numbers."""
        plain: dict[str, Any] = {
            "seconds": self.seconds,
            "thread": self.thread,
            "epoch": self.epoch,
            "at_once": self.at_once,
            "work": self.work,
        }
        for name in ("tasks", "runs", "waits", "critical_path", "where", "help"):
            plain[name] = [asdict(each) for each in getattr(self, name)]
        return plain

    def to_chrome_json(self) -> str:
        """The timeline in Chrome's trace format, which Perfetto (ui.perfetto.dev) and chrome://tracing show."""
        return chrome_json(self, self.critical_path)

    def save(self, path: str | Path) -> Path:
        """Write `to_chrome_json()` into a file.

        Raises:
            OSError: it cannot be written.
        """
        path = Path(path)
        path.write_text(self.to_chrome_json(), encoding="utf-8")
        return path

    def to_opentelemetry(self, tracer: Any = None) -> int:
        """Emit a span for each run and each task; see `spans`.

        Args:
            tracer: an OpenTelemetry tracer; by custom that of the global provider.

        Returns:
            The number of spans.

        Raises:
            MissingExtraError: `opentelemetry-api` is not installed.
        """
        return emit(self, tracer)

    def __str__(self) -> str:
        return timeline_text(self, self.critical_path, self.where, self.help)
