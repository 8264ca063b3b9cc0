"""What goes to a worker process and comes back: pickles, with their arrays beside them in shared memory.

Functions, closures and what `__main__` defines go by value (`cloudpickle`).  The buffers of arrays are written
once into an anonymous file in memory, of which the receiver gets the descriptor and a private mapping: nothing
is named, so nothing can leak, whoever is killed; and nobody sees what another writes.

    hold = Hold()                     # one for everything that is shipped together: equal buffers go once
    parcel = pack(value, hold)
    unpack(parcel, hold.descriptor)   # in another process, where the descriptor was sent
"""

from __future__ import annotations

import io
import mmap
import os
import pickle
import tempfile
from types import FunctionType
from typing import Any, NamedTuple

from ember_jit.runtime.originals import original_code, twin_of

LEAST = 1 << 14  # bytes: a smaller buffer is cheaper in the pickle
ALIGNED = 64


class CannotPickleError(Exception):
    """Why a value cannot be shipped; whoever ships it knows what it is and says so in a `ShippingError`."""


class Parcel(NamedTuple):
    """A pickle, and where its buffers lie in the hold."""

    data: bytes
    places: list[tuple[int, int]]


def is_possible() -> bool:
    """Whether functions can be shipped here."""
    try:
        import cloudpickle  # noqa: F401
    except ImportError:
        return False
    return True


def _memory_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("ember-jit", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


class Hold:
    """The buffers of what is shipped together, each written once."""

    def __init__(self) -> None:
        self.descriptor: int | None = None
        self._end = 0
        self._placed: dict[tuple[int, int], tuple[int, int]] = {}
        self._alive: list[Any] = []  # an address means something only while its buffer lives

    def place(self, buffer: pickle.PickleBuffer) -> tuple[int, int]:
        """Offset and size of `buffer` in the hold."""
        import numpy as np

        raw = buffer.raw()
        address = np.frombuffer(raw, np.uint8).__array_interface__["data"][0]
        key = (address, raw.nbytes)
        if key not in self._placed:
            if self.descriptor is None:
                self.descriptor = _memory_file()
            at = written = self._end
            while raw.nbytes:
                written += (count := os.pwrite(self.descriptor, raw, written))
                raw = raw[count:]
            self._end = -(-written // ALIGNED) * ALIGNED
            self._placed[key] = (at, written - at)
            self._alive.append(buffer)
        return self._placed[key]

    def close(self) -> None:
        """Let go of the memory; receivers keep theirs."""
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None
        self._alive.clear()


def pack(value: Any, hold: Hold) -> Parcel:
    """Pickle `value`, its large buffers into `hold`.

    Raises:
        CannotPickleError: `cloudpickle` is missing, or something in `value` cannot be pickled.
    """
    try:
        import cloudpickle
    except ImportError:
        raise CannotPickleError(
            "cannot be shipped: worker processes need cloudpickle, which is not installed. "
            'Install ember-jit[processes], or use backend="threads".'
        ) from None

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
        """Ships a compiled function as its author wrote it: what replaced its code belongs to this process."""

        def reducer_override(self, obj: Any) -> Any:
            reduced = super().reducer_override(obj)
            if isinstance(obj, FunctionType) and reduced is not NotImplemented:
                code = original_code(obj)
                if code is not obj.__code__:
                    twin = twin_of(obj, code)
                    twin.__dict__.update(vars(obj))
                    twins.append(twin)  # the pickler remembers objects by their addresses
                    return super().reducer_override(twin)
            return reduced

    twins: list[Any] = []
    places: list[tuple[int, int]] = []

    def beside(buffer: pickle.PickleBuffer) -> bool:
        if buffer.raw().nbytes < LEAST:
            return True  # in the pickle
        places.append(hold.place(buffer))
        return False

    file = io.BytesIO()
    try:
        Pickler(file, protocol=5, buffer_callback=beside).dump(value)
    except Exception as exc:  # whatever a `__reduce__` of the user's raises
        raise CannotPickleError(f"cannot be pickled ({type(exc).__name__}: {exc})") from exc
    return Parcel(file.getvalue(), places)


def unpack(parcel: Parcel, descriptor: int | None) -> Any:
    """What was packed; its arrays are private to this process and may be written."""
    if descriptor is None or not parcel.places:
        return pickle.loads(parcel.data)
    whole = memoryview(mmap.mmap(descriptor, 0, access=mmap.ACCESS_COPY))
    return pickle.loads(parcel.data, buffers=[whole[at : at + size] for at, size in parcel.places])
