"""A socket that carries pickled messages, each with at most one file descriptor.

Why not `multiprocessing.connection`: it takes longer to import than a worker takes for a small shard, and does
not send descriptors with its messages.
"""

from __future__ import annotations

import pickle
import select
import socket
import struct
from collections.abc import Iterable
from typing import Any

_HEAD = struct.Struct("!Q?")  # the size of the pickle, and whether a descriptor comes with it


class Channel:
    """One end; both ends are used by one thread at a time."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def fileno(self) -> int:
        """The descriptor of the socket, -1 once it is closed."""
        return self._end.fileno()

    def close(self) -> None:
        """Hang up."""
        self._end.close()

    def send(self, message: Any, descriptor: int | None = None) -> None:
        """Send a message, and a duplicate of `descriptor`.

        Raises:
            ConnectionError: nobody is at the other end.
        """
        data = pickle.dumps(message, protocol=5)
        head = _HEAD.pack(len(data), descriptor is not None)
        if descriptor is None:
            self._end.sendall(head)
        else:
            sent = socket.send_fds(self._end, [head], [descriptor])
            self._end.sendall(head[sent:])
        self._end.sendall(data)

    def receive(self) -> tuple[Any, int | None]:
        """A message, and the descriptor that came with it, which the caller closes.

        Raises:
            EOFError, ConnectionError: nobody is at the other end.
        """
        head, found, _, _ = socket.recv_fds(self._end, _HEAD.size, 1)
        size, has_descriptor = _HEAD.unpack(head + self._exactly(_HEAD.size - len(head)))
        message = pickle.loads(self._exactly(size))
        return message, found[0] if has_descriptor else None

    def _exactly(self, size: int) -> bytearray:
        data = bytearray(size)
        rest = memoryview(data)
        while rest:
            count = self._end.recv_into(rest)
            if not count:
                raise EOFError
            rest = rest[count:]
        return data


def ready(channels: Iterable[Channel], seconds: float) -> list[Channel]:
    """Those of `channels` with something to receive, or with nobody at the other end, after a while none."""
    waiting = {channel.fileno(): channel for channel in channels}
    poll = select.poll()
    for number in waiting:
        poll.register(number, select.POLLIN)
    return [waiting[number] for number, _ in poll.poll(1000 * seconds)]
