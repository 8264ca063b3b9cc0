"""The progress bar of `pmap(..., progress=True)`, drawn by `rich`, which is imported only then."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def showing(wanted: bool, name: str, total: int) -> Iterator[Callable[[], None] | None]:
    """A function that notes one finished item, or None where nothing is to be shown."""
    if not wanted:
        yield None
        return
    try:
        from rich.console import Console
        from rich.progress import Progress
    except ImportError:
        warnings.warn(
            "pmap(progress=True) needs rich, which is not installed; no progress is shown. "
            "Install ember-jit[rich].",
            RuntimeWarning,
            stacklevel=5,
        )
        yield None
        return
    lock = threading.Lock()
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=total)

        def tick() -> None:
            with lock:
                bar.advance(task)

        yield tick
