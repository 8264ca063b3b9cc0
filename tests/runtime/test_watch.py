"""The watch: it loses no run that relies on it."""

from __future__ import annotations

import weakref

import pytest

from ember_jit.runtime.watch import Watch


class Stub:
    """A run that, while it is looked at, ends and leaves its id to another."""

    progress = 0

    def __init__(self, watch: Watch, heir: object, answer: int) -> None:
        self.watch, self.heir, self.answer = watch, heir, answer

    def stalled(self, progress: int) -> int:
        with self.watch.lock:
            self.watch.runs[id(self)] = (weakref.ref(self.heir), 0)
        return self.answer


class Heir:
    progress = 0


@pytest.mark.parametrize("answer", [-1, 5])
def test_a_run_that_takes_over_the_id_of_another_stays_watched(answer: int) -> None:
    watch, heir = Watch(), Heir()
    ending = Stub(watch, heir, answer)
    watch.add(ending)
    watch.look()
    reference, progress = watch.runs[id(ending)]
    assert reference() is heir
    assert progress == 0
    assert watch.bell.is_set()
