"""The requests that a local Hub got, and what it sent."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Part = Literal["api", "resolve", "cdn", "other"]
"""Part of the Hub: its API, the addresses of files, and the other origin that large files come from."""


@dataclass
class LoggedRequest:
    """A request. `status` and `sent` (bytes of the body) change while it is answered.

    `status` is 0 until there is one, and stays 0 if there never is one. `authorised`: the request carried a token.
    """

    method: str
    path: str
    range: str | None
    authorised: bool
    status: int = 0
    sent: int = 0

    @property
    def line(self) -> str:
        """Method, and unquoted path with query."""
        return f"{self.method} {self.path}"

    @property
    def part(self) -> Part:
        """The part of the Hub that was asked."""
        if self.path.startswith("/api/"):
            return "api"
        if self.path.startswith("/cdn/"):
            return "cdn"
        return "resolve" if "/resolve/" in self.path else "other"

    def __str__(self) -> str:
        return f"{self.status} {self.line} {self.range or ''} {self.sent} bytes".replace("  ", " ")


class RequestLog:
    """The requests in the order in which they came. A request is in the log before its answer begins."""

    def __init__(self) -> None:
        self._requests: list[LoggedRequest] = []

    def add(self, request: LoggedRequest) -> None:
        self._requests.append(request)

    def clear(self) -> None:
        """Forget all requests."""
        self._requests = []

    def select(self, pattern: str = "", *, part: Part | None = None) -> list[LoggedRequest]:
        """The requests to a part of the Hub whose "METHOD path" contains a regular expression."""
        return [request for request in list(self._requests) if part in (None, request.part) and re.search(pattern, request.line)]

    def count(self, pattern: str = "", *, part: Part | None = None) -> int:
        """How many requests `select` gives."""
        return len(self.select(pattern, part=part))

    def sent(self, pattern: str = "", *, part: Part | None = None) -> int:
        """Bytes of the bodies that were sent for the requests that `select` gives."""
        return sum(request.sent for request in self.select(pattern, part=part))

    def __len__(self) -> int:
        return len(self._requests)

    def __iter__(self) -> Iterator[LoggedRequest]:
        return iter(list(self._requests))

    def __str__(self) -> str:
        return "\n".join(map(str, self))
