"""A server as an engine: its dialect says what to send and how to read it, its client sends it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from gemma_eval.backends.prefix_cache.messages import EngineReply, EngineRequest, GenerateRequest, NoAnswerError
from gemma_eval.backends.server.client import AwayError, Client
from gemma_eval.backends.server.dialect import Dialect
from gemma_eval.errors import GemmaEvalError


class ServerEngine:
    """Feeds a server with requests in one dialect. See `CachingEngine` for the methods. `small`: a request that it has answered before."""

    def __init__(self, client: Client, dialect: Dialect, small: Mapping[str, Any]) -> None:
        self.max_in_flight = client.concurrency
        self._client = client
        self._dialect = dialect
        self._small = dict(small)

    def submit(self, tag: str, request: EngineRequest) -> None:
        """Send a request."""
        self._client.post(tag, "/completions", self._dialect.payload(request))

    def step(self) -> Iterator[tuple[str, Any]]:
        """Wait for the next response."""
        yield self._client.next_response()

    def reply(self, request: EngineRequest, output: Any) -> EngineReply:
        """A response's JSON as a reply. Raises `NoAnswerError` if there is none, and `RunError` if the server is away or refuses all."""
        if isinstance(output, AwayError) and self._answers():
            raise NoAnswerError(f"the server answers others, but not this one ({output.problem})")
        if isinstance(output, Exception):
            raise output
        reply = self._dialect.reply(request, output)
        if isinstance(request, GenerateRequest) and reply.generated > request.settings.max_tokens + 1:  # some count the end token
            raise NoAnswerError(f"the server generated {reply.generated} tokens where {request.settings.max_tokens} are the most")
        return reply

    def generated(self) -> int:
        """0: a server says nothing of a text before it is finished."""
        return 0

    def abort(self, tags: Collection[str]) -> None:
        """Cancel these requests."""
        self._client.cancel(tags)

    def _answers(self) -> bool:
        """Whether the server answers a request that gave it no trouble before."""
        try:
            self._client.request("POST", "/completions", self._small, attempts=1)
        except GemmaEvalError:
            return False
        return True
