"""A Hugging Face Hub on this machine, for tests: `LocalHub`.

It serves repositories of datasets and models from files on disk, with revisions, gates, redirects of moved repositories, and faults.
Large files come from another origin, `localhost` in place of 127.0.0.1, because `huggingface_hub` treats the two kinds of redirect in
different ways.
"""

from __future__ import annotations

import os
import re
import socket
import struct
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from tests.hub.answers import Answer, Answers, Request, Section
from tests.hub.catalogue import Catalogue
from tests.hub.faults import Fault, Faults
from tests.hub.log import LoggedRequest, RequestLog

READER_TOKEN, READER = "hf_reader", "reader"
STRANGER_TOKEN, STRANGER = "hf_stranger", "stranger"

BLOCK = 1 << 16  # bytes sent at once
IDLE = 60.0  # seconds; a connection without a request is closed after that
CLIENT_SETTINGS = re.compile(r"(HF|HUGGING_?FACE|TRANSFORMERS)_.*|(HTTPS?|ALL|NO)_PROXY", re.IGNORECASE)


class LocalHub(Catalogue):
    """A Hub that runs from its creation until `close`. Use it as a context manager.

    The users `READER` and `STRANGER` have tokens; a repository's `readers` say who of them may have a gated or private one.
    """

    def __init__(self, *, port: int = 0, latency: float = 0.0) -> None:
        """Serve on a port; 0: on a free one. `latency`: seconds before every answer."""
        super().__init__({READER_TOKEN: READER, STRANGER_TOKEN: STRANGER})
        self.log = RequestLog()
        self.faults = Faults()
        self.latency = latency
        self.closing = threading.Event()
        self._server = _Server(self, port)
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.answers = Answers(self, self.url, f"http://localhost:{self.port}")
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop at once, as a killed server does: open connections end, also in the middle of an answer, and new ones are refused."""
        if self.closing.is_set():
            return
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._server.end_connections()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def environment(self, home: Path, *, token: str | None = None, offline: bool = False, timeout: int = 3) -> dict[str, str]:
        """The environment of a child process that uses this Hub, with all its caches in the folder `home`.

        `token`: that of its user; None: it is logged out. `offline`: it may send no requests. `timeout`: seconds that it waits for an
        answer. Settings of the Hub's clients that this process has, such as those of `tests/conftest.py`, are left out.
        """
        kept = {name: value for name, value in os.environ.items() if not CLIENT_SETTINGS.fullmatch(name)}
        chosen = {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home / "huggingface"),
            "HF_HUB_ETAG_TIMEOUT": str(timeout),
            "HF_HUB_DOWNLOAD_TIMEOUT": str(timeout),
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_UPDATE_CHECK": "1",
            "HF_HUB_DISABLE_XET": "1",
            "GEMMA_EVAL_CACHE": str(home / "gemma_eval"),
        }
        return kept | chosen | ({"HF_TOKEN": token} if token else {}) | ({"HF_HUB_OFFLINE": "1"} if offline else {})


class _Server(ThreadingHTTPServer):
    """The sockets of a Hub."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, hub: LocalHub, port: int) -> None:
        self.hub = hub
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def end_connections(self) -> None:
        """End all connections. Their threads notice it and stop."""
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet about clients that go away; print all other errors, which are bugs of this server."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _ConnectionOverError(ConnectionError):
    """A fault, or the end of the Hub, ends the connection."""


class _Handler(BaseHTTPRequestHandler):
    """One connection, with one request after the other."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # header and body are sent apart: without this, each answer waits 40 ms for the client's ACK
    timeout = IDLE
    server: _Server

    def do_GET(self) -> None:
        self._serve()

    def do_HEAD(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing: the Hub has its own log."""

    def _serve(self) -> None:
        hub = self.server.hub
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ").strip() or None
        logged = LoggedRequest(self.command, unquote(self.path), self.headers.get("Range"), token is not None)
        hub.log.add(logged)
        try:
            fault = hub.faults.next(logged.line)
            self._wait(hub.latency + (fault.delay if fault else 0.0))
            request = Request(self.command, url.path, parse_qs(url.query), token, logged.range, body)
            self._send(logged, self._answer(request, fault), fault.drop if fault else None)
        except ConnectionError:
            self.close_connection = True

    def _answer(self, request: Request, fault: Fault | None) -> Answer:
        """The right answer, or what a fault makes of it."""
        if fault is None:
            return self.server.hub.answers.answer(request)
        if fault.hang:
            self._wait(None)
        if fault.reset:
            self._reset()
        if fault.status is not None:
            return Answer(fault.status, {"Content-Type": "application/json", **fault.headers}, fault.body.encode())
        answer = self.server.hub.answers.answer(request)
        return answer if fault.truncate is None else _cut(answer, fault.truncate)

    def _wait(self, seconds: float | None) -> None:
        """Wait so many seconds, or for ever. Raises `_ConnectionOverError` when the Hub is closed meanwhile."""
        if self.server.hub.closing.wait(seconds):
            raise _ConnectionOverError

    def _reset(self) -> None:
        """End the connection with RST in place of FIN."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        raise _ConnectionOverError

    def _send(self, logged: LoggedRequest, answer: Answer, drop: int | None) -> None:
        """Send an answer. The log counts what is about to be sent, so that it is right when the client has it."""
        logged.status = answer.status
        self.send_response(answer.status)
        self._send_headers({**answer.headers, "Content-Length": str(answer.length)})
        if self.command == "HEAD":
            return
        left = answer.length if drop is None else min(drop, answer.length)
        for block in _blocks(answer.body, left):
            logged.sent += len(block)
            try:
                self.wfile.write(block)
            except OSError as error:
                logged.sent -= len(block)
                raise _ConnectionOverError from error
        if left < answer.length:
            self.connection.shutdown(socket.SHUT_RDWR)
            raise _ConnectionOverError

    def _send_headers(self, headers: Mapping[str, str]) -> None:
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


def _cut(answer: Answer, length: int) -> Answer:
    """The answer with at most so many bytes of its body. Redirects and refusals stay whole."""
    if answer.status >= 300:
        return answer
    body = answer.body
    cut = Section(body.path, body.start, min(length, body.length)) if isinstance(body, Section) else body[:length]
    return Answer(answer.status, answer.headers, cut)


def _blocks(body: bytes | Section, length: int) -> Iterator[bytes]:
    """The first `length` bytes of a body, in blocks."""
    if isinstance(body, bytes):
        yield from (body[start : min(start + BLOCK, length)] for start in range(0, length, BLOCK))
        return
    with body.path.open("rb") as stream:
        stream.seek(body.start)
        while length > 0 and (block := stream.read(min(BLOCK, length))):
            length -= len(block)
            yield block
