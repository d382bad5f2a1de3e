"""A server as an engine: its dialect says what to send and how to read it, its client sends it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from gemma_eval.backends.prefix_cache.messages import EngineReply, EngineRequest
from gemma_eval.backends.server.client import Client
from gemma_eval.backends.server.dialect import Dialect


class ServerEngine:
    """Feeds a server with requests in one dialect. See `CachingEngine` for the methods."""

    def __init__(self, client: Client, dialect: Dialect) -> None:
        self.max_in_flight = client.concurrency
        self._client = client
        self._dialect = dialect

    def submit(self, tag: str, request: EngineRequest) -> None:
        """Send a request."""
        self._client.post(tag, "/completions", self._dialect.payload(request))

    def step(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Wait for the next response. Raises `RunError` if the server refuses a request or stays away."""
        yield self._client.next_response()

    def reply(self, request: EngineRequest, output: dict[str, Any]) -> EngineReply:
        """A response's JSON as a reply."""
        return self._dialect.reply(request, output)

    def generated(self) -> int:
        """0: a server says nothing of a text before it is finished."""
        return 0

    def abort(self, tags: Collection[str]) -> None:
        """Cancel these requests."""
        self._client.cancel(tags)
