"""The progress bar of `pmap(..., progress=True)`, drawn by `rich`, which is imported only then."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ember_jit import dependencies


@contextmanager
def showing(wanted: bool, name: str, total: int) -> Iterator[Callable[[], None] | None]:
    """A function that notes one finished item, or None where nothing is to be shown."""
    if not wanted:
        yield None
        return
    if dependencies.load("rich", "rich.console", "rich.progress") is None:
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    lock = threading.Lock()
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=total)

        def tick() -> None:
            with lock:
                bar.advance(task)

        yield tick
