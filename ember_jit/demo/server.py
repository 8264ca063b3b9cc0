"""An HTTP server on this machine that stands for a remote model.

It serves the rule-based models of `models`, and takes 50 to 300 ms over each request, as a remote
model would. How long depends on the model and the prompt alone, so a program that is run twice
waits twice for the same times. Requests are served at the same time, each on a thread.

    POST /complete   {"model": str, "prompt": str, "seed": int,
                      "passages": [{"name": str, "text": str}, ...]}
    200              {"model": str, "text": str, "picked": [int], "scores": [float]}
    400, 404         {"error": str}

    >>> with ModelServer() as server:
    ...     server.url.startswith("http://127.0.0.1:")
    True
"""

import hashlib
import json
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from types import TracebackType
from typing import Any, Self

from ember_jit.demo.models import MODELS, Request, Source, complete

SHORTEST_LATENCY = 0.050
LONGEST_LATENCY = 0.300

Pause = Callable[[str, float], object]
"""Waits for a request's latency; called with its model and the seconds."""


def latency(model: str, prompt: str) -> float:
    """Seconds that the server takes over a prompt: a fixed number for each pair.

    Example:
        >>> latency("judge", "Choose: x") == latency("judge", "Choose: x")
        True
    """
    digest = hashlib.blake2b(f"{model}\n{prompt}".encode(), digest_size=4).digest()
    share = int.from_bytes(digest) / 0xFFFFFFFF
    return SHORTEST_LATENCY + share * (LONGEST_LATENCY - SHORTEST_LATENCY)


class ModelServer:
    """The server, running from the entry of its `with` block to the exit.

    Attributes:
        url: ``http://127.0.0.1:<port>``, on a port that the system chose.
        pause: What waits for the latency. By default it waits that long, and is cut short when the
            server closes; tests put their own in its place.
    """

    def __init__(self, pause: Pause | None = None) -> None:
        self._closing = threading.Event()
        self.pause: Pause = pause if pause is not None else self._wait
        self._http = _Listener(("127.0.0.1", 0), self.pause)
        self._thread = threading.Thread(
            target=self._http.serve_forever,
            kwargs={"poll_interval": 0.02},
            name="demo-model-server",
            daemon=True,
        )
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def _wait(self, _model: str, seconds: float) -> None:
        self._closing.wait(seconds)


class _Listener(ThreadingHTTPServer):
    """Takes connections; a burst of them queues, which the default backlog of 5 would refuse."""

    request_queue_size = 128
    daemon_threads = True

    def __init__(self, address: tuple[str, int], pause: Pause) -> None:
        super().__init__(address, _Conversation)
        self.pause = pause

    def server_bind(self) -> None:
        """Binds without HTTPServer's reverse name look-up, which can take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]


class _Conversation(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    server: _Listener  # pyright: ignore[reportIncompatibleVariableOverride] - only _Listener makes it
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        """Answers a completion request after its latency, and anything else at once."""
        if self.path != "/complete":
            self._reply(404, {"error": f"no such endpoint: {self.path}"})
            return
        try:
            request = _parse(self.rfile.read(int(self.headers.get("Content-Length", "0"))))
        except (KeyError, TypeError, ValueError) as error:
            self._reply(400, {"error": f"malformed request: {error!r}"})
            return
        self.server.pause(request.model, latency(request.model, request.prompt))
        self._reply(200, {"model": request.model, **asdict(complete(request))})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Keeps the request log out of the demo's output."""

    def _reply(self, status: int, content: dict[str, Any]) -> None:
        payload = json.dumps(content).encode()
        with suppress(ConnectionError):  # a client that gave up needs no reply
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)


def _parse(body: bytes) -> Request:
    """The request in a body.

    Raises:
        KeyError: The model or the prompt is missing, or there is no such model.
        TypeError: A part is not of the kind it should be.
        ValueError: The body is not JSON, or the seed is not a number.
    """
    content = json.loads(body)
    if content["model"] not in MODELS:
        raise KeyError(content["model"])
    return Request(
        model=content["model"],
        prompt=str(content["prompt"]),
        passages=tuple(
            Source(str(passage["name"]), str(passage["text"]))
            for passage in content.get("passages", ())
        ),
        seed=int(content.get("seed", 0)),
    )
